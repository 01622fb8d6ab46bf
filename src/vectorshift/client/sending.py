"""One attempt: a request is sent and its answer read. Sync and async, with everything that decides
elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anyio

from vectorshift.client.body import AsyncTimedBody, SentBody, TimedBody, is_read, leave_unread
from vectorshift.client.encodings import BoundedBody, decoder_of, refuse_if_cut_off
from vectorshift.transport.frames import astrip_library_frames, strip_library_frames
from vectorshift.transport.http import escapes, httpx
from vectorshift.transport.redacting_logs import redacting_logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.client.engine import CallState
    from vectorshift.transport.failures import AttemptFailure

__all__ = ["aread", "asend", "read", "send"]


@strip_library_frames
def send(http: httpx.Client, call_state: CallState) -> httpx.Response | AttemptFailure:
    """Send the next attempt and return its answer, whose body is not read, or what went wrong.

    Raises:
        CredentialError: no key could be had.
        TypeError: the call holds something that cannot be sent.
    """
    try:
        with redacting_logs(call_state):
            request = call_state.request(http)
            return http.send(
                request,
                auth=call_state.auth,
                stream=True,
                follow_redirects=call_state.follow_redirects,
            )
    except httpx.HTTPStatusError as error:
        return call_state.answered(error)
    except escapes() as error:
        return call_state.connection_error(error)


@strip_library_frames
def read(response: httpx.Response, call_state: CallState) -> Any:
    """Read an answer to its end, or to that of the time there is, and return its parsed body, or a
    `AttemptFailure`.
    """
    try:
        if not is_read(response):
            with redacting_logs(call_state):
                _read(response, call_state)
    except escapes() as error:
        return call_state.connection_error(error)
    finally:
        response.close()
        response.stream = (
            _SPENT  # its own holds the response, and so the call, until the collector comes
        )
    return call_state.read(response)


_SPENT = httpx.ByteStream(b"")


def _read(response: httpx.Response, call_state: CallState) -> None:
    if response.is_closed:
        return leave_unread(response)
    call_state.clip(response)
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = body = TimedBody(response.stream, call_state.check)
    if response.is_success:
        decoder = decoder_of(response)
        response.read()
        return refuse_if_cut_off(decoder, response.num_bytes_downloaded > 0)
    excerpt = BoundedBody(response)
    all(map(excerpt.takes, body))  # until it takes no more
    return excerpt.end()


@astrip_library_frames
async def asend(http: httpx.AsyncClient, call_state: CallState) -> httpx.Response | AttemptFailure:
    """Do as `send` does."""
    opened = _Opened()
    try:
        with redacting_logs(call_state):
            request = call_state.request(http)
            request.stream = SentBody(request.content)
            request.extensions["trace"] = opened
            response = await http.send(
                request,
                auth=call_state.auth,
                stream=True,
                follow_redirects=call_state.follow_redirects,
            )
    except httpx.HTTPStatusError as error:
        return call_state.answered(error)
    except escapes() as error:
        return call_state.connection_error(error)
    except BaseException as error:
        if isinstance(error, RuntimeError) and _is_of_another_loop(str(error)):
            return call_state.connection_error(httpx.StreamError(_OTHER_LOOP))
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


@astrip_library_frames
async def aread(response: httpx.Response, call_state: CallState) -> Any:
    """Do as `read` does."""
    try:
        if not is_read(response):
            with redacting_logs(call_state):
                await _aread(response, call_state)
    except escapes() as error:
        return call_state.connection_error(error)
    finally:
        if not response.is_closed:
            with anyio.CancelScope(shield=True):
                await response.aclose()
    return call_state.read(response)


async def _aread(response: httpx.Response, call_state: CallState) -> None:
    if response.is_closed:
        return leave_unread(response)
    call_state.clip(response)
    assert isinstance(response.stream, AsyncTimedBody)
    response.stream.check = call_state.check
    if response.is_success:
        raw = b"".join([piece async for piece in response.stream])
        await response.aclose()
        response.stream = httpx.ByteStream(raw)
        response.is_closed = False
        decoder = decoder_of(response)
        response.read()  # takes the encoding off, and needs no event loop for it
        return refuse_if_cut_off(decoder, bool(raw))
    excerpt = BoundedBody(response)
    async for piece in response.stream:
        if not excerpt.takes(piece):
            break
    return excerpt.end()
