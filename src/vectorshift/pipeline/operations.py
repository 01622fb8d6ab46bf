"""What is sent for each operation on a pipeline itself, and how its answer is read: once, for sync
and async.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.client.call import Call
from vectorshift.pipeline.ids import checked_id, object_in, post, segment, unexpected
from vectorshift.pipeline.results import Answer, PipelineList, as_object, id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.pipeline.steps import Steps

__all__ = [
    "as_list",
    "delete",
    "duplicate",
    "fetch",
    "list_call",
    "listed",
    "revert",
    "share",
    "unshare",
]


def list_call(
    include_shared: bool,
    verbose: bool,
    folder_id: str | None,
    offset: int | None,
    limit: int | None,
) -> Call:
    """GET /pipelines."""
    query = {
        "include_shared": bool(include_shared),
        "verbose": bool(verbose),
        "folder_id": folder_id,
        "offset": offset,
        "limit": limit,
    }
    return Call(method="GET", path="/pipelines", query=query)


def listed(call: Call) -> Steps[PipelineList]:
    """Give the list as the server sent it."""
    return as_list((yield call), call)


def as_list(answer: object, call: Call) -> PipelineList:
    """Return an answer to `list_call`."""
    return PipelineList(object_in(answer, call))


def fetch(
    id: str | Mapping[str, Any] | None,
    name: str | None,
    branch_id: str | None,
    version: str | int | None,
    username: str | None,
    org_name: str | None,
) -> Steps[tuple[str, dict[str, Any]]]:
    """Give a pipeline's id and what the server says of it (GET /pipeline)."""
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
    call = Call(method="GET", path="/pipeline", query=query)
    answer = object_in((yield call), call)
    found = as_object(answer.get("object"))
    known = id_of(found) or wanted
    if found is None or not known:
        raise unexpected(call, "object")
    return known, found


def delete(id: str) -> Steps[Answer]:
    """DELETE /pipeline/{id}."""
    call = Call(method="DELETE", path=f"/pipeline/{segment(id)}")
    return Answer(object_in((yield call), call))


def duplicate(
    id: str, name: str | None, description: str | None, folder_id: str | None
) -> Steps[Answer]:
    """Give an answer that holds the id of the copy (POST /pipeline/{id}/duplicate)."""
    fields = {"name": name, "description": description, "folder_id": folder_id}
    call = post(id, "duplicate", fields)
    answer = Answer(object_in((yield call), call))
    if not id_of(answer):
        raise unexpected(call, "id")
    return answer


def share(
    id: str, user_id: str | None, org_id: str | None, role: str, name: str | None
) -> Steps[Answer]:
    """POST /pipeline/{id}/share."""
    call = post(id, "share", {**_guest(user_id, org_id), "role": role, "name": name})
    return Answer(object_in((yield call), call))


def unshare(id: str, user_id: str | None, org_id: str | None) -> Steps[Answer]:
    """POST /pipeline/{id}/unshare."""
    call = post(id, "unshare", _guest(user_id, org_id))
    return Answer(object_in((yield call), call))


def revert(id: str, version: str) -> Steps[Answer]:
    """POST /pipeline/{id}/revert."""
    call = post(id, "revert", {"version": version})
    return Answer(object_in((yield call), call))


def _guest(user_id: str | None, org_id: str | None) -> dict[str, Any]:
    if not user_id and not org_id:
        raise ValueError("Say with whom: user_id or org_id.")
    return {"user_id": user_id or None, "org_id": org_id or None}
