"""The long campaign that `make soak` runs: rotations, outages and failing answers at random, under
full traffic.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.e2e.stage import Rotation, Tasks, Threads, atraffic, traffic, wait_until

from vectorshift import (
    AsyncVectorShift,
    AuthenticationError,
    CredentialError,
    Pipeline,
    ProviderChain,
    VaultProvider,
    VectorShift,
)
from vectorshift.testing import FakeVectorShift, OpenBaoServer

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
TTL = 2.0
FAILING = 0.01


class Campaign:
    """One process under traffic, and what befalls it."""

    def __init__(self, api: FakeVectorShift, bao: OpenBaoServer) -> None:
        self.api, self.bao, self.random = api, bao, random.Random(SEED)
        self.rotation = Rotation(api, lambda key: bao.write("vs", {"api_key": key}))
        self.chain = ProviderChain(
            [VaultProvider("vs", addr=bao.address, token=bao.root_token)], ttl=TTL
        )
        self.ended = threading.Event()
        self.tasks = Tasks([])
        self.befell: Counter[str] = Counter()

    def run_tasks(self) -> None:
        async def main() -> None:
            client = AsyncVectorShift(self.chain, base_url=self.api.base_url)
            async with client, atraffic(1000, lambda: Pipeline.alist(client=client)) as self.tasks:
                while not self.ended.is_set():
                    await asyncio.sleep(0.1)

        asyncio.run(main())

    def fail_some(self, threads: Threads) -> None:
        """Answer one request in a hundred with a failure of the server's."""
        before = 0
        while not self.ended.wait(0.2):
            calls = threads.calls + self.tasks.calls
            for _ in range(round((calls - before) * FAILING)):
                self.api.fail_next(self.random.choice([500, 502, 503, 504]))
                self.befell["5xx"] += 1
            before = calls

    def rotate(self, threads: Threads) -> None:
        self.rotation.rotate()
        self.befell["rotations"] += 1
        wait_until(lambda: self.rotation.in_use, 30)
        for turned in (threads.turned(), self.tasks.turned()):
            wait_until(turned, 60)
        time.sleep(self.random.uniform(1, 4))

    def go_down(self) -> None:
        """Seal the store for longer than ttl, and wait until it was read again: until then it
        counts as down.
        """
        self.bao.seal()
        time.sleep(self.random.uniform(TTL, 3 * TTL))
        self.bao.unseal()
        self.befell["outages"] += 1
        reads = self.bao.reads("vs")
        give_up = time.monotonic() + 30
        while self.bao.reads("vs") == reads:
            assert time.monotonic() < give_up, "the store is not read again"
            time.sleep(0.2)

    def run(self) -> Threads:
        end = time.monotonic() + SECONDS
        client = VectorShift(self.chain, base_url=self.api.base_url)
        with client, ThreadPoolExecutor(2) as pool, self.rotation.watched():
            with traffic(64, lambda: Pipeline.list(client=client)) as threads:
                background = [pool.submit(self.run_tasks), pool.submit(self.fail_some, threads)]
                try:
                    wait_until(
                        lambda: threads.calls and self.tasks.calls, 60
                    )  # only a key in use is rotated
                    while time.monotonic() < end:
                        self.random.choice([self.rotate] * 3 + [lambda _: self.go_down()])(threads)
                finally:
                    self.ended.set()
            for each in background:
                each.result(60)
        return threads


@pytest.mark.soak
def test_a_long_spell_of_rotations_outages_and_failing_answers_never_refuses_a_caller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with FakeVectorShift(keep_requests=1000) as api, OpenBaoServer() as bao:
        campaign = Campaign(api, bao)
        threads = campaign.run()
        failures = threads.failures + campaign.tasks.failures
        kinds = Counter(type(each).__name__ for each in failures)
        with capsys.disabled():
            calls = {"threads": threads.calls, "tasks": campaign.tasks.calls}
            print(
                f"\n  {SECONDS:g} s, seed {SEED}: {calls}, {dict(campaign.befell)}, failed:"
                f" {dict(kinds)}"
            )
            print(f"  reads of the store: {bao.reads('vs')}")
    assert campaign.befell["rotations"] > 0
    assert [
        each for each in failures if isinstance(each, AuthenticationError | CredentialError)
    ] == []
