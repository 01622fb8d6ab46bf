"""ClientConnections that were idle for too long to be used again are closed, in whatever pool."""

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
from vectorshift.transport.http import route_to
from vectorshift.transport.pool import IN_FLIGHT, ClientConnections

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


def hold(clients: list[VectorShift]) -> None:
    """Have each client hold a connection at the same time, and give it back."""
    together = threading.Barrier(len(clients))

    def call(client: VectorShift) -> None:
        with client.stream("GET", "/pipelines") as stream:
            b"".join(stream.iter_bytes())
            together.wait(30)

    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(call, clients))


async def ahold(clients: list[AsyncVectorShift]) -> None:
    opened = [client.stream("GET", "/pipelines") for client in clients]
    async with contextlib.AsyncExitStack() as stack:
        for each in opened:
            stream = await stack.enter_async_context(each)
            b"".join([piece async for piece in stream.aiter_bytes()])


def idle_in(client: VectorShift | AsyncVectorShift) -> int:
    return sum(len(seat.pool.idle) for seat in client._connections._seats.values())


def test_connections_that_nobody_will_use_again_are_closed_by_those_who_open_others() -> None:
    clock = ManualClock()
    with OpenServer() as api, OpenServer() as other, contextlib.ExitStack() as clients:

        def new(server: OpenServer, count: int) -> list[VectorShift]:
            key = server.create_key()
            made = [VectorShift(key, base_url=server.base_url, clock=clock) for _ in range(count)]
            return [clients.enter_context(each) for each in made]

        old = new(api, 20)
        hold(old)
        clock.advance(29)
        wait_until(lambda: api.open == idle_in(old[0]))
        assert api.open > 0, "what may be used again stays"
        (elsewhere,) = new(other, 1)
        hold([elsewhere])
        assert idle_in(old[0]) == api.open
        clock.advance(2)
        hold([elsewhere])  # its own may be used again, and nobody needs a look at the others
        assert idle_in(old[0]) == api.open
        hold([elsewhere] * 2)
        wait_until(lambda: api.open == idle_in(old[0]) == 0)
        assert all(Pipeline.list(client=each)["status"] == "success" for each in old)


@run
def test_an_event_loop_closes_the_connections_that_nobody_in_it_will_use_again(
    run: Callable[..., Any],
) -> None:
    clock = ManualClock()
    with OpenServer() as api:
        key = api.create_key()

        def new(count: int) -> list[AsyncVectorShift]:
            return [AsyncVectorShift(key, base_url=api.base_url, clock=clock) for _ in range(count)]

        async def elsewhere() -> None:
            made = new(16)
            await ahold(made)
            assert idle_in(made[0]) > 0
            clock.advance(31)
            await anyio.to_thread.run_sync(run, here)
            assert idle_in(made[0]) > 0, "those of another loop are left to it"
            for each in made:
                assert (await Pipeline.alist(client=each))["status"] == "success"
            assert idle_in(made[0]) == 1

        async def here() -> None:
            made = new(50)
            await ahold(made)
            assert idle_in(made[0]) > 0
            clock.advance(31)
            for each in made:
                assert (await Pipeline.alist(client=each))["status"] == "success"
            assert idle_in(made[0]) == 1

        run(elsewhere)


@run
def test_a_call_whose_turn_comes_as_the_client_is_closed_gets_an_open_connection(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        pools, turn = ClientConnections(SYSTEM_CLOCK), anyio.Event()
        route = route_to("http://127.0.0.1:1", None)

        async def last() -> None:
            async with pools.aacquire(route) as http:
                await turn.wait()
                assert not http.is_closed

        async with contextlib.AsyncExitStack() as others, anyio.create_task_group() as group:
            for _ in range(IN_FLIGHT - 1):
                await others.enter_async_context(pools.aacquire(route))
            async with pools.aacquire(route):
                group.start_soon(last)
                await anyio.wait_all_tasks_blocked()
            await pools.aclose()
            turn.set()

    run(main)
