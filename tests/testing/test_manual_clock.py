from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio
import pytest

from vectorshift import (
    Credential,
    CredentialProvider,
    CredentialStoreUnavailableError,
    ProviderChain,
)
from vectorshift.cache.refresh import Refresh, running
from vectorshift.testing import ManualClock, MemoryStore

if TYPE_CHECKING:
    from vectorshift._platform.clock import Clock


def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(100.0)
    assert (clock.time(), clock.monotonic()) == (clock.time(), clock.monotonic())
    assert clock.time() == 100.0


def test_it_has_the_methods_of_a_clock() -> None:
    clock: Clock = ManualClock()
    assert clock.time() != clock.monotonic()


def test_advancing_moves_both_clocks() -> None:
    clock = ManualClock(100.0)
    before = clock.monotonic()
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic() - before) == (102.5, 2.5)


def test_suspended_time_passes_on_the_wall_alone() -> None:
    clock = ManualClock(100.0)
    before = clock.monotonic()
    clock.advance(3600, suspended=True)
    assert (clock.time(), clock.monotonic()) == (3700.0, before)


def test_setting_the_wall_back_leaves_the_monotonic_clock() -> None:
    clock = ManualClock(100.0)
    before = clock.monotonic()
    clock.set_wall(40.0)
    assert (clock.time(), clock.monotonic()) == (40.0, before)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_time_does_not_go_back(seconds: float) -> None:
    clock = ManualClock(100.0)
    with pytest.raises(ValueError, match="set_wall"):
        clock.advance(seconds)
    assert clock.time() == 100.0


def test_no_second_is_lost_between_threads() -> None:
    clock = ManualClock(0.0)
    before = clock.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4_000):
            pool.submit(clock.advance, 1.0)
    assert (clock.time(), clock.monotonic() - before) == (4_000.0, 4_000.0)


def test_waiting_moves_it_on_and_takes_no_time() -> None:
    clock = ManualClock(start=100.0)
    before = clock.monotonic()
    clock.sleep(3600.0)
    anyio.run(clock.asleep, 5.0)
    assert (clock.time(), clock.monotonic() - before) == (3705.0, 3605.0)
    assert clock.waits == [3600.0, 5.0]


def test_time_passes_once_a_refresh_in_the_background_is_done() -> None:
    store, clock = MemoryStore("vs-first", latency=0.02), ManualClock()
    chain = ProviderChain([store.provider()], clock=clock)
    chain.get_credential()
    store.fail()
    clock.advance(3600)
    assert chain.get_credential().secret.reveal() == "vs-first"  # and a refresh began
    clock.advance(86_400)
    with pytest.raises(CredentialStoreUnavailableError, match="memory:store is down"):
        chain.get_credential()
    assert store.reads == 3


def test_time_passes_while_a_refresh_hangs() -> None:
    store, clock = MemoryStore("vs-first"), ManualClock()
    chain = ProviderChain([store.provider()], clock=clock)
    chain.get_credential()
    with store.held():
        clock.advance(3600)
        chain.get_credential()
        before = clock.time()
        for _ in range(3):
            clock.advance(1)
    assert clock.time() == before + 3


def test_a_source_that_moves_the_clock_does_not_wait_for_its_own_read() -> None:
    before, seen = running(), list[list[Refresh]]()  # a read of another test may hang

    class Slow(CredentialProvider):
        """A read of three seconds."""

        def get_credential(self) -> Credential:
            seen.append([each for each in running() if each not in before])
            clock.advance(3)
            return Credential(secret="vs-slow", source="slow", provider="slow")

    clock = ManualClock()
    ProviderChain([Slow()], clock=clock).get_credential()
    assert seen == [[]]
