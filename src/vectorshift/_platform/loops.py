"""Event loops of either library, also those of other threads."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

__all__ = ["run_soon", "running_loop"]


def run_soon(loop: Any, work: Callable[[], Awaitable[object]]) -> None:
    """Have an event loop, perhaps that of another thread, do some work.

    It is left undone if the loop has ended. Its errors are dropped: nobody waits for it.
    """
    with contextlib.suppress(RuntimeError):  # the loop has ended
        if hasattr(loop, "call_soon_threadsafe"):
            loop.call_soon_threadsafe(_begin_task, loop, work)
        else:
            loop.run_sync_soon(_begin_system_task, work)


def _begin_task(loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[object]]) -> None:
    _begun.add(task := loop.create_task(_quietly(work)))
    task.add_done_callback(_begun.discard)


_begun: set[asyncio.Task[None]] = set()


def _begin_system_task(work: Callable[[], Awaitable[object]]) -> None:
    import trio

    with contextlib.suppress(RuntimeError):  # the loop is ending, and closes what it has itself
        trio.lowlevel.spawn_system_task(_quietly, work)


async def _quietly(work: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(Exception):
        await work()


def running_loop() -> object:
    """Return what stands for the running event loop: that of asyncio, or the token of trio."""
    from asyncio import get_running_loop  # sync programs do without: importing it takes 20 ms

    try:
        return get_running_loop()
    except RecursionError:
        raise
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()
