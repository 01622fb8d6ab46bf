"""What asks for a key from inside the load of that key, as a log handler does, is answered at
once.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import ProviderChain
from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials import Credential
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.errors import CredentialError, CredentialStoreUnavailableError
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Asking = Callable[[], Any]

log = logging.getLogger("tests.own_load")


class Store(CredentialProvider):
    """A store that logs each read of it."""

    name = "store"

    def __init__(self) -> None:
        self.reads = 0

    def get_credential(self) -> Credential:
        self.reads += 1
        read = self.reads
        log.warning("reading")
        return Credential(secret=f"k{read}", source="store:x", provider=self.name)


class AsyncStore(Store):
    """The same, written for event loops, which logs in a task of its own."""

    get_credential = CredentialProvider.get_credential

    async def aget_credential(self) -> Credential:
        return await asyncio.create_task(self._read())

    async def _read(self) -> Credential:
        return Store.get_credential(self)


class Another(CredentialProvider):
    """A store whose own token is kept in the first one."""

    name = "another"

    def __init__(self, inner: CredentialProvider) -> None:
        self.inner = inner

    def get_credential(self) -> Credential:
        return Credential(
            secret="another", source=f"another:{self.inner.get_credential()}", provider=self.name
        )


class Handler(logging.Handler):
    """Asks whenever a line is logged, and keeps what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.ask: Asking = lambda: None
        self.got: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            answer = self.ask()
        except CredentialError as error:
            answer = error
        self.got.append(
            answer.secret.reveal() if isinstance(answer, Credential) else type(answer).__name__
        )


@pytest.fixture
def handler() -> Iterator[Handler]:
    added = Handler()
    log.addHandler(added)
    yield added
    log.removeHandler(added)


@pytest.mark.parametrize("kind", [Store, AsyncStore])
@pytest.mark.parametrize("asks", ["sync", "async"])
def test_with_nothing_cached_it_is_told_so_and_the_load_is_not_kept_up(
    kind: type[Store], asks: str, handler: Handler
) -> None:
    """Observation to fail without the look: both wait for `load_timeout`, and nobody gets a key."""
    store = kind()
    chain = ProviderChain([store])
    handler.ask = chain.get_credential
    if asks == "sync":
        assert chain.get_credential().secret.reveal() == "k1"
    else:
        assert asyncio.run(chain.aget_credential()).secret.reveal() == "k1"
    assert handler.got == ["CredentialStoreUnavailableError"]
    assert store.reads == 1


def test_the_error_says_who_asked(handler: Handler) -> None:
    provider = CachingProvider(Store())
    told: list[str] = []

    def ask() -> None:
        with pytest.raises(
            CredentialStoreUnavailableError,
            match="from inside its own read, perhaps by a log handler",
        ) as own:
            provider.get_credential()
        told.append(str(own.value))

    handler.ask = ask
    provider.get_credential()
    assert len(told) == 1


def test_a_key_that_is_known_is_what_it_gets(handler: Handler) -> None:
    clock = ManualClock()
    provider = CachingProvider(Store(), clock=clock)
    first = provider.get_credential()
    handler.got.clear()
    handler.ask = lambda: provider.resolve(LookupRequest(rejected=first))
    assert provider.resolve(LookupRequest(rejected=first)).secret.reveal() == "k2"  # type: ignore[union-attr]
    assert handler.got == ["k1"]


def test_a_key_past_its_end_is_none(handler: Handler) -> None:
    clock = ManualClock()
    provider = CachingProvider(Store(), clock=clock, max_stale=300)
    provider.get_credential()
    clock.advance(301)
    handler.got.clear()
    handler.ask = provider.get_credential
    assert provider.get_credential().secret.reveal() == "k2"
    assert handler.got == ["CredentialStoreUnavailableError"]


def test_a_load_that_was_begun_in_another_load_knows_of_both(handler: Handler) -> None:
    outer = CachingProvider(Another(CachingProvider(Store())))
    handler.ask = outer.get_credential
    assert outer.get_credential().secret.reveal() == "another"
    assert handler.got == ["CredentialStoreUnavailableError"]


def test_what_a_load_leaves_behind_asks_as_anybody_does_once_it_has_ended() -> None:
    kept: list[contextvars.Context] = []

    class Leaves(Store):
        def get_credential(self) -> Credential:
            kept.append(contextvars.copy_context())
            return super().get_credential()

    clock = ManualClock()
    provider = CachingProvider(Leaves(), clock=clock, max_stale=300)
    provider.get_credential()
    clock.advance(301)
    assert kept[0].run(provider.get_credential).secret.reveal() == "k2"


def test_a_context_that_outlives_its_load_holds_no_row_of_loads() -> None:
    """A callback of an event loop runs in the context that it was scheduled in, and may schedule
    the next.
    """

    class Rescheduling(Store):
        context = contextvars.copy_context()

        def get_credential(self) -> Credential:
            self.context = contextvars.copy_context()
            return super().get_credential()

    clock, store = ManualClock(), Rescheduling()
    cache = CachingProvider(store, ttl=1, max_stale=1, clock=clock)
    for _ in range(20):
        store.context.run(cache.get_credential)
        clock.advance(2)
    assert store.reads == 20
    assert cache._newest is not None
    assert len(cache._newest.around) <= 1
