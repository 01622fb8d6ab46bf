"""`Stream` and `AsyncStream`: an answer that is read as it comes."""

from __future__ import annotations

import atexit
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakSet

import anyio

from vectorshift._platform.sse import EventDecoder, LineDecoder, ServerSentEvent
from vectorshift.client.answers import masked_headers, masked_text
from vectorshift.client.body import AsyncTimedBody, is_read
from vectorshift.client.encodings import decoder_of, refuse_if_cut_off
from vectorshift.errors import VectorshiftError
from vectorshift.transport.frames import astrip_library_frames, strip_library_frames
from vectorshift.transport.http import escapes
from vectorshift.transport.redacting_logs import redacting_logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Self

    from vectorshift.client.engine import CallState
    from vectorshift.transport.http import httpx

__all__ = ["AsyncStream", "Stream"]

T = TypeVar("T")


class Decoder(Protocol[T]):
    """What turns bytes into items, however the bytes are cut into pieces."""

    def feed(self, chunk: bytes) -> list[T]:
        """Read a piece and return the items that it completes."""
        ...

    def end(self) -> list[T]:
        """Return what is left when no piece follows."""
        ...


class _Answer:
    """What sync and async know of an answer whose body has not been read."""

    def __init__(self, response: httpx.Response, call_state: CallState) -> None:
        self._response = response
        self._call_state = call_state
        self.status_code: int = response.status_code
        self.headers: dict[str, str] = masked_headers(response)
        self.request_id: str | None = self.headers.get("x-request-id")
        self._decoder = decoder_of(response)
        self._ended = self._broken = False

    def redact(self, text: str) -> str:
        """Return a text out of the body without the keys that the server may echo: for errors and
        logs.
        """
        return masked_text(self._response, text)

    def _is_over(self) -> bool:
        """Whether all was read; raises where no more can come, as that would look the same."""
        if self._broken:
            flaw = "broke off: a wait for its next bytes failed, or was cancelled"
        elif self._ended:
            return True
        elif self._response.is_closed and not is_read(self._response):
            flaw = "was closed unread"
        else:
            return False
        raise VectorshiftError(
            f"The answer to {self._call_state.call.method} {self._call_state.call.path} {flaw}."
        )

    def _broke(self, error: BaseException) -> VectorshiftError:
        """Return what an error on the way means; one that is none of the libraries' goes on."""
        self._broken = True
        if not isinstance(error, escapes()):
            raise error
        return self._call_state.connection_error(error, begun=True).error

    def __repr__(self) -> str:
        call = self._call_state.call
        return f"<{type(self).__name__} {self.status_code} of {call.method} {call.path}>"


class Stream(_Answer):
    """An answer of the API that is read as it comes, once and in one way. It belongs to one thread.

    Each wait for the next bytes ends with the call's `timeout`; how long the whole takes has no
    limit.

    Attributes:
        status_code: the HTTP status, a success.
        headers: the headers by lower-case name.
        request_id: what the server calls this request, or None.
    """

    def __init__(self, response: httpx.Response, call_state: CallState) -> None:
        super().__init__(response, call_state)
        self._pieces: Iterator[bytes] = response.iter_bytes()
        _open.add(self)

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body in the pieces in which it arrives.

        Raises:
            ApiTimeoutError: the next bytes did not come in time.
            ApiConnectionError: the connection broke, or what came cannot be read.
            VectorshiftError: the stream was left before, or broke off before.
        """
        return _Decoded(self, _AsTheyCome())

    def iter_lines(self) -> Iterator[str]:
        """Yield the lines of the body without their ends. Raises as `iter_bytes`."""
        return _Decoded(self, LineDecoder())

    def iter_events(self) -> Iterator[ServerSentEvent]:
        """Yield the server-sent events of the body. Raises as `iter_bytes`."""
        return _Decoded(self, EventDecoder())

    @strip_library_frames
    def piece(self) -> bytes | None:
        """Return the next piece of the body, or None at its end."""
        if self._is_over():
            return None
        try:
            with redacting_logs(self._call_state):
                piece = next(self._pieces, None)
            if piece is None:
                refuse_if_cut_off(self._decoder, self._response.num_bytes_downloaded > 0)
        except BaseException as error:
            failure = self._broke(error)
        else:
            self._ended = piece is None
            return piece
        raise failure

    def close(self) -> None:
        """Close the connection, unless the body was read whole. Leaving the block of the stream
        does it.
        """
        self._response.close()


class AsyncStream(_Answer):
    """The same for an event loop; it belongs to one task. Attributes are those of `Stream`."""

    def __init__(self, response: httpx.Response, call_state: CallState) -> None:
        super().__init__(response, call_state)
        assert isinstance(response.stream, AsyncTimedBody)
        self._body = response.stream
        self._pieces: AsyncTimedBody | None = (
            None  # none are begun for nothing: an event loop may be ending
        )
        self._begun = False

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body in the pieces in which it arrives. Raises as `Stream.iter_bytes`."""
        return _AsyncDecoded(self, _AsTheyCome())

    def aiter_lines(self) -> AsyncIterator[str]:
        """Yield the lines of the body without their ends. Raises as `Stream.iter_bytes`."""
        return _AsyncDecoded(self, LineDecoder())

    def aiter_events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield the server-sent events of the body. Raises as `Stream.iter_bytes`."""
        return _AsyncDecoded(self, EventDecoder())

    @astrip_library_frames
    async def piece(self) -> bytes | None:
        """Return the next piece of the body, or None at its end."""
        if self._is_over():
            return None
        try:
            self._pieces = self._pieces or aiter(self._body)
            with redacting_logs(self._call_state):
                raw = await anext(self._pieces, None)
            piece: bytes = self._decoder.flush() if raw is None else self._decoder.decode(raw)
            if raw is None:
                refuse_if_cut_off(self._decoder, self._begun)
        except BaseException as error:
            failure = self._broke(error)
        else:
            self._ended, self._begun = raw is None, True
            return piece
        raise failure

    async def aclose(self) -> None:
        """Close the connection, unless the body was read whole. Leaving the block of the stream
        does it.
        """
        if not self._response.is_closed:
            with anyio.CancelScope(shield=True):
                await self._response.aclose()


_open: WeakSet[Stream] = WeakSet()


def _close_open() -> None:
    """Close what is still open when the interpreter ends; event loops do it for theirs."""
    for stream in list(_open):
        stream.close()


atexit.register(_close_open)


class _AsTheyCome:
    def feed(self, chunk: bytes) -> list[bytes]:
        return [chunk]

    def end(self) -> list[bytes]:
        return []


class _Decoded(Generic[T]):
    """An iterator and no generator, which after an error would be at its end."""

    def __init__(self, stream: Stream, decoder: Decoder[T]) -> None:
        self._stream, self._decoder = stream, decoder
        self._items: deque[T] = deque()
        self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        while not self._items:
            if self._ended:
                raise StopIteration
            piece = self._stream.piece()
            self._ended = piece is None
            self._items.extend(self._decoder.end() if piece is None else self._decoder.feed(piece))
        return self._items.popleft()


class _AsyncDecoded(Generic[T]):
    """The same; one that is left in the middle is also nothing that an event loop has to clean
    up.
    """

    def __init__(self, stream: AsyncStream, decoder: Decoder[T]) -> None:
        self._stream, self._decoder = stream, decoder
        self._items: deque[T] = deque()
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._ended:
                raise StopAsyncIteration
            piece = await self._stream.piece()
            self._ended = piece is None
            self._items.extend(self._decoder.end() if piece is None else self._decoder.feed(piece))
        return self._items.popleft()
