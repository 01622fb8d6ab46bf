"""Close once what an event loop holds: when asked, when it is dropped, or when the loop ends."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, TypeVar

import anyio

from vectorshift._platform.loops import run_soon, running_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["LoopBoundContext", "LoopFinalizer"]

T = TypeVar("T")


class LoopFinalizer:
    """Call `close` once, on the running event loop: in `aclose`, or when the loop ends.

    A loop closes the async generators that were started in it, and waits for them, when it ends as
    `asyncio.run` and `trio.run` end it. So a generator waits here for that moment.

    Args:
        close: closes what the loop holds.
    """

    def __init__(self, close: Callable[[], Awaitable[object]]) -> None:
        self._close = close
        self._is_taken = self._loop_ends = False
        self._closed = anyio.Event()
        self._generator = self._wait_for_the_loop()
        with contextlib.suppress(StopIteration):  # it starts without waiting for anything
            self._generator.__anext__().__await__().send(None)

    async def aclose(self) -> None:
        """Close, unless that was begun before."""
        if self._is_taken:
            return
        await self._close_now()
        if not self._loop_ends:
            await self._generator.aclose()

    async def _close_now(self) -> None:
        self._is_taken = True
        try:
            await self._close()
        finally:
            self._closed.set()

    async def _wait_for_the_loop(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._loop_ends = True
            if not self._is_taken:
                await self._close_now()
            elif not self._closed.is_set():
                # Waiting for a set event would let the loop run, and it closes this generator too.
                await self._closed.wait()


class LoopBoundContext(contextlib.AbstractAsyncContextManager[T]):
    """An async block whose content is also closed when the block is dropped, or its loop ends.

    It is a class and no async generator: trio warns of a dropped one, and a loop that ends would
    close it in the midst of those around it.

    Args:
        begin: opens the content, and pushes on the stack how to close it.
    """

    def __init__(self, begin: Callable[[contextlib.AsyncExitStack], Awaitable[T]]) -> None:
        self._begin = begin

    async def __aenter__(self) -> T:
        stack = contextlib.AsyncExitStack()
        try:
            opened = await self._begin(stack)
        except BaseException:
            await stack.aclose()
            raise
        self._finalizer = finalizer = LoopFinalizer(stack.aclose)
        self._dropped = weakref.finalize(self, run_soon, running_loop(), finalizer.aclose)
        self._dropped.atexit = False
        return opened

    async def __aexit__(self, *_: object) -> None:
        self._dropped.detach()
        await self._finalizer.aclose()
