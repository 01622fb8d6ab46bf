"""A stand-in for the VectorShift API: a real HTTP server on loopback, with organisations, keys and faults.

with FakeVectorShift() as api:
    key = api.create_key(org="acme")
    client = VectorShift(key, base_url=api.base_url)
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

try:
    from starlette.datastructures import QueryParams
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
except ModuleNotFoundError as error:
    raise ImportError(
        f"The stand-in API needs the package {error.name}: pip install 'vectorshift[testing]'",
        name=error.name,
    ) from None

from vectorshift.credentials import Secret
from vectorshift.testing.records import RecordedHeaders, RecordedRequest
from vectorshift.testing.routes import SCOPES, Grant, Organisation, answer, documented_body, new_pipeline
from vectorshift.testing.server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from starlette.types import Receive, Scope, Send
    from typing_extensions import Self

__all__ = ["FakeVectorShift"]


@dataclass(slots=True)
class _Fault:
    response: Response | None  # None: the connection is closed without an answer
    path: str | None
    times: int


class FakeVectorShift:
    """A stand-in VectorShift API on a free loopback port. Every method is thread-safe.

    An organisation comes into being when it is first named, with two pipelines, `<org>-assistant` and
    `<org>-summary`. A key is judged when its request arrives, before `latency`: one that was revoked
    before that is refused. The scopes, which are not documented, are `pipelines:read`, `pipelines:write`
    and `pipelines:run`.

    After `close` it may be started again: same port, same keys, pipelines and records, as after an outage.

    Args:
        latency: seconds to wait before each answer; may be set while it runs.
        keep_requests: how many of the latest requests `requests` holds.
    """

    def __init__(self, *, latency: float = 0.0, keep_requests: int = 100_000) -> None:
        self.latency = latency
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._organisations: dict[str, Organisation] = {}
        self._faults: list[_Fault] = []
        self._requests: deque[RecordedRequest] = deque(maxlen=keep_requests)
        self._in_flight = 0  # changed on the server's thread alone
        self._server = LoopbackServer(self._handle, name="vectorshift-fake-api")

    # --- Life ---

    def start(self) -> Self:
        """Listen, and return once requests are answered.

        Raises:
            RuntimeError: it runs already.
            OSError: it is started again, and its port was taken meanwhile.
        """
        self._server.start()
        return self

    def close(self) -> None:
        """Stop at once; requests in flight get no answer. Harmless when not running."""
        self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """What to give a client, such as `http://127.0.0.1:40123/v1`; stays the same when closed.

        Raises:
            RuntimeError: it was never started.
        """
        if not self._server.port:
            raise RuntimeError("FakeVectorShift has no address yet: use it in a with block, or call start().")
        return f"http://127.0.0.1:{self._server.port}/v1"

    def __repr__(self) -> str:
        place = f"on port {self._server.port}" if self._server.running else "not running"
        return f"<FakeVectorShift {place}, {len(self._organisations)} organisations, {len(self._grants)} keys>"

    # --- Keys and pipelines ---

    def create_key(self, *, org: str = "acme", scopes: Iterable[str] = SCOPES, key: str | None = None) -> str:
        """Make a key that acts on `org` and return it.

        Args:
            org: the organisation.
            scopes: what it may do; `()` for a key that is good and may do nothing.
            key: the key to use; a random `vs-...` by default.

        Raises:
            ValueError: this key exists.
        """
        key = key or f"vs-{secrets.token_urlsafe(24)}"
        with self._lock:
            if key in self._grants:
                raise ValueError(f"The key {Secret(key)} exists already.")
            self._grants[key] = Grant(organisation=self._organisation(org), scopes=frozenset(scopes))
        return key

    def revoke_key(self, key: str) -> None:
        """Refuse `key` in every request that arrives from now on.

        Raises:
            KeyError: there is no such key.
        """
        with self._lock:
            known = self._grants.pop(key, None) is not None
        if not known:
            raise KeyError(f"There is no key {Secret(key)}.")

    def add_pipeline(
        self, org: str, name: str, *, id: str | None = None, shared_with: Iterable[str] = (), **fields: Any
    ) -> str:
        """Give `org` another pipeline and return its id.

        Args:
            org: the organisation that owns it.
            name: its name.
            id: its id; 24 random hex digits by default.
            shared_with: the organisations that see it too, if they ask for shared ones.
            fields: what else stands in the object, or replaces what stands there by default:
                `description`, `folder_id`, `username`, `org_name`, `branch_id`, `version`.
        """
        with self._lock:
            owner = self._organisation(org)
            pipeline = new_pipeline(org, name, id, fields)
            owner.own = {**owner.own, pipeline["id"]: pipeline}
            for guest in map(self._organisation, shared_with):
                guest.shared = {**guest.shared, pipeline["id"]: pipeline}
        return cast("str", pipeline["id"])

    def _organisation(self, name: str) -> Organisation:
        if name not in self._organisations:
            self._organisations[name] = Organisation(name)
        return self._organisations[name]

    # --- Faults ---

    def fail_next(
        self,
        status: int,
        *,
        times: int = 1,
        body: str | bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
    ) -> None:
        """Answer the next requests with `status`, whatever their key. Faults are used up in the order given.

        Args:
            status: the HTTP status.
            times: how many requests get it.
            body: text, bytes, or what to send as JSON; the documented body of this status by default.
            headers: such as `{"Retry-After": "2"}`.
            path: only requests for this path, such as `/pipelines`, with or without `/v1`.
        """
        sent = dict(headers or {})
        if isinstance(body, str | bytes):
            response = Response(body, status, sent, media_type="text/plain")
        else:
            response = JSONResponse(documented_body(status) if body is None else body, status, sent)
        self._inject(response, times, path)

    def drop_next(self, *, times: int = 1, path: str | None = None) -> None:
        """Close the connection of the next requests without an answer. Takes its turn with `fail_next`."""
        self._inject(None, times, path)

    def _inject(self, response: Response | None, times: int, path: str | None) -> None:
        with self._lock:
            self._faults.append(_Fault(response, path, times))

    def _next_fault(self, path: str) -> _Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.path in (None, path, path.removeprefix("/v1")) and fault.times > 0:
                    fault.times -= 1
                    self._faults = [kept for kept in self._faults if kept.times > 0]
                    return fault
        return None

    # --- Requests ---

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests answered so far, in the order of their answers; a list of your own.

        A request is in it before its client has the answer.
        """
        with self._lock:
            return list(self._requests)

    @property
    def in_flight(self) -> int:
        """How many requests have arrived whole and wait, for `latency`, to be answered."""
        return self._in_flight

    def clear_requests(self) -> None:
        """Forget the requests recorded so far."""
        with self._lock:
            self._requests.clear()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        at = time.monotonic()
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        request, grant = self._arrived(scope, body, at)
        self._in_flight += 1
        try:
            response = await self._decide(request, grant)
        finally:
            self._in_flight -= 1
        if response is not None:
            await response(scope, receive, send)
            return
        self._server.hang_up(scope["client"])
        # uvicorn answers with 500 for an application that returns before the connection is gone.
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _decide(self, request: RecordedRequest, grant: Grant | None) -> Response | None:
        fault = self._next_fault(request.path) if self._faults else None
        if fault:
            response = fault.response
        else:
            status, found = answer(request, grant)
            response = JSONResponse(found, status)
        if self.latency > 0:
            await asyncio.sleep(self.latency)
        with self._lock:
            self._requests.append(replace(request, status=response.status_code if response else None))
        return response

    def _arrived(self, scope: Scope, body: bytes, at: float) -> tuple[RecordedRequest, Grant | None]:
        headers = RecordedHeaders(scope["headers"])
        scheme, _, text = headers.get("authorization", "").partition(" ")
        key = text.strip() if scheme.lower() == "bearer" else ""
        grant = self._grants.get(key)
        request = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=QueryParams(scope["query_string"]),
            headers=headers,
            body=body,
            key=Secret(key) if key else None,
            org=grant.organisation.name if grant else None,
            status=None,
            at=at,
        )
        return request, grant
