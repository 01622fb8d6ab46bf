"""The API's answers about pipelines and runs: dicts as it sent them, with their fields by name."""

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
    """An answer of the API, as it was sent: a dict that is yours to keep and change."""

    __slots__ = ()

    def _text(self, name: str) -> str:
        value = self.get(name)
        return value if isinstance(value, str) else "" if value is None else str(value)

    def _object(self, name: str) -> dict[str, Any]:
        return as_object(self.get(name)) or {}

    def _list(self, name: str) -> list[object]:
        value = self.get(name)
        return cast("list[object]", value) if isinstance(value, list) else []

    def _status(self) -> str:
        return self._text("status").lower()

    def _error(self) -> str:
        """Return the text of `error`; of a failure also that of the fields of the API's errors."""
        names = MESSAGE_FIELDS if self._status() in FAILED | CANCELLED else MESSAGE_FIELDS[:1]
        fields = {name: self[name] for name in names if self.get(name)}
        return error_sentence(json.dumps(fields, default=str)) if fields else ""


class PipelineList(Answer):
    """The answer to `Pipeline.list`: `status`, `object_ids`, and `objects` if it was verbose."""

    __slots__ = ()

    @property
    def ids(self) -> list[str]:
        """The ids, as strings; of the objects, if the server sent no list of ids."""
        items = self._list("object_ids" if self.get("object_ids") else "objects")
        return [id for id in map(id_of, items) if id]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The pipelines as the server describes them; empty if the list was not verbose."""
        return [each for each in map(as_object, self._list("objects")) if each is not None]


class RunResult(Answer):
    """The result of a run: `result["outputs"]["answer"]`, or `result.outputs["answer"]`."""

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
        """The name of the run in traces; an empty string if the server did not say."""
        return self._text("trace_id")

    @property
    def status(self) -> str:
        """Such as `success` or `failed`; in lower case, or an empty string."""
        return self._status()

    @property
    def error(self) -> str:
        """The server's message about a failure, or an empty string. `run` raises it instead."""
        return self._error()


class BulkRunResult(Answer):
    """The result of `bulk_run`: `status`, and `run_outputs` in the order of the inputs."""

    __slots__ = ()

    @property
    def runs(self) -> list[RunResult]:
        """The runs, each at the place of its inputs; empty where the server sent nothing of it."""
        return [RunResult(as_object(each) or {}) for each in self._list("run_outputs")]


class RunStatus(Answer):
    """The state of a background run: `task_id`, `status`, and `error` or `result` at its end."""

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
        """The message about its failure, or an empty string."""
        return self._error()

    @property
    def outputs(self) -> dict[str, Any]:
        """The values of the output nodes, by name; empty until the run has ended well."""
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
        """The message about a failure, or an empty string. `Pipeline.stream` raises it."""
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
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    if not isinstance(value, Mapping) or not layers:
        return None
    fields = cast("Mapping[str, object]", value)
    found = (id_of(fields.get(name), layers - 1) for name in ("$oid", "_id", "id"))
    return next(filter(None, found), None)
