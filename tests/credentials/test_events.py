"""Who hears of what happens to a key, and that nothing of theirs costs a request its key."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialNotFoundError,
    CredentialProvider,
    ExplicitProvider,
    ProviderChain,
    Settings,
    on_event,
)
from vectorshift.events import CredentialEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.events import CredentialEvent

KEY = "vs-5f10"


class Raising(logging.Handler):
    """A log handler that lets out what it raises, as an author's own `emit` does."""

    def emit(self, record: logging.LogRecord) -> None:
        raise ConnectionError("the log server is away")


@pytest.fixture
def raising() -> Iterator[None]:
    logger, handler = logging.getLogger("vectorshift"), Raising()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.usefixtures("raising")
def test_a_log_handler_that_raises_costs_no_caller_its_key_and_no_listener_the_event() -> None:
    seen: list[CredentialEvent] = []
    stops = [on_event(lambda event: 1 / 0), on_event(seen.append)]
    vault = Settings(
        vault_path="vs", vault_addr="http://127.0.0.1:1"
    )  # which it says that it does not ask
    try:
        chain = ProviderChain(
            [ExplicitProvider(KEY), *ProviderChain.from_settings(vault).providers]
        )
        assert chain.get_credential().secret.reveal() == KEY
    finally:
        for stop in stops:
            stop()
    assert [event.kind for event in seen] == ["resolved"]


def test_who_ends_a_subscription_twice_ends_nobody_elses() -> None:
    seen: list[CredentialEvent] = []
    first, second = on_event(seen.append), on_event(seen.append)
    try:
        first()
        first()
        ProviderChain([ExplicitProvider(KEY)]).get_credential()
        assert len(seen) == 1
    finally:
        second()
    ProviderChain([ExplicitProvider(KEY)]).get_credential()
    assert len(seen) == 1


@pytest.mark.usefixtures("raising")
def test_a_log_handler_that_raises_hides_no_failure() -> None:
    class Empty(CredentialProvider):
        remote, on_missing = False, "stop"

        def get_credential(self) -> Credential:
            raise CredentialNotFoundError("nothing is here.")

    with pytest.raises(CredentialConfigurationError, match="on_missing of empty"):
        ProviderChain([Empty(), ExplicitProvider(KEY)]).get_credential()


def test_the_same_function_given_twice_is_called_twice() -> None:
    seen: list[CredentialEvent] = []
    stops = [on_event(seen.append), on_event(seen.append)]
    ProviderChain([ExplicitProvider(KEY)]).get_credential()
    for stop in stops:
        stop()
    assert len(seen) == 2


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_a_callback_that_ends_itself_keeps_the_event_from_nobody() -> None:
    seen: list[str] = []

    def once(event: CredentialEvent) -> None:
        stop_once()

    stop_once = on_event(once)
    stop = on_event(lambda event: seen.append(event.kind))
    try:
        ProviderChain([ExplicitProvider(A)]).get_credential()
    finally:
        stop()
    assert seen == ["resolved"]
