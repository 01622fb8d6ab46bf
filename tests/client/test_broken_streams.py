"""A stream that broke off does not look like one that came to its end, however often it is asked
for more.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tests.call_styles import CALL_STYLES, CallStyle
from tests.faults import FaultServer, StillClock, answer, cut, hang, reset

from vectorshift import (
    ApiConnectionError,
    AsyncVectorShift,
    RateLimitError,
    VectorShift,
    VectorshiftError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

BEGUN = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
HOWS = pytest.mark.parametrize("how", ["bytes", "lines", "events"])


@pytest.fixture(params=CALL_STYLES, ids=repr)
def style(request: pytest.FixtureRequest, anyio_backend: str) -> CallStyle:
    found: CallStyle = request.param
    if not found.prefix and anyio_backend == "trio":
        pytest.skip("sync code has no event loop")
    return found


@asynccontextmanager
async def streaming(
    style: CallStyle, server: FaultServer, method: str = "GET"
) -> AsyncIterator[Any]:
    """Give the stream of a call."""
    if not style.prefix:
        with (
            VectorShift("k", base_url=server.origin, clock=StillClock()) as client,
            client.stream(method, "/x") as stream,
        ):
            yield stream
        return
    async with (
        AsyncVectorShift("k", base_url=server.origin, clock=StillClock()) as aclient,
        aclient.stream(method, "/x") as astream,
    ):
        yield astream


@HOWS
@pytest.mark.parametrize("fault", [cut, reset])
async def test_after_an_error_both_the_iterator_and_a_new_one_refuse(
    style: CallStyle, how: str, fault: Any
) -> None:
    with FaultServer(fault(after=BEGUN)) as server:
        async with streaming(style, server) as stream:
            items = style.iterator(stream, f"iter_{how}")
            with pytest.raises(ApiConnectionError):
                await style.all(items)
            for again in (items, items, style.iterator(stream, f"iter_{how}")):
                with pytest.raises(
                    VectorshiftError, match=r"The answer to GET /x broke off"
                ) as caught:
                    await style.next(again)
                assert type(caught.value) is VectorshiftError


@HOWS
async def test_after_a_cancelled_wait_both_the_iterator_and_a_new_one_refuse(how: str) -> None:
    with FaultServer(hang(after=BEGUN)) as server:
        async with streaming(CALL_STYLES[1], server) as stream:
            items = getattr(stream, f"aiter_{how}")()
            assert await anext(items)
            with anyio.move_on_after(0.05) as scope:
                while True:
                    await anext(items)
            assert scope.cancelled_caught
            for again in (items, items, getattr(stream, f"aiter_{how}")()):
                with pytest.raises(VectorshiftError, match=r"The answer to GET /x broke off"):
                    await anext(again)


async def test_a_stream_that_was_read_whole_goes_on_to_be_at_its_end(style: CallStyle) -> None:
    with FaultServer(answer(200, b"data: 1\n\n")) as server:
        async with streaming(style, server) as stream:
            items = style.iterator(stream, "iter_events")
            assert [event.data for event in await style.all(items)] == ["1"]
            assert (
                await style.all(items)
                == await style.all(style.iterator(stream, "iter_lines"))
                == []
            )


# --- Compressed, and cut off within a whole message ---

BODY = b"".join(b"data: %d\n\n" % number for number in range(1_000))
PACKED = {
    "gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "gzip, gzip": gzip.compress(gzip.compress(BODY)),
}
ENCODINGS = pytest.mark.parametrize("encoding", PACKED)


@ENCODINGS
async def test_a_compressed_stream_that_was_cut_off_is_no_whole_one(
    style: CallStyle, encoding: str
) -> None:
    half = PACKED[encoding][: len(PACKED[encoding]) // 2]
    with FaultServer(answer(200, half, Content_Encoding=encoding)) as server:
        async with streaming(style, server) as stream:
            items = style.iterator(stream, "iter_events")
            with pytest.raises(ApiConnectionError, match="is compressed, and was cut off"):
                await style.all(items)
            with pytest.raises(VectorshiftError, match="broke off"):
                await style.next(items)


@ENCODINGS
async def test_a_compressed_stream_comes_to_its_end(style: CallStyle, encoding: str) -> None:
    with FaultServer(answer(200, PACKED[encoding], Content_Encoding=encoding)) as server:
        async with streaming(style, server) as stream:
            assert len(await style.all(style.iterator(stream, "iter_events"))) == 1_000


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_body_that_is_not_there_is_not_cut_off(style: CallStyle, method: str) -> None:
    with FaultServer(answer(200, b"", Content_Encoding="gzip")) as server:
        async with streaming(style, server, method) as stream:
            assert b"".join(await style.all(style.iterator(stream, "iter_bytes"))) == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_failure_whose_compressed_body_was_cut_off_stays_one_and_says_so(
    style: CallStyle, encoding: str
) -> None:
    half = PACKED[encoding][: len(PACKED[encoding]) // 2]
    with (
        FaultServer(answer(429, half, Content_Encoding=encoding)) as server,
        pytest.raises(RateLimitError, match=r"Its body was cut off\.") as caught,
    ):
        await request(style, server)
    assert caught.value.tries == len(server.received) == 3


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_answer_that_was_cut_off_is_a_connection_error(
    style: CallStyle, encoding: str
) -> None:
    half = PACKED[encoding][: len(PACKED[encoding]) // 2]
    with (
        FaultServer(answer(200, half, Content_Encoding=encoding)) as server,
        pytest.raises(
            ApiConnectionError, match=r"sent what cannot be read for GET /x: .* was cut off"
        ) as caught,
    ):
        await request(style, server)
    assert caught.value.may_have_run
    assert len(server.received) == 1


async def test_an_answer_that_is_compressed_and_empty_is_none(style: CallStyle) -> None:
    with FaultServer(answer(200, b"", Content_Encoding="gzip")) as server:
        assert await request(style, server) == {}


async def request(style: CallStyle, server: FaultServer) -> Any:
    if not style.prefix:
        with VectorShift("k", base_url=server.origin, clock=StillClock()) as client:
            return client.request("GET", "/x")
    async with AsyncVectorShift("k", base_url=server.origin, clock=StillClock()) as aclient:
        return await aclient.request("GET", "/x")
