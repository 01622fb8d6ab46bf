"""The store in memory does what a test tells it to, for as many readers as there are."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from vectorshift import (
    CachingProvider,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    ExplicitProvider,
    ProviderChain,
)
from vectorshift.testing import ManualClock, MemoryStore

KEY = "vs-Xq7fL0nevertobeseen"


def test_a_key_is_found_with_its_place_and_version() -> None:
    store = MemoryStore(KEY, source="memory:prod/vs")
    store.put(KEY + "2")
    credential = store.provider("mine").get_credential()
    assert credential.secret.reveal() == KEY + "2"
    assert (credential.source, credential.provider, credential.version) == (
        "memory:prod/vs",
        "mine",
        "2",
    )


def test_an_expiry_is_passed_on() -> None:
    store, soon = MemoryStore(), datetime.now(timezone.utc) + timedelta(hours=1)
    store.put(KEY, expires_at=soon)
    assert store.provider().get_credential().expires_at == soon


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("remove", CredentialNotFoundError),
        ("fail", CredentialStoreUnavailableError),
        ("deny", CredentialDeniedError),
    ],
)
def test_each_state_is_a_failure_of_its_kind_and_is_counted_as_a_read(
    state: str, kind: type[Exception]
) -> None:
    store = MemoryStore(KEY)
    getattr(store, state)()
    for count in (1, 2):
        with pytest.raises(kind) as caught:
            store.provider().get_credential()
        assert (store.reads, KEY in str(caught.value)) == (count, False)


def test_any_failure_can_be_told_and_each_reader_gets_an_instance_of_its_own() -> None:
    store, told = MemoryStore(KEY), CredentialConfigurationError("no such field")
    store.fail(told)
    caught: list[Exception] = []
    for _ in range(2):
        with pytest.raises(CredentialConfigurationError, match="no such field") as raised:
            store.read()
        caught.append(raised.value)
    assert len({id(error) for error in (told, *caught)}) == 3


def test_it_recovers_with_what_was_put_meanwhile() -> None:
    store = MemoryStore(KEY)
    store.deny()
    store.put(KEY + "2")
    store.recover()
    assert store.read().secret.reveal() == KEY + "2"


def test_a_read_that_is_held_ends_with_the_block_and_with_what_is_there_then() -> None:
    store, found = MemoryStore(KEY), list[str]()
    reader = threading.Thread(target=lambda: found.append(store.read().secret.reveal()))
    with store.held():
        reader.start()
        while not store.reads:
            pass
        assert found == []
        store.put(KEY + "2")
    reader.join()
    assert found == [KEY + "2"]


def test_reads_of_many_threads_are_all_counted() -> None:
    store = MemoryStore(KEY)
    threads = [
        threading.Thread(target=lambda: [store.read() for _ in range(100)]) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.reads == 2000


def test_a_chain_caches_its_answers_as_those_of_a_real_store() -> None:
    store, clock = MemoryStore(KEY), ManualClock()
    fresh = CachingProvider(store.provider(ttl=60), clock=clock, max_stale=600)
    assert [fresh.get_credential(), fresh.get_credential()][1].secret.reveal() == KEY
    assert store.reads == 1
    clock.advance(601)
    fresh.get_credential()
    assert store.reads == 2


def test_the_users_words_about_failures_are_taken() -> None:
    store = MemoryStore()
    store.fail()
    other = ExplicitProvider("vs-other")
    chain = ProviderChain([store.provider(remote=False, on_error="continue"), other])
    assert chain.get_credential().provider == "explicit"
    store.recover()
    with pytest.raises(CredentialConfigurationError, match="on_missing"):
        ProviderChain([store.provider(remote=False, on_missing="stop"), other]).get_credential()


def test_it_prints_its_state_and_no_key() -> None:
    store = MemoryStore(KEY)
    assert repr(store).startswith("<MemoryStore memory:store #")
    assert KEY not in repr(store) + repr(store.provider()) + repr(vars(store))
    store.remove()
    assert repr(store) == "<MemoryStore memory:store empty, 0 reads>"
