"""Which keys a process uses, for how long that is told, and within which limits."""

from __future__ import annotations

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import vectorshift
from vectorshift import CachingProvider, Credential, CredentialProvider, VectorShift
from vectorshift.credentials.resolving import REFRESH_REQUEST
from vectorshift.credentials.usage import OTHER, Refreshed, Usage, usage, without_version
from vectorshift.events import CredentialEvent
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.credentials.usage import KeyName


def key(number: int, source: str = "vault:app") -> Credential:
    return Credential(secret=f"vs-{number}", source=source, provider="vault")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def watched(clock: ManualClock) -> Usage:
    made = Usage(clock.monotonic)
    made.watch()
    return made


def use(watched: Usage, credential: Credential) -> KeyName:
    assert watched.note is not None
    watched.note(credential)
    return (credential.provider, credential.source, credential.fingerprint)


# --- Which keys are in use ---


def test_a_key_is_shown_for_ten_minutes_after_its_last_request(
    watched: Usage, clock: ManualClock
) -> None:
    old, new = use(watched, key(1)), use(watched, key(2))
    clock.advance(299)
    use(watched, key(2))
    clock.advance(2)
    assert watched.in_use() == {old: 301, new: 2}
    clock.advance(299)
    assert watched.in_use() == {new: 301}


def test_there_are_fewer_than_a_hundred_series(watched: Usage, clock: ManualClock) -> None:
    for number in range(1_000):
        use(watched, key(number))
    found = watched.in_use()
    assert len(found) == 91
    assert (OTHER, OTHER, OTHER) in found
    clock.advance(601)  # those that ended make way for new ones
    fresh = use(watched, key(2_000))
    assert watched.in_use() == {fresh: 0}


def test_events_and_refreshes_are_bounded_too(watched: Usage) -> None:
    observed = set[str]()
    watched.observers.append(lambda refresh: observed.add(refresh.source))
    for number in range(1_000):
        source = f"vault:{number}"
        watched.happened(CredentialEvent(kind="lost", provider="vault", source=source))
        watched.refreshed(Refreshed("vault", source, "", 0.5))
    assert len(observed) == 91
    found = watched.events()["lost"]
    assert len(found) == 91
    assert sum(found.values()) == 1_000
    assert watched.refreshes()[OTHER, OTHER, ""] == (910, 455.0)


@pytest.fixture
def _hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty")
def test_threads_note_keys_and_make_caches_while_others_look(
    watched: Usage, clock: ManualClock
) -> None:
    class Cache:
        def held(self) -> tuple[()]:
            return ()

    keys, caches = [key(number) for number in range(500)], list[Cache]()

    def work(_: int) -> None:
        for each in keys:
            clock.advance(7)
            use(watched, each)
            caches.append(Cache())
            watched.look_at(caches[-1])
            watched.in_use()
            watched.held()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert len(watched.in_use()) <= 91


@pytest.mark.parametrize(
    ("source", "without"),
    [
        ("ssm:/prod/vs:3", "ssm:/prod/vs"),
        ("ssm:/prod/vs:blue#api_key", "ssm:/prod/vs#api_key"),
        ("ssm:arn:aws:ssm:eu-west-1:123456789012:parameter/vs:3#a", None),
        ("ssm:/prod/vs#a:b", "ssm:/prod/vs#a:b"),
        ("vault:secret/vs#api_key", "vault:secret/vs#api_key"),
        ("aws:arn:aws:secretsmanager:eu-west-1:1:secret:x", None),
    ],
)
def test_the_source_has_no_version(source: str, without: str | None) -> None:
    assert without_version(source) == (without or source.replace(":3#", "#"))


# --- What the process does ---


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


def in_use(fingerprint: str) -> list[dict[str, object]]:
    return [each for each in vectorshift.metrics()["in_use"] if each["fingerprint"] == fingerprint]


def test_requests_are_noted_from_the_first_metrics_on(api: FakeVectorShift) -> None:
    vectorshift.metrics()
    secret = vectorshift.Secret(api.create_key())
    with VectorShift(secret, base_url=api.base_url) as client:
        assert in_use(secret.fingerprint) == []
        client.request("GET", "/pipelines")
    (found,) = in_use(secret.fingerprint)
    assert found["used"] is True
    assert secret.reveal() not in str(vectorshift.metrics())


def test_a_refused_key_is_in_use_too(api: FakeVectorShift) -> None:
    vectorshift.metrics()
    secret = vectorshift.Secret("vs-nobody-knows-it")
    with (
        VectorShift(secret, base_url=api.base_url) as client,
        pytest.raises(vectorshift.AuthenticationError),
    ):
        client.request("GET", "/pipelines")
    assert in_use(secret.fingerprint)


def test_a_cache_says_what_it_holds_and_how_its_refreshes_went(clock: ManualClock) -> None:
    class Cupboard(CredentialProvider):
        name = "cupboard"
        answer: Credential | Exception = Credential(
            secret="vs-held", source="cupboard:usage", provider="cupboard"
        )

        def get_credential(self) -> Credential:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    def held() -> list[dict[str, object]]:
        told = vectorshift.metrics()["held"]
        return [each for each in told if each["source"] == "cupboard:usage"]

    store = Cupboard()
    cache = CachingProvider(store, ttl=10, clock=clock)
    fingerprint = cache.get_credential().fingerprint
    clock.advance(4)
    assert [(each["fingerprint"], each["age"], each["stale"]) for each in held()] == [
        (fingerprint, 4.0, False)
    ]
    store.answer = vectorshift.CredentialStoreUnavailableError("closed", source="cupboard:usage")
    clock.advance(10)
    cache.resolve(REFRESH_REQUEST)
    assert [each["stale"] for each in held()] == [True]
    counts = {
        each["error"]: each["count"]
        for each in vectorshift.metrics()["refreshes"]
        if each["source"] == "cupboard:usage"
    }
    assert counts == {None: 1, "CredentialStoreUnavailableError": 1}
    store.answer.__traceback__ = None  # its frames hold the cache
    del cache
    gc.collect()
    assert held() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_forked_child_begins_with_no_numbers() -> None:
    usage.watch()
    use(usage, key(77))
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(its, str(len(usage.in_use()) + len(usage.events())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(ours, 10) == b"0"
    os.close(ours)
    os.close(its)
