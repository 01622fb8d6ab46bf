"""The routes of the stand-in API, a table over its state.

A handler is a function of a `Visit` and the parameters of the path. It returns the body of a 200
without its `status`, or an event stream, or it raises `ErrorReply`. A new route is a new line in
`ROUTES`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from vectorshift.testing import pipelines, runs
from vectorshift.testing.event_streams import EventStream
from vectorshift.testing.organisations import ApiKeyRecord, Body, ErrorReply, Organisation, World

if TYPE_CHECKING:
    from vectorshift.testing.records import FormPart, RecordedRequest

__all__ = ["ROUTES", "Route", "Visit", "answer"]

Handler = Callable[..., "Body | EventStream"]

_JSON_FIELDS = ("inputs", "runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request with a good key, as a handler sees it."""

    world: World
    organisation: Organisation
    request: RecordedRequest

    def fields(self) -> Body:
        """Return the fields of the body, of JSON or of a form.

        Raises:
            Failure: 400, the body is neither.
        """
        if not self.request.body:
            return {}
        try:
            if self._is_form():
                return {
                    name: _field(part)
                    for name, part in self.request.form.items()
                    if part.filename is None
                }
            body: Any = self.request.json
        except ValueError:
            raise ErrorReply(400, "The body is malformed") from None
        if not isinstance(body, dict):
            raise ErrorReply(400, "The body must be an object")
        return cast("Body", body)

    def files(self, prefix: str) -> dict[str, FormPart]:
        """Return the files of a form whose names begin with `prefix`, by the rest of their
        names.
        """
        if not self._is_form():
            return {}
        parts = {
            name: part for name, part in self.request.form.items() if part.filename is not None
        }
        return {
            name.removeprefix(prefix): part
            for name, part in parts.items()
            if name.startswith(prefix)
        }

    def _is_form(self) -> bool:
        return self.request.headers.get("content-type", "").startswith("multipart/form-data")


def _field(part: FormPart) -> Any:
    text = part.content.decode("utf-8")
    return json.loads(text) if part.name in _JSON_FIELDS else text


def _beside(visit: Visit, rest: str) -> Body:
    """/integrations-go/...: which calls there are is not documented; it tells who asked for
    what.
    """
    if visit.request.headers.get("api-key") != (visit.request.key and visit.request.key.reveal()):
        raise ErrorReply(401, "Missing or invalid Api-Key header")
    return {"path": rest, "org_name": visit.organisation.name}


# --- The table
# --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the table. `{name}` in the path is one segment, handed to the handler decoded,
    under that name.
    """

    method: str
    path: str
    scope: str
    handler: Handler


READ, WRITE, RUN = "pipelines:read", "pipelines:write", "pipelines:run"

ROUTES = (
    Route("GET", "/v1/pipelines", READ, pipelines.list_pipelines),
    Route("GET", "/v1/pipeline", READ, pipelines.fetch_pipeline),
    Route("POST", "/v1/pipeline", WRITE, pipelines.create_pipeline),
    Route("POST", "/v1/update/pipeline/{id}", WRITE, pipelines.save_pipeline),
    Route("DELETE", "/v1/pipeline/{id}", WRITE, pipelines.delete_pipeline),
    Route("POST", "/v1/pipeline/{id}/duplicate", WRITE, pipelines.duplicate_pipeline),
    Route("POST", "/v1/pipeline/{id}/revert", WRITE, pipelines.revert_pipeline),
    Route("POST", "/v1/pipeline/{id}/share", WRITE, pipelines.share_pipeline),
    Route("POST", "/v1/pipeline/{id}/unshare", WRITE, pipelines.unshare_pipeline),
    Route("POST", "/v1/pipeline/{id}/run", RUN, runs.run_pipeline),
    Route("POST", "/v1/pipeline/{id}/bulk_run", RUN, runs.bulk_run),
    Route("POST", "/v1/pipeline/{id}/bulk-run", RUN, runs.bulk_run),
    Route("GET", "/v1/pipeline/{id}/run/status/{run_id}", RUN, runs.run_status),
    Route("POST", "/v1/pipeline/{id}/terminate", RUN, runs.terminate_run),
    Route("POST", "/v1/pipeline/{id}/resume", RUN, runs.resume_runs),
)
_PATTERNS = tuple(
    (route, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path))) for route in ROUTES
)
_BESIDE = "/integrations-go/"


def answer(
    world: World, request: RecordedRequest, grant: ApiKeyRecord | None
) -> tuple[int, Body] | EventStream:
    """Judge a request as the documentation says: is there such a route, is the key good, may it do
    that.
    """
    try:
        route, parameters = _match(request.method, request.raw_path)
        if grant is None:
            raise ErrorReply(401, _refusal(request))
        if route.scope and route.scope not in grant.scopes:
            raise ErrorReply(403, f"API key lacks the scope {route.scope}")
        visit = Visit(world=world, organisation=grant.organisation, request=request)
        found = route.handler(visit, **parameters)
        return found if isinstance(found, EventStream) else (200, {"status": "success", **found})
    except ErrorReply as failure:
        return failure.status, failure.body


def _match(method: str, path: str) -> tuple[Route, dict[str, str]]:
    if path.startswith(_BESIDE):
        return Route(method, path, "", _beside), {"rest": unquote(path.removeprefix(_BESIDE))}
    for route, pattern in _PATTERNS:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, {name: unquote(segment) for name, segment in match.groupdict().items()}
    raise ErrorReply(404)


def _refusal(request: RecordedRequest) -> str:
    if not request.headers.get("authorization"):
        return "Missing authorization header"
    if request.key is None:
        return "Invalid authorization header format"
    return "Invalid API key"
