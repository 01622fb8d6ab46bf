"""The body of a failed answer is unpacked as far as a limit can be kept, however it is packed."""

from __future__ import annotations

import functools
import gzip
import tracemalloc
import zlib

import pytest
from tests.call_styles import CallStyle
from tests.faults import FaultServer, answer

from vectorshift import InternalServerError

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]

MIB = 2**20
STAYS = "Its body is shown as received"


async def failure(style: CallStyle, body: bytes, encoding: str) -> InternalServerError:
    """Return what a call raises whose answer has this body."""
    with FaultServer(answer(500, body, Content_Encoding=encoding)) as server:
        async with style.open("vs-key", base_url=server.origin, max_retries=0) as client:
            with pytest.raises(InternalServerError) as caught:
                await style.request(client, "GET", "/x")
        return caught.value


@functools.cache
def packed(times: int) -> bytes:
    """Return 300 MB of nothing in a few hundred bytes."""
    if times > 1:
        return gzip.compress(packed(times - 1))
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packing.compress(bytes(MIB)) for _ in range(300)]) + packing.flush()


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_body_that_is_packed_several_times_takes_no_memory(
    style: CallStyle, times: int
) -> None:
    body = packed(times)
    tracemalloc.start()
    try:
        error = await failure(style, body, ", ".join(["gzip"] * times))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * MIB
    assert (STAYS in str(error)) == (times > 1)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "deflate, gzip", "br", "zstd", "gzip, br"])
async def test_what_cannot_be_unpacked_up_to_a_limit_stays_as_it_came(
    style: CallStyle, encoding: str
) -> None:
    error = await failure(style, b"\x1f\x8bpacked", encoding)
    assert error.raw_response == b"\x1f\x8bpacked".decode("utf-8", "replace")
    assert STAYS in str(error)


@pytest.mark.parametrize(
    "encoding", ["identity", "utf-8", "", "gzip, identity", "GZIP", "utf-8, gzip"]
)
async def test_what_is_no_encoding_is_passed_over(style: CallStyle, encoding: str) -> None:
    body = gzip.compress(b"no") if "gzip" in encoding.lower() else b"no"
    error = await failure(style, body, encoding)
    assert error.raw_response == "no"
    assert STAYS not in str(error)


@pytest.mark.parametrize("header", [zlib.MAX_WBITS, -zlib.MAX_WBITS], ids=["of zlib", "none"])
async def test_deflate_has_a_header_or_none(style: CallStyle, header: int) -> None:
    packing = zlib.compressobj(wbits=header)
    error = await failure(style, packing.compress(b"no" * 9) + packing.flush(), "deflate")
    assert error.raw_response == "no" * 9


async def test_what_follows_the_end_of_a_packed_body_is_not_read_without_end(
    style: CallStyle,
) -> None:
    error = await failure(style, gzip.compress(b"no") + b"\0" * 8 * MIB, "gzip")
    assert error.raw_response == "no"
    assert "but only 1 MiB was read" in str(error)
