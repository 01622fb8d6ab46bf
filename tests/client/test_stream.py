"""Streams: read as they come, once, and closed whatever breaks them."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from hypothesis import given, strategies as st
from tests.call_styles import ASYNC, CallStyle
from tests.faults import FaultServer, StillClock, answer, cut, hang, reset

from vectorshift import AsyncVectorShift, VectorShift, errors
from vectorshift._platform.sse import LineDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# --- Answers that are read as they come ---


pytestmark = pytest.mark.anyio


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"


EVENTS = b"event: a\ndata: 1\ndata: 2\n\ndata: last\n\n"


class Reader:
    """Reads the stream of a client of its own."""

    def __init__(self, style: CallStyle) -> None:
        self.style = style

    async def __call__(self, server: FaultServer, how: str, **given: Any) -> list[Any]:
        """Return what `iter_<how>` gives."""
        given = {"clock": StillClock(), **given}
        async with (
            self.style.open("vs-key", base_url=server.origin, **given) as client,
            self.style.stream(client, "GET", "/x") as stream,
        ):
            return await self.style.all(self.style.iterator(stream, f"iter_{how}"))


@pytest.fixture
def reader(style: CallStyle) -> Reader:
    return Reader(style)


async def test_bytes_lines_and_events_are_those_of_the_body(reader: Reader) -> None:
    with FaultServer(answer(200, EVENTS)) as server:
        assert b"".join(await reader(server, "bytes")) == EVENTS
        assert await reader(server, "lines") == [
            "event: a",
            "data: 1",
            "data: 2",
            "",
            "data: last",
            "",
        ]
        events = await reader(server, "events")
    assert [(event.event, event.data) for event in events] == [("a", "1\n2"), ("message", "last")]


async def test_an_encoding_is_taken_off(reader: Reader) -> None:
    body = "ä\u2028ö\n".encode() * 10_000
    with FaultServer(answer(200, gzip.compress(body), Content_Encoding="gzip")) as server:
        assert b"".join(await reader(server, "bytes")) == body
        assert await reader(server, "lines") == ["ä\u2028ö"] * 10_000


def test_a_stream_has_status_headers_and_request_id_and_no_echoed_key() -> None:
    fault = answer(201, b"x", X_Request_Id="r-1", X_Echo="Bearer vs-key", Api_Key="vs-key")
    with (
        FaultServer(fault) as server,
        VectorShift("vs-key", base_url=server.origin) as client,
        client.stream("GET", "/x") as stream,
    ):
        assert (stream.status_code, stream.request_id) == (201, "r-1")
        assert stream.headers["x-request-id"] == "r-1"
        assert "vs-key" not in str(stream.headers) + repr(stream)
        assert repr(stream) == "<Stream 201 of GET /x>"


@pytest.mark.parametrize("breaks", ["\n", "\r", "\r\n"])
def test_lines_end_where_the_three_ends_are_and_nowhere_else(breaks: str) -> None:
    text = f"a\u2028b\x85c\x0bd\x1ce{breaks}{breaks}f"
    decoder = LineDecoder()
    assert decoder.feed(text.encode()) + decoder.end() == ["a\u2028b\x85c\x0bd\x1ce", "", "f"]


@given(
    st.lists(st.sampled_from(["a", "ä", "\u2028", "\r", "\n", "\r\n", ""])),
    st.lists(st.integers(0, 30)),
)
def test_lines_are_the_same_however_the_bytes_are_cut(parts: list[str], cuts: list[int]) -> None:
    data = "".join(parts).encode()
    whole = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    expected = [line.decode() for line in (whole[:-1] if not whole[-1] else whole)]
    decoder, found, at = LineDecoder(), list[str](), 0
    for place in sorted(cuts):
        found += decoder.feed(data[at:place])
        at = max(at, place)
    assert found + decoder.feed(data[at:]) + decoder.end() == expected


async def test_a_failure_is_raised_on_entering(reader: Reader) -> None:
    with (
        FaultServer(answer(404, b'{"error": "no such pipeline"}')) as server,
        pytest.raises(errors.NotFoundError, match="no such pipeline"),
    ):
        await reader(server, "bytes")
    with (
        FaultServer(answer(401, b"{}")) as server,
        pytest.raises(errors.AuthenticationError) as caught,
    ):
        await reader(server, "bytes")
    assert caught.value.source == "explicit:api_key"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (reset(after=HEAD + b"begun"), errors.ApiConnectionError),
        (cut(after=HEAD + b"begun"), errors.ApiConnectionError),
        (hang(after=HEAD + b"begun"), errors.ApiTimeoutError),
        (answer(200, b"no gzip", Content_Encoding="gzip"), errors.ApiConnectionError),
        (
            cut(after=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            errors.ApiConnectionError,
        ),
    ],
    ids=["reset", "cut off", "silent", "no gzip", "no chunk"],
)
@pytest.mark.parametrize("how", ["bytes", "lines", "events"])
async def test_what_goes_wrong_while_it_is_read_is_ours(
    reader: Reader, fault: Any, kind: type[errors.VectorshiftError], how: str
) -> None:
    with FaultServer(fault) as server, pytest.raises(kind) as caught:
        await reader(server, how, timeout=0.3 if kind is errors.ApiTimeoutError else None)
    assert type(caught.value) is kind
    assert caught.value.__context__ is None
    assert len(server.received) == 1
    assert await_closed(server)


@pytest.mark.parametrize("how", ["bytes", "lines"])
async def test_reading_after_the_block_is_ours(style: CallStyle, how: str) -> None:
    with FaultServer(answer()) as server:
        async with style.open("k", base_url=server.origin) as client:
            async with style.stream(client, "GET", "/x") as stream:
                pass
            with pytest.raises(errors.VectorshiftError, match="closed unread"):
                await style.all(style.iterator(stream, f"iter_{how}"))


async def test_a_stream_that_was_read_gives_nothing_more(style: CallStyle) -> None:
    with FaultServer(answer(200, b"a\nb\n")) as server:
        async with streaming(style, server) as stream:
            assert await style.all(style.iterator(stream, "iter_lines")) == ["a", "b"]
            assert await style.all(style.iterator(stream, "iter_lines")) == []


def await_closed(server: FaultServer) -> bool:
    """Whether every connection is closed, soon: the server sees it when it looks."""
    for _ in range(500):
        if server.open_connections == 0:
            return True
        threading.Event().wait(0.01)
    return False


async def test_a_stream_that_was_read_whole_gives_its_connection_back(style: CallStyle) -> None:
    with FaultServer(answer(200, b"a\n")) as server:
        async with style.open("k", base_url=server.origin) as client:
            for _ in range(3):
                async with style.stream(client, "GET", "/x") as stream:
                    assert await style.all(style.iterator(stream, "iter_lines")) == ["a"]
    assert (server.connections, len(server.received)) == (1, 3)


@pytest.mark.parametrize("how", ["bytes", "lines", "events"])
async def test_leaving_early_closes_the_connection_and_none_that_is_half_read_is_used_again(
    style: CallStyle, how: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"
    with FaultServer(hang(after=head + EVENTS), answer()) as server:
        async with style.open("k", base_url=server.origin) as client:
            async with style.stream(client, "GET", "/x") as stream:
                await style.next(style.iterator(stream, f"iter_{how}"))
            assert await_closed(server)
            assert await style.request(client, "GET", "/y") == {"status": "success"}
        assert server.connections == 2


class Mine(Exception):
    pass


async def test_an_error_in_the_block_passes_and_closes_the_connection(style: CallStyle) -> None:
    with FaultServer(hang(after=HEAD + b"x"), answer()) as server, pytest.raises(Mine):
        await raise_while_reading(style, server)


async def raise_while_reading(style: CallStyle, server: FaultServer) -> None:
    async with streaming(style, server) as stream:
        await style.next(style.iterator(stream, "iter_bytes"))
        raise Mine


async def test_cancellation_closes_the_connection_and_frees_its_place() -> None:
    with FaultServer(hang(after=HEAD + b"begun"), answer()) as server:
        async with AsyncVectorShift("k", base_url=server.origin) as client:
            begun = anyio.Event()

            async def read() -> None:
                async with client.stream("GET", "/x") as stream:
                    async for _ in stream.aiter_bytes():
                        begun.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                with anyio.fail_after(30):
                    await begun.wait()
                tasks.cancel_scope.cancel()
            (seat,) = client._connections._seats.values()
            assert seat.limiter.value == 90
            assert await_closed(server)
            assert await client.request("GET", "/y") == {"status": "success"}
        assert server.connections == 2


def test_an_httpx_client_of_the_users_own_streams_and_keeps_no_half_read_connection() -> None:
    with (
        FaultServer(hang(after=HEAD + b"begun"), answer()) as server,
        httpx.Client(trust_env=False) as http,
    ):
        client = VectorShift("k", base_url=server.origin, http_client=http)
        with client.stream("GET", "/x") as stream:
            next(stream.iter_bytes())
        assert client.request("GET", "/y") == {"status": "success"}
        assert server.connections == 2


def test_many_streams_at_a_time_on_one_loop_do_not_get_into_each_others_way() -> None:
    body = json.dumps({"a": "b" * 10_000}).encode()

    async def main() -> None:
        async with AsyncVectorShift("k", base_url=server.origin) as client:

            async def read() -> bytes:
                async with client.stream("GET", "/x") as stream:
                    return b"".join([piece async for piece in stream.aiter_bytes()])

            assert set(await asyncio.gather(*(read() for _ in range(100)))) == {body}

    with FaultServer(answer(200, body)) as server:
        asyncio.run(main())


# --- A stream that broke off does not look like one that came to its end, however often it is a ---


BEGUN = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"


HOWS = pytest.mark.parametrize("how", ["bytes", "lines", "events"])


@asynccontextmanager
async def streaming(
    style: CallStyle, server: FaultServer, method: str = "GET"
) -> AsyncIterator[Any]:
    """Give the stream of a call."""
    async with (
        style.open("k", base_url=server.origin, clock=StillClock()) as client,
        style.stream(client, method, "/x") as stream,
    ):
        yield stream


@HOWS
@pytest.mark.parametrize("fault", [cut, reset])
async def test_after_an_error_both_the_iterator_and_a_new_one_refuse(
    style: CallStyle, how: str, fault: Any
) -> None:
    with FaultServer(fault(after=BEGUN)) as server:
        async with streaming(style, server) as stream:
            items = style.iterator(stream, f"iter_{how}")
            with pytest.raises(errors.ApiConnectionError):
                await style.all(items)
            for again in (items, items, style.iterator(stream, f"iter_{how}")):
                with pytest.raises(
                    errors.VectorshiftError, match=r"The answer to GET /x ended early"
                ) as caught:
                    await style.next(again)
                assert type(caught.value) is errors.VectorshiftError


@HOWS
async def test_after_a_cancelled_wait_both_the_iterator_and_a_new_one_refuse(how: str) -> None:
    with FaultServer(hang(after=BEGUN)) as server:
        async with streaming(ASYNC, server) as stream:
            items = getattr(stream, f"aiter_{how}")()
            assert await anext(items)
            with anyio.move_on_after(0.05) as scope:
                while True:
                    await anext(items)
            assert scope.cancelled_caught
            for again in (items, items, getattr(stream, f"aiter_{how}")()):
                with pytest.raises(
                    errors.VectorshiftError, match=r"The answer to GET /x ended early"
                ):
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
            with pytest.raises(errors.ApiConnectionError, match="is compressed and was cut off"):
                await style.all(items)
            with pytest.raises(errors.VectorshiftError, match="ended early"):
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
        pytest.raises(errors.RateLimitError, match=r"Its body was cut off\.") as caught,
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
            errors.ApiConnectionError, match=r"sent an unreadable answer for GET /x: .* was cut off"
        ) as caught,
    ):
        await request(style, server)
    assert caught.value.may_have_run
    assert len(server.received) == 1


async def test_an_answer_that_is_compressed_and_empty_is_none(style: CallStyle) -> None:
    with FaultServer(answer(200, b"", Content_Encoding="gzip")) as server:
        assert await request(style, server) == {}


async def request(style: CallStyle, server: FaultServer) -> Any:
    async with style.open("k", base_url=server.origin, clock=StillClock()) as client:
        return await style.request(client, "GET", "/x")
