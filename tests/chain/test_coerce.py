"""What is handed in as credentials: whose numbers its cache has, and what a forked child makes of
it.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    Pipeline,
    ProviderChain,
    Settings,
    VectorShift,
    get_credential,
    using,
)
from vectorshift.chain.coerce import as_provider
from vectorshift.credentials import Credential
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import BaseProvider
from vectorshift.errors import CredentialStoreUnavailableError
from vectorshift.providers.env import EnvProvider
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Settings(cache_ttl=5, cache_max_stale=7, load_timeout=60)


class Remote(CredentialProvider):
    """A remote source that counts how often it is read."""

    name = "mine"

    def __init__(self) -> None:
        self.reads = 0

    def get_credential(self) -> Credential:
        self.reads += 1
        return Credential(secret="vs-6d0b", source="mine:x", provider=self.name)


class Local(Remote):
    remote = False


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    vectorshift.reset()
    yield
    vectorshift.reset()


def numbers(provider: object) -> tuple[float, float, float, float]:
    """Return how long it is fresh and usable, and how long its cache and its chain wait."""
    assert isinstance(provider, ProviderChain)
    (cache,) = provider.providers
    assert isinstance(cache, CachingProvider)
    return (cache._policy.ttl, cache._policy.max_stale, cache.load_timeout, provider._load_timeout)


@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
def test_the_settings_of_a_client_govern_the_provider_that_it_is_given(
    kind: type[VectorShift] | type[AsyncVectorShift],
) -> None:
    client = kind(Remote(), settings=SETTINGS)
    assert numbers(client.auth.provider) == (5, 7, 60, 60)


def test_the_settings_that_are_configured_govern_the_provider_beside_them() -> None:
    vectorshift.configure(settings=SETTINGS, credentials=Remote())
    assert numbers(DEFAULT_SCOPE.resolved()) == (5, 7, 60, 60)


def test_the_settings_that_were_configured_before_govern_it_too() -> None:
    vectorshift.configure(settings=SETTINGS)
    vectorshift.configure(credentials=Remote())
    assert numbers(DEFAULT_SCOPE.resolved()) == (5, 7, 60, 60)


def test_without_settings_the_defaults_hold() -> None:
    assert numbers(as_provider(Remote())) == (300, 86_400, 10, 10)


def test_a_local_provider_has_the_time_that_the_settings_give() -> None:
    provider = as_provider(Local(), SETTINGS)
    assert isinstance(provider, ProviderChain)
    assert provider._load_timeout == 60


def test_one_that_is_cached_already_keeps_its_numbers_whoever_wraps_it() -> None:
    cached = CachingProvider(Remote(), ttl=11, max_stale=12, load_timeout=30)
    for again in (
        cached,
        CachingProvider(cached),
        CachingProvider(CachingProvider(cached), load_timeout=1),
    ):
        assert numbers(as_provider(again)) == (11, 12, 30, 30)
        assert numbers(as_provider(again, SETTINGS)) == (11, 12, 30, 30)


def test_equal_numbers_share_a_cache_and_others_do_not() -> None:
    mine = Remote()
    for _ in range(3):
        VectorShift(mine, settings=SETTINGS).auth.provider.get_credential()
        equal = Settings(cache_ttl=5, cache_max_stale=7, load_timeout=60, timeout=9)
        VectorShift(mine, settings=equal).auth.provider.get_credential()
    assert mine.reads == 1
    for _ in range(3):
        with using(mine):
            vectorshift.get_credential()
    assert mine.reads == 2
    VectorShift(mine, settings=SETTINGS).auth.provider.get_credential()
    assert mine.reads == 2


def test_a_store_that_was_given_more_time_is_not_blamed_for_sources_that_there_are_not() -> None:
    hold = threading.Event()

    class Hangs(Remote):
        def get_credential(self) -> Credential:
            hold.wait(30)
            return super().get_credential()

    # One clock for both: on a machine that has just started, another clock is far ahead.
    chain = ProviderChain([CachingProvider(Hangs(), load_timeout=30)], load_timeout=0.05)
    with pytest.raises(CredentialStoreUnavailableError) as caught:
        chain.get_credential()
    hold.set()
    assert "the time that was left for the whole chain" in str(caught.value)
    assert "load_timeout (VECTORSHIFT_LOAD_TIMEOUT)" in str(caught.value)


def test_threads_that_hand_in_a_provider_at_once_share_its_cache() -> None:
    mine, threads = Remote(), 8
    together = threading.Barrier(threads)

    def hand_in(_: int) -> BaseProvider:
        together.wait(10)
        return as_provider(mine)

    with ThreadPoolExecutor(threads) as pool:
        assert len(set(map(id, pool.map(hand_in, range(threads))))) == 1


A, B = "vs-organisation-a", "vs-organisation-b"


class Tenant(CredentialProvider):
    """A remote source that counts how often it is read."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.reads = 0

    def get_credential(self) -> Credential:
        self.reads += 1
        return Credential(secret=self.key, source="tenant:x", provider="tenant")


def key() -> str:
    return get_credential().secret.reveal()


@pytest.mark.usefixtures("forgotten")
def test_a_copy_of_a_provider_has_a_cache_of_its_own() -> None:
    first = Tenant(A)
    with using(first):
        assert key() == A
    for second in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        second.key = B
        with using(second):
            assert key() == B


@pytest.mark.usefixtures("forgotten")
def test_classes_and_keys_where_providers_belong_are_named() -> None:
    with pytest.raises(TypeError, match="not the class EnvProvider"), using(EnvProvider):
        pass
    with pytest.raises(TypeError, match=r"takes providers, not str.*ExplicitProvider"):
        ProviderChain([A])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="An async call takes an instance of AsyncVectorShift"):
        asyncio.run(Pipeline.alist(client=VectorShift(A)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="settings should be Settings"):
        vectorshift.configure(settings={"timeout": 3})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="begin with one slash"):
        VectorShift(A).request("GET", "pipelines")
    with pytest.raises(ValueError, match="above 0"):
        VectorShift(A, timeout=0)
