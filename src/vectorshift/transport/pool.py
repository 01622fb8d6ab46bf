"""Connections that fit their process and their event loop: made at first use, never shared with a
forked child.

Those that have been idle for too long to be used again are closed by whoever opens one next, in
whatever pool they are, so that the clients of a thousand tenants do not keep a thousand dead
connections.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.loops import run_soon, running_loop
from vectorshift.errors import CredentialConfigurationError
from vectorshift.transport.desync import has_connections, has_unread_bytes
from vectorshift.transport.http import CONNECTIONS, KEEPALIVE, httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from vectorshift._platform.clock import Clock

__all__ = ["LoopPool", "LoopPools", "Owner", "Pool"]

T = TypeVar("T")

IN_FLIGHT: Final = CONNECTIONS - 10
"""Requests at a time on one event loop: a queue in httpcore's pool is slow and times out."""

_EVERY: Final = 16
"""How many connections are opened between two looks at all pools for those that nobody will use
again.
"""

_openings = count(1)

_pools: weakref.WeakValueDictionary[int, Pool] = weakref.WeakValueDictionary()
"""The pools of sync clients, by their ids."""

_kept: set[LoopPool] = set()
"""The open pools of event loops: what the collector finds open it warns of, whoever would close it
later.
"""

_parents: list[object] = []
"""Connections of a parent process. The child neither uses nor closes them, and so keeps them until
it ends.
"""


class Pool:
    """The connections of a sync client. Thread-safe and fork-safe.

    Each request borrows an httpx client for itself, and so has one connection: httpcore looks at
    every connection of a client for every request, and 64 threads on one client get a quarter of
    the answers that they get in this way.

    Args:
        make: makes an httpx client, at need.
        clock: tells how long a connection has been idle.
    """

    def __init__(self, make: Callable[[], httpx.Client], clock: Clock) -> None:
        self._make, self._clock = make, clock
        self._begin()
        _pools[id(self)] = self
        renew_after_fork(self)

    def _begin(self) -> None:
        self._idle: list[tuple[float, httpx.Client]] = []
        self._retire = weakref.finalize(
            self, _close, self._idle
        )  # whoever drops it has nothing to close

    def _after_fork(self) -> None:
        self._retire.detach()
        _parents.append(self._idle)
        self._begin()

    @contextlib.contextmanager
    def acquire(self) -> Generator[httpx.Client, None, None]:
        """Give one request a client for itself: the one that was used last, as its connection is
        the warmest.

        A client whose connection holds more than the answer is closed, and not lent again.
        """
        idle = self._idle
        if _opens(idle, self._clock) and next(_openings) % _EVERY == 0:
            for known in _pools.valuerefs():
                if (pool := known()) is not None:
                    pool.drop_expired()
        http = None
        with contextlib.suppress(IndexError):
            http = idle.pop()[1]
        http = http or self._make()
        try:
            yield http
        finally:
            if has_unread_bytes(http):
                http.close()
            else:
                idle.append((self._clock.monotonic(), http))
            if idle is not self._idle:  # closed meanwhile, or forked
                _close(idle)

    def drop_expired(self) -> None:
        """Close the connections that have been idle for too long to be used again."""
        for http in _expired(self._idle, self._clock):
            http.close()

    def close(self) -> None:
        """Close the connections, those in use when they are given back; `acquire` makes new
        ones.
        """
        retire = self._retire
        self._begin()
        retire()


def _opens(idle: Sequence[tuple[float, object]], clock: Clock) -> bool:
    """Whether the next request opens a connection."""
    newest = idle[-1:]
    return not newest or clock.monotonic() > newest[0][0] + KEEPALIVE


def _expired(idle: list[tuple[float, T]], clock: Clock) -> Generator[T, None, None]:
    """Take out the clients whose connection has been idle for too long to be used again, and give
    each.
    """
    longest = clock.monotonic() - KEEPALIVE
    with contextlib.suppress(IndexError):  # another thread was faster
        while idle[0][0] < longest:
            yield idle.pop(0)[1]


def _close(idle: list[tuple[float, httpx.Client]]) -> None:
    while idle:
        with contextlib.suppress(IndexError):  # another thread was faster
            idle.pop()[1].close()


@dataclass(eq=False, slots=True)
class LoopPool:
    """The connections of one event loop: as many httpx clients as there are requests at a time.

    Each client is lent to one request, and so has one connection, for the same reason as in `Pool`:
    90 requests at a time on one client got 50 answers a second, and get 800 in this way.

    Args:
        loop: the event loop.
        clock: tells how long a connection has been idle.
        limiter: keeps the number of requests at a time, and so of clients, down.
        idle: the httpx clients that nobody has borrowed, and since when.
        closed: whether clients are closed when they are given back.
        keeper: a started generator that closes the clients: the loop itself ends it when the loop
            ends.
    """

    loop: object
    clock: Clock
    limiter: anyio.Semaphore
    idle: list[tuple[float, httpx.AsyncClient]] = field(
        default_factory=list["tuple[float, httpx.AsyncClient]"]
    )
    closed: bool = False
    finalizer: AsyncGenerator[None, None] = field(init=False)


class LoopPools:
    """The connections of an async client: a pool for each event loop. Thread-safe and fork-safe.

    Args:
        make: makes the httpx client, in the event loop.
        clock: tells how long a connection has been idle.
    """

    def __init__(self, make: Callable[[], httpx.AsyncClient], clock: Clock) -> None:
        self._make, self._clock = make, clock
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._pools: weakref.WeakKeyDictionary[Any, LoopPool] = weakref.WeakKeyDictionary()
        self._retire = weakref.finalize(self, _retire, self._pools)
        self._retire.atexit = False

    def _after_fork(self) -> None:
        self._retire.detach()
        _parents.append(self._pools)
        self._begin()

    async def get(self) -> LoopPool:
        """Return the pool of the running event loop."""
        loop = running_loop()
        if loop not in self._pools:
            pool = self._pools[loop] = LoopPool(
                loop, self._clock, anyio.Semaphore(IN_FLIGHT, fast_acquire=True)
            )
            pool.finalizer = _keep(pool, self._pools)
            _kept.add(pool)
            await anext(pool.finalizer)
        return self._pools[loop]

    def acquire(self) -> Lease:
        """Give one request a client for itself, as `Pool.lend` does."""
        return Lease(self, self._make)

    async def aclose(self) -> None:
        """Close the connections of the running event loop, those in use when they are given
        back.
        """
        pool = self._pools.pop(running_loop(), None)
        if pool is not None:
            await pool.finalizer.aclose()


class Lease:
    """A client of the running event loop for an `async with` block.

    It is no async generator: an event loop that ends closes all of these at once, those that a
    block still needs too.
    """

    def __init__(self, pools: LoopPools, make: Callable[[], httpx.AsyncClient]) -> None:
        self._pools, self._make = pools, make

    async def __aenter__(self) -> httpx.AsyncClient:
        self._pool = pool = await self._pools.get()
        await pool.limiter.acquire()
        try:
            if _opens(pool.idle, pool.clock) and next(_openings) % _EVERY == 0:
                await _drop_expired(pool.loop)
            self._http = pool.idle.pop()[1] if pool.idle else self._make()
        except BaseException:
            pool.limiter.release()
            raise
        return self._http

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._pool.closed or has_unread_bytes(self._http):
                await _aclose(self._http)
            else:
                self._pool.idle.append((self._pool.clock.monotonic(), self._http))
        finally:
            self._pool.limiter.release()


async def _keep(
    pool: LoopPool, pools: weakref.WeakKeyDictionary[Any, LoopPool]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _kept.discard(pool)
        pools.pop(
            pool.loop, None
        )  # a started generator holds its loop, and would keep it for ever in there
        pool.closed = True
        idle, pool.idle = pool.idle, []
        await _aclose_all([http for _, http in idle])


async def _drop_expired(loop: object) -> None:
    """Close the connections of this event loop that have been idle for too long to be used
    again.
    """
    there = [pool for pool in _kept.copy() if pool.loop is loop]
    await _aclose_all([http for pool in there for http in _expired(pool.idle, pool.clock)])


async def _aclose_all(idle: list[httpx.AsyncClient]) -> None:
    """Close them all: asyncio's own cancellation goes through a shield, and hits one wait and not
    those behind it.
    """
    try:
        while idle:
            await _aclose(idle.pop())
    finally:
        if idle:
            await _aclose_all(idle)


async def _aclose(http: httpx.AsyncClient) -> None:
    with anyio.CancelScope(shield=True):
        await http.aclose()


async def _end(finalizer: AsyncGenerator[None, None]) -> None:
    await finalizer.aclose()


def _retire(pools: weakref.WeakKeyDictionary[Any, LoopPool]) -> None:
    """Let each loop close the connections of a client that was dropped unclosed."""
    for loop, pool in list(pools.items()):
        run_soon(loop, partial(_end, pool.finalizer))


class Owner:
    """Who may use an httpx client that the caller handed in: the process, and if it is async the
    event loop, that used it first.

    A forked child shares the sockets of its parent. Two processes on one connection read each
    other's answers, which may be those of another organisation.
    """

    _known: Final[weakref.WeakKeyDictionary[Any, Owner]] = weakref.WeakKeyDictionary()

    def __init__(self, http: httpx.Client | httpx.AsyncClient) -> None:
        self._http = weakref.ref(http)
        self._process: int | None = None
        self._loop: weakref.ref[Any] | None = None
        renew_after_fork(self)

    @classmethod
    def of(cls, http: httpx.Client | httpx.AsyncClient) -> Owner:
        """Return the owner of this httpx client, which any number of our clients may share."""
        return cls._known.setdefault(http, cls(http))

    def _after_fork(self) -> None:
        http = self._http()
        if self._process is None and http is not None and has_connections(http):
            self._process = os.getppid()  # the parent used it, and not through a client of ours

    def check(self, loop: object | None = None) -> None:
        """Note who uses the httpx client, or refuse it. Call this before anything is sent.

        Args:
            loop: the running event loop, for an async client.

        Raises:
            CredentialConfigurationError: another process or event loop has used it before.
        """
        if self._process is None:
            self._process = os.getpid()
        if self._process != os.getpid():
            raise CredentialConfigurationError(
                "The httpx client that was handed in as http_client has been used by another"
                f" process, {self._process}, of which this one is a fork. They would share its"
                " connections and read each other's answers. Make an httpx client, and hand it in,"
                " in the child."
            )
        if loop is None:
            return
        if self._loop is None:
            self._loop = weakref.ref(loop)
        if self._loop() is not loop:
            raise CredentialConfigurationError(
                "The httpx client that was handed in as http_client has served another event loop,"
                " and its connections belong to that one. Make an httpx.AsyncClient, and hand it"
                " in, in each event loop."
            )
