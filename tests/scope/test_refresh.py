"""`refresh` and `arefresh`: an operator has replaced or removed a key, and does not wait for the
cache.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio
import pytest
from tests.call_styles import CallStyle
from tests.fakes import Rotating

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    Credential,
    CredentialEvent,
    ProviderChain,
    VectorShift,
    errors,
    on_event,
    using,
)
from vectorshift.providers import CredentialProvider, EnvProvider
from vectorshift.testing import ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _as_new() -> Iterator[None]:
    vectorshift.reset()
    yield
    vectorshift.api_key = None
    vectorshift.reset()


async def refreshed(style: CallStyle) -> str:
    credential: Credential = await style.call(vectorshift, "refresh")
    return credential.secret.reveal()


def used() -> str:
    return vectorshift.get_credential().secret.reveal()


async def test_a_key_that_the_cache_would_keep_is_replaced_at_once(style: CallStyle) -> None:
    store = Rotating("old", remote=True)
    vectorshift.configure(credentials=store)
    assert used() == "old"
    store.put("new")
    assert used() == "old"
    assert await refreshed(style) == "new"
    assert used() == "new"
    assert store.asked == 2


async def test_a_removed_key_is_given_up_at_once(style: CallStyle) -> None:
    store = Rotating("old", remote=True)
    vectorshift.configure(credentials=store)
    used()
    store.put(errors.CredentialRevokedError("It was deleted."))
    with pytest.raises(errors.CredentialRevokedError, match="deleted"):
        await refreshed(style)
    with pytest.raises(errors.CredentialRevokedError, match="deleted"):
        used()


@pytest.mark.parametrize(
    "kind", [errors.CredentialStoreUnavailableError, errors.CredentialDeniedError]
)
async def test_a_read_that_fails_is_raised_and_calls_keep_the_key(
    style: CallStyle, kind: type[vectorshift.CredentialError]
) -> None:
    store = Rotating("old", remote=True)
    vectorshift.configure(credentials=store)
    used()
    store.put(kind("Not now."))
    events: list[CredentialEvent] = []
    stop = on_event(events.append)
    for _ in range(3):
        with pytest.raises(kind, match="Not now"):
            await refreshed(style)
        assert used() == "old"
    stop()
    assert store.asked == 4  # the pause after a failure is for the cache, not for who insists
    assert [event.kind for event in events] == ["refresh_failed"]


async def test_no_other_source_answers_while_calls_keep_the_key(style: CallStyle) -> None:
    store, other = MemoryStore("old"), MemoryStore("of-another", source="memory:other")
    first = store.provider("first", on_error="continue")
    vectorshift.configure(credentials=ProviderChain([first, other.provider("second")]))
    assert used() == "old"
    store.fail()
    events: list[CredentialEvent] = []
    stop = on_event(events.append)
    with pytest.raises(errors.CredentialStoreUnavailableError, match="memory:store is down"):
        await refreshed(style)
    assert used() == "old"
    stop()
    assert [event.kind for event in events] == ["refresh_failed"]
    store.fail(errors.CredentialRevokedError("It was deleted."))
    assert await refreshed(style) == "of-another"
    assert used() == "of-another"


async def test_a_remembered_failure_does_not_keep_the_store_from_being_asked(
    style: CallStyle,
) -> None:
    store = Rotating(errors.CredentialDeniedError("No policy."), remote=True)
    vectorshift.configure(credentials=store)
    with pytest.raises(errors.CredentialDeniedError):
        used()
    store.put("new")
    with pytest.raises(errors.CredentialDeniedError):
        used()
    assert await refreshed(style) == "new"
    assert used() == "new"


async def test_a_file_is_read_though_it_was_looked_at_within_the_last_second(
    style: CallStyle, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    vectorshift.configure(credentials=EnvProvider(file=file, clock=ManualClock()))
    assert used() == "old"
    file.write_text("new")
    assert used() == "old"
    assert await refreshed(style) == "new"
    assert used() == "new"


async def test_code_and_the_environment_are_read_as_ever(
    style: CallStyle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.MissingCredentialError):
        await refreshed(style)
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "environment")
    assert await refreshed(style) == "environment"
    vectorshift.api_key = "code"
    assert await refreshed(style) == "code"


async def test_in_a_block_the_block_is_meant_and_the_process_is_left_alone(
    style: CallStyle,
) -> None:
    process, tenant = Rotating("p1", remote=True), Rotating("t1", remote=True)
    vectorshift.configure(credentials=process)
    used()
    process.put("p2")
    with using(tenant):
        assert used() == "t1"
        tenant.put("t2")
        assert await refreshed(style) == "t2"
        assert used() == "t2"
    assert (process.asked, used()) == (1, "p1")


async def test_a_configured_client_with_credentials_of_its_own_is_meant(style: CallStyle) -> None:
    store = Rotating("old", "new", remote=True)
    with VectorShift(store) as client:
        async with AsyncVectorShift(store) as aclient:
            vectorshift.configure(client=aclient if style.prefix else client)
            assert await refreshed(style) == "old"
            assert await refreshed(style) == "new"


async def test_a_client_of_a_tenant_shares_the_cache_that_a_block_refreshes(
    style: CallStyle,
) -> None:
    store = Rotating("old", "new", remote=True)
    async with AsyncVectorShift(store) as client:
        assert client.provider.get_credential().secret.reveal() == "old"
        with using(store):
            assert await refreshed(style) == "new"
        assert client.provider.get_credential().secret.reveal() == "new"


async def test_the_chain_moves_on_and_stops_as_ever(style: CallStyle) -> None:
    first, second = Rotating("one", remote=True), Rotating("two", remote=True)
    vectorshift.configure(credentials=ProviderChain([first, second]))
    assert await refreshed(style) == "one"
    first.put(errors.CredentialRevokedError("It was deleted."))
    with pytest.raises(errors.CredentialRevokedError):
        await refreshed(style)
    assert second.asked == 0


# --- Many at once ---


class GatedStore(CredentialProvider):
    """A store whose reads take what is there when they begin, and end when the test says so."""

    name = "gated"

    def __init__(self) -> None:
        self.key, self.asked = "old", 0
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.when_told: Callable[[], object] = lambda: None

    def get_credential(self) -> Credential:
        key, gate = self.key, self.gate
        self.asked += 1
        self.arrived.release()
        assert gate.wait(20)
        return Credential(secret=key, source="store:x", provider=self.name)

    def invalidate(self, rejected: Credential) -> None:
        self.when_told()


@pytest.fixture
def store() -> Iterator[GatedStore]:
    gated = GatedStore()
    yield gated
    gated.gate.set()


async def wait_for(store: GatedStore) -> None:
    with anyio.fail_after(10):
        while not store.arrived.acquire(blocking=False):
            await anyio.sleep(0.001)


_TIME_TO_JOIN = 0.3
"""Seconds for a hundred callers to come to the read that hangs, also on a busy machine."""


async def test_a_hundred_who_come_together_cause_one_read(
    style: CallStyle, store: GatedStore
) -> None:
    vectorshift.configure(credentials=store)
    used()
    await wait_for(store)
    store.gate, store.key = threading.Event(), "new"
    keys: list[str] = []

    async def one() -> None:
        keys.append(await refreshed(style))

    if style.prefix:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(one)
            await wait_for(store)
            await anyio.sleep(_TIME_TO_JOIN)
            store.gate.set()
    else:
        with ThreadPoolExecutor(100) as pool:
            asked = [pool.submit(vectorshift.refresh) for _ in range(100)]
            await wait_for(store)
            time.sleep(_TIME_TO_JOIN)
            store.gate.set()
            keys = [each.result().secret.reveal() for each in asked]
    assert keys == ["new"] * 100
    assert store.asked == 2


async def test_a_read_that_began_before_and_brings_the_old_key_is_followed_by_another(
    style: CallStyle, store: GatedStore
) -> None:
    """Observation to fail when a refresh was content with the read that was under way: it had begun
    before the key was replaced.
    """
    clock = ManualClock()
    cache = CachingProvider(store, clock=clock)
    vectorshift.configure(credentials=cache)
    used()
    clock.advance(300)
    store.gate = early = threading.Event()
    used()  # begins a refresh in the background, which reads the old key and is slow to bring it
    for _ in range(2):
        await wait_for(store)
    store.gate, store.key = threading.Event(), "new"
    store.gate.set()
    clock.advance(1)
    store.when_told = early.set
    assert await refreshed(style) == "new"
    assert store.asked == 3
