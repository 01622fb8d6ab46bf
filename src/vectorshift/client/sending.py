"""One attempt: a request is sent and its answer read. In both colours, with everything that decides elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from vectorshift.client.bodies import AsyncTimedBody, TimedBody
from vectorshift.http import ESCAPES, httpx

if TYPE_CHECKING:
    from vectorshift.client.exchange import Exchange
    from vectorshift.failures import Failure

__all__ = ["aread", "asend", "read", "send"]


def send(http: httpx.Client, exchange: Exchange) -> httpx.Response | Failure:
    """Send the next attempt and return its answer, whose body is not read, or what went wrong.

    Raises:
        CredentialError: no key could be had.
        TypeError: the call holds something that cannot be sent.
    """
    try:
        request = exchange.request(http)
        return http.send(request, auth=exchange.auth, stream=True, follow_redirects=exchange.follow_redirects)
    except ESCAPES as error:
        return exchange.lost(error)


def read(response: httpx.Response, exchange: Exchange) -> Any:
    """Read an answer to its end, or to that of the time there is, and return its parsed body, or a `Failure`."""
    try:
        exchange.clip(response)
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = TimedBody(response.stream, exchange.check)
        response.read()
    except ESCAPES as error:
        return exchange.lost(error)
    finally:
        response.close()
    return exchange.read(response)


async def asend(http: httpx.AsyncClient, exchange: Exchange) -> httpx.Response | Failure:
    """Do as `send` does."""
    try:
        request = exchange.request(http)
        response = await http.send(request, auth=exchange.auth, stream=True, follow_redirects=exchange.follow_redirects)
    except ESCAPES as error:
        return exchange.lost(error)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = AsyncTimedBody(response.stream)
    return response


async def aread(response: httpx.Response, exchange: Exchange) -> Any:
    """Do as `read` does."""
    try:
        exchange.clip(response)
        assert isinstance(response.stream, AsyncTimedBody)
        response.stream.check = exchange.check
        raw = b"".join([piece async for piece in response.stream])
        await response.aclose()
        response.stream = httpx.ByteStream(raw)
        response.is_closed = False
        response.read()  # takes the encoding off, and needs no event loop for it
    except ESCAPES as error:
        return exchange.lost(error)
    finally:
        if not response.is_closed:
            with anyio.CancelScope(shield=True):
                await response.aclose()
    return exchange.read(response)
