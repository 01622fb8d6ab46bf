"""One attempt: a request is sent and its answer read. In both colours, with everything that decides
elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anyio

from vectorshift.client.body import AsyncTimedBody, SentBody, TimedBody, is_read, leave_unread
from vectorshift.client.encodings import Excerpt, decoder_of, refuse_if_cut_off
from vectorshift.transport.frames import abare, bare
from vectorshift.transport.http import escapes, httpx
from vectorshift.transport.redacting_logs import on_its_way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.client.engine import Exchange
    from vectorshift.transport.failures import Failure

__all__ = ["aread", "asend", "read", "send"]


@bare
def send(http: httpx.Client, exchange: Exchange) -> httpx.Response | Failure:
    """Send the next attempt and return its answer, whose body is not read, or what went wrong.

    Raises:
        CredentialError: no key could be had.
        TypeError: the call holds something that cannot be sent.
    """
    try:
        with on_its_way(exchange):
            request = exchange.request(http)
            return http.send(
                request, auth=exchange.auth, stream=True, follow_redirects=exchange.follow_redirects
            )
    except httpx.HTTPStatusError as error:
        return exchange.answered(error)
    except escapes() as error:
        return exchange.lost(error)


@bare
def read(response: httpx.Response, exchange: Exchange) -> Any:
    """Read an answer to its end, or to that of the time there is, and return its parsed body, or a
    `Failure`.
    """
    try:
        if not is_read(response):
            with on_its_way(exchange):
                _read(response, exchange)
    except escapes() as error:
        return exchange.lost(error)
    finally:
        response.close()
        response.stream = (
            _SPENT  # its own holds the response, and so the call, until the collector comes
        )
    return exchange.read(response)


_SPENT = httpx.ByteStream(b"")


def _read(response: httpx.Response, exchange: Exchange) -> None:
    if response.is_closed:
        return leave_unread(response)
    exchange.clip(response)
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = body = TimedBody(response.stream, exchange.check)
    if response.is_success:
        decoder = decoder_of(response)
        response.read()
        return refuse_if_cut_off(decoder, response.num_bytes_downloaded > 0)
    excerpt = Excerpt(response)
    all(map(excerpt.takes, body))  # until it takes no more
    return excerpt.end()


@abare
async def asend(http: httpx.AsyncClient, exchange: Exchange) -> httpx.Response | Failure:
    """Do as `send` does."""
    opened = _Opened()
    try:
        with on_its_way(exchange):
            request = exchange.request(http)
            request.stream = SentBody(request.content)
            request.extensions["trace"] = opened
            response = await http.send(
                request, auth=exchange.auth, stream=True, follow_redirects=exchange.follow_redirects
            )
    except httpx.HTTPStatusError as error:
        return exchange.answered(error)
    except escapes() as error:
        return exchange.lost(error)
    except BaseException as error:
        if isinstance(error, RuntimeError) and _is_of_another_loop(str(error)):
            return exchange.lost(httpx.StreamError(_OTHER_LOOP))
        await opened.aclose()
        raise
    body = SentBody(response.content) if is_read(response) else response.stream
    assert isinstance(body, httpx.AsyncByteStream)
    response.stream = AsyncTimedBody(body, response.extensions.get("network_stream"))
    return response


_is_of_another_loop = re.compile(
    "Event loop is closed|no running event loop|different (event )?loop|called from async context"
).search
"""What asyncio and trio say of a connection that another event loop has left behind in an httpx
client.
"""
_OTHER_LOOP = (
    "the httpx client that was handed in has served another event loop. Each takes a client of its"
    " own."
)


class _Opened:
    """The connection that an attempt has opened, if any; httpcore tells of it.

    httpcore drops one, open, whose TLS handshake is cancelled. One that is closed already may be
    closed again.
    """

    _stream: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]

    async def aclose(self) -> None:
        if self._stream is not None:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()


@abare
async def aread(response: httpx.Response, exchange: Exchange) -> Any:
    """Do as `read` does."""
    try:
        if not is_read(response):
            with on_its_way(exchange):
                await _aread(response, exchange)
    except escapes() as error:
        return exchange.lost(error)
    finally:
        if not response.is_closed:
            with anyio.CancelScope(shield=True):
                await response.aclose()
    return exchange.read(response)


async def _aread(response: httpx.Response, exchange: Exchange) -> None:
    if response.is_closed:
        return leave_unread(response)
    exchange.clip(response)
    assert isinstance(response.stream, AsyncTimedBody)
    response.stream.check = exchange.check
    if response.is_success:
        raw = b"".join([piece async for piece in response.stream])
        await response.aclose()
        response.stream = httpx.ByteStream(raw)
        response.is_closed = False
        decoder = decoder_of(response)
        response.read()  # takes the encoding off, and needs no event loop for it
        return refuse_if_cut_off(decoder, bool(raw))
    excerpt = Excerpt(response)
    async for piece in response.stream:
        if not excerpt.takes(piece):
            break
    return excerpt.end()
