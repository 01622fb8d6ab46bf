"""`Pipeline`: the calls of the API that are about pipelines and their runs."""

# Written by `python -m tests.pipeline.stub` from the classes: do not edit.
# ruff: noqa: UP043

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import Any, Literal, SupportsIndex

from typing_extensions import Self

from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.client.default import PinnedClients
from vectorshift.pipeline.chunks import AsyncChunks as AsyncChunks
from vectorshift.pipeline.results import (
    Answer as Answer,
    BulkRunResult as BulkRunResult,
    PipelineList as PipelineList,
    RunResult as RunResult,
    RunStatus as RunStatus,
    StreamChunk as StreamChunk,
)

__all__ = [
    "Answer",
    "AsyncChunks",
    "BulkRunResult",
    "Pipeline",
    "PipelineList",
    "RunHandler",
    "RunResult",
    "RunStatus",
    "StreamChunk",
]

class Pipeline:
    """A pipeline of the organisation that the key belongs to.

    `Pipeline.fetch` gives one with its name and all that the server says of it; `Pipeline(id)`
    contacts nothing.

    Every call takes `client=`; without it, the client is used that the pipeline was made with, and
    where none was named, the client of the process, as the organisation of the moment: that of the
    surrounding `using` block, if there is one. Each call has an async twin whose name begins with
    `a`. Building pipelines node by node is no part of this package.

    Args:
        id: its id, also in Mongo extended JSON.
        name: its name, if you know it.
        branch_id: its branch, if you know it.
        client: the client to use, for sync or async calls, by its type.

    Attributes:
        raw: the object as the server sent it; what you know of it, if the server was not asked.

    Raises:
        ValueError: the id is empty.
        AuthenticationError: on a call, no key was found, or the API refuses it.
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
    ) -> None: ...
    @property
    def id(self) -> str:
        """The pipeline's id."""
    @property
    def name(self) -> str | None:
        """The pipeline's name, or None if it is not known."""
    @property
    def branch_id(self) -> str | None:
        """The pipeline's main branch, or None if it is not known."""
    @classmethod
    def list(
        cls,
        folder_id: str | None = None,
        include_shared: bool | None = False,
        verbose: bool | None = True,
        offset: int | None = None,
        limit: int | None = None,
        *,
        client: VectorShift | None = None,
    ) -> PipelineList[Self]:
        """List the pipelines: one page, as the server sends it. `iterate` goes through all pages.

        Args:
            folder_id: only those in this folder.
            include_shared: whether to list those that others share with the organisation.
            verbose: whether to ask for names and descriptions; False: for ids alone.
            offset: how many to leave out at the beginning.
            limit: how many to give at most.
            client: the client to use, also by the pipelines that are returned.

        Returns:
            A list of pipelines. `.ids` has their ids, `.raw` the answer as the server sent it.

        Raises:
            AuthenticationError: no key was found, or the API refuses it.
            PermissionDeniedError: the key lacks the scope.
            VectorshiftApiError: the API answered with another failure, or with no list of
                pipelines.
            ApiConnectionError: the API did not answer.
            CredentialError: a configured source of the key failed.
        """
    @classmethod
    async def alist(
        cls,
        folder_id: str | None = None,
        include_shared: bool | None = False,
        verbose: bool | None = True,
        offset: int | None = None,
        limit: int | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> PipelineList[Self]:
        """List the pipelines: one page, as the server sends it. `iterate` goes through all pages.

        All else is as in `list`.
        """
    @classmethod
    def iterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: VectorShift | None = None,
    ) -> Iterator[Self]:
        """Go through all pipelines, each once. The list is read, page after page, when the first is
        asked for; so the loop may delete what comes up.

        The iterator keeps the client, and so the organisation, that it was made with, also behind a
        `using` block. A page that could not be had is an error, and is asked for again when the
        next pipeline is; an async wait that was cancelled loses nothing either. A pipeline that
        another process deletes while the list is read may take one out of it.

        Args:
            include_shared: whether those come up that others share with the organisation.
            folder_id: only those in this folder.
            page_size: how many to ask for at a time.
            client: the client to use, also by the pipelines that come up.

        Raises:
            ValueError: `page_size` is below 1.
        """
    @classmethod
    def aiterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: AsyncVectorShift | None = None,
    ) -> AsyncIterator[Self]:
        """Go through all pipelines, each once. The list is read, page after page, when the first is
        asked for; so the loop may delete what comes up.

        All else is as in `iterate`.
        """
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
        client: VectorShift | None = None,
    ) -> Self:
        """Fetch a pipeline by its id or its name. `raw` holds what the server says of it.

        Args:
            id: its id, also in Mongo extended JSON.
            name: its name; of several with one name, the server picks the one that was changed
                last.
            branch_id: the branch, where it is fetched by its id.
            version: the version, such as `1.2.0` or `latest`, where it is fetched by its id.
            username: the owner's user name.
            org_name: the owner's organisation.
            client: the client to use, also by the pipeline that is returned.

        Raises:
            NotFoundError: there is none, or not for this key.
            ValueError: neither an id nor a name is given, or the id is none.
        """
    @classmethod
    async def afetch(
        cls,
        id: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        branch_id: str | None = None,
        version: str | int | None = None,
        username: str | None = None,
        org_name: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Self:
        """Fetch a pipeline by its id or its name. `raw` holds what the server says of it.

        All else is as in `fetch`.
        """
    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        stream_all_outputs: Literal[False] = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> RunResult:
        """Run the pipeline and wait for its outputs: `result["outputs"]["answer"]`, or
        `result.outputs["answer"]`.

        Args:
            inputs: values by the names of the input nodes. A `Path`, bytes, or a file that is open
                for reading bytes is sent as a file; so is a tuple of a name, one of these and
                perhaps a media type. Files are read before anything is sent; one that you opened is
                left open.
            stream: False; `Pipeline.stream` streams a run.
            stream_all_outputs: False; as `stream`.
            session_id: groups runs in analytics and traces.
            node_input_overrides: inputs of nodes, by node.
            send_intermediate_results: as the API has it.
            version: the version to run.
            timeout: seconds to wait for the answer; 600 where neither this nor another time-out is
                set.
            client: the client to use.

        Raises:
            TypeError: `stream` is true; nothing was sent.
            VectorshiftError: a file cannot be read; nothing was sent.
            PipelineRunFailedError: the API says that the run failed.
            VectorshiftApiError: the API answered with another failure.
            ApiConnectionError: the API did not answer; whether the run took place is at
                `may_have_run`.
        """
    async def arun(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        stream_all_outputs: Literal[False] = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> RunResult:
        """Run the pipeline and wait for its outputs: `result["outputs"]["answer"]`, or
        `result.outputs["answer"]`.

        All else is as in `run`.
        """
    def bulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: VectorShift | None = None,
    ) -> BulkRunResult:
        """Run the pipeline once for each of `inputs`, in one call, and wait for all:
        `result["run_outputs"]`.

        That one of several runs failed is an answer, and no error: see `error` of each of
        `result.runs`.

        Args:
            inputs: the inputs of each run, as `run` takes them.
            timeout: seconds to wait for the answer; 600 where neither this nor another time-out is
                set.
            progress: whether to show a progress bar, if standard error is a terminal. Needs the
                extra `cli`.
            client: the client to use.

        Raises:
            PipelineRunFailedError: the API says that all of it failed.
            VectorshiftApiError: as `run`.
            TypeError: `inputs` is no list.
            ImportError: `progress` is wanted, and its package is not installed.
        """
    async def abulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: AsyncVectorShift | None = None,
    ) -> BulkRunResult:
        """Run the pipeline once for each of `inputs`, in one call, and wait for all:
        `result["run_outputs"]`.

        All else is as in `bulk_run`.
        """
    def stream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        version: str | None = None,
        *,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> Generator[StreamChunk, None, None]:
        """Run the pipeline and give its outputs as they come, to `for`, or of `astream` to
        `async for`.

        The run begins when the first chunk is asked for. Leaving the loop closes the connection; so
        does cancelling, and leaving `async with contextlib.aclosing(...)`. An async loop that is
        left without that has it closed soon after, when the iterator is collected.
        The stream keeps the client, and so the organisation, that it was made with, also behind a
        `using` block.

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
    def astream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        version: str | None = None,
        *,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> AsyncChunks:
        """Run the pipeline and give its outputs as they come, to `for`, or of `astream` to
        `async for`.

        All else is as in `stream`.
        """
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
        client: VectorShift | None = None,
    ) -> RunHandler:
        """Start a run in the background and return what asks after it and ends it.

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
    async def astart(
        self,
        inputs: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        webhook_url: str | None = None,
        version: str | None = None,
        trace_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> RunHandler:
        """Start a run in the background and return what asks after it and ends it.

        All else is as in `start`.
        """
    def run_status(
        self,
        run_id: str,
        *,
        client: VectorShift | None = None,
    ) -> RunStatus:
        """Ask a background run once how it is. That it failed is an answer, and no error."""
    async def arun_status(
        self,
        run_id: str,
        *,
        client: AsyncVectorShift | None = None,
    ) -> RunStatus:
        """Ask a background run once how it is. That it failed is an answer, and no error.

        All else is as in `run_status`.
        """
    def terminate(
        self,
        run_id: str,
        *,
        client: VectorShift | None = None,
    ) -> Answer:
        """End a background run. Its status is `cancelled` from then on."""
    async def aterminate(
        self,
        run_id: str,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """End a background run. Its status is `cancelled` from then on.

        All else is as in `terminate`.
        """
    def delete(self, *, client: VectorShift | None = None) -> Answer:
        """Delete the pipeline. Returns the answer, `{"status": "success"}`.

        The API may fail right after a pipeline was made, so a failure of the server is followed by
        one more call, 1 s later.
        """
    async def adelete(self, *, client: AsyncVectorShift | None = None) -> Answer:
        """Delete the pipeline. Returns the answer, `{"status": "success"}`.

        All else is as in `delete`.
        """
    def duplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Self:
        """Copy the pipeline, and return the copy as the server describes it.

        Args:
            name: the copy's name; the server makes one up by default.
            description: the copy's description.
            folder_id: where to put it.
            client: the client to use, also by the pipeline that is returned.
        """
    async def aduplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Self:
        """Copy the pipeline, and return the copy as the server describes it.

        All else is as in `duplicate`.
        """
    def share(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Answer:
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
    async def ashare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Share the pipeline with a user or an organisation.

        All else is as in `share`.
        """
    def unshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Answer:
        """Take back what `share` gave. Raises as `share`."""
    async def aunshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Take back what `share` gave. Raises as `share`.

        All else is as in `unshare`.
        """
    def revert(
        self,
        version: str,
        *,
        client: VectorShift | None = None,
    ) -> Answer:
        """Take the pipeline back to a version, such as `1.2.0`.

        This object stays as it is; `fetch` gives the new state.
        """
    async def arevert(
        self,
        version: str,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Take the pipeline back to a version, such as `1.2.0`.

        All else is as in `revert`.
        """
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Do as for any object. Raises TypeError if a client was named: without it, it would act as
        somebody else.
        """
    def __copy__(self) -> Self: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str:
        """Return the tag by which VectorShift's agents are told of a pipeline, in a text for them.

        A name that could end the tag is left out: the platform puts its own in.
        """

class RunHandler:
    """A run in the background. `Pipeline.start` gives one; with the two ids of a run, any process
    can make one.

    It keeps the client, and so the organisation, that it was made with: also behind the `using`
    block that it was made in, and in other blocks. Thread-safe; each call has an async twin whose
    name begins with `a`.

    Args:
        pipeline_id: the pipeline.
        task_id: the run.
        trace_id: the name of the run in traces; an empty string if it is not known.
        client: the client to use; that of the process by default.

    Raises:
        ValueError: an id is empty.
    """

    pipeline_id: str
    task_id: str
    trace_id: str
    def __init__(
        self,
        pipeline_id: str,
        task_id: str,
        trace_id: str = "",
        *,
        client: VectorShift | AsyncVectorShift | PinnedClients | None = None,
    ) -> None: ...
    def run_status(self) -> RunStatus:
        """Ask the run once how it is. That it failed is an answer, and no error.

        Raises:
            VectorshiftApiError: the API knows no such run, or answered with another failure.
        """
    async def arun_status(self) -> RunStatus:
        """Ask the run once how it is. That it failed is an answer, and no error.

        All else is as in `run_status`.
        """
    def result(
        self,
        poll_interval: float = 1.0,
        timeout: float | None = 300.0,
        *,
        progress: bool = False,
    ) -> RunStatus:
        """Ask for the status of the run until it has ended, and return it with the outputs:
        `result["result"]`, or `result.outputs`.

        Outputs may come a few seconds after the status `completed`. They are waited for, for up to
        30 s more; if there are none by then, the status is returned without them, with a WARNING.

        A status request that fails is retried like any other call. The run goes on when this gives
        up or is cancelled.

        Args:
            poll_interval: seconds between two questions.
            timeout: seconds until it is given up; None: never.
            progress: whether to show a progress bar, if standard error is a terminal. Needs the
                extra `cli`.

        Raises:
            PipelineRunFailedError: the run failed, or somebody ended it.
            PollTimeoutError: it has not ended in time; it is a `TimeoutError`, too.
            ImportError: `progress` is wanted, and its package is not installed.
        """
    async def aresult(
        self,
        poll_interval: float = 1.0,
        timeout: float | None = 300.0,
        *,
        progress: bool = False,
    ) -> RunStatus:
        """Ask for the status of the run until it has ended, and return it with the outputs:
        `result["result"]`, or `result.outputs`.

        All else is as in `result`.
        """
    def terminate(self) -> Answer:
        """End the run. Its status is `cancelled` from then on."""
    async def aterminate(self) -> Answer:
        """End the run. Its status is `cancelled` from then on.

        All else is as in `terminate`.
        """
    def __copy__(self) -> RunHandler: ...
    def __reduce__(self) -> tuple[Any, ...]:
        """Raise TypeError: it would go on as another organisation than that of its client."""
    def __repr__(self) -> str: ...
