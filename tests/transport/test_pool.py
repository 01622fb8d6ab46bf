"""Connections: kept, one pool for each event loop, closed with it, and never shared with a forked
child.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio

from vectorshift import AsyncVectorShift, Pipeline, VectorShift
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from vectorshift.transport.pool import Pool


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


@pytest.fixture
def client(api: FakeVectorShift) -> Iterator[VectorShift]:
    with VectorShift(api.create_key(), base_url=api.base_url) as made:
        yield made


@pytest.fixture
def aclient(api: FakeVectorShift) -> AsyncVectorShift:
    """A handle that nobody closes: each event loop does."""
    return AsyncVectorShift(api.create_key(), base_url=api.base_url)


def run_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        return await main()

    return asyncio.run(call())


run = pytest.mark.parametrize("run", [run_asyncio, trio.run], ids=["asyncio", "trio"])


def pool_of(client: VectorShift | AsyncVectorShift) -> Pool:
    """The pool of a client that has called in one way, so far."""
    (seat,) = client._connections._seats.values()
    return seat.pool


def collected() -> None:
    """Collect: a connection that was left open warns now, and a warning fails the test."""
    gc.collect()
    gc.collect()


# --- One event loop after the other ---


@run
def test_one_client_serves_one_event_loop_after_the_other(
    run: Callable[..., Any], aclient: AsyncVectorShift
) -> None:
    async def main() -> str:
        return str((await Pipeline.alist(client=aclient))["status"])

    assert [run(main) for _ in range(5)] == ["success"] * 5
    collected()


def test_one_client_serves_asyncio_and_trio_in_turns(aclient: AsyncVectorShift) -> None:
    async def main() -> str:
        return str((await Pipeline.alist(client=aclient))["status"])

    assert [run(main) for run in (run_asyncio, trio.run) * 3] == ["success"] * 6
    collected()


def test_one_client_serves_event_loops_in_parallel_threads(aclient: AsyncVectorShift) -> None:
    async def main() -> list[str]:
        return [str((await Pipeline.alist(client=aclient))["status"]) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        for lists in pool.map(lambda number: (run_asyncio, trio.run)[number % 2](main), range(16)):
            assert lists == ["success"] * 5
    collected()


def test_an_event_loop_that_has_ended_is_not_kept(aclient: AsyncVectorShift) -> None:
    loops: list[weakref.ref[Any]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await Pipeline.alist(client=aclient)

    for _ in range(3):
        asyncio.run(main())
    collected()
    assert [loop() for loop in loops] == [None] * 3


@run
def test_a_client_that_was_closed_opens_new_connections(
    run: Callable[..., Any], aclient: AsyncVectorShift
) -> None:
    async def main() -> None:
        for _ in range(2):
            async with aclient:
                await Pipeline.alist(client=aclient)
        await aclient.aclose()
        await aclient.aclose()

    run(main)
    collected()


@run
def test_a_client_that_is_dropped_in_a_running_loop_is_closed_by_it(
    run: Callable[..., Any], api: FakeVectorShift
) -> None:
    key, https = api.create_key(), []

    async def main() -> None:
        client = AsyncVectorShift(key, base_url=api.base_url)
        await Pipeline.alist(client=client)
        https.append(pool_of(client).idle[0][1])
        del client
        collected()
        with anyio.fail_after(5):
            while not https[0].is_closed:
                await anyio.sleep(0.001)

    run(main)
    collected()


@run
def test_a_cancelled_call_leaves_its_client_usable(
    run: Callable[..., Any], api: FakeVectorShift, aclient: AsyncVectorShift
) -> None:
    async def main() -> None:
        api.latency = 30
        with anyio.move_on_after(0.1) as scope:
            await Pipeline.alist(client=aclient)
        assert scope.cancelled_caught
        api.latency = 0
        assert (await Pipeline.alist(client=aclient))["status"] == "success"

    run(main)
    collected()


# --- Many at once ---


@run
def test_200_tasks_at_once_all_get_their_answer(
    run: Callable[..., Any], api: FakeVectorShift, aclient: AsyncVectorShift
) -> None:
    seen: Counter[str] = Counter()

    async def call() -> None:
        seen[(await Pipeline.alist(client=aclient))["status"]] += 1

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(call)

    run(main)
    assert seen == {"success": 200}
    assert len(api.requests) == 200


def test_32_threads_share_one_client(api: FakeVectorShift, client: VectorShift) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: Pipeline.list(client=client)["status"], range(200)))
    assert answers == ["success"] * 200


def test_closing_under_fire_lets_no_call_find_half_a_client(
    api: FakeVectorShift, client: VectorShift
) -> None:
    """A call may lose its connection to `close`; it never meets a client that is not there."""
    ceased = threading.Event()

    def close() -> None:
        while not ceased.is_set():
            client.close()

    closer = threading.Thread(target=close)
    closer.start()
    try:
        for _ in range(300):
            client.prepare()
    finally:
        ceased.set()
        closer.join()


class CountingServer(FakeVectorShift):
    """Counts the connections that requests came on."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: set[int] = set()

    async def _handle(self, scope: Any, receive: Any, send: Any) -> None:
        self.ports.add(scope["client"][1])
        await super()._handle(scope, receive, send)


def test_calls_share_a_connection() -> None:
    with CountingServer() as api:
        key = api.create_key()
        with VectorShift(key, base_url=api.base_url) as client:
            for _ in range(5):
                Pipeline.list(client=client)
        assert len(api.ports) == 1


# --- Forks ---

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
warns = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def in_child(work: Callable[[], bool]) -> bool:
    """Run `work` in a forked child; say whether it answered True."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@forks
@warns
def test_a_forked_child_uses_connections_of_its_own(api: FakeVectorShift) -> None:
    current = {"key": api.create_key(org="parent")}
    client = VectorShift(lambda: current["key"], base_url=api.base_url)
    child_key = api.create_key(org="child")

    def orgs() -> set[str]:
        return {
            each["org_name"]
            for _ in range(20)
            for each in Pipeline.list(verbose=True, client=client)["objects"]
        }

    def child() -> bool:
        current["key"] = child_key
        return orgs() == {"child"}

    assert orgs() == {"parent"}
    answers: list[bool] = []
    forking = threading.Thread(target=lambda: answers.append(in_child(child)))
    forking.start()
    while forking.is_alive():  # on the warm connection, while the child calls on its own
        assert orgs() == {"parent"}
    forking.join()
    assert answers == [True]
    assert orgs() == {"parent"}
    client.close()


@forks
@warns
def test_a_child_that_is_forked_between_two_runs_of_a_loop_runs_one_of_its_own(
    api: FakeVectorShift, aclient: AsyncVectorShift
) -> None:
    async def call() -> bool:
        return bool((await Pipeline.alist(client=aclient))["status"] == "success")

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(call())
        assert in_child(lambda: asyncio.run(call()))
        assert loop.run_until_complete(call())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    collected()


@forks
@warns
def test_a_fork_while_another_thread_holds_a_lock_does_not_hang_the_child(
    api: FakeVectorShift,
) -> None:
    key, ceased = api.create_key(), threading.Event()
    client = VectorShift(key, base_url=api.base_url)

    def churn() -> None:
        while not ceased.is_set():
            client.close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert all(
            in_child(lambda: Pipeline.list(client=client)["status"] == "success") for _ in range(5)
        )
    finally:
        ceased.set()
        thread.join()
        client.close()
