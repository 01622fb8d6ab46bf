"""Libraries that answer in place of the API reach our clients, also one that was made before.

RESPX and vcrpy patch httpcore's pools, and pytest-httpx the transports of httpx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import httpx
import pytest

from vectorshift import ApiTimeoutError, AsyncVectorShift, RateLimitError, VectorShift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio

URL = "https://api.example.test/v1"
EVENTS = b"data: one\n\ndata: two\n\n"
ANSWERS = {
    "/v1/pipelines": (200, b'{"status": "success"}'),
    "/v1/busy": (429, b'{"error": "slow down"}'),
    "/v1/stream": (200, EVENTS),
}
Sent = list[tuple[str, bytes]]


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


def answered(request: Any, content: bytes, sent: Sent) -> Any:
    """Return the answer to a request of httpx or of httpcore, in its own type."""
    headers = dict(request.headers if isinstance(request.headers, list) else request.headers.raw)
    sent.append((headers[b"Authorization"].decode(), content))
    of_httpx = isinstance(request, httpx.Request)
    path = request.url.path if of_httpx else request.url.target.decode()
    if path == "/v1/slow":
        raise httpx.ReadTimeout("slow") if of_httpx else httpcore.ReadTimeout("slow")
    status, body = ANSWERS[path]
    kind = [(b"Content-Type", b"text/event-stream")]
    if of_httpx:
        return httpx.Response(status, headers=kind, stream=Body(body))
    return httpcore.Response(status, headers=kind, content=Body(body))


def patch(library: str, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Patch what such a library patches; return what is sent."""
    sent: Sent = []

    def sync_answer(_: object, request: Any) -> Any:
        return answered(request, b"".join(request.stream), sent)

    async def async_answer(_: object, request: Any) -> Any:
        return answered(request, b"".join([part async for part in request.stream]), sent)

    places: tuple[Any, Any] = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
    if library != "pytest-httpx":
        places = (httpcore.ConnectionPool, httpcore.AsyncConnectionPool)
    monkeypatch.setattr(places[0], "handle_request", sync_answer)
    monkeypatch.setattr(places[1], "handle_async_request", async_answer)
    return sent


libraries = pytest.mark.parametrize("library", ["RESPX", "pytest-httpx"])


@libraries
def test_a_sync_client_is_reached(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = VectorShift("vs-mock", base_url=URL, max_retries=0)
    client.prepare()
    sent = patch(library, monkeypatch)
    with client:
        assert client.request("GET", "/pipelines") == {"status": "success"}
        with pytest.raises(RateLimitError):
            client.request("POST", "/busy", files={"file": ("a.txt", b"its text")})
        with pytest.raises(ApiTimeoutError):
            client.request("GET", "/slow")
        with client.stream("GET", "/stream") as stream:
            assert [event.data for event in stream.iter_events()] == ["one", "two"]
    assert {key for key, _ in sent} == {"Bearer vs-mock"}
    assert b"its text" in sent[1][1]


@libraries
async def test_an_async_client_is_reached(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = AsyncVectorShift("vs-mock", base_url=URL, max_retries=0)
    await client.aprepare()
    sent = patch(library, monkeypatch)
    async with client:
        assert await client.request("GET", "/pipelines") == {"status": "success"}
        with pytest.raises(RateLimitError):
            await client.request("POST", "/busy", files={"file": ("a.txt", b"its text")})
        with pytest.raises(ApiTimeoutError):
            await client.request("GET", "/slow")
        async with client.stream("GET", "/stream") as stream:
            assert [event.data async for event in stream.aiter_events()] == ["one", "two"]
    assert {key for key, _ in sent} == {"Bearer vs-mock"}
    assert b"its text" in sent[1][1]
