"""Request and response bodies: closed even after a partial transfer, and decoded up to a limit."""

from __future__ import annotations

import contextlib
import zlib
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

import anyio

from vectorshift.transport.failures import ESCAPES, escapes
from vectorshift.transport.http import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping

    from typing_extensions import Self

__all__ = [
    "BODY_NOTE",
    "AsyncResponseBody",
    "Connecting",
    "Decoder",
    "ResponseBody",
    "SentBody",
    "end_generators",
    "read",
]

BODY_NOTE: Final = "vectorshift.body-note"
"""The key in `response.extensions` of a note that the body is incomplete or not decoded."""
LONGEST: Final = 64 * 2**20
LONGEST_OF_ERRORS: Final = 2**20
_SPENT: Final = httpx.ByteStream(b"")


class ResponseBody:
    """The body of a response, for sync code.

    Attributes:
        response: the response.
        was_read: whether a hook of the httpx client has read it.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response, self.was_read = response, hasattr(response, "_content")
        self._pieces: Iterator[bytes] = iter(
            (response.content,) if self.was_read else cast("httpx.SyncByteStream", response.stream)
        )

    def next(self) -> bytes | Exception | None:
        """Return the next piece as it came, None at the end, or the error that came instead."""
        try:
            return next(self._pieces, None)
        except escapes() as error:
            return error

    def close(self) -> None:
        """Close the connection, unless the body was read whole."""
        self.response.close()
        # The stream of httpx refers to the response: only the garbage collector frees such a cycle.
        self.response.stream = _SPENT


class AsyncResponseBody:
    """The body of a response, for async code.

    trio warns of an async generator that is not run to its end, and httpx nests six of them.
    `close` ends them.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response, self.was_read = response, hasattr(response, "_content")
        self._pieces: AsyncIterator[bytes] | None = None
        self._ended = False

    async def next(self) -> bytes | Exception | None:
        """Return the next piece as it came, None at the end, or the error that came instead."""
        if self._pieces is None:
            self._pieces = (
                _Whole(self.response.content)
                if self.was_read
                else aiter(cast("httpx.AsyncByteStream", self.response.stream))
            )
        try:
            piece = await anext(self._pieces, None)
        except escapes() as error:
            return error
        self._ended = piece is None
        return piece

    async def close(self) -> None:
        """Close the connection, unless the body was read whole."""
        if self.response.is_closed:
            return
        # If the body was read whole, httpcore's own shield is enough.
        with contextlib.nullcontext() if self._ended else anyio.CancelScope(shield=True):
            try:
                await self.response.aclose()
            except BaseException:
                # A cancellation by asyncio ignores the shield, and httpcore then leaves the
                # connection open.
                connection = self.response.extensions.get("network_stream")
                if connection is not None:
                    await connection.aclose()
                raise
            finally:
                self.response.stream = _SPENT
            if self._pieces is not None and not self._ended:
                await end_generators(self._pieces)


async def end_generators(pieces: AsyncIterator[bytes]) -> None:
    """End unfinished async generators: cancel their next wait."""
    # RuntimeError: the event loop ends and is closing them as well
    with (
        anyio.CancelScope(shield=True) as scope,
        contextlib.suppress(*ESCAPES, StopAsyncIteration, RuntimeError),
    ):
        scope.cancel()
        while True:
            await anext(pieces)


class SentBody(httpx.ByteStream):
    """The body of an async request.

    httpx uses an async generator. If sending fails or is cancelled, the generator stays unfinished,
    and trio warns. This class returns a plain iterator for each attempt.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Whole(self._body)


class _Whole:
    def __init__(self, piece: bytes) -> None:
        self._left = [piece]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class Connecting:
    """Tracks the connection that an async request opens, to close it if the request is cancelled.

    If a TLS handshake is cancelled, httpcore drops the connection without closing it. Closing a
    connection twice does no harm.
    """

    _stream: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Handle a trace event of httpcore."""
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        if self._stream is not None:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()


def read(
    body: ResponseBody | AsyncResponseBody, check_time: Callable[[], None]
) -> Generator[Any, Any, None]:
    """Read a body into its response: up to 64 MiB of a success, up to 1 MiB of a failure.

    Yields each `body.next()`. Send its result, or throw its error in.

    Args:
        body: the body.
        check_time: raises when the time for the call is over. A read time-out never ends a body
            that drips.

    Raises:
        httpx.DecodingError: the body is not encoded as declared, was cut off, or is too long.
    """
    response = body.response
    if body.was_read:
        return
    if response.is_closed:
        response.extensions[BODY_NOTE] = (
            "Its body was not read: a hook of the httpx client raised first."
        )
        response._content = b""  # pyright: ignore[reportPrivateUsage]
        return
    content: list[bytes] = []
    if response.is_success and "Content-Encoding" not in response.headers:
        size = 0
        while (piece := (yield body.next())) is not None:
            check_time()
            size += len(piece)
            if size > LONGEST:
                _check_size(size, LONGEST)
            content.append(piece)
        response._content = b"".join(content)  # pyright: ignore[reportPrivateUsage]
        return
    decoder = Decoder(body, LONGEST) if response.is_success else _BoundedDecoder(response)
    while not decoder.is_full and (piece := (yield body.next())) is not None:
        check_time()
        content.append(decoder.feed(piece))
        while decoder.rest:
            content.append(decoder.feed(decoder.rest))
    content.append(decoder.end())
    response._content = b"".join(content)  # pyright: ignore[reportPrivateUsage]


class Decoder:
    """Decodes a body piece by piece.

    A few bytes may unpack to a thousand times as many, so each step unpacks at most a few MiB.
    httpx accepts a gzip or deflate body that was cut off; this class raises. An answer to HEAD has
    no body, whatever its headers say.
    """

    is_full: Final = False

    def __init__(self, body: ResponseBody | AsyncResponseBody, longest: float = inf) -> None:
        self._decoder: Any = None
        if not body.was_read:
            self._decoder = body.response._get_content_decoder()  # pyright: ignore[reportPrivateUsage]
        children = getattr(self._decoder, "children", (self._decoder,))
        self._layers = [each for each in children if hasattr(each, "decompressor")]
        self._step = 4 * 2**20 // 1000 ** len(self._layers)
        self._longest = longest
        self._size, self._begun = 0, False
        self.rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Return this piece decoded, up to a few MiB. If `rest` is not empty, feed it next.

        Raises httpx.DecodingError.
        """
        self._begun = True
        if not self._layers:
            found = piece
        elif self._step == 0:
            raise httpx.DecodingError("its body is compressed three times.")
        else:
            self.rest = piece[self._step :]
            found = self._decoder.decode(piece[: self._step])
        self._size += len(found)
        _check_size(self._size, self._longest)
        return found

    def end(self) -> bytes:
        """Return the decoded rest after the last piece. Raises httpx.DecodingError."""
        if self._decoder is None or not self._begun:
            return b""
        rest: bytes = self._decoder.flush()
        for layer in self._layers:
            if not getattr(getattr(layer, "decompressor", None), "eof", True):
                raise httpx.DecodingError("its body is compressed and was cut off.")
        return rest


def _check_size(size: int, longest: float) -> None:
    if size > longest:
        raise httpx.DecodingError(
            f"its body is longer than {LONGEST >> 20} MiB. Read it with stream()."
        )


class _BoundedDecoder:
    """Decodes the body of a failure, up to 1 MiB.

    A few hundred bytes may unpack to gigabytes at once. So only encodings that can be unpacked up
    to a limit are decoded: one gzip, or one deflate. Other bodies stay as received.
    """

    def __init__(self, response: httpx.Response) -> None:
        names = response.headers.get("Content-Encoding", "").lower().split(",")
        # The encodings that httpx knows; it ignores others, which are often not encodings at all.
        encodings = [
            name for name in map(str.strip, names) if name in ("gzip", "deflate", "br", "zstd")
        ]
        self._inflate = _Inflate(*encodings) if encodings in (["gzip"], ["deflate"]) else None
        self._stays = bool(encodings) and self._inflate is None
        self._response = response
        self.rest = b""
        self._came = self._size = 0

    @property
    def is_full(self) -> bool:
        return self._size > LONGEST_OF_ERRORS or self._came > 2 * LONGEST_OF_ERRORS

    def feed(self, piece: bytes) -> bytes:
        limit = LONGEST_OF_ERRORS - self._size
        found = piece[: limit + 1] if self._inflate is None else self._inflate(piece, limit + 1)
        self._came += len(piece)
        self._size += len(found)
        return found[:limit]

    def end(self) -> bytes:
        note = ""
        if self.is_full:
            note = "Its body was longer, but only 1 MiB was read."
        elif self._stays:
            note = (
                "Its body is shown as received: only one gzip or deflate of a failed answer is "
                "unpacked."
            )
        elif self._inflate is not None and self._came and not self._inflate.is_whole:
            note = "Its body was cut off."
        self._response.extensions[BODY_NOTE] = note
        return b""


class _Inflate:
    """Unpacks gzip or deflate, up to a limit.

    Args:
        encoding: `gzip` or `deflate`. Deflate comes with the header of zlib, or without.
    """

    def __init__(self, encoding: str) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS + (16 if encoding == "gzip" else 0))
        self._may_be_raw = encoding == "deflate"

    def __call__(self, piece: bytes, limit: int) -> bytes:
        may_be_raw, self._may_be_raw = self._may_be_raw, False
        try:
            return self._zlib.decompress(piece, limit)
        except zlib.error as error:
            if not may_be_raw:
                raise httpx.DecodingError(str(error)) from None
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        return self(piece, limit)

    @property
    def is_whole(self) -> bool:
        """Return whether the compressed data is complete."""
        return self._zlib.eof
