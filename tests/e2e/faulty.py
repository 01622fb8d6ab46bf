"""The stand-in API, which does something wrong to each twentieth request: instead of the call, or
after it.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DONE", "NOT_DONE", "Faulty"]

FAULT_EVERY = 20


def _failing(status: int, **headers: str) -> Response:
    body = {"status": "failed", "error": f"fault {status}"}
    return JSONResponse(
        body, status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)

NOT_DONE: dict[str, Any] = {
    **{
        str(status): _failing(status)
        for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504)
    },
    "429, Retry-After": _failing(429, Retry_After="1"),
    "429, too long": _failing(429, Retry_After="3600"),
    "503, Retry-After": _failing(503, Retry_After="1"),
    "HTML": Response(b"<html>", 502, media_type="text/html"),
    "a redirect": Response(b"", 307, {"Location": "/elsewhere"}),
    "closed before the answer": (b"", "close"),
    "reset before the answer": (b"", "reset"),
    "garbage": (b"garbage in, garbage out\r\n\r\n", "close"),
    "no answer": (b"", "hang"),
}
"""What happens instead of the call: an answer, or bytes and what becomes of the connection behind
them.
"""

DONE: dict[str, Callable[[bytes], Any]] = {
    "done, then closed": lambda body: (b"", "close"),
    "done, then reset": lambda body: (b"", "reset"),
    "done, then 500": lambda body: _failing(500),
    "done, then 204": lambda body: Response(b"", 204),
    "done, then no JSON": lambda body: Response(
        b'{"status": "succ', 200, media_type="application/json"
    ),
    "done, then failed": lambda body: _failing(200),
    "done, then no gzip": lambda body: Response(body, 200, {"Content-Encoding": "gzip"}),
    "headers cut off": lambda body: (_HEAD[:30], "close"),
    "headers reset": lambda body: (_HEAD[:30], "reset"),
    "body cut off": lambda body: (_HEAD % len(body) + body[:-1], "close"),
    "body reset": lambda body: (_HEAD % len(body) + body[: len(body) // 2], "reset"),
    "body hangs": lambda body: (_HEAD % len(body) + body[:-1], "hang"),
    "stream cut off": lambda body: (_CHUNKED + _chunk(body[: len(body) // 2]), "close"),
    "stream reset": lambda body: (_CHUNKED + _chunk(body), "reset"),
    "stream hangs": lambda body: (_CHUNKED + _chunk(body[: len(body) // 2]), "hang"),
    "no chunk": lambda body: (_CHUNKED + b"zz\r\n", "close"),
    "an event that is no JSON": lambda body: (
        _CHUNKED + _chunk(b"data: <html>\n\n") + _chunk(b""),
        "keep",
    ),
    "an event of failure": lambda body: (
        _CHUNKED + _chunk(b'data: {"error": "no"}\n\n') + _chunk(b""),
        "close",
    ),
}
"""What happens after the call was carried out, by the body of its answer."""


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Faulty(FakeVectorShift):
    """The stand-in API. Faults go by a counter of requests, and a seed says with which to begin."""

    def __init__(self, seed: int) -> None:
        super().__init__(keep_requests=10_000_000)
        self._numbers = count(1)
        self._kinds = random.Random(seed).sample([*NOT_DONE, *DONE], len(NOT_DONE) + len(DONE))
        self.met: Counter[str] = Counter()

    @property
    def connections(self) -> int:
        """How many connections clients hold at this moment."""
        assert self._server._uvicorn is not None
        return len(self._server._uvicorn.server_state.connections)

    async def _handle(self, scope: Any, receive: Any, send: Any) -> None:
        number = next(self._numbers)
        if number % FAULT_EVERY:
            await super()._handle(scope, receive, send)
            return
        kind = self._kinds[number // FAULT_EVERY % len(self._kinds)]
        self.met[kind] += 1
        body = (
            await _carry_out(super()._handle, scope, receive)
            if kind in DONE
            else await _read(scope, receive)
        )
        if body is None:
            return
        answer = DONE[kind](body) if kind in DONE else NOT_DONE[kind]
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        else:
            await self._spoil(scope, receive, *answer)

    async def _spoil(self, scope: Any, receive: Any, data: bytes, then: str) -> None:
        """Write to the connection itself, and end it, or have it hang until the client leaves
        it.
        """
        assert self._server._uvicorn is not None
        for each in list(self._server._uvicorn.server_state.connections):
            transport = each.transport
            if transport.get_extra_info("peername") == scope["client"]:
                transport.write(data)
                if then == "reset":
                    linger = struct.pack("ii", 1, 0)
                    transport.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, linger
                    )
                if then != "hang":
                    transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _read(scope: Any, receive: Any) -> bytes | None:
    with contextlib.suppress(ClientDisconnect):
        return await Request(scope, receive).body()
    return None


async def _carry_out(handle: Any, scope: Any, receive: Any) -> bytes | None:
    """Return the body of the answer to a call that was carried out; None if its client was gone
    before.
    """
    parts: list[bytes] = []

    async def keep(message: Any) -> None:
        parts.append(message.get("body", b""))

    await handle(scope, receive, keep)
    return b"".join(parts) if parts else None
