"""The API's answers about pipelines and runs, as sent, with properties for their fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from vectorshift._platform.public import Self
from vectorshift.errors.bodies import MESSAGE_FIELDS, error_sentence

__all__ = [
    "CANCELLED",
    "ENDED_BADLY",
    "RUN_IDS",
    "Answer",
    "BulkRunResult",
    "PipelineList",
    "RunResult",
    "RunStatus",
    "StreamChunk",
    "as_object",
    "first_id",
    "id_in",
    "id_of",
    "object_in",
    "pipelines_in",
    "text_in",
]


class _WithId(Protocol):
    @property
    def id(self) -> str: ...


P = TypeVar("P", bound=_WithId)

# The API's reference and its guide use different names.
SUCCEEDED = frozenset(("completed", "succeeded"))
FAILED = frozenset(("failed",))
CANCELLED = frozenset(("cancelled", "canceled"))
ENDED_BADLY = FAILED | CANCELLED
RUN_IDS = ("run_id", "pipeline_run_id", "task_id")
_KINDS = ("stream", "result", "error")
_OF_A_RESULT = ("status", "outputs", "run_outputs", "result")
_IDS = ("$oid", "_id", "id", "object_id")


class Answer(dict[str, Any]):
    """An answer of the API, as it was sent: a dict that you may change."""

    __slots__ = ()

    @classmethod
    def of(cls, body: object) -> Self:
        """Return a body as an answer. Raises as `object_in`."""
        return cls(object_in(body))

    @property
    def status(self) -> str:
        """Such as `success` or `failed`; in lower case, or an empty string."""
        return text_in(self, "status").lower()

    @property
    def error(self) -> str:
        """The server's message about a failure, or an empty string. `run` raises it instead."""
        return message_in(self)


class PipelineList(list[P]):
    """The answer to `Pipeline.list`: one page of pipelines, as a list that you may change.

    Attributes:
        raw: the answer as the server sent it: `status`, `object_ids`, and `objects` if verbose.
        offset: how many pipelines were skipped before this page, as requested.
        limit: how many pipelines were requested.
    """

    def __init__(
        self,
        pipelines: Iterable[P] = (),
        *,
        raw: dict[str, Any] | None = None,
        offset: int | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(pipelines)
        self.raw: dict[str, Any] = {} if raw is None else raw
        self.offset, self.limit = offset, limit

    @property
    def ids(self) -> list[str]:
        """The ids of the pipelines."""
        return [pipeline.id for pipeline in self]

    if not TYPE_CHECKING:  # type checkers know what a list lacks

        def __getitem__(self, index: Any) -> Any:
            if isinstance(index, str):
                raise TypeError(f"{_NO_DICT}.raw[{index!r}].")
            return super().__getitem__(index)

        def __contains__(self, item: object) -> bool:
            if isinstance(item, str):
                raise TypeError(f"{_NO_DICT}{item!r} in .raw, or in .ids for an id.")
            return super().__contains__(item)

        def __getattr__(self, name: str) -> Any:
            if hasattr(dict, name):
                raise AttributeError(f"{_NO_DICT}.raw.{name}(...).")
            raise AttributeError(f"'PipelineList' object has no attribute {name!r}")


_NO_DICT = "Pipeline.list() returns a list of pipelines. The server's answer is in .raw. Use "


class RunResult(Answer):
    """The result of a run: `result["outputs"]["answer"]`, or `result.outputs["answer"]`."""

    __slots__ = ()

    @property
    def run_id(self) -> str:
        """The id of the run, or an empty string."""
        return first_id(self, *RUN_IDS) or ""

    @property
    def outputs(self) -> Any:
        """The values of the output nodes: a dict by name, unless the server sent something else."""
        return outputs_in(self, "outputs")

    @property
    def trace_id(self) -> str:
        """The name of the run in traces, or an empty string."""
        return text_in(self, "trace_id")


class BulkRunResult(Answer):
    """The result of `bulk_run`: `status`, and `run_outputs` in the order of the inputs."""

    __slots__ = ()

    @property
    def runs(self) -> list[RunResult]:
        """The runs in the order of the inputs. A run of which the server sent nothing is empty."""
        found = self.get("run_outputs")
        sent = cast("list[object]", found) if isinstance(found, list) else []
        return [RunResult(as_object(each) or {}) for each in sent]


class RunStatus(Answer):
    """The state of a background run: `task_id`, `status`, and `error` or `result` at its end.

    `status` is `in_progress`, `running`, `completed`, `succeeded`, `failed`, `cancelled` or
    similar. The properties below understand all of them.
    """

    __slots__ = ()

    @property
    def succeeded(self) -> bool:
        """Return whether the run has ended successfully."""
        return self.status in SUCCEEDED

    @property
    def failed(self) -> bool:
        """Return whether the run has failed."""
        return self.status in FAILED

    @property
    def cancelled(self) -> bool:
        """Return whether somebody ended the run."""
        return self.status in CANCELLED

    @property
    def done(self) -> bool:
        """Return whether the run has ended, successfully or not."""
        return self.succeeded or self.failed or self.cancelled

    @property
    def outputs(self) -> Any:
        """The values of the output nodes: a dict by name, unless the server sent something else.
        Empty until the run has succeeded.
        """
        return outputs_in(self, "result", "outputs")


@dataclass
class StreamChunk:
    """One event of a streamed run: a piece of an output (`type` is `stream`), or the end
    (`result`).

    Args:
        type: `stream` or `result`.
        output_name: the output that this is a piece of, or an empty string.
        output_value: the piece, or None.
        run_id: the id of the run, or an empty string.
        status: how the run ended; in lower case, or an empty string.
        outputs: the values of the output nodes, as a dict by name unless the server sent something
            else; empty before the end.
        error: the message about a failure, or an empty string. `Pipeline.stream` raises it.

    Attributes:
        raw: the data of the event, as the server sent it. `chunk["name"]` reads from it.
    """

    __slots__ = ("__dict__", "raw")  # not a field: `asdict` and `vars` are as in the official SDK

    type: str = ""
    output_name: str = ""
    output_value: Any = None
    run_id: str = ""
    status: str = ""
    outputs: Any = field(default_factory=dict[str, Any])
    error: str = ""

    def __post_init__(self) -> None:
        self.raw: dict[str, Any] = {}

    @classmethod
    def of(cls, event: str, data: dict[str, Any]) -> StreamChunk:
        """Return the chunk for the name and the data of an event.

        The type is in the name or in the data, depending on the server.
        """
        event = event.strip()
        kind = event if event in _KINDS else text_in(data, "type")
        status = text_in(data, "status").lower() if "status" in data else ""
        chunk = cls(
            kind or ("" if event == "message" else event),  # `message`: the event has no name
            text_in(data, "output_name"),
            data.get("output_value"),
            first_id(data, *RUN_IDS) or "",
            status,
            data.get("outputs") or {},
            message_in(data) if "error" in data or status in ENDED_BADLY else "",
        )
        chunk.raw = data
        return chunk

    def __getitem__(self, name: str) -> Any:
        return self.raw[name]

    def __contains__(self, name: object) -> bool:
        return name in self.raw

    __iter__ = None  # Python would iterate by index

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field of the data as the server sent it, or the default."""
        return self.raw.get(name, default)


def as_object(value: object) -> dict[str, Any] | None:
    """Return the value if it is a dict, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def object_in(body: object) -> dict[str, Any]:
    """Return a body that must be an object, and not only an error.

    Raises:
        ValueError: it is not. The message says what it lacks, as `Call.parse` requires.
    """
    found = as_object(body)
    if found is None:
        raise ValueError("is not a JSON object")
    if found.get("error") and found.keys().isdisjoint(_OF_A_RESULT):
        raise ValueError("has an error and no status")
    return found


def id_in(body: object, *names: str) -> tuple[str, dict[str, Any]]:
    """Return the id in the first of these fields with one, and the body. Raises as `object_in`."""
    found = object_in(body)
    id = first_id(found, *names) if names else id_of(found)
    if id is None:
        raise ValueError(f"has no {names[0] if names else 'id'}")
    return id, found


def pipelines_in(body: object) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """Return the id and the description of each pipeline in an answer to GET /pipelines, and the
    answer. A description is empty if the server sent only the id. Raises as `object_in`.
    """
    answer = object_in(body)
    lists = [answer[name] for name in ("object_ids", "objects") if name in answer]
    if not lists or not all(each is None or isinstance(each, list) for each in lists):
        raise ValueError("has no list of pipelines")
    listed, objects = answer.get("object_ids") or (), answer.get("objects") or ()
    described: dict[str | None, dict[str, Any]] = {id_of(each): {} for each in listed}
    for each in objects:
        described[id_of(each)] = as_object(each) or {}
    if None in described:
        raise ValueError("has no id for one of its pipelines")
    return cast("list[tuple[str, dict[str, Any]]]", [*described.items()]), answer


def id_of(value: object, layers: int = 3) -> str | None:
    """Return the id in a string, in Mongo extended JSON (`{"$oid": ...}`), or in an object's `_id`,
    `id` or `object_id`, or None.

    Objects may be nested. No API has an id below more than `layers` objects, but a body may have
    hundreds.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, (dict, Mapping)) and layers:
        fields = cast("Mapping[str, object]", value)
        for name in _IDS:
            if name in fields and (found := id_of(fields[name], layers - 1)):
                return found
    elif isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def first_id(fields: Mapping[str, Any], *names: str) -> str | None:
    """Return the id in the first of these fields that has one, or None."""
    return next(filter(None, (id_of(fields.get(name)) for name in names)), None)


def outputs_in(fields: Mapping[str, Any], *names: str) -> Any:
    """Return the first of these fields that is not empty, or an empty dict."""
    empty: dict[str, Any] = {}
    return next(filter(None, map(fields.get, names)), empty)


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """Return a field as text, or an empty string."""
    value = fields.get(name, "")
    return value if isinstance(value, str) else "" if value is None else str(value)


def message_in(fields: Mapping[str, Any]) -> str:
    """Return the text of `error`; for a failure, also of the other fields of the API's errors."""
    ended_badly = text_in(fields, "status").lower() in ENDED_BADLY
    if not ended_badly and "error" not in fields:
        return ""
    names = MESSAGE_FIELDS if ended_badly else MESSAGE_FIELDS[:1]
    found = {name: fields[name] for name in names if fields.get(name)}
    return error_sentence(json.dumps(found, default=str)) if found else ""
