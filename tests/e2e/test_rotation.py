"""A key is rotated under traffic, and the old one revoked at once: no call fails, and a rotation
costs one read.

Observation to fail, each in a copy of the tree: without the second send in `CredentialAuth` calls
fail with 401; with loads that are never joined the store is read 327 times; with a 401 for an old
key that has the new one read again, 141 times.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import trio
from tests.e2e.stage import Rotation, atraffic, traffic, wait_until

from vectorshift import (
    AsyncVectorShift,
    AwsSecretsManagerProvider,
    Pipeline,
    ProviderChain,
    VectorShift,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer


def test_64_threads_lose_no_call_in_ten_rotations_and_each_costs_one_read(
    rotation: Rotation, chain: ProviderChain, openbao: OpenBaoServer, path: str
) -> None:
    client = VectorShift(chain, base_url=rotation.api.base_url)
    with client, rotation.watched(), traffic(64, lambda: Pipeline.list(client=client)) as threads:
        threads.turn()
        for _ in range(10):
            rotation.rotate()
            wait_until(lambda: rotation.in_use)
            threads.turn()
    assert threads.failures == []
    assert openbao.reads(path) == 1 + 10
    assert rotation.accepted() == set(rotation.keys)


@pytest.mark.parametrize(
    ("callers", "rotations"), [(200, 3), pytest.param(1000, 10, marks=pytest.mark.soak)]
)
def test_tasks_lose_no_call_in_a_rotation_and_each_costs_one_read(
    rotation: Rotation,
    chain: ProviderChain,
    openbao: OpenBaoServer,
    path: str,
    callers: int,
    rotations: int,
) -> None:
    async def main() -> None:
        client = AsyncVectorShift(chain, base_url=rotation.api.base_url)
        async with client, atraffic(callers, lambda: Pipeline.alist(client=client)) as tasks:
            await tasks.turn()
            for _ in range(rotations):
                await anyio.to_thread.run_sync(rotation.rotate)
                with anyio.fail_after(15):
                    while not rotation.in_use:
                        await anyio.sleep(0.002)
                await tasks.turn()
        assert tasks.failures == []

    with rotation.watched():
        asyncio.run(main())
    assert openbao.reads(path) == 1 + rotations
    assert rotation.accepted() == set(rotation.keys)


def test_a_key_in_aws_is_rotated_under_traffic(
    api: FakeVectorShift, moto: MotoServer, path: str
) -> None:
    provider = AwsSecretsManagerProvider(
        path, region=moto.region, endpoint_url=moto.endpoint_url, session=_session()
    )
    rotation = Rotation(api, lambda key: moto.put(path, key))
    client = VectorShift(provider, base_url=api.base_url)
    with client, rotation.watched(), traffic(16, lambda: Pipeline.list(client=client)) as threads:
        threads.turn()
        for _ in range(3):
            rotation.rotate()
            wait_until(lambda: rotation.in_use)
            threads.turn()
    assert threads.failures == []
    assert moto.reads(path) == 1 + 3


def _session() -> Any:
    import boto3

    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")


# --- Several event loops, one handle ---


def run_asyncio(main: Callable[[], Awaitable[object]]) -> None:
    async def call() -> None:
        await main()

    asyncio.run(call())


def test_one_handle_serves_loop_after_loop_while_the_key_rotates(
    rotation: Rotation, chain: ProviderChain, openbao: OpenBaoServer, path: str
) -> None:
    client = AsyncVectorShift(chain, base_url=rotation.api.base_url)

    async def main() -> None:
        for _ in range(3):
            assert (await Pipeline.alist(client=client)).raw["status"] == "success"

    for number in range(6):
        (run_asyncio, trio.run)[number % 2](main)
        rotation.rotate()
    run_asyncio(main)
    assert openbao.reads(path) == 1 + 6


def test_one_handle_serves_loops_in_parallel_threads_while_the_key_rotates(
    rotation: Rotation, chain: ProviderChain, openbao: OpenBaoServer, path: str
) -> None:
    client, ended = AsyncVectorShift(chain, base_url=rotation.api.base_url), threading.Event()
    laps = [0] * 60

    def loop(number: int) -> None:
        async def caller(lane: int) -> None:
            while not ended.is_set():
                await Pipeline.alist(client=client)
                laps[lane] += 1

        async def main() -> None:
            async with anyio.create_task_group() as group:
                for lane in range(number, 60, 6):
                    group.start_soon(caller, lane)

        (run_asyncio, trio.run)[number % 2](main)

    def reached(goals: list[int]) -> bool:
        return all(lap >= goal for lap, goal in zip(laps, goals, strict=True))

    with ThreadPoolExecutor(6) as pool, rotation.watched():
        runs = [pool.submit(loop, number) for number in range(6)]
        try:
            for _ in range(5):
                goals = [lap + 1 for lap in laps]  # no call meets two rotations
                wait_until(partial(reached, goals))
                rotation.rotate()
                wait_until(lambda: rotation.in_use)
        finally:
            ended.set()
        for run in runs:
            run.result(30)
    assert openbao.reads(path) == 1 + 5
