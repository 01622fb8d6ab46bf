"""The bodies of failed answers: of any size, and what is kept and shown of them."""

from __future__ import annotations

import functools
import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.call_styles import CallStyle
from tests.faults import FaultServer, StillClock, answer, cut

from vectorshift import errors
from vectorshift.errors.bodies import error_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]

MIB = 2**20
NOTE = "Its body was longer, but only 1 MiB was read."


@pytest.fixture(params=["request", "stream"])
def call(request: pytest.FixtureRequest, style: CallStyle) -> Callable[..., Any]:
    async def call(server: FaultServer) -> Any:
        async with style.open(
            "vs-key", base_url=server.origin, clock=StillClock(), max_retries=0
        ) as client:
            if request.param == "request":
                return await style.request(client, "GET", "/x")
            async with style.stream(client, "GET", "/x") as stream:
                return b"".join(await style.all(style.iterator(stream, "iter_bytes")))

    return call


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_a_body_beyond_1_mib_is_cut_and_says_so(
    call: Callable[..., Any], encoding: str
) -> None:
    body = b"no " * MIB
    sent = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "identity": body}[encoding]
    with (
        FaultServer(answer(400, sent, Content_Encoding=encoding)) as server,
        pytest.raises(errors.BadRequestError) as caught,
    ):
        await call(server)
    assert caught.value.raw_response == body[:MIB].decode()
    assert NOTE in str(caught.value)


@functools.cache
def bomb() -> bytes:
    return gzip.compress(b"\0" * 200_000_000)


async def test_a_body_that_unpacks_to_200_mb_takes_a_few(call: Callable[..., Any]) -> None:
    with FaultServer(answer(404, bomb(), Content_Encoding="gzip")) as server:
        tracemalloc.start()
        try:
            with pytest.raises(errors.NotFoundError) as caught:
                await call(server)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 20_000_000
    assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize("size", [MIB - 1, MIB])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_body_of_up_to_1_mib_is_kept_whole(
    call: Callable[..., Any], size: int, encoding: str
) -> None:
    body = json.dumps({"error": "no", "rest": ""})
    body = body.replace('""', f'"{"a" * (size - len(body))}"')
    sent = gzip.compress(body.encode()) if encoding == "gzip" else body.encode()
    with (
        FaultServer(answer(404, sent, Content_Encoding=encoding)) as server,
        pytest.raises(errors.NotFoundError) as caught,
    ):
        await call(server)
    assert (caught.value.raw_response, caught.value.error_message) == (body, "no")
    assert NOTE not in str(caught.value)


async def test_a_success_is_read_whole_whatever_its_size(call: Callable[..., Any]) -> None:
    body = json.dumps({"a": "a" * 3 * MIB}).encode()
    with FaultServer(answer(200, gzip.compress(body), Content_Encoding="gzip")) as server:
        found = await call(server)
    assert found in (body, json.loads(body))


async def test_an_error_whose_body_breaks_off_or_is_not_what_it_says_is_a_connection_error(
    call: Callable[..., Any],
) -> None:
    head = b"HTTP/1.1 400 X\r\nContent-Length: 9\r\n\r\n"
    for fault in (cut(after=head + b"{"), answer(400, b"no gzip", Content_Encoding="gzip")):
        with FaultServer(fault) as server, pytest.raises(errors.ApiConnectionError):
            await call(server)


# --- What is shown ---


def test_the_text_of_an_error_shows_2000_characters_and_the_attributes_have_all() -> None:
    body = "a" * 2_000
    assert (
        str(errors.VectorshiftApiError(400, "GET", "/x", body))
        == f"API Error (400) on GET /x: {body}"
    )
    error = errors.VectorshiftApiError(400, "GET", "/x", body + "b")
    assert (
        str(error) == error.message == f"API Error (400) on GET /x: {body} ... (2,001 characters)"
    )
    assert error.error_message == error.raw_response == body + "b"
    assert (
        str(errors.PipelineRunFailedError("t-1", body + "b"))
        == f"Run t-1 failed: {body} ... (2,001 characters)"
    )


def test_a_long_body_is_not_blown_up_by_its_indentation() -> None:
    body = '{"a":' + "[" * 200 + "0,0," * 25_000 + "0" + "]" * 200 + "}"
    error = errors.VectorshiftApiError(400, "GET", "/x", body)
    assert len(error.error_message) <= 2 * len(body)
    short = errors.VectorshiftApiError(400, "GET", "/x", '{"a": 0}')
    assert short.error_message == '{\n  "a": 0\n}'


def test_a_body_moves_no_cursor_and_forges_no_line_of_a_terminal() -> None:
    body = json.dumps({"error": "no\x1b[2J\x1b]0;title\x07\r\u202e way"})
    assert error_sentence(body) == "no?[2J?]0;title??? way"
