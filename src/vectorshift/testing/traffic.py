"""The way of a request through the stand-in API: arrival, judgement, faults, the record, the
answer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from vectorshift.credentials.values import Secret
from vectorshift.testing.event_streams import EventStream
from vectorshift.testing.records import RecordedHeaders, RecordedRequest
from vectorshift.testing.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from vectorshift.testing.organisations import ApiKeyRecord, World

__all__ = ["Fault", "Traffic"]


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """The scripted answer to the next request.

    Args:
        response: the answer; None: the connection is closed without one.
        path: only a request for this path; None: any.
    """

    response: Response | None
    path: str | None


class Traffic:
    """An ASGI application over a `World`. `lock` guards the world and all that stands here.

    Args:
        world: what is known.
        keep_requests: how many of the latest requests are recorded.
        hang_up: closes the connection from a client without an answer.
    """

    def __init__(
        self, world: World, keep_requests: int, hang_up: Callable[[tuple[str, int] | None], None]
    ) -> None:
        self.lock = threading.Lock()
        self.world = world
        self.latency = 0.0
        self.faults: list[Fault] = []
        self.requests: deque[RecordedRequest] = deque(maxlen=keep_requests)
        self.in_flight = 0  # this and the next are changed on the server's thread alone
        self.open_streams = 0
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        at = time.monotonic()
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        request, grant = self._arrived(scope, body, at)
        self.in_flight += 1
        try:
            response = await self._decide(request, grant)
        finally:
            self.in_flight -= 1
        if isinstance(response, EventStream):
            await self._stream(response, scope, receive, send)
        elif response is not None:
            await response(scope, receive, send)
        else:
            self._hang_up(scope["client"])
            # uvicorn answers with 500 for an application that returns before the connection is
            # gone.
            while (await receive())["type"] != "http.disconnect":
                pass

    async def _stream(
        self, stream: EventStream, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.open_streams += 1
        try:
            await stream.respond(receive, send, lambda: self._hang_up(scope["client"]))
        finally:
            self.open_streams -= 1

    async def _decide(
        self, request: RecordedRequest, grant: ApiKeyRecord | None
    ) -> Response | EventStream | None:
        response: Response | EventStream | None
        with self.lock:
            fault = self._next_fault(request.path)
            if fault:
                response = fault.response
            else:
                found = answer(self.world, request, grant)
                response = (
                    found if isinstance(found, EventStream) else JSONResponse(found[1], found[0])
                )
        if self.latency > 0:
            await asyncio.sleep(self.latency)
        status = (
            response.status_code if isinstance(response, Response) else 200 if response else None
        )
        with self.lock:
            self.requests.append(replace(request, status=status))
        return response

    def _next_fault(self, path: str) -> Fault | None:
        paths = (None, path, path.removeprefix("/v1"))
        fault = next((each for each in self.faults if each.path in paths), None)
        if fault is not None:
            self.faults.remove(fault)
        return fault

    def _arrived(
        self, scope: Scope, body: bytes, at: float
    ) -> tuple[RecordedRequest, ApiKeyRecord | None]:
        headers = RecordedHeaders(scope["headers"])
        scheme, _, text = headers.get("authorization", "").partition(" ")
        key = text.strip() if scheme.lower() == "bearer" else ""
        with self.lock:
            grant = self.world.grants.get(key)
        request = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            raw_path=scope["raw_path"].decode("ascii", "replace"),
            query=QueryParams(scope["query_string"]),
            headers=headers,
            body=body,
            key=Secret(key) if key else None,
            org=grant.organisation.name if grant else None,
            status=None,
            at=at,
        )
        return request, grant
