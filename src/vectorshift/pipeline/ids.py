"""Ids in paths, and answers that must be objects: for all calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vectorshift.client.call import Call
from vectorshift.errors import PipelineRunFailedError, VectorshiftApiError
from vectorshift.pipeline.results import RUN_IDS, as_object, first_id, id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "checked_id",
    "failed_answer",
    "object_in",
    "pipelines_in",
    "post",
    "printable",
    "run_failure",
    "segment",
    "unexpected",
]


def checked_id(id: object) -> str:
    """Return an id as text; it may be given in Mongo extended JSON, as lists have it.

    Raises:
        ValueError: it is none, empty, or a step of a path.
    """
    text = id_of(id)
    if text is None or text in (".", ".."):
        raise ValueError(
            "The id of a pipeline or a run is a text such as '65f0c3a1b2d4e5f60718293a', not"
            f" {id!r}."
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
    return Call(method="POST", path=f"/pipeline/{segment(id)}/{action}", json=body)


def object_in(answer: object, call: Call) -> dict[str, Any]:
    """Return an answer that must be an object.

    Raises:
        VectorshiftApiError: it is none.
    """
    found = as_object(answer)
    if found is None:
        raise unexpected(call, "")
    return found


def pipelines_in(answer: dict[str, Any], call: Call) -> list[tuple[str, dict[str, Any]]]:
    """Return the id and the description of each pipeline in an answer to GET /pipelines. A
    description is empty where the server sent the id alone.

    Raises:
        VectorshiftApiError: it is no list of pipelines, or one of them has no id.
    """
    lists = [answer[name] for name in ("object_ids", "objects") if name in answer]
    if not lists or not all(each is None or isinstance(each, list) for each in lists):
        raise unexpected(call, "list of pipelines")
    objects = answer.get("objects") or ()
    described = {id_of(each): as_object(each) or {} for each in objects}
    listed = [id_of(each) for each in answer.get("object_ids") or objects]
    ids = list(dict.fromkeys([*listed, *described]))
    if None in ids:
        raise unexpected(call, "id for one of its pipelines")
    return [(id, described.get(id, {})) for id in ids if id]


def failed_answer(error: VectorshiftApiError) -> dict[str, Any] | None:
    """Return the body of a 200 that says `failed`, which the client raises as an error, or None."""
    if error.status_code != 200:
        return None
    try:
        body = as_object(json.loads(error.raw_response))
    except (ValueError, RecursionError):
        return None
    return body if body is not None and body.get("status") == "failed" else None


def run_failure(error: VectorshiftApiError) -> VectorshiftApiError:
    """Return the error of a run for an answer that says that the run failed; else `error`."""
    body = failed_answer(error)
    if body is None:
        return error
    return PipelineRunFailedError(first_id(body, *RUN_IDS) or "", error.error_message, answer=error)


def unexpected(call: Call, missing: str) -> VectorshiftApiError:
    """Return the error for an answer without the field `missing`, or, if that is empty, one that is
    no object.
    """
    what = f"has no {missing}" if missing else "is no JSON object"
    return VectorshiftApiError(
        200, call.method, call.path, note=f"The answer {what}; check the base URL."
    )
