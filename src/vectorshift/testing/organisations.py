"""The state of the stand-in API: organisations, their pipelines and runs, keys, and scripted
answers.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from vectorshift.testing.event_streams import EventStream

__all__ = [
    "SCOPES",
    "ApiKeyRecord",
    "Body",
    "Dialect",
    "ErrorReply",
    "FailedRun",
    "Organisation",
    "Run",
    "RunScript",
    "StoredPipeline",
    "World",
    "documented_body",
    "new_pipeline",
]

SCOPES = ("pipelines:read", "pipelines:write", "pipelines:run")

Body = dict[str, Any]

_changes = count()


class ErrorReply(Exception):
    """A handler's way to answer with something else than 200."""

    def __init__(self, status: int, error: str = "") -> None:
        super().__init__(status, error)
        self.status = status
        self.body = documented_body(status, error)


def documented_body(status: int, error: str = "") -> Body:
    """Return the body of a failure; 403, 422 and 429, of which none is documented, get the common
    one.
    """
    if status == 401:
        return {"error": error or "Invalid API key"}
    known = status in HTTPStatus._value2member_map_
    return {
        "status": "failed",
        "error": error or (HTTPStatus(status).phrase if known else f"HTTP {status}"),
    }


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of a pipeline.

    Args:
        pipeline: the id of the pipeline.
        statuses: what it says of itself when it is asked, one after the other; the last one stays.
        error: what it says when it has failed.
        late: how often it says that it has completed before its outputs are there.
    """

    pipeline: str
    outputs: Mapping[str, Any]
    statuses: deque[str]
    error: str = ""
    late: int = 0
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    trace_id: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScript:
    """The scripted statuses of the next background run."""

    statuses: tuple[str, ...] = ("in_progress", "completed")
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """The scripted failure of the next run, in place of outputs."""

    error: str


class StoredPipeline(Body):
    """A pipeline's object, and when it was changed last, as a number that grows."""

    def __init__(self, fields: Body) -> None:
        super().__init__(fields)
        self.changed = next(_changes)

    def change(self, fields: Body) -> None:
        """Put these fields in place of those that are there."""
        self.update(fields)
        self.changed = next(_changes)


class Organisation:
    """One tenant's pipelines, its own and those that others share with it, and its runs, all by id.

    It begins with two pipelines.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        starters = (
            new_pipeline(name, f"{name}-{kind}", None, {}) for kind in ("assistant", "summary")
        )
        self.own = {pipeline["id"]: pipeline for pipeline in starters}
        self.shared: dict[str, StoredPipeline] = {}
        self.runs: dict[str, Run] = {}

    def seen(self, id: str) -> StoredPipeline:
        """Return a pipeline of its own or one that is shared with it.

        Raises:
            Failure: 404, there is none.
        """
        pipeline = self.own.get(id) or self.shared.get(id)
        if pipeline is None:
            raise ErrorReply(404, "Pipeline not found")
        return pipeline

    def owned(self, id: str) -> StoredPipeline:
        """Return a pipeline of its own.

        Raises:
            Failure: 404, there is none; 403, it belongs to another organisation.
        """
        if id not in self.own and id in self.shared:
            raise ErrorReply(403, "Only its owner may do this to a pipeline")
        return self.seen(id)


def new_pipeline(org: str, name: str, id: str | None, fields: Mapping[str, Any]) -> StoredPipeline:
    """Return a pipeline's object with every field that a request can ask for; `fields` win."""
    return StoredPipeline(
        {
            "id": id or secrets.token_hex(12),
            "name": name,
            "description": "",
            "folder_id": None,
            "username": f"{org}-user",
            "org_name": org,
            "branch_id": "main",
            "version": "1.0.0",
            **fields,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRecord:
    """The organisation and the scopes of a key."""

    organisation: Organisation
    scopes: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Dialect:
    """How the stand-in spells its answers, where the service is known to do more than one thing.

    Args:
        extended_ids: pipelines' ids are Mongo's extended JSON, `{"$oid": ...}`.
        event_types: where an event of a stream has its type: in a line `event: ...`, in its data,
            or in both.
        run_id: the field that names a run: `run_id`, or `pipeline_run_id`.
        late_results: how often a background run says that it has completed before its outputs are
            there.
        bulk_paths: the paths of bulk runs that are there.
    """

    extended_ids: bool = False
    event_types: Literal["line", "data", "both"] = "both"
    run_id: Literal["run_id", "pipeline_run_id"] = "run_id"
    late_results: int = 0
    bulk_paths: tuple[str, ...] = ("bulk-run", "bulk_run")


class World:
    """All that is known, and what a test has scripted. Its owner guards it with a lock."""

    def __init__(self) -> None:
        self.grants: dict[str, ApiKeyRecord] = {}
        self.organisations: dict[str, Organisation] = {}
        self.outputs: deque[Mapping[str, Any] | FailedRun] = deque()
        self.runs: deque[RunScript] = deque()
        self.streams: deque[EventStream] = deque()
        self.dialect = Dialect()

    def organisation(self, name: str) -> Organisation:
        """Return an organisation, which comes into being when it is first named."""
        if name not in self.organisations:
            self.organisations[name] = Organisation(name)
        return self.organisations[name]
