"""Single flight, in one process: any number of threads, tasks and event loops, hung loads,
cancellation, forks.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio
from tests.fakes import Meanwhile, Rotating

from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials import Credential
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import DEFAULT_REQUEST, LookupRequest
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
)
from vectorshift.events import CredentialEvent, on_event
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class GatedStore(CredentialProvider):
    """A slow store: each contact waits at a gate until the test opens it, and is counted."""

    name = "gated"

    def __init__(self) -> None:
        self.contacts = 0
        self.key = "k1"
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.rejected: list[str] = []

    def invalidate(self, rejected: Credential) -> None:
        self.rejected.append(rejected.secret.reveal())

    def get_credential(self) -> Credential:
        self.contacts += 1
        gate, key = self.gate, self.key
        self.arrived.release()
        assert gate.wait(20)
        return Credential(secret=key, source="store:x", provider=self.name)


class GatedAsyncStore(CredentialProvider):
    """The same, written by an author who knows only async."""

    name = "gated"

    def __init__(self) -> None:
        self.contacts = 0
        self.gate = threading.Event()

    async def aget_credential(self) -> Credential:
        self.contacts += 1
        while not self.gate.is_set():
            await asyncio.sleep(0.001)
        return Credential(secret="k1", source="store:x", provider=self.name)


def wait_until(reached: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def waiting_tasks(provider: CachingProvider) -> int:
    return sum(len(load.task._wakers) for load in provider._refreshes)


@pytest.fixture
def store() -> Iterator[GatedStore]:
    gated = GatedStore()
    yield gated
    gated.gate.set()


@pytest.mark.parametrize("make", [GatedStore, GatedAsyncStore])
def test_200_cold_threads_cause_one_read(make: type[GatedStore] | type[GatedAsyncStore]) -> None:
    store = make()
    provider = CachingProvider(store)
    ready = threading.Barrier(201)

    def ask() -> str:
        ready.wait()
        return provider.get_credential().secret.reveal()

    with ThreadPoolExecutor(200) as pool:
        asked = [pool.submit(ask) for _ in range(200)]
        ready.wait()
        store.gate.set()
        assert {each.result() for each in asked} == {"k1"}
    assert store.contacts == 1


def test_cold_tasks_of_several_loops_under_asyncio_and_trio_and_threads_cause_one_read(
    store: GatedStore,
) -> None:
    provider = CachingProvider(store)
    got: list[str] = []

    async def one() -> None:
        got.append((await provider.aget_credential()).secret.reveal())

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(100)))

    async def trio_many() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(one)

    runs = [lambda: asyncio.run(many())] * 3 + [lambda: trio.run(trio_many)] * 2
    runs += [lambda: got.append(provider.get_credential().secret.reveal())] * 10
    with ThreadPoolExecutor(15) as pool:
        done = [pool.submit(run) for run in runs]
        wait_until(lambda: waiting_tasks(provider) == 500)
        store.gate.set()
        for each in done:
            each.result()
    assert got == ["k1"] * 510
    assert store.contacts == 1


def test_cancelled_and_timed_out_tasks_harm_nobody(store: GatedStore) -> None:
    """Observation to fail when the load ran in the first caller's own task: the followers were
    cancelled with it.
    """
    provider = CachingProvider(store)

    async def main() -> list[object]:
        tasks = [asyncio.create_task(provider.aget_credential()) for _ in range(50)]
        while waiting_tasks(provider) < 50:
            await asyncio.sleep(0.001)
        for task in tasks[:25]:  # the one that began the load among them
            task.cancel()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(provider.aget_credential(), 0.01)
        store.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert all(isinstance(each, asyncio.CancelledError) for each in results[:25])
    assert all(isinstance(each, Credential) for each in results[25:])
    assert store.contacts == 1


def test_a_loop_that_ends_while_it_waits_harms_nobody(store: GatedStore) -> None:
    provider = CachingProvider(store)

    async def give_up() -> None:
        task = asyncio.create_task(provider.aget_credential())
        while waiting_tasks(provider) < 1:
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(give_up())
    loop = asyncio.new_event_loop()  # this one is closed without a word to the waiter
    task = loop.create_task(provider.aget_credential())
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    store.gate.set()
    assert provider.get_credential().secret.reveal() == "k1"
    assert store.contacts == 1
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()


def test_a_stale_credential_is_served_while_one_refresh_runs(store: GatedStore) -> None:
    clock = ManualClock()
    provider = CachingProvider(store, clock=clock)
    store.gate.set()
    provider.get_credential()
    clock.advance(300)
    store.gate, store.key = threading.Event(), "k2"
    with ThreadPoolExecutor(50) as pool:
        answers = [
            each.result(5) for each in [pool.submit(provider.get_credential) for _ in range(200)]
        ]
    assert {each.secret.reveal() for each in answers} == {"k1"}  # nobody waited: the gate is shut
    assert store.contacts == 2
    store.gate.set()
    wait_until(lambda: provider.get_credential().secret.reveal() == "k2")
    assert store.contacts == 2


def test_100_refusals_at_once_cause_one_read(store: GatedStore) -> None:
    provider = CachingProvider(store)
    store.gate.set()
    old = provider.get_credential()
    store.gate, store.key = threading.Event(), "k2"

    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(provider.resolve, LookupRequest(rejected=old)) for _ in range(100)]
        assert store.arrived.acquire(timeout=5)
        assert (
            provider.get_credential().secret.reveal() == "k1"
        )  # others are served the refused one meanwhile
        store.gate.set()
        answers = [each.result() for each in asked]
    assert {each.secret.reveal() for each in answers if isinstance(each, Credential)} == {"k2"}
    assert len(answers) == 100
    assert store.contacts == 2
    assert store.rejected == ["k1"]


def test_after_invalidate_one_caller_waits_and_the_others_are_served(store: GatedStore) -> None:
    provider = CachingProvider(store)
    store.gate.set()
    old = provider.get_credential()
    store.gate, store.key = threading.Event(), "k2"
    provider.invalidate(old)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(provider.get_credential)
        for _ in range(2):
            assert store.arrived.acquire(timeout=5)
        assert provider.get_cached() == old
        store.gate.set()
        assert waits.result(5).secret.reveal() == "k2"


def test_a_refusal_is_not_answered_by_a_load_that_began_before_it_and_brings_the_same_key(
    store: GatedStore,
) -> None:
    clock = ManualClock()
    provider = CachingProvider(store, clock=clock)
    store.gate.set()
    old = provider.get_credential()
    clock.advance(300)
    store.gate = early = threading.Event()
    provider.get_credential()  # begins a refresh, which reads k1 and is slow to bring it
    for _ in range(2):
        assert store.arrived.acquire(timeout=5)
    store.gate, store.key = threading.Event(), "k2"  # the rotation
    store.gate.set()
    clock.advance(1)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(provider.resolve, LookupRequest(rejected=old))
        wait_until(lambda: provider._state.rejected_at is not None)
        early.set()
        answer = refused.result(5)
    assert isinstance(answer, Credential)
    assert answer.secret.reveal() == "k2"
    assert store.contacts == 3


def test_after_a_load_that_hangs_callers_fail_at_once_and_the_next_load_runs_behind_them() -> None:
    store, clock = GatedStore(), ManualClock()
    provider = CachingProvider(store, load_timeout=0.05, clock=clock)
    said: list[str] = []
    stop = on_event(lambda event: said.append(event.kind))
    for _ in range(3):
        with pytest.raises(CredentialStoreUnavailableError, match=r"did not answer within 0\.05 s"):
            provider.get_credential()
        clock.advance(0.05)
        assert store.contacts == 1
    store.gate, hung = threading.Event(), store.gate
    store.gate.set()
    clock.advance(1)
    with pytest.raises(CredentialStoreUnavailableError, match=r"did not answer within 0\.05 s"):
        provider.get_credential()
    wait_until(lambda: not isinstance(provider.get_cached(), CredentialError))
    assert provider.get_credential().secret.reveal() == "k1"
    assert store.contacts == 2
    hung.set()
    stop()
    assert said == ["lost", "recovered"]


@pytest.mark.parametrize("steady", [False, True], ids=["at start", "with a key"])
def test_a_store_that_hangs_is_read_four_times_in_growing_steps_and_told_of(steady: bool) -> None:
    store, clock = GatedStore(), ManualClock()
    provider = CachingProvider(store, ttl=10, load_timeout=0.02, clock=clock, random=lambda: 0)
    said: list[CredentialEvent] = []
    stop = on_event(said.append)
    if steady:
        store.gate.set()
        provider.get_credential()
        store.gate = threading.Event()
        clock.advance(10)
    before, contacts = store.contacts, []
    for _ in range(400):
        with contextlib.suppress(CredentialStoreUnavailableError):
            provider.get_credential()
        contacts.append(store.contacts - before)
        clock.advance(0.5)
    stop()
    store.gate.set()
    wait_until(lambda: store.contacts - before == 4)
    # what they tell when they end is no event of the next test
    wait_until(lambda: all(each.name != "vectorshift-load" for each in threading.enumerate()))
    assert [event.kind for event in said] == [*["refresh_failed" if steady else "lost"] * 2]
    assert "did not answer within 0.02 s" in str(said[0])
    assert "has not answered 4 reads" in str(said[1])


def test_a_late_answer_does_not_replace_that_of_a_newer_load() -> None:
    store, clock = GatedStore(), ManualClock()
    provider = CachingProvider(store, load_timeout=0.05, clock=clock)
    with pytest.raises(CredentialStoreUnavailableError):
        provider.get_credential()
    late = provider._refreshes[0]
    store.gate, frozen = threading.Event(), store.gate
    store.gate.set()
    store.key = "k2"
    for seconds in (0.05, 1.0):
        clock.advance(seconds)
        with pytest.raises(CredentialStoreUnavailableError):
            provider.get_credential()
    wait_until(lambda: not isinstance(provider.get_cached(), CredentialError))
    assert provider.get_credential().secret.reveal() == "k2"
    frozen.set()
    assert late.task.wait(5)
    assert provider.get_credential().secret.reveal() == "k2"
    assert not provider._refreshes


def test_no_more_than_32_loads_run_in_a_process_and_the_others_wait_for_a_thread() -> None:
    stores = [GatedStore() for _ in range(40)]
    providers = [CachingProvider(each, load_timeout=20) for each in stores]
    callers = [threading.Thread(target=each.get_credential) for each in providers]
    for each in callers:
        each.start()
    wait_until(lambda: sum(each.contacts for each in stores) == 32)
    assert sum(each.name == "vectorshift-load" for each in threading.enumerate()) == 32
    for store in stores:
        store.gate.set()
    for each in callers:
        each.join(10)
    assert all(each.contacts == 1 for each in stores)


def test_where_32_loads_hang_callers_of_others_fail_at_once() -> None:
    stores, clock = [GatedStore() for _ in range(32)], ManualClock()
    hung = [CachingProvider(store, load_timeout=0.5, clock=clock) for store in stores]

    def fails(provider: CachingProvider) -> None:
        with pytest.raises(CredentialStoreUnavailableError):
            provider.get_credential()

    with ThreadPoolExecutor(32) as callers:
        for _ in range(2):
            list(callers.map(fails, hung))
            clock.sleep(0.5)  # which waits for no load, as all hang
    healthy = GatedStore()
    healthy.gate.set()
    other = CachingProvider(healthy, clock=clock)
    with pytest.raises(CredentialStoreUnavailableError, match="no thread can be started"):
        other.get_credential()
    stores[0].gate.set()

    def answers() -> bool:
        clock.sleep(1.1)
        return isinstance(other.resolve(DEFAULT_REQUEST), Credential)

    wait_until(answers)
    for store in stores:
        store.gate.set()
    # what they tell when they end is no event of the next test
    wait_until(lambda: all(each.name != "vectorshift-load" for each in threading.enumerate()))


def test_a_late_answer_counts_if_no_newer_load_began() -> None:
    store = GatedStore()
    provider = CachingProvider(store, load_timeout=0.05)
    with pytest.raises(CredentialStoreUnavailableError):
        provider.get_credential()
    store.gate.set()
    wait_until(lambda: not provider._refreshes)
    assert provider.get_credential().secret.reveal() == "k1"
    assert store.contacts == 1


def test_each_waiter_gets_an_error_of_its_own() -> None:
    class Down(CredentialProvider):
        def get_credential(self) -> Credential:
            raise CredentialStoreUnavailableError("down")

    provider = CachingProvider(Down())
    seen: list[CredentialError] = []
    for _ in range(50):
        with pytest.raises(CredentialStoreUnavailableError) as caught:
            provider.get_credential()
        seen.append(caught.value)
    assert len({id(each) for each in seen}) == 50
    depth = 0
    trace = seen[-1].__traceback__
    while trace is not None:
        depth, trace = depth + 1, trace.tb_next
    assert depth < 6


def test_what_a_plugin_throws_even_system_exit_reaches_the_caller_as_an_answer() -> None:
    class Exits(CredentialProvider):
        def get_credential(self) -> Credential:
            raise SystemExit("vs-secret-in-the-text")

    with pytest.raises(CredentialConfigurationError, match="SystemExit") as caught:
        CachingProvider(Exits()).get_credential()
    assert "vs-secret" not in str(caught.value)


def test_no_thread_outlives_its_load(store: GatedStore) -> None:
    store.gate.set()
    provider = CachingProvider(store)
    provider.get_credential()
    wait_until(lambda: not any(each.name == "vectorshift-load" for each in threading.enumerate()))


def test_wrapping_twice_is_harmless(store: GatedStore) -> None:
    store.gate.set()
    once = CachingProvider(store)
    twice = CachingProvider(once)
    assert twice.get_credential().secret.reveal() == "k1"
    assert twice.provider is once.provider
    assert not twice.remote


def test_events_tell_of_a_failing_refresh_once_and_then_every_five_minutes() -> None:
    clock = ManualClock()
    down = False

    class Store(CredentialProvider):
        def get_credential(self) -> Credential:
            if down:
                raise CredentialStoreUnavailableError("down")
            return Credential(secret="k1", source="store:x", provider="store")

    provider = CachingProvider(Store(), clock=clock, random=lambda: 0.0)
    events: list[CredentialEvent] = []
    stop = on_event(events.append)
    try:
        provider.get_credential()
        down = True
        clock.advance(300)
        for _ in range(12):  # 12 minutes in steps of a minute
            provider.get_credential()
            newest = provider._newest  # a load has left `_refreshes` before it has told of itself
            assert newest is not None
            assert newest.task.wait(5)
            clock.advance(60)
    finally:
        stop()
    assert [event.kind for event in events] == ["refresh_failed", "served_stale", "served_stale"]
    assert all(event.error is not None and event.fingerprint for event in events)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_load_gets_its_key(store: GatedStore) -> None:
    """Observation to fail when `_after_fork` kept the loads or the lock: the child waited for a
    thread it does not have.
    """
    provider = CachingProvider(store, load_timeout=10)
    parent = threading.Thread(target=provider.get_credential)
    parent.start()
    assert store.arrived.acquire(timeout=5)
    with provider._lock:  # the worst moment: another thread's lock is held
        child = os.fork()
        if child == 0:  # pragma: no cover
            code = 1
            try:
                store.gate = threading.Event()
                store.gate.set()
                done = threading.Thread(
                    target=lambda: os._exit(
                        0 if provider.get_credential().secret.reveal() == "k1" else 2
                    )
                )
                done.start()
                done.join(5)
            finally:
                os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    store.gate.set()
    parent.join()
    assert store.contacts == 1


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_an_outage_under_many_threads_is_contacted_as_often_as_the_backoff_says() -> None:
    clock = ManualClock()
    down = False
    contacts = 0

    class Store(CredentialProvider):
        def get_credential(self) -> Credential:
            nonlocal contacts
            contacts += 1
            if down:
                raise CredentialStoreUnavailableError("down")
            return Credential(secret=A, source="store:x", provider="store")

    provider = CachingProvider(Store(), clock=clock, random=lambda: 0.0)
    provider.get_credential()
    down = True
    clock.advance(300)
    with ThreadPoolExecutor(32) as pool:
        for pause in (0, 1, 2, 4, 8):
            clock.advance(pause)
            before = contacts
            assert {
                each.result() for each in [pool.submit(provider.get_credential) for _ in range(200)]
            }
            for load in list(provider._refreshes):
                assert load.task.wait(5)
            assert contacts == before + 1


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("moment", [datetime(2030, 1, 1), 1_900_000_000.0, "2030-01-01"])
def test_an_end_that_is_no_aware_time_is_a_configuration_error_and_no_storm(moment: Any) -> None:
    reads = 0

    class Author(CredentialProvider):
        def get_credential(self) -> Credential:
            nonlocal reads
            reads += 1
            return Credential(secret=A, source="author:x", provider="author", expires_at=moment)

    provider = CachingProvider(Author())
    for _ in range(5):
        with pytest.raises(
            CredentialConfigurationError,
            match="expires_at of a Credential must be an aware datetime",
        ):
            provider.get_credential()
    assert reads == 1


@pytest.mark.usefixtures("forgotten")
def test_a_load_that_landed_while_a_caller_waited_for_the_lock_is_not_followed_by_another() -> None:
    clock, tenant = ManualClock(), Rotating(A, remote=True)
    provider = CachingProvider(tenant, clock=clock)
    provider.get_credential()
    fresh = provider._state
    clock.advance(300)
    landed_now = fresh._replace(fresh_until=(clock.time() + 300, clock.monotonic() + 300))

    def lands() -> None:
        provider._state = landed_now

    provider._lock = Meanwhile(lands)  # type: ignore[assignment]
    provider.get_credential()
    assert not provider._refreshes
    assert tenant.asked == 1


@pytest.mark.usefixtures("forgotten")
def test_a_signal_handler_may_ask_while_its_thread_holds_the_lock() -> None:
    clock = ManualClock()
    provider = CachingProvider(Rotating(A, remote=True), clock=clock)
    provider.get_credential()
    clock.advance(300)
    done = threading.Event()

    def interrupted() -> None:
        with provider._lock:
            provider.get_credential()
        done.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert done.wait(5)


@pytest.mark.parametrize("rate", [20, 100, 500])
def test_at_any_rate_a_hanging_store_is_told_of_when_the_first_load_is_given_up(rate: int) -> None:
    store, clock, said = GatedStore(), ManualClock(), list[tuple[str, float]]()
    provider = CachingProvider(store, ttl=10, load_timeout=10, clock=clock, random=lambda: 0)
    store.gate.set()
    provider.get_credential()
    store.gate = threading.Event()
    began = clock.monotonic()
    stop = on_event(lambda event: said.append((event.kind, clock.monotonic() - began)))
    for _ in range(25 * rate):
        assert provider.get_credential().secret.reveal() == "k1"
        clock.advance(1 / rate)
    stop()
    store.gate.set()
    ((kind, after),) = said
    assert kind == "refresh_failed"
    assert 19 < after < 20.5
