"""Who hears of what happens to a key, and that nothing of theirs costs a request its key."""

from __future__ import annotations

import contextlib
import logging
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults import FaultServer, answer

import vectorshift
from vectorshift import (
    CachingProvider,
    Credential,
    ProviderChain,
    Secret,
    Settings,
    VectorShift,
    errors,
    explain,
    metrics,
    on_event,
)
from vectorshift.credentials.events import announce
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.events import CredentialEvent
from vectorshift.providers import CredentialProvider, DotenvProvider, EnvProvider, ExplicitProvider
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


def test_a_callback_that_cannot_be_called_is_refused() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match="callback must be a function, not NoneType"):
        vectorshift.on_event(nothing)


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
            raise errors.CredentialNotFoundError("nothing is here.")

    with pytest.raises(errors.CredentialConfigurationError, match="on_missing of empty"):
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


# --- Each change of state is told once ---


class Changing(CredentialProvider):
    """A source whose next answer the test chooses."""

    name = "changing"

    def __init__(self, *, remote: bool) -> None:
        self.remote = remote
        self.answer: object = KEY

    def get_credential(self) -> Credential:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Credential(secret=str(self.answer), source="changing:x", provider=self.name)


def failing(kind: type[errors.CredentialError], text: str) -> errors.CredentialError:
    return kind(f"changing:x {text}", source="changing:x")


DOWN = failing(errors.CredentialStoreUnavailableError, "is down (3 s).")
STILL_DOWN = failing(errors.CredentialStoreUnavailableError, "is down (7 s).")
SEALED = failing(errors.CredentialStoreUnavailableError, "is sealed.")
GONE = failing(errors.CredentialRevokedError, "was deleted.")
WRONG = failing(errors.CredentialConfigurationError, "has JSON in it.")

TOLD: dict[str, tuple[bool, list[object], list[str]]] = {
    "a store goes and comes": (
        True,
        [KEY, DOWN, STILL_DOWN, KEY, KEY],
        ["resolved", "refresh_failed", "recovered"],
    ),
    "the reason changes": (
        True,
        [KEY, DOWN, SEALED, SEALED, WRONG, KEY],
        ["resolved", "refresh_failed", "refresh_failed", "refresh_failed", "recovered"],
    ),
    "a key is lost": (True, [KEY, GONE, GONE, KEY], ["resolved", "lost", "recovered"]),
    "it is down at start": (True, [DOWN, DOWN, KEY], ["lost", "recovered", "resolved"]),
    "a local source loses its key": (
        False,
        [KEY, DOWN, STILL_DOWN, WRONG, KEY],
        ["resolved", "lost", "lost", "recovered"],
    ),
    "a rotation meanwhile": (
        True,
        [KEY, DOWN, "vs-other"],
        ["resolved", "refresh_failed", "recovered", "rotated"],
    ),
}


@pytest.mark.parametrize("what", TOLD)
def test_each_change_of_state_is_one_event_and_one_line(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    remote, answers, expected = TOLD[what]
    caplog.set_level(logging.INFO, "vectorshift")
    source, clock, seen = Changing(remote=remote), ManualClock(), list[CredentialEvent]()
    chain = ProviderChain([source], ttl=0, clock=clock, random=lambda: 0)
    stop = on_event(seen.append)
    for source.answer in answers:
        for _ in range(3):
            chain.resolve(LookupRequest(bypass_cache=True))
        clock.advance(61)
    stop()
    assert [event.kind for event in seen] == expected
    records = [each for each in caplog.records if hasattr(each, "event")]
    assert [vars(each)["event"] for each in records] == expected
    for record, event in zip(records, seen, strict=True):
        fields = vars(record)
        assert (fields["source"], fields["provider"]) == (event.source, event.provider)
        assert record.levelname == ("INFO" if event.kind in GOOD else "WARNING")
    late = [event for event in seen if event.kind == "refresh_failed"]
    assert all(event.until is not None and "is used until 20" in str(event) for event in late)


GOOD = ("resolved", "recovered", "rotated")


def test_a_key_file_that_is_emptied_and_filled_again_is_told_of(tmp_path: Path) -> None:
    path, clock, kinds = tmp_path / "key", ManualClock(), list[str]()
    path.write_text(KEY)
    provider = EnvProvider(file=path, clock=clock, pause=lambda _: None)
    chain = ProviderChain([provider], clock=clock)
    stop = on_event(lambda event: kinds.append(event.kind))
    for content in (KEY, "", "", "<<<<<<< HEAD\n", KEY):
        path.write_text(content)
        clock.advance(1)
        for _ in range(3):
            with contextlib.suppress(errors.CredentialError):
                chain.get_credential()
    stop()
    assert kinds == ["resolved", "lost", "lost", "recovered"]


@pytest.mark.parametrize("where", ["code", "env", "file", "dotenv", "plugin"])
def test_a_refused_key_is_told_of_once_wherever_it_came_from(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "named.env").write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    providers: dict[str, Callable[[], object]] = {
        "code": lambda: KEY,
        "env": EnvProvider,
        "file": lambda: EnvProvider("OTHER", file=tmp_path / "key"),
        "dotenv": lambda: DotenvProvider(tmp_path / "named.env"),
        "plugin": lambda: Changing(remote=False),
    }
    kinds: list[str] = []
    stop = on_event(lambda event: kinds.append(event.kind))
    with FakeVectorShift() as api:
        client = VectorShift(providers[where](), base_url=api.base_url, max_retries=0)
        for _ in range(5):
            with pytest.raises(errors.AuthenticationError):
                client.request("GET", "/pipelines")
        said = str(explain(client=client))
        assert re.search(rf"The API has refused {Secret(KEY)} since 20\d\d-.* UTC\.", said)
        api.create_key(key=KEY)
        api.fail_next(503)  # which accepts no key
        with pytest.raises(errors.InternalServerError):
            client.request("GET", "/pipelines")
        assert "The API has refused" in str(explain(client=client))
        for _ in range(3):
            client.request("GET", "/pipelines")
        assert "The API has refused" not in str(explain(client=client))
    stop()
    assert [kind for kind in kinds if kind != "resolved"] == ["rejected", "accepted"]


# --- However many there are ---


def test_a_thousand_events_of_a_kind_are_few_lines_and_all_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "vectorshift")
    seen: list[CredentialEvent] = []
    before = metrics()["events"].get("lost", 0)
    stop = on_event(seen.append)
    for tenant in range(1_000):
        announce(CredentialEvent(kind="lost", provider="vault", source=f"vault:{tenant}"))
    stop()
    assert len(seen) == 1_000
    assert metrics()["events"]["lost"] == before + 1_000
    assert len(caplog.records) == 6
    assert (
        "1000 times within a minute: lost, first at vault:0, vault:1, vault:2."
        in (caplog.messages[-1])
    )


def test_an_api_that_fails_makes_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vectorshift")
    with FaultServer(answer(503)) as server:
        client = VectorShift(KEY, base_url=server.origin, clock=ManualClock())
        for _ in range(100):
            with pytest.raises(errors.InternalServerError):
                client.request("GET", "/x")
    assert len(server.received) == 300
    assert len(caplog.records) < 10


def test_the_end_of_a_key_is_told_of_14_3_and_1_days_before() -> None:
    clock, seen = ManualClock(), list[CredentialEvent]()
    ends = datetime.fromtimestamp(clock.time(), timezone.utc) + timedelta(days=20)

    class Expiring(CredentialProvider):
        name = "ending"

        def get_credential(self) -> Credential:
            return Credential(secret=KEY, source="ending:x", provider=self.name, expires_at=ends)

    provider = CachingProvider(Expiring(), ttl=3600, clock=clock)
    stop = on_event(seen.append)
    for _ in range(20 * 8 - 1):
        provider.resolve(LookupRequest(forced=True, bypass_cache=True))
        clock.advance(3 * 3600)
    stop()
    assert [(event.kind, event.until) for event in seen] == [("expiring", ends)] * 3
    assert "Write a new key before." in str(seen[0])


@pytest.mark.parametrize("version", ["a\nb\x1b[2J", "9" * 4_000, {"api_key": "vs-secret"}, 7])
def test_the_version_that_a_store_names_can_be_printed(version: Any) -> None:
    credential = Credential(secret=KEY, source="x", provider="x", version=version)
    assert str(credential).isprintable()
    assert len(str(credential)) < 300
    assert "vs-secret" not in f"{credential} {credential.version}"
