"""Bodies of answers: given up when their time is over, and closed half-read without a trace."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio

from vectorshift.http import ESCAPES, httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from typing_extensions import Self

__all__ = ["AsyncTimedBody", "TimedBody", "decoder_of"]


class TimedBody(httpx.SyncByteStream):
    """A body that is given up when its time is over, however steadily it drips.

    Args:
        body: the body of httpx's.
        check: called with each piece; raises when time is over.
    """

    def __init__(self, body: httpx.SyncByteStream, check: Callable[[], None]) -> None:
        self._body, self._check = body, check

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._check()
            yield piece

    def close(self) -> None:
        """Close the connection, unless the body was read whole."""
        self._body.close()


class AsyncTimedBody(httpx.AsyncByteStream):
    """The same for event loops.

    An async generator that is left in the middle is a warning under trio, and httpx stacks up six of them. This is a
    plain iterator, and closing it ends those below.
    """

    check: Callable[[], None] | None = None

    def __init__(self, body: httpx.AsyncByteStream) -> None:
        self._body = body
        self._pieces: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        self._pieces = self._body.__aiter__()
        return self

    async def __anext__(self) -> bytes:
        if self._pieces is None:
            raise StopAsyncIteration
        try:
            piece = await self._pieces.__anext__()
        except StopAsyncIteration:
            self._pieces = None
            raise
        if self.check is not None:
            self.check()
        return piece

    async def aclose(self) -> None:
        """Close the connection, unless the body was read whole."""
        await self._body.aclose()
        pieces, self._pieces = self._pieces, None
        if pieces is not None:
            await _end(pieces)


def decoder_of(response: httpx.Response) -> Any:
    """Return what takes the encoding off a body: `aiter_bytes`, which does it, cannot be left half-read under trio."""
    return response._get_content_decoder()  # pyright: ignore[reportPrivateUsage]


async def _end(pieces: AsyncIterator[bytes]) -> None:
    """Let async generators that were left in the middle come to their end: at their next wait they are cancelled."""
    with anyio.CancelScope(shield=True) as scope, contextlib.suppress(*ESCAPES, StopAsyncIteration, RuntimeError):
        scope.cancel()  # RuntimeError: the event loop ends and is closing them as well
        while True:
            await pieces.__anext__()
