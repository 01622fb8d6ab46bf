"""HTTP/2, on an httpx client of the caller's: whatever the server's bytes break, it is an error of
ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from vectorshift import ApiConnectionError, AsyncVectorShift, VectorShift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "vs-3f9c2e71d8"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2 (RFC 9113, section 4.1)."""
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


SETTINGS, HEADERS = frame(4, 0, 0, b""), frame(1, 4, 1, b"\x88")  # :status 200
PING, PONG = frame(6, 0, 0, bytes(8)), frame(6, 1, 0, bytes(8))
BROKEN = {
    "data of a stream that there is not": frame(0, 1, 99, b"x"),
    "headers that cannot be decoded": frame(1, 5, 1, b"\xff\xff\xff\xff"),
    "a window that grows by nothing": frame(8, 0, 1, bytes(4)),
    "a setting that cannot be": frame(4, 0, 0, b"\0\5\0\0\0\1"),
    "a continuation of nothing": frame(9, 4, 1, b""),
    "a pushed stream": frame(5, 4, 1, b"\0\0\0\2\x82"),
}


def read_until(connection: socket.socket, end: bytes) -> None:
    heard = b""
    while end not in heard:
        if not (more := connection.recv(65_536)):
            raise ConnectionError
        heard += more


@contextlib.contextmanager
def server(*said: bytes) -> Iterator[str]:
    """Say this to whoever has sent a request, one part after the other has been read."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(SETTINGS)
                    read_until(connection, b"{}")  # the body, which is the end of the request
                    for part in said:
                        connection.sendall(part + PING)
                        read_until(connection, PONG)
                    while connection.recv(65_536):
                        pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def post(url: str) -> None:
    with httpx.Client(http1=False, http2=True, trust_env=False) as http:
        VectorShift(KEY, base_url=url, http_client=http, max_retries=0).request(
            "POST", "/x", json={}
        )


async def apost(url: str) -> None:
    async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as http:
        await AsyncVectorShift(KEY, base_url=url, http_client=http, max_retries=0).request(
            "POST", "/x", json={}
        )


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("head", [(), (HEADERS,)], ids=["no answer", "an answer that has begun"])
@pytest.mark.parametrize("send", [post, lambda url: asyncio.run(apost(url))], ids=["sync", "async"])
def test_what_breaks_http_2_is_ours(
    send: Callable[[str], None], head: tuple[bytes, ...], said: bytes
) -> None:
    with server(*head, said) as url, pytest.raises(ApiConnectionError) as caught:
        send(url)
    assert caught.value.may_have_run
    assert KEY not in str(caught.value)
