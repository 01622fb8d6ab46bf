"""What all operations have in common: ids in paths, and answers that have to be objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vectorshift.calls import Call
from vectorshift.errors import VectorshiftApiError
from vectorshift.pipeline.answers import as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["object_in", "post", "segment", "unexpected"]


def segment(id: str) -> str:
    """Return an id as one segment of a path, which it cannot leave.

    Raises:
        ValueError: it is empty, or a step of the path itself.
    """
    if not id or id in (".", ".."):
        raise ValueError(f"The id of a pipeline or a run is a text such as '65f0c3a1b2d4e5f60718293a', not {id!r}.")
    return quote(id, safe="")


def post(id: str, action: str, fields: Mapping[str, Any]) -> Call:
    """Return POST /pipeline/{id}/{action}; fields that are None are left out."""
    body = {name: value for name, value in fields.items() if value is not None}
    return Call(method="POST", path=f"/pipeline/{segment(id)}/{action}", json=body)


def object_in(answer: object, call: Call) -> dict[str, Any]:
    """Return the object that an answer is.

    Raises:
        VectorshiftApiError: it is none.
    """
    found = as_object(answer)
    if found is None:
        raise unexpected(call, "")
    return found


def unexpected(call: Call, missing: str) -> VectorshiftApiError:
    """Return the error for an answer without the field `missing`, or, if that is empty, one that is no object."""
    what = f"has no {missing}" if missing else "is no JSON object"
    return VectorshiftApiError(200, call.method, call.path, note=f"The answer {what}; check the base URL.")
