"""`AsyncVectorShift`: the client of event loops."""

from __future__ import annotations

import contextlib
import re
import sys
import weakref
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from vectorshift._platform.background import arun_blocking
from vectorshift._platform.frames import astrip_library_frames, stripped
from vectorshift._platform.public import Self
from vectorshift._platform.urls import DIRECT
from vectorshift.client.call import Call
from vectorshift.client.engine import CallState, Setup, adrive
from vectorshift.client.handle import Handle
from vectorshift.client.stream import AsyncStream
from vectorshift.client.uploads import Files
from vectorshift.transport.body import AsyncResponseBody, Connecting, SentBody
from vectorshift.transport.failures import escapes
from vectorshift.transport.http import httpx, load_ahead
from vectorshift.transport.pool import LoopFinalizer, run_soon, running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vectorshift.transport.http import ConnectionRoute

__all__ = ["AsyncIO", "AsyncVectorShift", "LoopBoundContext"]

T = TypeVar("T")


class AsyncVectorShift(Handle[httpx.AsyncClient]):
    """The async client. It serves any number of event loops, one after the other or in parallel
    threads.

    Each loop has its own connections. `asyncio.run` and `trio.run` close them at their end; a loop
    closed without `shutdown_asyncgens` leaves them open. Works under asyncio and trio.

    Arguments are those of `VectorShift`. An `http_client` also belongs to the event loop that uses
    it first.
    """

    _kind = httpx.AsyncClient

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        files: Files | None = None,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Make a call and return the parsed body. Arguments and errors are those of
        `VectorShift.request`.
        """
        return await self.call(Call(method, path, query, json, files, form, headers, timeout))

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        files: Files | None = None,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[AsyncStream]:
        """Make a call and read its answer as it arrives, in an `async with` block. Like
        `VectorShift.stream`.

        Cancelling the task closes the connection.
        """
        return self.open(Call(method, path, query, json, files, form, headers, timeout))

    async def call(self, call: Call) -> Any:
        """Make the call that a `Call` describes. Raises as `request`."""
        before = sys.exc_info()[1]
        try:
            io = AsyncIO(self._lease, self.clock.asleep)
            try:
                return await adrive((await self._begin(call)).steps(io))
            finally:
                await io.release()
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904  # its cause stays

    def open(self, call: Call) -> AbstractAsyncContextManager[AsyncStream]:
        """Make the call that a `Call` describes and read its answer as it arrives. Raises as
        `request`.
        """
        return LoopBoundContext(partial(self._opened, call))

    @astrip_library_frames
    async def _opened(self, call: Call, held: contextlib.AsyncExitStack) -> AsyncStream:
        io = AsyncIO(self._lease, self.clock.asleep)
        held.push_async_callback(io.release)
        state = await self._begin(call, streamed=True)
        return AsyncStream(state, await adrive(state.steps(io)))

    def _make(self) -> Setup:
        load_ahead()
        return super()._make()

    async def _amake(self) -> Setup:
        """Make what calls need, once for calls that come together under one configuration.

        A call after `configure()` must not join what began before it: that has the old key.
        """
        return await self._making.ajoin(self._make, self._configured.current)

    async def _begin(self, call: Call, *, streamed: bool = False) -> CallState:
        setup = self._setup_or_none() or await self._amake()
        return self._state(setup, call, streamed=streamed)

    def _lease(self, route: ConnectionRoute) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Lease an httpx client for one request, in an `async with` block."""
        if self._yours is None or self._owner is None:
            return self._connections.aacquire(route)
        self._owner.check(running_loop())
        return contextlib.nullcontext(self._yours)

    async def aprepare(self) -> None:
        """Read settings and certificates ahead of the first call. Contacts nothing."""
        setup = self._setup_or_none() or await self._amake()
        async with self._connections.aacquire(setup.route):
            pass

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those in use, after their calls. Close
        the chain that was built for this client alone.
        """
        await self._connections.aclose()
        if (own := self._own_chain) is not None:
            await own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class LoopBoundContext(AbstractAsyncContextManager[T]):
    """An async context manager that also closes when it is dropped, or when its loop ends.

    Not an async generator: trio warns of a dropped one, and an ending loop would close it while the
    generators around it still run.

    Args:
        begin: opens the content, and pushes its closing onto the stack.
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


class AsyncIO:
    """The I/O of one call: await each operation.

    Args:
        lease: leases an httpx client to one attempt.
        sleep: waits.
    """

    run_blocking = staticmethod(arun_blocking)

    def __init__(
        self,
        lease: Callable[[ConnectionRoute], AbstractAsyncContextManager[httpx.AsyncClient]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._new_lease, self.sleep = lease, sleep
        self._lease: AbstractAsyncContextManager[httpx.AsyncClient] | None = None
        self._body: AsyncResponseBody | None = None

    async def send(self, state: CallState) -> httpx.Response | Exception:
        """Send the next attempt on a connection of its own. Return the response, with its body
        unread, or the error of httpx.
        """
        lease = self._new_lease(state.setup.route)
        http = await lease.__aenter__()
        self._lease = lease
        connecting = Connecting()
        try:
            request = state.request(http)
            request.stream = SentBody(request.content)
            # Plain HTTP to this machine needs no TLS handshake, not even through a proxy.
            if request.url.scheme == "https" or request.url.host not in DIRECT:
                request.extensions["trace"] = connecting
            return await http.send(
                request, auth=state.setup.auth, stream=True, follow_redirects=state.follow_redirects
            )
        except escapes() as error:
            await self.release(type(error))
            return error
        except BaseException as error:
            if isinstance(error, RuntimeError) and re.search(_OF_ANOTHER_LOOP, str(error)):
                return httpx.StreamError(_OTHER_LOOP)
            await connecting.aclose()
            raise

    def body(self, response: httpx.Response) -> AsyncResponseBody:
        """Return the body of a response, which `release` closes."""
        self._body = AsyncResponseBody(response)
        return self._body

    async def release(self, failed: type[BaseException] | None = None) -> None:
        """Close the response. Give the connection back, or close it after an error."""
        body, lease, self._body, self._lease = self._body, self._lease, None, None
        try:
            if body is not None:
                await body.close()
        except BaseException as error:
            failed = type(error)
            raise
        finally:
            if lease is not None:
                await lease.__aexit__(failed, None, None)


_OF_ANOTHER_LOOP = (
    "Event loop is closed|no running event loop|different (event )?loop|called from async context"
)
"""Messages of asyncio and trio about a connection of another event loop in an httpx client."""
_OTHER_LOOP = (
    "your httpx client was used in another event loop. Make one client for each event loop."
)
