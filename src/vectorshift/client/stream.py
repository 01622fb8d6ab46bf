"""`Stream` and `AsyncStream`: an answer that is read as it comes."""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from vectorshift._platform.frames import astrip_library_frames, strip_library_frames
from vectorshift._platform.sse import EventDecoder, LineDecoder, ServerSentEvent, TooLongError
from vectorshift.client.answers import redacted_headers, redacted_text
from vectorshift.client.engine import CallState, adrive, drive
from vectorshift.errors import VectorshiftError
from vectorshift.transport.body import AsyncResponseBody, Decoder, ResponseBody
from vectorshift.transport.failures import escapes
from vectorshift.transport.redacting_logs import CURRENT

if TYPE_CHECKING:
    from vectorshift.client.engine import Steps

__all__ = ["AsyncStream", "Stream"]

B = TypeVar("B", bound="ResponseBody | AsyncResponseBody")


class _BaseStream(Generic[B]):
    """The base of sync and async streams: status, headers and the next piece."""

    def __init__(self, call_state: CallState, body: B) -> None:
        self._call_state, self._body = call_state, body
        self.status_code: int = body.response.status_code
        self.headers: dict[str, str] = redacted_headers(body.response)
        self.request_id: str | None = self.headers.get("x-request-id")
        self._decoder = Decoder(body)
        self._ended = self._broken = False

    def broken(self, flaw: str) -> VectorshiftError:
        """Return the error to raise, and end reading."""
        self._broken = True
        call = self._call_state.call
        return VectorshiftError(f"The answer to {call.method} {call.path} {flaw}")

    def redact(self, text: str) -> str:
        """Return a text of the body without keys that the server may echo, for errors and logs."""
        return redacted_text(self._body.response, text)

    def _next_piece(self) -> Steps[bytes | BaseException | None]:
        """Return the next piece of the body, None at its end, or the error to raise.

        If no more can arrive, that is an error: None would look like the end.
        """
        if self._ended:
            return None
        if self._broken:
            return self.broken("ended early: reading it failed or was cancelled.")
        if self._body.response.is_closed and not self._body.was_read:
            return self.broken("was closed unread.")
        self._broken = True  # unless this wait completes
        try:
            if self._decoder.rest:
                raw: Any = self._decoder.rest
            else:
                before = CURRENT.get()
                CURRENT.set(self._call_state)
                try:
                    raw = yield self._body.next()
                finally:
                    CURRENT.set(before)
            piece = self._decoder.end() if raw is None else self._decoder.feed(raw)
        except escapes() as error:
            return self._call_state.connection_error(error, begun=True).error
        self._ended, self._broken = raw is None, False
        if self._ended:
            yield self._body.close()
        return piece

    def __repr__(self) -> str:
        call = self._call_state.call
        return f"<{type(self).__name__} {self.status_code} of {call.method} {call.path}>"


class Stream(_BaseStream["ResponseBody"]):
    """An answer of the API, read once, as it arrives. It belongs to one thread.

    Each wait for the next bytes ends with the call's `timeout`; the whole answer has no time limit.

    Attributes:
        status_code: the HTTP status, a success.
        headers: the headers by lower-case name.
        request_id: the server's id of this request, or None.
    """

    def __init__(self, call_state: CallState, body: ResponseBody) -> None:
        super().__init__(call_state, body)
        _open.add(self)

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body in the pieces in which it arrives.

        Raises:
            ApiTimeoutError: the next bytes did not come in time.
            ApiConnectionError: the connection broke, or the body cannot be decoded.
            VectorshiftError: the stream was closed, or an earlier read failed.
        """
        return _Items(self)

    def iter_lines(self) -> Iterator[str]:
        """Yield the lines of the body without their ends. Raises as `iter_bytes`."""
        return _Items(self, LineDecoder())

    def iter_events(self) -> Iterator[ServerSentEvent]:
        """Yield the server-sent events of the body. Raises as `iter_bytes`."""
        return _Items(self, EventDecoder())

    @strip_library_frames
    def piece(self) -> bytes | None:
        """Return the next piece of the body, or None at its end."""
        return _raised(drive(self._next_piece()))

    def close(self) -> None:
        """Close the connection, unless the body was read whole. Leaving the block of the stream
        does it.
        """
        self._body.close()


class AsyncStream(_BaseStream["AsyncResponseBody"]):
    """An answer of the API, read as it arrives in async code. It belongs to one task. Attributes
    are those of `Stream`.
    """

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body in the pieces in which it arrives. Raises as `Stream.iter_bytes`."""
        return _AsyncItems(self)

    def aiter_lines(self) -> AsyncIterator[str]:
        """Yield the lines of the body without their ends. Raises as `Stream.iter_bytes`."""
        return _AsyncItems(self, LineDecoder())

    def aiter_events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield the server-sent events of the body. Raises as `Stream.iter_bytes`."""
        return _AsyncItems(self, EventDecoder())

    @astrip_library_frames
    async def piece(self) -> bytes | None:
        """Return the next piece of the body, or None at its end."""
        return _raised(await adrive(self._next_piece()))

    async def aclose(self) -> None:
        """Close the connection, unless the body was read whole. Leaving the block of the stream
        does it.
        """
        await self._body.close()


def _raised(piece: bytes | BaseException | None) -> bytes | None:
    if isinstance(piece, BaseException):
        raise piece
    return piece


_open: WeakSet[Stream] = WeakSet()


def _close_open() -> None:
    """Close the streams that are open when the interpreter ends. Event loops close their own."""
    for stream in list(_open):
        stream.close()


atexit.register(_close_open)


class _BaseItems:
    """The items of a stream. Not a generator: after an error it would look finished, and an event
    loop would have to clean up an unfinished one.

    Args:
        stream: the stream.
        decoder: turns pieces into items; None for the pieces as they come.
    """

    def __init__(self, stream: Any, decoder: LineDecoder | EventDecoder | None = None) -> None:
        self._stream, self._decoder = stream, decoder
        self._items: deque[Any] = deque()
        self._ended = False

    def _fill(self) -> Steps[bool]:
        """Read on until there is an item; return False at the end."""
        while not self._items and not self._ended:
            self._take((yield self._stream.piece()))
        return bool(self._items)

    def _take(self, piece: bytes | None) -> None:
        self._ended, decoder = piece is None, self._decoder
        if decoder is None:
            self._items.extend([piece] if piece else [])
            return
        try:
            items = decoder.end() if piece is None else decoder.feed(piece)
        except TooLongError as error:
            raise self._stream.broken(f"{error}") from None
        self._items.extend(items)


class _Items(_BaseItems, Iterator[Any]):
    def __next__(self) -> Any:
        if not self._items and not drive(self._fill()):
            raise StopIteration
        return self._items.popleft()


class _AsyncItems(_BaseItems, AsyncIterator[Any]):
    async def __anext__(self) -> Any:
        if not self._items and not await adrive(self._fill()):
            raise StopAsyncIteration
        return self._items.popleft()
