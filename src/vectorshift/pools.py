"""Connections that fit their process and their event loop: made at first use, never shared with a forked child."""

from __future__ import annotations

import asyncio
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

from vectorshift.flight import arun_blocking
from vectorshift.forks import renew_after_fork
from vectorshift.http import CONNECTIONS, httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

__all__ = ["LoopPool", "LoopPools", "Pool"]

IN_FLIGHT: Final = CONNECTIONS - 10
"""Requests at a time on one event loop: a queue in the pool itself is slow and times out."""

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
    """The connections of one event loop.

    Args:
        http: the httpx client.
        limiter: keeps the number of requests below the number of connections.
        keeper: a started generator that closes the client: the loop itself ends it when the loop ends.
    """

    http: httpx.AsyncClient
    limiter: anyio.Semaphore
    keeper: AsyncGenerator[None, None]


class LoopPools:
    """The connections of an async client: a pool for each event loop. Thread-safe and fork-safe.

    Args:
        prepare: what may block before a pool is made; runs in a thread.
        make: makes the httpx client, in the event loop.
    """

    def __init__(self, prepare: Callable[[], object], make: Callable[[], httpx.AsyncClient]) -> None:
        self._prepare, self._make = prepare, make
        self._pools: weakref.WeakKeyDictionary[Any, LoopPool] = weakref.WeakKeyDictionary()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        _inherited.append(self._pools)
        self._pools = weakref.WeakKeyDictionary()

    async def get(self) -> LoopPool:
        """Return the pool of the running event loop."""
        loop = _running_loop()
        if loop not in self._pools:
            await arun_blocking(self._prepare)
        if loop not in self._pools:  # nothing is awaited from here on
            http = self._make()
            keeper = _keep(http, self._pools, loop)
            pool = self._pools[loop] = LoopPool(http, anyio.Semaphore(IN_FLIGHT, fast_acquire=True), keeper)
            await anext(pool.keeper)
        return self._pools[loop]

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of others end with their loops."""
        pool = self._pools.pop(_running_loop(), None)
        if pool is not None:
            await pool.keeper.aclose()


async def _keep(
    http: httpx.AsyncClient, pools: weakref.WeakKeyDictionary[Any, LoopPool], loop: object
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        pools.pop(loop, None)  # a started generator holds its loop, and would keep it for ever in there
        await http.aclose()


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()
