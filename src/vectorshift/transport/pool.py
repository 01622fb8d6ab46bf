"""Connection pools that clients share. A key belongs to a request, not to a connection.

Clients share a pool if their connections lead to the same origin in the same way, in one process
and on one event loop. So a thousand tenants with a client each share one pool.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from vectorshift._platform.forks import renew_after_fork
from vectorshift.errors import CredentialConfigurationError
from vectorshift.transport import http as _http
from vectorshift.transport.http import (
    KEEPALIVE,
    abandon,
    has_connections,
    has_unread_bytes,
    httpx,
    new_async_client,
    new_client,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from vectorshift._platform.clock import Clock
    from vectorshift.transport.http import AnyClient, ConnectionRoute

__all__ = [
    "AsyncLease",
    "ClientConnections",
    "Lease",
    "LoopFinalizer",
    "Owner",
    "Pool",
    "run_soon",
    "running_loop",
]

IN_FLIGHT: Final = 90
"""How many requests of one client run at a time on one event loop. Further ones wait."""


class _PoolKey(NamedTuple):
    """Clients with an equal key share a pool."""

    loop: Any
    """The event loop, or None for sync code."""
    route: ConnectionRoute
    substitute: object
    """The stand-in for the network in an offline test, or None."""
    clock: Clock
    client: int = 0
    """The one client of a pool that is not shared."""


class Pool:
    """The idle connections of one route, each in an httpx client of its own.

    Each request has an httpx client to itself. For every request, httpcore looks at every
    connection of a client, and its queue times out. With one client for all, 64 threads got a
    quarter of the answers, and 90 tasks a sixteenth.

    Attributes:
        seats: the clients that use this pool.
        finalizer: closes the pool of an event loop.
    """

    def __init__(self, key: _PoolKey) -> None:
        self.key = key
        self.idle: list[tuple[float, Any]] = []
        self.seats: set[_Seat] = set()
        self.is_closed = False
        self.finalizer = None if key.loop is None else LoopFinalizer(self._aclose)

    def take(self) -> Any:
        """Return the httpx client that was used last, or None."""
        with contextlib.suppress(IndexError):
            since, http = self.idle.pop()
            if self.key.clock.monotonic() <= since + KEEPALIVE:
                return http
            self.idle.append((since, http))
        return None

    def make(self) -> Any:
        """Return a new httpx client."""
        new = new_client if self.key.loop is None else new_async_client
        return new(self.key.route)

    def give_back(self, http: Any) -> list[Any]:
        """Keep an httpx client for the next request. Return the clients to close."""
        if self.is_closed or _registry.is_ending:
            return [http]
        has_unread = has_unread_bytes(http)
        if has_unread is None and not self.key.client:  # not safe for other clients
            _registry.unshared.add(_anywhere(self.key))
            self.retire()
            return [http, *self.drain()]
        if has_unread:
            return [http]
        self.idle.append((self.key.clock.monotonic(), http))
        return [] if self.seats else self.drain()  # another thread has closed the pool

    def drain(self, until: float = inf) -> list[Any]:
        """Remove and return the httpx clients that were given back before a moment; else all."""
        drained: list[Any] = []
        with contextlib.suppress(IndexError):  # another thread was faster
            while self.idle[0][0] < until:
                drained.append(self.idle.pop(0)[1])
        return drained

    def retire(self) -> None:
        """Take this pool out of use."""
        with _registry.lock:
            if not self.is_closed:
                self.is_closed = True
                _registry.pools.pop(self.key, None)  # a signal handler may have removed it
            for seat in self.seats.copy():
                seat.leave()

    def close(self) -> None:
        """For sync code: close idle connections now, and the others when they are given back."""
        self.retire()
        for http in self.drain():
            http.close()

    async def _aclose(self) -> None:
        self.retire()
        await _aclose_all(self.drain())


class _Registry:
    """The open pools of this process.

    Attributes:
        unshared: the keys of pools whose connections the desync guard cannot inspect. There, each
            client has its own pool.
        is_ending: whether Python is ending. Nothing would close a connection that is kept now.
    """

    def __init__(self) -> None:
        self.pools: dict[_PoolKey, Pool] = {}
        self.unshared: set[_PoolKey] = set()
        self.is_ending = False
        self._of_parents: list[object] = []
        self.lock = threading.RLock()  # a signal handler may come here while its thread is in here
        renew_after_fork(self)

    def _after_fork(self) -> None:
        # A forked child neither uses nor closes the connections of its parent.
        self._of_parents.append(self.pools)
        self.pools = {}
        self.lock = threading.RLock()

    def pool(self, key: _PoolKey, client: int) -> Pool:
        """Return the pool of a key; create it if needed."""
        if _anywhere(key) in self.unshared:
            key = key._replace(client=client)
        if key not in self.pools:
            self.pools[key] = Pool(key)
        return self.pools[key]

    def take_expired(self, loop: object) -> list[Any]:
        """Remove and return the expired httpx clients of this event loop, from all pools."""
        return [
            http
            for pool in list(self.pools.values())
            if pool.key.loop is loop
            for http in pool.drain(pool.key.clock.monotonic() - KEEPALIVE)
        ]


_registry = _Registry()


@atexit.register
def _keep_no_more() -> None:
    """Keep no more connections: atexit functions registered earlier may still make calls."""
    _registry.is_ending = True


def _anywhere(key: _PoolKey) -> _PoolKey:
    return key._replace(loop=type(key.loop))


class _Seat:
    """A client's place in a pool. It has its own limit: no tenant waits for another's requests."""

    __slots__ = ("_key", "_of_client", "limiter", "pool")

    def __init__(self, pool: Pool, of_client: dict[_PoolKey, _Seat], key: _PoolKey) -> None:
        self.pool, self._of_client, self._key = pool, of_client, key
        self.limiter: Any = (
            None if key.loop is None else anyio.Semaphore(IN_FLIGHT, fast_acquire=True)
        )
        of_client[key] = self
        pool.seats.add(self)

    def leave(self) -> bool:
        """Leave the pool; return whether no client is left in it."""
        with _registry.lock:
            self._of_client.pop(self._key, None)
            self.pool.seats.discard(self)
            return not self.pool.seats


class ClientConnections:
    """The connections of one client, sync or async. Thread-safe and fork-safe.

    Args:
        clock: tells how long a connection has been idle.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._seats: dict[_PoolKey, _Seat] = {}
        self._dropped = weakref.finalize(self, _leave, self._seats)

    def _after_fork(self) -> None:
        self._dropped.detach()
        self._begin()

    def acquire(self, route: ConnectionRoute) -> Lease:
        """Lease an httpx client with one connection for one request, in a `with` block."""
        return Lease(self.seat(None, route).pool)

    def aacquire(self, route: ConnectionRoute) -> AsyncLease:
        """Lease an httpx client of the running event loop for one request, in an `async with`
        block.
        """
        return AsyncLease(self, route)

    def seat(self, loop: object, route: ConnectionRoute) -> _Seat:
        """Return the place of this client in the pool of a route.

        Args:
            loop: the running event loop, or None for sync code.
            route: where the connections lead.
        """
        key = _PoolKey(loop, route, _http.substitute, self._clock)
        seat = self._seats.get(key)
        if seat is not None:
            return seat
        with _registry.lock:
            if key not in self._seats:
                _Seat(_registry.pool(key, id(self)), self._seats, key)
            return self._seats[key]

    def close(self) -> None:
        """Leave the pools of sync code. The last client closes its connections."""
        _leave(self._seats)

    async def aclose(self) -> None:
        """Leave the pools of the running event loop. The last client closes their connections."""
        loop = running_loop()
        for key, seat in list(self._seats.items()):
            if key.loop is loop and seat.leave() and seat.pool.finalizer is not None:
                await seat.pool.finalizer.aclose()


def _leave(seats: dict[_PoolKey, _Seat]) -> None:
    for key, seat in list(seats.items()):
        if not seat.leave():
            continue
        if seat.pool.finalizer is None:
            seat.pool.close()
        else:
            run_soon(key.loop, seat.pool.finalizer.aclose)


class Lease:
    """The context manager of `ClientConnections.acquire`."""

    __slots__ = ("_leased", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __enter__(self) -> httpx.Client:
        found = self._pool.take()
        if found is None:
            for each in _registry.take_expired(None):
                each.close()
            found = self._pool.make()
        http: httpx.Client = found
        self._leased = http
        return http

    def __exit__(self, interruption: type[BaseException] | None, *_: object) -> None:
        # httpcore may still hold a lock that blocks the next request; or its CAs are outdated.
        if interruption is not None:
            abandon(self._leased)
            return
        for each in self._pool.give_back(self._leased):
            each.close()


class AsyncLease:
    """The context manager of `ClientConnections.aacquire`.

    Not an async generator: an ending loop closes all generators at once, even those still in use.
    """

    __slots__ = ("_connections", "_leased", "_route", "_seat")

    def __init__(self, connections: ClientConnections, route: ConnectionRoute) -> None:
        self._connections, self._route = connections, route

    async def __aenter__(self) -> httpx.AsyncClient:
        loop = running_loop()
        self._seat = seat = self._connections.seat(loop, self._route)
        try:
            seat.limiter.acquire_nowait()
        except anyio.WouldBlock:
            await seat.limiter.acquire()
        try:
            found = seat.pool.take()
            if found is None:
                await _aclose_all(_registry.take_expired(loop))
                found = seat.pool.make()
        except BaseException:
            seat.limiter.release()
            raise
        http: httpx.AsyncClient = found
        self._leased = http
        return http

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        leased, pool = self._leased, self._seat.pool
        try:
            # A client that failed is not reused: the CAs that it trusts may be outdated.
            if unfit := pool.give_back(leased) if failure is None else [leased]:
                await _aclose_all(unfit)
            if pool.is_closed and pool.finalizer is not None:  # nothing else ends its generator
                await pool.finalizer.aclose()
        finally:
            self._seat.limiter.release()


async def _aclose_all(clients: list[httpx.AsyncClient]) -> None:
    """Close them all. A cancellation by asyncio ignores the shield, but ends only one wait."""
    try:
        while clients:
            with anyio.CancelScope(shield=True):
                await clients.pop().aclose()
    finally:
        if clients:
            await _aclose_all(clients)


class Owner:
    """The owner of a caller's httpx client: the process and event loop that used it first.

    A forked child shares the sockets of its parent. Two processes on one connection read each
    other's answers, which may be those of another organisation.
    """

    _known: Final[weakref.WeakKeyDictionary[Any, Owner]] = weakref.WeakKeyDictionary()

    def __init__(self, http: AnyClient) -> None:
        self._http = weakref.ref(http)
        self._process: int | None = None
        self._loop: weakref.ref[Any] | None = None
        renew_after_fork(self)

    @classmethod
    def of(cls, http: AnyClient) -> Owner:
        """Return the owner of this httpx client. Any number of our clients may share it."""
        return cls._known.setdefault(http, cls(http))

    def _after_fork(self) -> None:
        http = self._http()
        if self._process is None and http is not None and has_connections(http):
            self._process = os.getppid()  # the parent used it, and not through a client of ours

    def check(self, loop: object | None = None) -> None:
        """Record the first user of the httpx client; raise for any other. Call this before sending.

        Args:
            loop: the running event loop, for an async client.

        Raises:
            CredentialConfigurationError: another process or event loop has used it before.
        """
        if self._process is None:
            self._process = os.getpid()
        if self._process != os.getpid():
            raise CredentialConfigurationError(
                "The httpx client passed as http_client was used by another process, "
                f"{self._process}, of which this one is a fork. They would share its connections "
                "and read each other's answers. Create the httpx client in the child."
            )
        if loop is None:
            return
        if self._loop is None:
            self._loop = weakref.ref(loop)
        if self._loop() is not loop:
            raise CredentialConfigurationError(
                "The httpx client passed as http_client was used in another event loop, which "
                "owns its connections. Create an httpx.AsyncClient in each event loop."
            )


# --- Event loops of asyncio and of trio, also those of other threads ---


class LoopFinalizer:
    """Call `close` once, on the running event loop: in `aclose`, or when the loop ends.

    At their end, `asyncio.run` and `trio.run` close the async generators of their loop, and wait
    for them. So a generator waits here for that moment.

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
        """Close, unless closing has begun."""
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
                # Waiting for a set event would let the loop run, which closes this generator too.
                await self._closed.wait()


def run_soon(loop: Any, work: Callable[[], Awaitable[object]]) -> None:
    """Schedule work on an event loop, which may run in another thread.

    If the loop has ended, nothing is done. Errors are dropped: nobody waits for the work.
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

    with contextlib.suppress(RuntimeError):  # an ending loop closes everything itself
        trio.lowlevel.spawn_system_task(_quietly, work)


async def _quietly(work: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(Exception):
        await work()


def running_loop() -> object:
    """Return the running event loop of asyncio, or the token of trio's loop."""
    from asyncio import get_running_loop  # it takes 20 ms, which sync programs save

    try:
        return get_running_loop()
    except RecursionError:
        raise
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()
