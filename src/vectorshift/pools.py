"""Connections that fit their process and their event loop: made at first use, never shared with a forked child."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from vectorshift.forks import renew_after_fork
from vectorshift.http import CONNECTIONS, httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

__all__ = ["LoopPool", "LoopPools", "Pool", "run_soon", "running_loop"]

IN_FLIGHT: Final = CONNECTIONS - 10
"""Requests at a time on one event loop: a queue in httpcore's pool is slow and times out."""

_kept: set[LoopPool] = set()
"""The open pools: what the collector finds open it warns of, whoever would close it later."""

_inherited: list[object] = []
"""Connections of a parent process. The child neither uses nor closes them, and so keeps them until it ends."""


class Pool:
    """The connections of a sync client. Thread-safe and fork-safe.

    Each request borrows an httpx client for itself, and so has one connection: httpcore looks at every connection of a
    client for every request, and 64 threads on one client get a quarter of the answers that they get in this way.

    Args:
        make: makes an httpx client, at need.
    """

    def __init__(self, make: Callable[[], httpx.Client]) -> None:
        self._make = make
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._idle: list[httpx.Client] = []
        self._retire = weakref.finalize(self, _close, self._idle)  # whoever drops it has nothing to close

    def _after_fork(self) -> None:
        self._retire.detach()
        _inherited.append(self._idle)
        self._begin()

    @contextlib.contextmanager
    def lend(self) -> Generator[httpx.Client, None, None]:
        """Give one request a client for itself: the one that was used last, as its connection is the warmest."""
        idle = self._idle
        http = None
        with contextlib.suppress(IndexError):
            http = idle.pop()
        http = http or self._make()
        try:
            yield http
        finally:
            idle.append(http)
            if idle is not self._idle:  # closed meanwhile, or forked
                _close(idle)

    def close(self) -> None:
        """Close the connections, those in use when they are given back; `lend` makes new ones."""
        retire = self._retire
        self._begin()
        retire()


def _close(idle: list[httpx.Client]) -> None:
    while idle:
        with contextlib.suppress(IndexError):  # another thread was faster
            idle.pop().close()


@dataclass(eq=False, slots=True)
class LoopPool:
    """The connections of one event loop: as many httpx clients as there are requests at a time.

    Each client is lent to one request, and so has one connection, for the same reason as in `Pool`: 90 requests at a
    time on one client got 50 answers a second, and get 800 in this way.

    Args:
        limiter: keeps the number of requests at a time, and so of clients, down.
        idle: the httpx clients that nobody has borrowed.
        closed: whether clients are closed when they are given back.
        keeper: a started generator that closes the clients: the loop itself ends it when the loop ends.
    """

    limiter: anyio.Semaphore
    idle: list[httpx.AsyncClient] = field(default_factory=list["httpx.AsyncClient"])
    closed: bool = False
    keeper: AsyncGenerator[None, None] = field(init=False)


class LoopPools:
    """The connections of an async client: a pool for each event loop. Thread-safe and fork-safe.

    Args:
        make: makes the httpx client, in the event loop.
    """

    def __init__(self, make: Callable[[], httpx.AsyncClient]) -> None:
        self._make = make
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._pools: weakref.WeakKeyDictionary[Any, LoopPool] = weakref.WeakKeyDictionary()
        self._retire = weakref.finalize(self, _retire, self._pools)
        self._retire.atexit = False

    def _after_fork(self) -> None:
        self._retire.detach()
        _inherited.append(self._pools)
        self._begin()

    async def get(self) -> LoopPool:
        """Return the pool of the running event loop."""
        loop = running_loop()
        if loop not in self._pools:
            pool = self._pools[loop] = LoopPool(anyio.Semaphore(IN_FLIGHT, fast_acquire=True))
            pool.keeper = _keep(pool, self._pools, loop)
            _kept.add(pool)
            await anext(pool.keeper)
        return self._pools[loop]

    def lend(self) -> Loan:
        """Give one request a client for itself: the one that was used last, as its connection is the warmest."""
        return Loan(self, self._make)

    async def aclose(self) -> None:
        """Close the connections of the running event loop, those in use when they are given back."""
        pool = self._pools.pop(running_loop(), None)
        if pool is not None:
            await pool.keeper.aclose()


class Loan:
    """A client of the running event loop for an `async with` block.

    It is no async generator: an event loop that ends closes all of these at once, those that a block still needs too.
    """

    def __init__(self, pools: LoopPools, make: Callable[[], httpx.AsyncClient]) -> None:
        self._pools, self._make = pools, make

    async def __aenter__(self) -> httpx.AsyncClient:
        self._pool = pool = await self._pools.get()
        await pool.limiter.acquire()
        try:
            self._http = pool.idle.pop() if pool.idle else self._make()
        except BaseException:
            pool.limiter.release()
            raise
        return self._http

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._pool.closed:
                await _aclose(self._http)
            else:
                self._pool.idle.append(self._http)
        finally:
            self._pool.limiter.release()


async def _keep(
    pool: LoopPool, pools: weakref.WeakKeyDictionary[Any, LoopPool], loop: object
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _kept.discard(pool)
        pools.pop(loop, None)  # a started generator holds its loop, and would keep it for ever in there
        pool.closed = True
        await _aclose_all(pool.idle)


async def _aclose_all(idle: list[httpx.AsyncClient]) -> None:
    """Close them all: asyncio's own cancellation goes through a shield, and hits one wait and not those behind it."""
    try:
        while idle:
            await _aclose(idle.pop())
    finally:
        if idle:
            await _aclose_all(idle)


async def _aclose(http: httpx.AsyncClient) -> None:
    with anyio.CancelScope(shield=True):
        await http.aclose()


async def _end(keeper: AsyncGenerator[None, None]) -> None:
    await keeper.aclose()


def _retire(pools: weakref.WeakKeyDictionary[Any, LoopPool]) -> None:
    """Let each loop close the connections of a client that was dropped unclosed."""
    for loop, pool in list(pools.items()):
        run_soon(loop, partial(_end, pool.keeper))


def run_soon(loop: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have an event loop, perhaps that of another thread, do some work; it is left undone if the loop has ended."""
    with contextlib.suppress(RuntimeError):  # the loop has ended
        if isinstance(loop, asyncio.AbstractEventLoop):
            loop.call_soon_threadsafe(_begin_task, loop, work)
        else:
            loop.run_sync_soon(_begin_system_task, work)


def _begin_task(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    _begun.add(task := loop.create_task(work()))
    task.add_done_callback(_begun.discard)


_begun: set[asyncio.Task[None]] = set()


def _begin_system_task(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import trio

    with contextlib.suppress(RuntimeError):  # the loop is ending, and closes what it has itself
        trio.lowlevel.spawn_system_task(work)


def running_loop() -> object:
    """Return what stands for the running event loop: that of asyncio, or the token of trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()
