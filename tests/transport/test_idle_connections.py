"""Connections that have been idle for too long to be used again are closed, in whatever client they
are.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import trio
from tests.e2e.stage import wait_until

from vectorshift import AsyncVectorShift, Pipeline, VectorShift
from vectorshift._platform.clock import SYSTEM_CLOCK
from vectorshift.testing import FakeVectorShift, ManualClock
from vectorshift.transport.http import new_async_pool
from vectorshift.transport.pool import IN_FLIGHT, LoopPools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def run_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        return await main()

    return asyncio.run(call())


run = pytest.mark.parametrize("run", [run_asyncio, trio.run], ids=["asyncio", "trio"])


class OpenServer(FakeVectorShift):
    """Tells how many connections to it are open."""

    @property
    def open(self) -> int:
        assert self._server._uvicorn is not None
        return len(self._server._uvicorn.server_state.connections)


def test_connections_that_nobody_will_use_again_are_closed_by_those_who_open_others() -> None:
    clock = ManualClock()
    with OpenServer() as api, contextlib.ExitStack() as clients:
        key = api.create_key()

        def call_with_new(count: int) -> list[VectorShift]:
            made = [VectorShift(key, base_url=api.base_url, clock=clock) for _ in range(count)]
            for each in made:
                clients.enter_context(each)
                Pipeline.list(client=each)
            return made

        old = call_with_new(50)
        clock.advance(29)
        young = call_with_new(1)
        assert api.open == 51, "what may be used again stays"
        clock.advance(2)
        call_with_new(16)  # one of sixteen looks after the others
        wait_until(lambda: api.open == 1 + 16)
        assert Pipeline.list(client=young[0])["status"] == "success"
        assert api.open == 17
        assert all(Pipeline.list(client=each)["status"] == "success" for each in old)


def test_clients_that_open_their_own_connections_anew_look_after_the_others_too() -> None:
    clock = ManualClock()
    with OpenServer() as api, contextlib.ExitStack() as held:
        clients = [
            held.enter_context(VectorShift(api.create_key(), base_url=api.base_url, clock=clock))
        ]
        clients += [
            held.enter_context(VectorShift(api.create_key(), base_url=api.base_url, clock=clock))
        ]
        Pipeline.list(client=clients[1])
        with ThreadPoolExecutor(20) as threads:
            together = threading.Barrier(20)

            def call(_: int) -> None:
                with clients[0].stream("GET", "/pipelines"):
                    together.wait(30)

            list(threads.map(call, range(20)))
        for _ in range(16):
            clock.advance(31)
            Pipeline.list(client=clients[1])
        assert clients[0]._pool._idle == []  # the server hangs up as well, in time


@run
def test_an_event_loop_closes_the_connections_that_nobody_in_it_will_use_again(
    run: Callable[..., Any],
) -> None:
    clock = ManualClock()
    with OpenServer() as api:
        key = api.create_key()

        async def call_with_new(count: int) -> list[AsyncVectorShift]:
            made = [AsyncVectorShift(key, base_url=api.base_url, clock=clock) for _ in range(count)]
            for each in made:
                await Pipeline.alist(client=each)
            return made

        async def elsewhere() -> list[AsyncVectorShift]:
            made = await call_with_new(16)
            clock.advance(31)
            await anyio.to_thread.run_sync(run, here)
            assert all(
                [(await Pipeline.alist(client=each))["status"] == "success" for each in made]
            )
            return made

        async def here() -> None:
            made = await call_with_new(50)
            clock.advance(31)
            made += await call_with_new(16)
            with anyio.fail_after(15):
                while api.open > 16 + 16:
                    await anyio.sleep(0.002)
            assert api.open == 16 + 16, "those of another loop are left to it"
            assert all(
                [(await Pipeline.alist(client=each))["status"] == "success" for each in made]
            )

        run(elsewhere)


@run
def test_a_call_whose_turn_comes_as_the_client_is_closed_gets_an_open_connection(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        pools, turn = LoopPools(lambda: new_async_pool(5, None), SYSTEM_CLOCK), anyio.Event()

        async def last() -> None:
            async with pools.acquire() as http:
                await turn.wait()
                assert not http.is_closed

        async with contextlib.AsyncExitStack() as others, anyio.create_task_group() as group:
            for _ in range(IN_FLIGHT - 1):
                await others.enter_async_context(pools.acquire())
            async with pools.acquire():
                group.start_soon(last)
                await anyio.wait_all_tasks_blocked()
            await pools.aclose()
            turn.set()

    run(main)
