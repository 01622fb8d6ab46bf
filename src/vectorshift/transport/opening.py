"""`LoopBoundContext`: an async block that gives back what it holds, also where nobody leaves it."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, TypeVar

import anyio

from vectorshift._platform.loops import run_soon, running_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["LoopBoundContext"]

T = TypeVar("T")


class LoopBoundContext(contextlib.AbstractAsyncContextManager[T]):
    """Hold what was opened until the block is left, this is collected, or the event loop ends.

    It is no async generator, as a `Lease` is none: one that is dropped is a warning under trio, and
    an event loop that ends closes it in the midst of those around it.

    Args:
        begin: opens, and says on the stack that it is given how to close.
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
        self._held = held = _Held(stack)
        await anext(held.finalizer)
        self._retire = weakref.finalize(self, run_soon, running_loop(), held.drop)
        self._retire.atexit = False
        return opened

    async def __aexit__(self, *_: object) -> None:
        self._retire.detach()
        await self._held.aclose()


class _Held:
    """What is open. The first to come closes it, and an event loop that ends waits for that.

    Attributes:
        keeper: a started generator, which the loop itself ends when it ends. It never waits but
            then.
    """

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self._taken = self._loop_ends = False
        self._closed = anyio.Event()
        self.finalizer = self._keep()

    async def aclose(self) -> None:
        if self._taken:
            return
        await self._close()
        if not self._loop_ends:
            await self.finalizer.aclose()

    async def drop(self) -> None:
        with contextlib.suppress(Exception):  # nobody is there who could be told
            await self.aclose()

    async def _close(self) -> None:
        self._taken = True
        try:
            await self._stack.aclose()
        finally:
            self._closed.set()

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._loop_ends = True
            if not self._taken:
                await self._close()
            elif (
                not self._closed.is_set()
            ):  # a wait for what has happened would yield to the loop, which ends this too
                await self._closed.wait()
