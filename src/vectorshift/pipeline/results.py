"""What the API says of pipelines and runs: dicts as it sent them, with names for what matters in
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from vectorshift.errors.bodies import MESSAGE_FIELDS, error_sentence

__all__ = [
    "CANCELLED",
    "FAILED",
    "SUCCEEDED",
    "Answer",
    "BulkRunResult",
    "PipelineList",
    "RunResult",
    "RunStatus",
    "StreamChunk",
    "as_object",
    "id_of",
]

# The API's reference and its guide name them differently.
SUCCEEDED = frozenset(("completed", "succeeded"))
FAILED = frozenset(("failed",))
CANCELLED = frozenset(("cancelled", "canceled"))


class Answer(dict[str, Any]):
    """What the API answered, as it was sent: a dict that is yours to keep and change."""

    __slots__ = ()

    def _text(self, name: str) -> str:
        value = self.get(name)
        return value if isinstance(value, str) else "" if value is None else str(value)

    def _object(self, name: str) -> dict[str, Any]:
        return as_object(self.get(name)) or {}

    def _status(self) -> str:
        return self._text("status").lower()

    def _error(self) -> str:
        """Return what stands in `error`, and of a failure also what stands where the API's errors
        have it.
        """
        names = MESSAGE_FIELDS if self._status() in FAILED | CANCELLED else MESSAGE_FIELDS[:1]
        fields = {name: self[name] for name in names if self.get(name)}
        return error_sentence(json.dumps(fields, default=str)) if fields else ""


class PipelineList(Answer):
    """What `Pipeline.list` answers: `status`, `object_ids`, and `objects` if it was asked to be
    verbose.
    """

    __slots__ = ()

    @property
    def ids(self) -> list[str]:
        """The ids, as strings; of the objects, if the server sent no list of ids."""
        listed = self.get("object_ids") or self.get("objects")
        items = cast("list[object]", listed) if isinstance(listed, list) else []
        return [id for id in map(id_of, items) if id]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The pipelines as the server describes them; empty if it was not asked to be verbose."""
        listed = self.get("objects")
        items = cast("list[object]", listed) if isinstance(listed, list) else []
        return [each for each in map(as_object, items) if each is not None]


class RunResult(Answer):
    """What a run gave: `result["outputs"]["answer"]`, or `result.outputs["answer"]`."""

    __slots__ = ()

    @property
    def run_id(self) -> str:
        """The run; an empty string if the server did not name it."""
        return id_of(self.get("run_id")) or ""

    @property
    def outputs(self) -> dict[str, Any]:
        """The values of the output nodes, by name."""
        return self._object("outputs")

    @property
    def trace_id(self) -> str:
        """What the run is called in traces; an empty string if the server did not say."""
        return self._text("trace_id")

    @property
    def status(self) -> str:
        """What the server says of the run, such as `success` or `failed`; in lower case, or an
        empty string.
        """
        return self._status()

    @property
    def error(self) -> str:
        """What the server says of its failure, or an empty string. Of a single run, a failure is
        raised instead.
        """
        return self._error()


class BulkRunResult(Answer):
    """What `bulk_run` gave: `status`, and `run_outputs` with a `RunResult` for each set of inputs,
    in their order.
    """

    __slots__ = ()

    @property
    def runs(self) -> list[RunResult]:
        """The runs, each at the place of its inputs; empty where the server sent nothing of it."""
        listed = self.get("run_outputs")
        items = cast("list[object]", listed) if isinstance(listed, list) else []
        return [RunResult(as_object(each) or {}) for each in items]


class RunStatus(Answer):
    """What a background run says of itself: `task_id`, `status`, and `error` or `result` at its
    end.
    """

    __slots__ = ()

    @property
    def status(self) -> str:
        """Such as `in_progress` or `running`, `completed` or `succeeded`, `failed`, `cancelled`; in
        lower case.
        """
        return self._status()

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self.status in SUCCEEDED

    @property
    def failed(self) -> bool:
        """Whether it has ended in failure."""
        return self.status in FAILED

    @property
    def cancelled(self) -> bool:
        """Whether somebody ended it."""
        return self.status in CANCELLED

    @property
    def done(self) -> bool:
        """Whether it has ended, in any way."""
        return self.succeeded or self.failed or self.cancelled

    @property
    def error(self) -> str:
        """What it says of its failure, or an empty string."""
        return self._error()

    @property
    def outputs(self) -> dict[str, Any]:
        """The values of the output nodes, by name; what stands in `result`. Empty until it has
        ended well.
        """
        return self._object("result") or self._object("outputs")


class StreamChunk(Answer):
    """One event of a streamed run: a piece of an output (`type` is `stream`), or the end
    (`result`).
    """

    __slots__ = ()

    @property
    def type(self) -> str:
        """`stream` or `result`."""
        return self._text("type")

    @property
    def run_id(self) -> str:
        """The run; an empty string if the server did not name it."""
        return id_of(self.get("run_id")) or ""

    @property
    def output_name(self) -> str:
        """The output that this is a piece of, or an empty string."""
        return self._text("output_name")

    @property
    def output_value(self) -> Any:
        """The piece, or None."""
        return self.get("output_value")

    @property
    def status(self) -> str:
        """How the run ended; in lower case, or an empty string."""
        return self._status()

    @property
    def error(self) -> str:
        """What it says of a failure, or an empty string. `Pipeline.stream` raises it."""
        return self._error()

    @property
    def outputs(self) -> dict[str, Any]:
        """The values of the output nodes, by name; empty before the end."""
        return self._object("outputs")


def as_object(value: object) -> dict[str, Any] | None:
    """Return the dict that this is, or None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def id_of(value: object, layers: int = 3) -> str | None:
    """Return the id in a string, in Mongo extended JSON (`{"$oid": ...}`), or in an object's `_id`
    or `id`, or None.

    An object may hold objects; no API has an id below more than `layers` of them, and a body may be
    nested by hundreds.
    """
    if not isinstance(value, Mapping):
        return (
            str(value)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != ""
            else None
        )
    if not layers:
        return None
    fields = cast("Mapping[str, object]", value)
    return next(
        (found for name in ("$oid", "_id", "id") if (found := id_of(fields.get(name), layers - 1))),
        None,
    )
