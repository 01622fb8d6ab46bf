"""aiohttp below an httpx client that is handed in: what `docs/httpx.md` says of it."""

from __future__ import annotations

import logging
import pickle
import traceback
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from tests.fakes import Rotating
from tests.faults import FaultServer, StillClock, answer, cut, drop, hang

from vectorshift import ApiConnectionError, AsyncVectorShift, VectorshiftApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

aiohttp: Any = pytest.importorskip("aiohttp")
transports: Any = pytest.importorskip("httpx_aiohttp")

pytestmark = pytest.mark.anyio
KEY = "vs-3f9c2e71d8a04b56"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def client(
    server: FaultServer, credentials: Any = KEY, **given: Any
) -> AsyncIterator[AsyncVectorShift]:
    """A client as the page makes it."""

    def session() -> Any:
        return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    transport = transports.AiohttpTransport(client=session)
    async with httpx.AsyncClient(transport=transport, cookies=no_cookies) as http:
        yield AsyncVectorShift(
            credentials, base_url=server.origin, http_client=http, clock=StillClock(), **given
        )


async def test_no_cookie_goes_with_the_next_call() -> None:
    with FaultServer(answer(200, b"{}", Set_Cookie="session=acme; Path=/")) as server:
        async with client(server) as ours:
            for _ in range(2):
                await ours.request("GET", "/x")
    assert ["cookie" in got.headers for got in server.received] == [False, False]
    assert server.connections == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
async def test_a_failed_answer_has_its_class_and_its_text(status: int) -> None:
    body = b'{"error": "It is so."}'
    with FaultServer(answer(status, body)) as server:
        async with client(server, max_retries=0) as ours:
            with pytest.raises(VectorshiftApiError, match=r"It is so\.") as caught:
                await ours.request("GET", "/x")
    assert caught.value.status_code == status


async def test_a_rotated_key_is_sent_after_a_401() -> None:
    with FaultServer(answer(401, b"{}"), answer()) as server:
        async with client(server, Rotating("k1", "k2")) as ours:
            await ours.request("GET", "/x")
    assert [got.authorization for got in server.received] == ["Bearer k1", "Bearer k2"]


@pytest.mark.parametrize(
    "fault",
    [
        answer(401, f'{{"error": "Invalid API key {KEY}"}}'.encode()),
        answer(200, f"no JSON: {KEY}".encode()),
        drop,
        cut(after=f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{KEY}".encode()),
    ],
    ids=["401", "no JSON", "dropped", "cut off"],
)
async def test_no_key_shows_in_an_error_its_frames_its_pickle_or_a_log(
    fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(fault) as server:
        async with client(server, max_retries=0) as ours:
            with pytest.raises((VectorshiftApiError, ApiConnectionError)) as caught:
                await ours.request("GET", "/x")
    error = caught.value
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    # the frame of this test holds the server, which has seen the key
    shown = shown.replace(repr(server), "")
    texts = [shown, str(error), repr(vars(error)), repr(pickle.dumps(error)), caplog.text]
    assert [text for text in texts if KEY in text] == []


async def test_an_answer_that_is_no_http_is_an_error_of_aiohttp() -> None:
    with FaultServer(cut(after=b"HTTP/1.1 nonsense\r\n\r\n")) as server:
        async with client(server) as ours:
            with pytest.raises(aiohttp.ClientResponseError, match="nonsense"):
                await ours.request("GET", "/x")


@pytest.mark.parametrize(("method", "sent"), [("GET", 3), ("POST", 2)])
async def test_aiohttp_sends_a_get_again_by_itself_and_no_post(method: str, sent: int) -> None:
    with FaultServer(answer(), drop) as server:
        async with client(server, max_retries=0) as ours:
            await ours.request("GET", "/x")
            with pytest.raises(ApiConnectionError):
                await ours.request(method, "/x")
    assert len(server.received) == sent


async def test_a_stream_that_is_left_closes_its_connection() -> None:
    begun = hang(after=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun")
    with FaultServer(begun) as server:
        async with client(server) as ours:
            async with ours.stream("GET", "/x") as stream:
                async for piece in stream.aiter_bytes():
                    assert piece == b"begun"
                    break
            with anyio.fail_after(10):  # the server sees it when it looks
                while server.open_connections:
                    await anyio.sleep(0.01)
