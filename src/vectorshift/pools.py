"""Connections that fit their process and their event loop: made at first use, never shared with a forked child."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio

from vectorshift.flight import arun_blocking
from vectorshift.forks import renew_after_fork
from vectorshift.http import CONNECTIONS, httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

__all__ = ["LoopPool", "LoopPools", "Pool"]

IN_FLIGHT: Final = CONNECTIONS - 10
"""Requests at a time on one event loop: a queue in httpcore's pool is slow and times out."""

_kept: dict[httpx.AsyncClient, AsyncGenerator[None, None]] = {}
"""The keepers of open pools: what the collector finds open it warns of, whoever would close it later."""

_inherited: list[object] = []
"""Connections of a parent process. The child neither uses nor closes them, and so keeps them until it ends."""


class Pool:
    """The connections of a sync client. Thread-safe and fork-safe.

    Args:
        make: makes the httpx client, at first use.
    """

    def __init__(self, make: Callable[[], httpx.Client]) -> None:
        self._make = make
        self._http: httpx.Client | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        if self._http is not None:
            _inherited.append(self._http)
            self._http = None

    def get(self) -> httpx.Client:
        """Return the httpx client."""
        http = self._http  # another thread may close it meanwhile
        if http is None:
            with self._lock:
                if self._http is None:
                    self._http = self._make()
                http = self._http
        return http

    def close(self) -> None:
        """Close the connections; `get` makes new ones."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()


@dataclass(eq=False, slots=True)
class LoopPool:
    """The connections of one event loop: as many httpx clients as there are requests at a time.

    Each client is lent to one request, and so has one connection. One client for all would be slow: httpcore looks
    at every connection for every request, and sends many at once to the same idle one. 90 requests at a time got
    50 answers a second in that way, and get 800 in this.

    Args:
        clients: every httpx client, the first of them made at once.
        limiter: keeps the number of requests at a time, and so of clients, down.
        keeper: a started generator that closes the clients: the loop itself ends it when the loop ends.
    """

    clients: list[httpx.AsyncClient]
    limiter: anyio.Semaphore
    keeper: AsyncGenerator[None, None]
    idle: list[httpx.AsyncClient] = field(init=False)

    def __post_init__(self) -> None:
        self.idle = self.clients[:]


class LoopPools:
    """The connections of an async client: a pool for each event loop. Thread-safe and fork-safe.

    Args:
        prepare: what may block before a pool is made; runs in a thread.
        make: makes the httpx client, in the event loop.
    """

    def __init__(self, prepare: Callable[[], object], make: Callable[[], httpx.AsyncClient]) -> None:
        self._prepare, self._make = prepare, make
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
        loop = _running_loop()
        if loop not in self._pools:
            await arun_blocking(self._prepare)
        if loop not in self._pools:  # nothing is awaited from here on
            clients = [self._make()]
            keeper = _keep(clients, self._pools, loop)
            limiter = anyio.Semaphore(IN_FLIGHT, fast_acquire=True)
            self._pools[loop] = LoopPool(clients, limiter, keeper)
            _kept[clients[0]] = keeper
            await anext(keeper)
        return self._pools[loop]

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        """Give one request a client for itself: the one that was used last, as its connection is the warmest."""
        pool = await self.get()
        async with pool.limiter:
            if not pool.idle:
                pool.clients.append(self._make())
                pool.idle.append(pool.clients[-1])
            http = pool.idle.pop()
            try:
                yield http
            finally:
                pool.idle.append(http)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of others end with their loops."""
        pool = self._pools.pop(_running_loop(), None)
        if pool is not None:
            await pool.keeper.aclose()


async def _keep(
    clients: list[httpx.AsyncClient], pools: weakref.WeakKeyDictionary[Any, LoopPool], loop: object
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        del _kept[clients[0]]
        pools.pop(loop, None)  # a started generator holds its loop, and would keep it for ever in there
        for http in clients:
            await http.aclose()


async def _end(keeper: AsyncGenerator[None, None]) -> None:
    await keeper.aclose()


def _retire(pools: weakref.WeakKeyDictionary[Any, LoopPool]) -> None:
    """Let each loop close the connections of a client that was dropped unclosed."""
    for loop, pool in list(pools.items()):
        with contextlib.suppress(RuntimeError):  # the loop has ended
            if isinstance(loop, asyncio.AbstractEventLoop):
                loop.call_soon_threadsafe(_end_soon, loop, pool.keeper)
            else:
                import trio

                loop.run_sync_soon(trio.lowlevel.spawn_system_task, _end, pool.keeper)


def _end_soon(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None, None]) -> None:
    _ending.add(task := loop.create_task(_end(keeper)))
    task.add_done_callback(_ending.discard)


_ending: set[asyncio.Task[None]] = set()


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()
