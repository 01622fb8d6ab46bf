"""Bodies: sent or read in part they leave no trace, and answers are given up when their time is
over.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import anyio

from vectorshift.transport.http import ESCAPES, httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from typing_extensions import Self

__all__ = ["OF_BODY", "AsyncTimedBody", "SentBody", "TimedBody", "is_read", "leave_unread"]

OF_BODY: Final = "vectorshift.of-body"
"""Where a response's extensions hold a sentence of what is missing in its body."""


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

    An async generator that is left in the middle is a warning under trio, and httpx stacks up six
    of them. This is a plain iterator, and closing it ends those below.
    """

    check: Callable[[], None] | None = None

    def __init__(self, body: httpx.AsyncByteStream, connection: Any = None) -> None:
        self._body, self._connection = body, connection
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
        try:
            await self._body.aclose()
        except (
            BaseException
        ):  # asyncio's own cancellation goes through a shield, and httpcore then leaves it open
            if self._connection is not None:
                await self._connection.aclose()
            raise
        pieces, self._pieces = self._pieces, None
        if pieces is not None:
            await _end(pieces)


class SentBody(httpx.ByteStream):
    """The body of an async request.

    That of httpx is an async generator, which stays in the middle where sending fails or is
    cancelled: a warning under trio. This one gives a plain iterator, anew for each attempt.
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


def is_read(response: httpx.Response) -> bool:
    """Whether the body is there already: a hook of the httpx client may have read it."""
    return hasattr(response, "_content")


def leave_unread(response: httpx.Response) -> None:
    """Let an answer whose connection was closed have an empty body."""
    response._content = b""  # pyright: ignore[reportPrivateUsage]
    response.extensions[OF_BODY] = (
        "Its body was not read: a hook of the httpx client raised before."
    )


async def _end(pieces: AsyncIterator[bytes]) -> None:
    """Let async generators that were left in the middle come to their end: at their next wait they
    are cancelled.
    """
    with (
        anyio.CancelScope(shield=True) as scope,
        contextlib.suppress(*ESCAPES, StopAsyncIteration, RuntimeError),
    ):
        scope.cancel()  # RuntimeError: the event loop ends and is closing them as well
        while True:
            await pieces.__anext__()
