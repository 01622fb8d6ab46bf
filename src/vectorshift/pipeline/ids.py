"""Ids in paths, and answers that say that a run failed: for all calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vectorshift.client.call import Call
from vectorshift.errors import PipelineRunFailedError, VectorshiftApiError
from vectorshift.pipeline.results import RUN_IDS, Answer, as_object, first_id, id_of, text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["checked_id", "failed_answer", "post", "printable", "run_failure", "segment"]


def checked_id(id: object) -> str:
    """Return an id as text; it may be given in Mongo extended JSON, as lists have it.

    Raises:
        ValueError: it is none, empty, or a step of a path.
    """
    text = id_of(id)
    if text is None or text in (".", ".."):
        raise ValueError(
            "The id of a pipeline or a run must be a text such as '65f0c3a1b2d4e5f60718293a', "
            f"not {id!r}."
        )
    return text


def printable(id: str) -> str:
    """Return an id for a `repr`: a server may send anything, and a terminal obeys some of it."""
    return id if id.isprintable() else ascii(id)


def segment(id: object) -> str:
    """Return an id as one segment of a path, which it cannot leave. Raises as `checked_id`."""
    return quote(checked_id(id), safe="")


def post(id: str, action: str, fields: Mapping[str, Any]) -> Call:
    """Return POST /pipeline/{id}/{action}; fields that are None are left out."""
    body = {name: value for name, value in fields.items() if value is not None}
    return Call("POST", f"/pipeline/{segment(id)}/{action}", json=body, parse=Answer.of)


def failed_answer(error: VectorshiftApiError) -> dict[str, Any] | None:
    """Return the body of a 200 that says `failed`, or has an error and no status, which the client
    raises as an error; else None.
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
    """Return the error of a run for an answer that says that the run failed; else `error`."""
    body = failed_answer(error)
    if body is None:
        return error
    return PipelineRunFailedError(first_id(body, *RUN_IDS) or "", error.error_message, answer=error)
