"""Ids in paths, and the failures of runs: shared by all calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vectorshift.client.call import Call
from vectorshift.errors import PipelineRunFailedError, VectorshiftApiError
from vectorshift.pipeline.results import RUN_IDS, Answer, as_object, first_id, id_of, text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "checked_id",
    "failed_answer",
    "folder_of",
    "post",
    "printable",
    "run_failure",
    "segment",
]


def checked_id(id: object) -> str:
    """Return an id as text. It may be in Mongo extended JSON, as in lists.

    Raises:
        ValueError: it is not an id, is empty, or is `.` or `..`.
    """
    text = id_of(id)
    if text is None or text in (".", ".."):
        raise ValueError(
            "The id of a pipeline or a run must be a text such as '65f0c3a1b2d4e5f60718293a', "
            f"not {id!r}."
        )
    return text


def folder_of(id: object) -> str | None:
    """Return the id of a folder, or None. A client or a number in its place would find nothing.

    Raises:
        TypeError: it is not a text.
    """
    if id is not None and not isinstance(id, str):
        raise TypeError(
            f"folder_id must be a text, not of type {type(id).__name__}. Pass a client as client=,"
            " and a number as limit=."
        )
    return id


def printable(id: str) -> str:
    """Return an id for a `repr`, without control characters: a server may send anything."""
    return id if id.isprintable() else ascii(id)


def segment(id: object) -> str:
    """Return an id quoted as one segment of a path. Raises as `checked_id`."""
    return quote(checked_id(id), safe="")


def post(id: str, action: str, fields: Mapping[str, Any]) -> Call:
    """Return the call POST /pipeline/{id}/{action}, without the fields that are None."""
    body = {name: value for name, value in fields.items() if value is not None}
    return Call("POST", f"/pipeline/{segment(id)}/{action}", json=body, parse=Answer.of)


def failed_answer(error: VectorshiftApiError) -> dict[str, Any] | None:
    """Return the body of a 200 that says `failed`, or has an error and no status; else None. The
    client raises an error for it.
    """
    if error.status_code != 200:
        return None
    try:
        body = as_object(json.loads(error.raw_response)) or {}
    except (ValueError, RecursionError):
        return None
    failed = text_in(body, "status").lower() == "failed"
    return body if failed or ("status" not in body and body.get("error")) else None


def run_failure(error: VectorshiftApiError) -> VectorshiftApiError:
    """Return a PipelineRunFailedError if the answer says that the run failed; else `error`."""
    body = failed_answer(error)
    if body is None:
        return error
    return PipelineRunFailedError(first_id(body, *RUN_IDS) or "", error.error_message, answer=error)
