"""`AWSCURRENT` moves under traffic, and the old key is revoked at once: no call fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from tests.e2e.stage import Rotation, atraffic, traffic, wait_until

import vectorshift
from vectorshift import AsyncVectorShift, Pipeline, ProviderChain, VectorShift
from vectorshift.providers import AwsSecretsManagerProvider
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from vectorshift.testing import FakeSecretsManagerAgent, MotoServer

ROTATIONS = 3


def chain_of(provider: AwsSecretsManagerProvider) -> ProviderChain:
    return ProviderChain([provider], load_timeout=20)


def in_threads(rotation: Rotation, provider: AwsSecretsManagerProvider) -> list[BaseException]:
    client = VectorShift(chain_of(provider), base_url=rotation.api.base_url)
    with client, rotation.watched(), traffic(16, lambda: Pipeline.list(client=client)) as threads:
        threads.turn()
        for _ in range(ROTATIONS):
            rotation.rotate()
            wait_until(lambda: rotation.in_use)
            threads.turn()
    assert rotation.accepted() == set(rotation.keys)
    return threads.failures


def stored(aws: MotoServer, api: FakeVectorShift, name: str) -> Rotation:
    rotation = Rotation(api, lambda key: aws.put(name, key))
    rotation.put = lambda key: aws.rotate(name, key)
    return rotation


def test_threads_lose_no_call_and_each_rotation_costs_one_read(
    aws: MotoServer, api: FakeVectorShift
) -> None:
    rotation = stored(aws, api, "traffic/threads")
    assert in_threads(rotation, AwsSecretsManagerProvider("traffic/threads")) == []
    assert aws.reads("traffic/threads") == 1 + ROTATIONS


def test_tasks_lose_no_call_and_each_rotation_costs_one_read(
    aws: MotoServer, api: FakeVectorShift
) -> None:
    rotation = stored(aws, api, "traffic/tasks")
    provider = AwsSecretsManagerProvider("traffic/tasks")

    async def main() -> list[BaseException]:
        client = AsyncVectorShift(chain_of(provider), base_url=api.base_url)
        async with client, atraffic(100, lambda: Pipeline.alist(client=client)) as tasks:
            await tasks.turn()
            for _ in range(ROTATIONS):
                await anyio.to_thread.run_sync(rotation.rotate)
                while not rotation.in_use:
                    await anyio.sleep(0.002)
                await tasks.turn()
        return tasks.failures

    with rotation.watched():
        assert asyncio.run(main()) == []
    assert aws.reads("traffic/tasks") == 1 + ROTATIONS
    assert rotation.accepted() == set(rotation.keys)


def test_the_cache_of_the_agent_costs_no_call(
    agent: FakeSecretsManagerAgent, api: FakeVectorShift
) -> None:
    """Observation to fail without `refreshNow`: the Agent gives the revoked key for 300 s."""
    rotation = Rotation(api, lambda key: agent.put("prod/vs", key))
    assert in_threads(rotation, AwsSecretsManagerProvider("prod/vs", agent_url=agent.url)) == []
    assert agent.reads == 1 + ROTATIONS
    assert [query.get("refreshNow") for query in agent.requests] == [None, *["true"] * ROTATIONS]


@pytest.mark.anyio
async def test_a_refresh_goes_past_the_cache_of_the_agent(agent: FakeSecretsManagerAgent) -> None:
    """Observation to fail when `refresh` did not tell the provider: the Agent gave the old key for
    300 s.
    """
    provider = AwsSecretsManagerProvider("prod/vs", agent_url=agent.url)
    agent.put("prod/vs", "vs-one")
    with vectorshift.using(provider):
        assert vectorshift.get_credential().secret.reveal() == "vs-one"
        agent.put("prod/vs", "vs-two")
        assert vectorshift.refresh().secret.reveal() == "vs-two"
        agent.put("prod/vs", "vs-three")
        assert (await vectorshift.arefresh()).secret.reveal() == "vs-three"
    assert [query.get("refreshNow") for query in agent.requests] == [None, "true", "true"]
