"""Answers of the stand-in API about pipelines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vectorshift.testing.organisations import (
    Body,
    ErrorReply,
    Organisation,
    StoredPipeline,
    new_pipeline,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vectorshift.testing.routes import Visit

__all__ = [
    "create_pipeline",
    "delete_pipeline",
    "duplicate_pipeline",
    "fetch_pipeline",
    "list_pipelines",
    "revert_pipeline",
    "save_pipeline",
    "share_pipeline",
    "unshare_pipeline",
]

_ROLES = ("viewer", "editor")
_OF_THE_SERVER = {
    *("id", "_id", "branch_id", "mainBranch"),
    *("username", "org_name", "deploy", "bump"),
}
"""Fields that a caller may send and cannot set; `branch_id` names the branch that is saved."""
_SPELLED = {"id": "_id", "branch_id": "mainBranch"}


def list_pipelines(visit: Visit) -> Body:
    """GET /pipelines: ids, and the objects too if `verbose`."""
    query = visit.request.query
    include_shared, verbose = _flag(query, "include_shared"), _flag(query, "verbose")
    offset, limit = _count(query, "offset") or 0, _count(query, "limit")
    found: Iterable[StoredPipeline] = _visible(visit.organisation, include_shared).values()
    if "folder_id" in query:
        found = (pipeline for pipeline in found if pipeline["folder_id"] == query["folder_id"])
    page = list(found)[offset:][:limit]
    body: Body = {"object_ids": [_id(visit, pipeline) for pipeline in page]}
    if verbose:
        body["objects"] = [_shown(visit, pipeline) for pipeline in page]
    return body


def fetch_pipeline(visit: Visit) -> Body:
    """GET /pipeline: one pipeline by its id, or by its name and, where given, its owners; the last
    one changed.
    """
    query = visit.request.query
    if "id" in query:
        asked = [
            "id",
            *(
                name
                for name in ("branch_id", "version")
                if query.get(name) not in (None, "", "latest")
            ),
        ]
    elif "name" in query:
        asked = ["name", *(name for name in ("username", "org_name") if query.get(name))]
    else:
        raise ErrorReply(400, "Either id or name is required")
    found = [
        pipeline
        for pipeline in _visible(visit.organisation, include_shared=True).values()
        if all(str(pipeline[name]) == query[name] for name in asked)
    ]
    if not found:
        raise ErrorReply(404, "Pipeline not found")
    return {"object": _shown(visit, max(found, key=lambda pipeline: pipeline.changed))}


def create_pipeline(visit: Visit) -> Body:
    """POST /pipeline: a new one; its id."""
    fields = visit.fields()
    name = _text(fields, "name")
    if not name:
        raise ErrorReply(400, "name is required")
    pipeline = new_pipeline(visit.organisation.name, name, None, _settable(fields))
    visit.organisation.own[pipeline["id"]] = pipeline
    return {"id": _id(visit, pipeline)}


def save_pipeline(visit: Visit, id: str) -> Body:
    """POST /update/pipeline/{id}: what is sent replaces what is there; the object."""
    pipeline = visit.organisation.owned(id)
    pipeline.change(_settable(visit.fields()))
    return {"object": _shown(visit, pipeline)}


def delete_pipeline(visit: Visit, id: str) -> Body:
    """DELETE /pipeline/{id}: it is gone, also for those that it was shared with."""
    visit.organisation.owned(id)
    del visit.organisation.own[id]
    for guest in visit.world.organisations.values():
        guest.shared.pop(id, None)
    return {}


def duplicate_pipeline(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/duplicate: the id of a copy, which belongs to the one who made it."""
    original, fields = visit.organisation.seen(id), visit.fields()
    owner = visit.organisation.name
    own = {"username": f"{owner}-user", "org_name": owner}
    kept = {key: value for key, value in original.items() if key not in ("id", "name")}
    name = _text(fields, "name") or f"{original['name']} (copy)"
    given = {key: value for key, value in fields.items() if key in ("description", "folder_id")}
    copy = new_pipeline(owner, name, None, {**kept, **own, **given})
    visit.organisation.own[copy["id"]] = copy
    return {"id": _id(visit, copy)}


def revert_pipeline(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/revert: back to a version."""
    pipeline = visit.organisation.owned(id)
    version = _text(visit.fields(), "version")
    if not version:
        raise ErrorReply(400, "version is required")
    pipeline.change({"version": version})
    return {}


def share_pipeline(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/share: an organisation sees it from now on. Of users, nothing is known
    here.
    """
    pipeline, fields = visit.organisation.owned(id), visit.fields()
    if fields.get("role", "viewer") not in _ROLES:
        raise ErrorReply(422, f"role must be one of {', '.join(_ROLES)}")
    guest = _guest(visit, fields)
    if guest is not None:
        guest.shared[id] = pipeline
    return {}


def unshare_pipeline(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/unshare: an organisation no longer sees it."""
    visit.organisation.owned(id)
    guest = _guest(visit, visit.fields())
    if guest is not None:
        guest.shared.pop(id, None)
    return {}


def _guest(visit: Visit, fields: Mapping[str, Any]) -> Organisation | None:
    user, organisation = _text(fields, "user_id"), _text(fields, "org_id")
    if not user and not organisation:
        raise ErrorReply(400, "Either user_id or org_id is required")
    return visit.world.organisation(organisation) if organisation else None


def _visible(organisation: Organisation, include_shared: bool) -> Mapping[str, StoredPipeline]:
    return {**organisation.own, **organisation.shared} if include_shared else organisation.own


def _settable(fields: Mapping[str, Any]) -> Body:
    return {name: value for name, value in fields.items() if name not in _OF_THE_SERVER}


def _id(visit: Visit, pipeline: StoredPipeline) -> object:
    return {"$oid": pipeline["id"]} if visit.world.dialect.extended_ids else pipeline["id"]


def _shown(visit: Visit, pipeline: StoredPipeline) -> Body:
    spelled = {_SPELLED.get(name, name): value for name, value in pipeline.items()}
    return {**spelled, "_id": _id(visit, pipeline)}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ErrorReply(422, f"{name} must be a string")
    return value


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise ErrorReply(422, f"{name} must be true or false")
    return value == "true"


def _count(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise ErrorReply(422, f"{name} must be a non-negative integer")
    return int(value)
