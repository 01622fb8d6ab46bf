"""`AsyncVectorShift`: the client of event loops."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vectorshift._platform.background import arun_blocking
from vectorshift._platform.clock import SYSTEM_CLOCK
from vectorshift._platform.loops import running_loop
from vectorshift.client.engine import CallState, settled
from vectorshift.client.handle import Handle
from vectorshift.client.sending import aread, asend
from vectorshift.client.stream import AsyncStream
from vectorshift.client.uploads import are_at_hand, load
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.transport.failures import AttemptFailure
from vectorshift.transport.http import httpx, new_async_pool
from vectorshift.transport.opening import LoopBoundContext
from vectorshift.transport.pool import LoopPools, Owner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from typing_extensions import Self

    from vectorshift._platform.clock import WaitingClock
    from vectorshift.client.call import Call
    from vectorshift.client.uploads import Files
    from vectorshift.settings import Settings

__all__ = ["AsyncVectorShift"]

_RETRIES = "vectorshift.client.retries"
"""The module that imports the retry library: loaded after the first failure, and then not on an
event loop.
"""


class AsyncVectorShift(Handle):
    """The async client. One handle serves any number of event loops, one after the other or in
    parallel threads.

    Each loop has connections of its own, which are closed at the latest when the loop ends as
    `asyncio.run` and `trio.run` end it; one that is closed without `shutdown_asyncgens` keeps them.
    Works under asyncio and trio.

    Arguments are those of `VectorShift`. An `http_client` belongs to the event loop that uses it
    first, too.
    """

    def __init__(
        self,
        credentials: Any = DEFAULT_SCOPE,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        http_client: httpx.AsyncClient | None = None,
        clock: WaitingClock = SYSTEM_CLOCK,
    ) -> None:
        try:
            super().__init__(
                credentials,
                settings,
                base_url,
                timeout,
                max_retries,
                http_client,
                httpx.AsyncClient,
                clock,
            )
        finally:
            del credentials  # a traceback may show locals
        self._yours = http_client
        self._owner = None if http_client is None else Owner.of(http_client)
        self._pools = LoopPools(
            lambda: new_async_pool(self.timeout, self.settings.ca_bundle), clock
        )

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
        return await self.call(
            self._call_of(method, path, query, json, files, form, headers, timeout)
        )

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
        """Make a call and give its answer as it comes, for an `async with` block. As
        `VectorShift.stream`.

        A cancelled task leaves the block, and so closes the connection.
        """
        return self.open(self._call_of(method, path, query, json, files, form, headers, timeout))

    async def call(self, call: Call) -> Any:
        """Make a call that is described by a value. Raises as `request`."""
        call_state = await self._call_state(call)
        outcome = await self._attempt(call_state)
        if isinstance(outcome, AttemptFailure) and call_state.may_follow(outcome):
            outcome = await self._again(call_state, outcome, self._attempt)
        return settled(outcome)

    def open(self, call: Call) -> AbstractAsyncContextManager[AsyncStream]:
        """Make a call that is described by a value and give its answer as it comes. Raises as
        `request`.
        """
        return LoopBoundContext(partial(self._begin, call))

    async def _begin(self, call: Call, held: contextlib.AsyncExitStack) -> AsyncStream:
        call_state = await self._call_state(call)

        async def attempt(call_state: CallState) -> AsyncStream | AttemptFailure:
            await held.aclose()
            response = await asend(await held.enter_async_context(self._acquire()), call_state)
            if isinstance(response, AttemptFailure):
                return response
            if not response.is_success:
                return await aread(response, call_state)  # type: ignore[no-any-return]
            held.push_async_callback((stream := AsyncStream(response, call_state)).aclose)
            return stream

        outcome = await attempt(call_state)
        if isinstance(outcome, AttemptFailure) and call_state.may_follow(outcome):
            outcome = await self._again(call_state, outcome, attempt)
        return settled(outcome)  # type: ignore[no-any-return]

    async def _call_state(self, call: Call) -> CallState:
        call_state = self._call_state_of(await self._aready(), call)
        if call.files is not None:
            files = call.files
            call_state.files = (
                load(files) if are_at_hand(files) else await arun_blocking(lambda: load(files))
            )
        return call_state

    def _acquire(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        if self._yours is None or self._owner is None:
            return self._pools.acquire()
        self._owner.check(running_loop())
        return contextlib.nullcontext(self._yours)

    async def _attempt(self, call_state: CallState) -> Any:
        async with self._acquire() as http:
            response = await asend(http, call_state)
            return (
                response
                if isinstance(response, AttemptFailure)
                else await aread(response, call_state)
            )

    async def _again(
        self, call_state: CallState, outcome: Any, attempt: Callable[[CallState], Awaitable[Any]]
    ) -> Any:
        if _RETRIES not in sys.modules:
            await arun_blocking(partial(import_module, _RETRIES))
        from vectorshift.client.retries import Retries

        retries = Retries(call_state)
        while (pause := retries.pause(outcome)) is not None:
            await call_state.clock.asleep(pause)
            outcome = await attempt(call_state)
        return outcome

    async def aprepare(self) -> None:
        """Do ahead what the first call would: read settings and certificates. Contacts nothing."""
        await self._aready()
        async with self._pools.acquire():
            pass

    async def aclose(self) -> None:
        """Close the connections of the running event loop, those in use when their calls are
        done.
        """
        await self._pools.aclose()
        self._close_own()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
