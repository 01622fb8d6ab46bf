"""What the stand-in API answers: organisations, and a table of routes over them.

A handler is a function of the organisation that the key acts on, the request, and the parameters of the
path; it returns what stands beside `status` in a body with 200, or raises `Failure`. A new route is a new
line in `ROUTES`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectorshift.testing.records import RecordedRequest

__all__ = [
    "ROUTES",
    "SCOPES",
    "Failure",
    "Grant",
    "Organisation",
    "Route",
    "answer",
    "documented_body",
    "new_pipeline",
]

SCOPES = ("pipelines:read", "pipelines:write", "pipelines:run")

Body = dict[str, Any]
Handler = Callable[..., Body]


class Failure(Exception):
    """A handler's way to answer with something else than 200."""

    def __init__(self, status: int, error: str = "") -> None:
        super().__init__(status, error)
        self.status = status
        self.body = documented_body(status, error)


def documented_body(status: int, error: str = "") -> Body:
    """Return the body of a failure; 403, 422 and 429, of which none is documented, get the common one."""
    if status == 401:
        return {"error": error or "Invalid API key"}
    known = status in HTTPStatus._value2member_map_
    return {"status": "failed", "error": error or (HTTPStatus(status).phrase if known else f"HTTP {status}")}


class Organisation:
    """One tenant's pipelines, its own and those that others share with it, by id. It begins with two.

    The mappings are replaced and never changed, so that a handler may walk them while another thread adds.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        starters = (new_pipeline(name, f"{name}-{kind}", None, {}) for kind in ("assistant", "summary"))
        self.own: Mapping[str, Body] = {pipeline["id"]: pipeline for pipeline in starters}
        self.shared: Mapping[str, Body] = {}


def new_pipeline(org: str, name: str, id: str | None, fields: Mapping[str, Any]) -> Body:
    """Return a pipeline's object with every field that a request can ask for; `fields` win."""
    return {
        "id": id or secrets.token_hex(12),
        "name": name,
        "description": "",
        "folder_id": None,
        "username": f"{org}-user",
        "org_name": org,
        "branch_id": "main",
        "version": 1,
        **fields,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a key may do, and in which organisation."""

    organisation: Organisation
    scopes: frozenset[str]


# --- Handlers ---------------------------------------------------------------------------------------


def list_pipelines(organisation: Organisation, request: RecordedRequest) -> Body:
    """GET /pipelines: ids, and the objects too if `verbose`."""
    query = request.query
    include_shared, verbose = _flag(query, "include_shared"), _flag(query, "verbose")
    offset, limit = _count(query, "offset") or 0, _count(query, "limit")
    found: Iterable[Body] = _visible(organisation, include_shared).values()
    if "folder_id" in query:
        found = (pipeline for pipeline in found if pipeline["folder_id"] == query["folder_id"])
    page = list(found)[offset:][:limit]
    body: Body = {"object_ids": [pipeline["id"] for pipeline in page]}
    if verbose:
        body["objects"] = page
    return body


def fetch_pipeline(organisation: Organisation, request: RecordedRequest) -> Body:
    """GET /pipeline: one pipeline by its id, or by its name and, where given, its owners."""
    query = request.query
    if "id" in query:
        asked = ["id", *(name for name in ("branch_id", "version") if query.get(name))]
    elif "name" in query:
        asked = ["name", *(name for name in ("username", "org_name") if query.get(name))]
    else:
        raise Failure(400, "Either id or name is required")
    for pipeline in _visible(organisation, include_shared=True).values():
        if all(str(pipeline[name]) == query[name] for name in asked):
            return {"object": pipeline}
    raise Failure(404, "Pipeline not found")


def _visible(organisation: Organisation, include_shared: bool) -> Mapping[str, Body]:
    return {**organisation.own, **organisation.shared} if include_shared else organisation.own


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise Failure(422, f"{name} must be true or false")
    return value == "true"


def _count(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise Failure(422, f"{name} must be a non-negative integer")
    return int(value)


# --- The table --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the table. `{name}` in the path is one segment, handed to the handler under that name."""

    method: str
    path: str
    scope: str
    handler: Handler


ROUTES = (
    Route("GET", "/v1/pipelines", "pipelines:read", list_pipelines),
    Route("GET", "/v1/pipeline", "pipelines:read", fetch_pipeline),
)
_PATTERNS = tuple((route, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path))) for route in ROUTES)


def answer(request: RecordedRequest, grant: Grant | None) -> tuple[int, Body]:
    """Judge a request as the documentation says: is there such a route, is the key good, may it do that."""
    try:
        route, parameters = _match(request.method, request.path)
        if grant is None:
            raise Failure(401, _refusal(request))
        if route.scope not in grant.scopes:
            raise Failure(403, f"API key lacks the scope {route.scope}")
        return 200, {"status": "success", **route.handler(grant.organisation, request, **parameters)}
    except Failure as failure:
        return failure.status, failure.body


def _match(method: str, path: str) -> tuple[Route, dict[str, str]]:
    for route, pattern in _PATTERNS:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    raise Failure(404)


def _refusal(request: RecordedRequest) -> str:
    if not request.headers.get("authorization"):
        return "Missing authorization header"
    if request.key is None:
        return "Invalid authorization header format"
    return "Invalid API key"
