"""What a server sends behind its answer is no answer to the next call: its connection is closed
instead.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx
import pytest
from tests.call_styles import CALL_STYLES, CallStyle
from tests.certificates import Authority
from tests.faults import FaultServer, StillClock, answer

from vectorshift import AsyncVectorShift, VectorShift, using
from vectorshift.transport.desync import has_unread_bytes
from vectorshift.transport.http import new_async_client, new_client, route_to

if TYPE_CHECKING:
    import ssl

pytestmark = pytest.mark.anyio

FOREIGN = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"of": "somebody"}'
EMPTY = b"HTTP/1.1 204 X\r\nContent-Length: %d\r\n\r\n"
BRACES = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}"
FIRST = {
    "a 204 with a body": ("DELETE", [EMPTY % 2 + b"{}"]),
    "a HEAD with a body": ("HEAD", [BRACES]),
    "a 304 with a body": ("GET", [b"HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n{}"]),
    "a 204 with an answer in it": ("DELETE", [EMPTY % len(FOREIGN) + FOREIGN]),
    "a second answer": ("GET", [BRACES + FOREIGN]),
    "a body that is longer than it says": ("GET", [BRACES + b"\n"]),
    "a second answer, apart": ("GET", [BRACES, FOREIGN]),
    "a second answer behind a long one": (
        "GET",
        [b'HTTP/1.1 200 X\r\nContent-Length: 65495\r\n\r\n"' + b"a" * 65_493 + b'"' + FOREIGN],
    ),
}
"""What is sent for the first call; the pieces are TLS records of their own, and arrive together."""


class Sends:
    """Sends these pieces, together where the system can.

    Attributes:
        sent: set when they lie at the client's: what comes later than the next request nobody can
            tell from its answer.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.sent = pieces, threading.Event()

    def __call__(self, connection: socket.socket, _: threading.Event) -> None:
        cork = getattr(socket, "TCP_CORK", None)
        for on in (1, 0):
            if cork is not None:
                connection.setsockopt(socket.IPPROTO_TCP, cork, on)
            for piece in self.pieces if on else ():
                connection.sendall(piece)
        self.sent.set()


@pytest.fixture(params=CALL_STYLES, ids=repr)
def style(request: pytest.FixtureRequest, anyio_backend: str) -> CallStyle:
    found: CallStyle = request.param
    if not found.prefix and anyio_backend == "trio":
        pytest.skip("sync code has no event loop")
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["http", "https"])
def tls(
    request: pytest.FixtureRequest, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    if request.param == "http":
        return None
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority.context


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
async def test_the_next_call_has_an_answer_of_its_own(
    style: CallStyle, tls: ssl.SSLContext | None, first: tuple[str, list[bytes]]
) -> None:
    method, pieces = first
    surplus = Sends(*pieces)
    with FaultServer(surplus, answer(200, b'{"of": "me"}'), tls=tls) as server:
        assert await call_twice(style, server, method, surplus.sent) == {"of": "me"}
    assert server.connections == 2
    assert [sent.authorization for sent in server.received] == [
        "Bearer vs-acme-0000",
        "Bearer vs-umbrella-0000",
    ]


async def call_twice(
    style: CallStyle, server: FaultServer, method: str, between: threading.Event
) -> Any:
    """Return what the second call gives, of another organisation on the same client."""
    made: dict[str, Any] = {"base_url": server.origin, "clock": StillClock(), "max_retries": 0}
    if not style.prefix:
        with VectorShift(**made) as client:
            with using("vs-acme-0000"), contextlib.suppress(Exception):
                client.request(method, "/x")
            between.wait(30)
            with using("vs-umbrella-0000"):
                return client.request("POST", "/y", json={})
    async with AsyncVectorShift(**made) as aclient:
        with using("vs-acme-0000"), contextlib.suppress(Exception):
            await aclient.request(method, "/x")
        await anyio.to_thread.run_sync(between.wait, 30)
        with using("vs-umbrella-0000"):
            return await aclient.request("POST", "/y", json={})


async def test_a_stream_that_was_read_whole_gives_no_such_connection_back_either(
    style: CallStyle,
) -> None:
    with FaultServer(Sends(BRACES + FOREIGN), answer(200, b'{"of": "me"}')) as server:
        if not style.prefix:
            with VectorShift("k", base_url=server.origin) as client:
                with client.stream("GET", "/x") as stream:
                    assert b"".join(stream.iter_bytes()) == b"{}"
                assert client.request("POST", "/y", json={}) == {"of": "me"}
        else:
            async with AsyncVectorShift("k", base_url=server.origin) as aclient:
                async with aclient.stream("GET", "/x") as astream:
                    assert b"".join([piece async for piece in astream.aiter_bytes()]) == b"{}"
                assert await aclient.request("POST", "/y", json={}) == {"of": "me"}
    assert server.connections == 2


async def test_a_connection_without_a_surplus_is_used_again(
    style: CallStyle, tls: ssl.SSLContext | None
) -> None:
    body = json.dumps("a" * 200_000).encode()
    with FaultServer(answer(200, body), answer(), tls=tls) as server:
        nothing = threading.Event()
        nothing.set()
        assert await call_twice(style, server, "GET", nothing) == {"status": "success"}
    assert server.connections == 1


# --- Where httpcore keeps it: this fails when it, h11, anyio or trio calls it by another name ---


@pytest.mark.parametrize("through", ["nothing", "a proxy"])
async def test_a_surplus_is_found(
    style: CallStyle, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    with FaultServer(Sends(BRACES + FOREIGN), answer()) as server:
        url = server.origin
        if through == "a proxy":
            monkeypatch.setenv("HTTP_PROXY", server.origin)
            url = "http://api.example.test/"
        if not style.prefix:
            with new_client(route_to(url, None)) as http:
                http.get(url)
                assert has_unread_bytes(http)
        else:
            async with new_async_client(route_to(url, None)) as ahttp:
                await ahttp.get(url)
                assert has_unread_bytes(ahttp)


async def test_a_transport_that_is_not_known_is_told_apart(style: CallStyle) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    if not style.prefix:
        with httpx.Client(transport=transport) as http:
            http.get("http://127.0.0.1/")
            assert has_unread_bytes(http) is None
    else:
        async with httpx.AsyncClient(transport=transport) as ahttp:
            await ahttp.get("http://127.0.0.1/")
            assert has_unread_bytes(ahttp) is None
