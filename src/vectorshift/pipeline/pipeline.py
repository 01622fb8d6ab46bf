"""`Pipeline`: the calls of the API for pipelines and their runs."""

from __future__ import annotations

import json

# Some names are only in the annotations of what `twins` makes: what a driver returns.
# pyright: reportUnusedImport=false
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence  # noqa: F401
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, cast

from vectorshift._compat import PIPELINE_MEMBERS, Absent
from vectorshift._platform.public import Self
from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.client.call import Call
from vectorshift.client.default import PinnedClients
from vectorshift.credentials.values import masked
from vectorshift.errors import NotFoundError
from vectorshift.pipeline import runs
from vectorshift.pipeline.chunks import AsyncChunks, achunks, chunks  # noqa: F401
from vectorshift.pipeline.handler import RunHandler
from vectorshift.pipeline.ids import checked_id, folder_of, post, printable, segment
from vectorshift.pipeline.pages import Walk, apages, pages
from vectorshift.pipeline.results import (
    Answer,
    BulkRunResult,
    PipelineList,
    RunResult,
    RunStatus,
    StreamChunk,  # noqa: F401
    as_object,
    first_id,
    id_in,
    id_of,
    object_in,
    pipelines_in,
    text_in,
)
from vectorshift.pipeline.steps import Use, Wait, twins

if TYPE_CHECKING:
    from vectorshift.pipeline.steps import Client, Steps

__all__ = ["Pipeline"]


class Pipeline:
    """A pipeline of the organisation that the key belongs to.

    `Pipeline.fetch` returns one with its name and everything else from the server; `Pipeline(id)`
    contacts nothing.

    Every call takes `client=`. The default is the client that the pipeline was created with, else
    the client of the process. The latter acts for the organisation of the surrounding `using`
    block, if there is one. Each call has an async twin whose name begins with `a`. This package
    does not build pipelines node by node.

    Args:
        id: its id, also in Mongo extended JSON.
        name: its name, if you know it.
        branch_id: its branch, if you know it.
        client: the client to use, for sync or async calls, by its type.

    Attributes:
        raw: the object as the server sent it; without a request, what you passed.

    Raises:
        ValueError: the id is empty.
        AuthenticationError: on a call, no key was found, or the API rejects it.
        PermissionDeniedError: on a call, the key lacks the scope.
        VectorshiftApiError: on a call, the API answered with another failure.
        ApiConnectionError: on a call, the API did not answer.
        CredentialError: on a call, a configured source of the key failed.
    """

    raw: dict[str, Any]

    def __init__(
        self,
        id: str | Mapping[str, Any],
        *,
        name: str | None = None,
        branch_id: str | None = None,
        client: VectorShift | AsyncVectorShift | None = None,
    ) -> None:
        self._client = client = masked(client)  # it may be a key, by mistake
        self._id = checked_id(id)
        self.raw = {} if name is None else {"name": name}
        if branch_id is not None:
            self.raw["mainBranch"] = branch_id

    @classmethod
    def _described(cls, id: str, raw: dict[str, Any], client: Client | None) -> Self:
        pipeline = cls(id, client=client)
        pipeline.raw = raw
        return pipeline

    def _named(self, client: Client | None) -> Client | None:
        """Return the client that was passed to a call, else that of this pipeline, else None."""
        return self._client if client is None else client

    @property
    def id(self) -> str:
        """The pipeline's id."""
        return self._id

    @property
    def name(self) -> str | None:
        """The pipeline's name, or None if unknown."""
        return None if self.raw.get("name") is None else text_in(self.raw, "name")

    @property
    def branch_id(self) -> str | None:
        """The pipeline's main branch, or None if unknown."""
        return first_id(self.raw, "mainBranch", "branch_id")

    # --- Finding pipelines ---

    @twins()
    @classmethod
    def list(
        cls,
        folder_id: str | None = None,
        include_shared: bool | None = False,
        verbose: bool | None = True,
        offset: int | None = None,
        limit: int | None = None,
        *,
        client: Client | None = None,
    ) -> Steps[PipelineList[Self]]:
        """List the pipelines: one page, as the server sends it. `iterate` goes through all pages.

        Args:
            folder_id: only those in this folder.
            include_shared: whether to list pipelines that others share with the organisation.
            verbose: True for names and descriptions; False for only ids.
            offset: how many to skip at the beginning.
            limit: how many to return at most.
            client: the client to use, also by the pipelines that are returned.

        Returns:
            A list of pipelines. `.ids` has their ids, `.raw` the answer as the server sent it.

        Raises:
            AuthenticationError: no key was found, or the API rejects it. PermissionDeniedError: the
            key lacks the scope. VectorshiftApiError: the API answered with another failure, or
            without a list of pipelines.
            ApiConnectionError: the API did not answer.
            CredentialError: a configured source of the key failed.
        """
        yield Use(client)
        query = {
            "include_shared": bool(include_shared),
            "verbose": bool(verbose),
            "folder_id": folder_of(folder_id),
            "offset": offset,
            "limit": limit,
        }
        found, answer = yield Call("GET", "/pipelines", query, parse=pipelines_in)
        listed = [cls._described(id, raw, client) for id, raw in found]
        return PipelineList(listed, raw=answer, offset=offset, limit=limit)

    @twins(pages, apages)
    @classmethod
    def iterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: Client | None = None,
    ) -> Walk[Self]:
        """Yield all pipelines, each once. All pages are read before the first pipeline is yielded,
        so the loop may delete pipelines.

        The iterator keeps its client, and so its organisation, also after a `using` block. If
        reading a page fails, the loop raises, and the next step reads that page again. A cancelled
        async wait loses nothing. If another process deletes a pipeline during the read, the list
        may miss one.

        Args:
            include_shared: whether to yield pipelines that others share with the organisation.
            folder_id: only those in this folder.
            page_size: how many to ask for at a time.
            client: the client to use, also by the pipelines that are yielded.

        Raises:
            ValueError: `page_size` is below 1.
        """
        if page_size < 1:
            raise ValueError(f"page_size should be a number above 0, not {page_size}.")
        query = {"include_shared": bool(include_shared), "folder_id": folder_of(folder_id)}
        return Walk(
            PinnedClients(client), query, page_size, lambda id, raw: cls._described(id, raw, client)
        )

    @twins()
    @classmethod
    def fetch(
        cls,
        id: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        branch_id: str | None = None,
        version: str | int | None = None,
        username: str | None = None,
        org_name: str | None = None,
        *,
        client: Client | None = None,
    ) -> Steps[Self]:
        """Fetch a pipeline by its id or its name. `raw` has the object from the server.

        Args:
            id: its id, also in Mongo extended JSON.
            name: its name; if several have this name, the server chooses the one that was changed
                last.
            branch_id: the branch, for a fetch by id.
            version: the version, such as `1.2.0` or `latest`, for a fetch by id.
            username: the owner's user name.
            org_name: the owner's organisation.
            client: the client to use, also by the pipeline that is returned.

        Raises:
            NotFoundError: no such pipeline is visible to this key.
            ValueError: neither an id nor a name is passed, or the id is invalid.
        """
        yield Use(client)
        if not id and not name:
            raise ValueError("Pipeline.fetch takes the id or the name of a pipeline.")
        wanted = checked_id(id) if id else None
        query = {
            "id": wanted,
            "name": name or None,
            "username": username,
            "org_name": org_name,
            "branch_id": branch_id,
            "version": version,
        }
        return (yield from cls._found(query, client))

    @classmethod
    def _found(cls, query: dict[str, Any], client: Client | None) -> Steps[Self]:
        def parse(body: object) -> Pipeline:
            found = as_object(object_in(body).get("object"))
            known = id_of(found) or query["id"]
            if found is None or not known:
                raise ValueError("has no object")
            return cls._described(known, found, client)

        wanted = f"with the id {query['id']!a:.100}"
        if not query["id"]:
            wanted = f"named {query['name']!a:.100}"
        missing = f"No pipeline {wanted} is visible to this key."
        pipeline: Self = yield Call("GET", "/pipeline", query, parse=parse, missing=missing)
        return pipeline

    # --- Running it ---

    @twins()
    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream: bool = False,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: Client | None = None,
    ) -> Steps[RunResult]:
        """Run the pipeline and wait for its outputs: `result["outputs"]["answer"]`, or
        `result.outputs["answer"]`.

        Args:
            inputs: values by the names of the input nodes. A `Path`, bytes or an open binary file
                is sent as a file. So is a tuple of a name, one of these and optionally a media
                type. Files are read before anything is sent; a file that you opened stays open.
            stream: True returns the lines of an event stream, as bytes, like the official SDK.
                `Pipeline.stream` yields chunks, and raises if the run fails.
            stream_all_outputs: whether the outputs of all nodes come.
            session_id: groups runs in analytics and traces.
            node_input_overrides: inputs of nodes, by node.
            send_intermediate_results: passed to the API.
            version: the version to run.
            timeout: seconds to wait for the answer; 600 where neither this nor another time-out is
                set.
            client: the client to use.

        Raises:
            VectorshiftError: a file cannot be read; nothing was sent.
            PipelineRunFailedError: the API says that the run failed.
            VectorshiftApiError: the API answered with another failure.
            ApiConnectionError: the API did not answer; whether the run took place is at
                `may_have_run`.
        """
        fields = {
            "session_id": session_id,
            "version": version,
            "node_input_overrides": node_input_overrides,
            "send_intermediate_results": send_intermediate_results,
            "stream_all_outputs": stream_all_outputs or None,
        }
        if not stream:
            yield Use(self._named(client))
            return (yield from runs.run(self.id, inputs, fields, timeout))
        clients = PinnedClients(self._named(client))
        caller = yield Use(clients)
        lines = runs.StreamedRun(clients, self.id, inputs, fields, timeout, raw=True)
        found: Any = (chunks if isinstance(caller, VectorShift) else achunks)(lines)
        return cast("RunResult", found)  # the stub has the real type

    @twins()
    def bulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: Client | None = None,
    ) -> Steps[BulkRunResult]:
        """Run the pipeline once for each of `inputs`, in one call, and wait for all:
        `result["run_outputs"]`.

        If only some of the runs fail, nothing is raised: see `error` of each of `result.runs`.

        Args:
            inputs: the inputs of each run, as `run` takes them.
            timeout: seconds to wait for the answer; 600 where neither this nor another time-out is
                set.
            progress: whether to show a progress bar, if standard error is a terminal. Needs the
                extra `cli`.
            client: the client to use.

        Raises:
            PipelineRunFailedError: the API says that the whole call failed.
            VectorshiftApiError: as `run`.
            TypeError: `inputs` is not a list.
            ImportError: `progress` is set, but its package is not installed.
        """
        caller = yield Use(self._named(client))
        return (yield from runs.bulk_run(self.id, inputs, timeout, progress, caller))

    @twins(chunks, achunks)
    def stream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        version: str | None = None,
        *,
        timeout: float | None = None,
        client: Client | None = None,
    ) -> runs.StreamedRun:
        """Run the pipeline and yield its outputs as they arrive, to `for`, or with `astream` to
        `async for`.

        The run begins with the first chunk. Leaving a sync loop closes the connection, and so do
        cancelling and leaving `async with contextlib.aclosing(...)`. Without `aclosing`, an async
        loop closes it soon after, when the iterator is garbage-collected. The stream keeps its
        client, and so its organisation, also after a `using` block.

        Args:
            inputs: as `run` takes them.
            stream_all_outputs: whether the outputs of all nodes come.
            session_id: as `run` takes it.
            node_input_overrides: as `run` takes them.
            version: as `run` takes it.
            timeout: seconds to wait for the next event; 600 where neither this nor another time-out
                is set.
            client: the client to use.

        Raises:
            PipelineRunFailedError: an event says that the run failed.
            ApiConnectionError: the connection broke.
            VectorshiftApiError: as `run`.
        """
        fields = {
            "session_id": session_id,
            "version": version,
            "node_input_overrides": node_input_overrides,
            "stream_all_outputs": stream_all_outputs or None,
        }
        clients = PinnedClients(self._named(client))
        return runs.StreamedRun(clients, self.id, inputs, fields, timeout)

    @twins()
    def start(
        self,
        inputs: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        webhook_url: str | None = None,
        version: str | None = None,
        trace_id: str | None = None,
        *,
        client: Client | None = None,
    ) -> Steps[RunHandler]:
        """Start a run in the background and return a handler that gets its status and ends it.

        Args:
            inputs: as `run` takes them.
            session_id: as `run` takes it.
            node_input_overrides: as `run` takes them.
            send_intermediate_results: as `run` takes it.
            webhook_url: the URL that the API calls when the run has ended.
            version: as `run` takes it.
            trace_id: the name of the run in traces.
            client: the client to use, also by the handler.
        """
        clients = PinnedClients(self._named(client))
        yield Use(clients)
        fields = {
            "session_id": session_id,
            "version": version,
            "node_input_overrides": node_input_overrides,
            "send_intermediate_results": send_intermediate_results,
            "webhook_url": webhook_url,
            "trace_id": trace_id,
        }
        task_id, trace_id = yield from runs.start(self.id, inputs, fields)
        return RunHandler(self.id, task_id, trace_id, client=clients)

    @twins()
    def run_status(self, run_id: str, *, client: Client | None = None) -> Steps[RunStatus]:
        """Return the status of a background run. A failed run does not raise."""
        yield Use(self._named(client))
        return (yield from runs.status(self.id, run_id))

    @twins()
    def terminate(self, run_id: str, *, client: Client | None = None) -> Steps[Answer]:
        """End a background run. Its status is `cancelled` from then on."""
        yield Use(self._named(client))
        return (yield from runs.terminate(self.id, run_id))

    # --- Managing it ---

    @twins()
    def delete(self, *, client: Client | None = None) -> Steps[Answer]:
        """Delete the pipeline and return the answer, `{"status": "success"}`.

        The API may fail right after a pipeline was created, so a retry waits at least 1 s.
        """
        yield Use(self._named(client))
        path = f"/pipeline/{segment(self.id)}"
        answer: Answer = yield Call("DELETE", path, min_pause=1.0, parse=Answer.of)
        return answer

    @twins()
    def duplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: Client | None = None,
    ) -> Steps[Self]:
        """Copy the pipeline, and return the copy as the server describes it.

        Args:
            name: the copy's name; by default, the server chooses one.
            description: the copy's description.
            folder_id: where to put it.
            client: the client to use, also by the pipeline that is returned.
        """
        yield Use(self._named(client))
        fields = {"name": name, "description": description, "folder_id": folder_id}
        copied, _ = yield replace(post(self.id, "duplicate", fields), parse=id_in)
        try:
            return (yield from self._found({"id": copied}, self._named(client)))
        except NotFoundError:  # the API may not have it yet
            yield Wait(1.0)
            return (yield from self._found({"id": copied}, self._named(client)))

    @twins()
    def share(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: Client | None = None,
    ) -> Steps[Answer]:
        """Share the pipeline with a user or an organisation.

        Args:
            user_id: the user.
            org_id: the organisation.
            role: what they may do.
            name: its name for them.
            client: the client to use.

        Raises:
            ValueError: neither a user nor an organisation is given.
        """
        fields = {**_guest(user_id, org_id), "role": role, "name": name}
        return (yield from self._post("share", fields, client))

    @twins()
    def unshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: Client | None = None,
    ) -> Steps[Answer]:
        """Undo `share`. Raises as `share`."""
        return (yield from self._post("unshare", _guest(user_id, org_id), client))

    @twins()
    def revert(self, version: str, *, client: Client | None = None) -> Steps[Answer]:
        """Revert the pipeline to a version, such as `1.2.0`.

        This object does not change; `fetch` returns the new state.
        """
        return (yield from self._post("revert", {"version": version}, client))

    def _post(self, action: str, fields: dict[str, Any], client: Client | None) -> Steps[Answer]:
        yield Use(self._named(client))
        answer: Answer = yield post(self.id, action, fields)
        return answer

    # --- As a value ---

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle the pipeline. Raises TypeError if it has a client: without it, the copy might act
        for another organisation.
        """
        if self._client is not None:
            raise TypeError(
                "A Pipeline that has a client cannot be pickled: connections stay in their "
                "process. Pass its id, and create Pipeline(id, client=...) there."
            )
        return super().__reduce_ex__(protocol)

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __repr__(self) -> str:
        return f"<Pipeline {printable(self.id)}{f' {self.name!r}' if self.name else ''}>"

    def __str__(self) -> str:
        """Return the tag that names the pipeline in a text for VectorShift's agents.

        A name that could end the tag is omitted: the platform fills it in.
        """
        name = self.name or ""
        shown = name if name and not {"<", ">"} & {*name} else "vs_no_show"
        about = json.dumps({"objectType": 0, "objectId": self.id}, separators=(",", ":"))
        return f"<vs-context><object-info>{about}</object-info><txt>{shown}</txt></vs-context>"


if not TYPE_CHECKING:  # type checkers know that these are missing
    for _name in PIPELINE_MEMBERS:
        setattr(Pipeline, _name, Absent(_name))


def _guest(user_id: str | None, org_id: str | None) -> dict[str, Any]:
    if not user_id and not org_id:
        raise ValueError("Pass user_id or org_id.")
    return {"user_id": user_id or None, "org_id": org_id or None}
