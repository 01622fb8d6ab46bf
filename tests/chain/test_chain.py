"""What moves a chain on, what stops it, and what it says about it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

import pytest
from tests.fakes import Meanwhile
from tests.forks import held_by_another_thread, succeeds_in_a_child

import vectorshift
from vectorshift import errors
from vectorshift.cache.provider import CachingProvider
from vectorshift.chain.chain import ProviderChain
from vectorshift.chain.coerce import as_provider
from vectorshift.credentials import Credential, Secret
from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.resolving import (
    DEFAULT_REQUEST,
    LOCAL_REQUEST,
    REFRESH_REQUEST,
    BaseProvider,
    LookupRequest,
    Result,
)
from vectorshift.events import CredentialEvent, on_event
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.settings import Settings
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTCOMES: dict[str, type[errors.CredentialError]] = {
    "not found": errors.CredentialNotFoundError,
    "configuration": errors.CredentialConfigurationError,
    "denied": errors.CredentialDeniedError,
    "revoked": errors.CredentialRevokedError,
    "unavailable": errors.CredentialStoreUnavailableError,
}


class Source(CredentialProvider):
    """Says what the test wants: a key, or a failure by its name."""

    def __init__(
        self,
        name: str,
        says: str,
        *,
        remote: bool = False,
        locator: bool = False,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
    ) -> None:
        self.name, self.says, self.remote, self.locator = name, says, remote, locator
        self.on_error, self.on_missing = on_error, on_missing
        self.asked = 0
        self.closed = False
        self.rejected: list[Credential] = []

    def describe(self) -> Description:
        return Description(configured=True, source=f"{self.name}:place", locator=self.locator)

    def get_credential(self) -> Credential:
        self.asked += 1
        if self.says in OUTCOMES:
            raise OUTCOMES[self.says](f"{self.name} says {self.says}")
        return Credential(secret=self.says, source=f"{self.name}:place", provider=self.name)

    def invalidate(self, rejected: Credential) -> None:
        self.rejected.append(rejected)

    def close(self) -> None:
        self.closed = True


class Remembering(BaseProvider):
    """Has one answer at once, and another one after a look."""

    name, remote = "remembering", False

    def __init__(self, cached: Result | None, read: Result | None = None) -> None:
        self.cached, self.read = cached, read

    def describe(self) -> Description:
        return Description(configured=True, source="remembering:place")

    def get_cached(self) -> Result | None:
        return self.cached

    def resolve(self, request: LookupRequest) -> Result:
        answer = self.cached if self.read is None else self.read
        assert answer is not None
        return answer


Asker = Callable[[CredentialProvider], Credential]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Asker:
    if request.param == "sync":
        return lambda provider: provider.get_credential()
    return lambda provider: asyncio.run(provider.aget_credential())


@pytest.fixture
def events() -> Iterator[list[CredentialEvent]]:
    """What is told of the sources of this file; a load of an earlier test may end meanwhile."""
    seen: list[CredentialEvent] = []
    stop = on_event(lambda each: seen.append(each) if each.source.endswith(":place") else None)
    yield seen
    stop()


def test_the_first_source_that_has_a_key_answers_and_those_below_are_not_asked(ask: Asker) -> None:
    first, second, third = Source("a", "not found"), Source("b", "k2"), Source("c", "k3")
    got = ask(ProviderChain([first, second, third]))
    assert (got.source, got.secret.reveal()) == ("b:place", "k2")
    assert third.asked == 0


@pytest.mark.parametrize("failure", sorted(set(OUTCOMES) - {"not found"}))
def test_any_other_failure_than_not_found_stops_the_chain(failure: str, ask: Asker) -> None:
    below = Source("b", "k2")
    with pytest.raises(OUTCOMES[failure], match=f"a says {failure}") as caught:
        ask(ProviderChain([Source("a", failure), below]))
    assert below.asked == 0
    assert (caught.value.source, caught.value.provider) == ("a:place", "a")


@pytest.mark.parametrize("failure", sorted(set(OUTCOMES) - {"not found"}))
def test_on_error_continue_lets_another_source_answer_and_says_so(
    failure: str, ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    chain = ProviderChain([Source("a", failure, on_error="continue"), Source("b", "k2")])
    for _ in range(3):
        assert ask(chain).secret.reveal() == "k2"
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1  # told once, not on every call
    assert "a:place" in warnings[0]
    assert "b:place" in warnings[0]


def test_on_error_continue_with_nobody_below_raises_the_failure_and_not_missing(ask: Asker) -> None:
    chain = ProviderChain(
        [Source("a", "unavailable", on_error="continue"), Source("b", "not found")]
    )
    with pytest.raises(errors.CredentialStoreUnavailableError):
        ask(chain)


def test_on_missing_stop_lets_no_other_source_answer(ask: Asker) -> None:
    below = Source("b", "k2")
    with pytest.raises(errors.CredentialConfigurationError, match="on_missing of a is 'stop'"):
        ask(ProviderChain([Source("a", "not found", on_missing="stop"), below]))
    assert below.asked == 0


@pytest.mark.parametrize("name", ["vault", "aws"])
def test_on_missing_stop_counts_where_the_store_s_locator_is_misspelt(
    name: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-forgotten-key")
    variables = {
        "VECTORSHIFT_PROVIDERS": f"{name},env",
        f"VECTORSHIFT_{name.upper()}_ON_MISSING": "stop",
        "VECTORSHIFT_VAULT_PTH": "prod/vectorshift",
    }
    chain = ProviderChain.from_settings(Settings.load(variables))
    with pytest.raises(
        errors.CredentialConfigurationError, match=f"is not set.* on_missing of {name}"
    ):
        ask(chain)


def test_a_fall_past_a_configured_store_that_is_empty_is_a_warning(
    ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    assert (
        ask(ProviderChain([Source("a", "not found", locator=True), Source("b", "k2")])).provider
        == "b"
    )
    assert [each.levelname for each in caplog.records if "passed over" in each.message] == [
        "WARNING"
    ]


def test_a_chain_that_ends_with_nothing_tells_what_was_tried(ask: Asker) -> None:
    with pytest.raises(errors.MissingCredentialError) as caught:
        ask(ProviderChain([Source("a", "not found"), Source("bb", "not found")]))
    error = caught.value
    assert isinstance(error, errors.AuthenticationError)
    assert isinstance(error, errors.CredentialNotFoundError)
    assert error.status_code == 401
    assert [(each.provider, each.source, each.outcome) for each in error.attempts] == [
        ("a", "a:place", "not found"),
        ("bb", "bb:place", "not found"),
    ]
    assert all(each.seconds >= 0 for each in error.attempts)
    assert "a   a says not found" in str(error)
    assert "Make a key under Account > API Keys and put it into one of these sources." in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.attempts, str(again)) == (error.attempts, str(error))


def test_an_attempt_tells_the_seconds_that_its_source_took(ask: Asker) -> None:
    clock = ManualClock()

    class Slow(Source):
        def get_credential(self) -> Credential:
            clock.advance(3)
            return super().get_credential()

    with pytest.raises(errors.MissingCredentialError) as caught:
        ask(ProviderChain([Source("a", "not found"), Slow("b", "not found")], clock=clock))
    assert [each.seconds for each in caught.value.attempts] == [0, 3]


def test_a_chain_of_nothing_is_not_configured() -> None:
    assert not ProviderChain([]).describe().configured
    assert ProviderChain([ProviderChain([]), Source("a", "k1")]).describe().source == "a:place"


def test_chains_nest(ask: Asker) -> None:
    empty = ProviderChain([Source("a", "not found"), Source("b", "not found")])
    assert ask(ProviderChain([empty, Source("c", "k3")])).secret.reveal() == "k3"
    with pytest.raises(errors.MissingCredentialError) as caught:
        ask(ProviderChain([empty, Source("c", "not found")]))
    assert [each.provider for each in caught.value.attempts] == ["a", "b", "c"]


def test_a_chain_of_an_author_s_own_class_may_be_passed_over(ask: Asker) -> None:
    class Audited(ProviderChain):
        def get_credential(self) -> Credential:
            return super().get_credential()

    members = [Source("a", "not found"), Source("b", "not found", locator=True)]
    inner = ProviderChain([Audited(members)])
    assert ask(ProviderChain([inner, Source("c", "k3")])).secret.reveal() == "k3"


def test_remote_providers_are_cached_and_local_ones_asked_each_time(ask: Asker) -> None:
    local, remote = Source("a", "not found"), Source("b", "k2", remote=True)
    chain = ProviderChain([local, remote])
    for _ in range(3):
        ask(chain)
    assert (local.asked, remote.asked) == (3, 1)
    wrapped = CachingProvider(remote)
    assert ProviderChain([wrapped]).providers == (wrapped,)


def test_a_key_that_appears_above_wins_at_once(ask: Asker) -> None:
    above, below = Source("a", "not found"), Source("b", "k2", remote=True)
    chain = ProviderChain([above, below])
    assert ask(chain).secret.reveal() == "k2"
    above.says = "k1"
    assert ask(chain).secret.reveal() == "k1"
    above.says = "denied"
    with pytest.raises(errors.CredentialDeniedError):
        ask(chain)


def test_a_store_that_had_a_key_and_loses_it_does_not_slip_to_another_organisation(
    ask: Asker,
) -> None:
    clock = ManualClock()
    store, other = Source("vault", "k1", remote=True, locator=True), Source("aws", "other-org")
    chain = ProviderChain([store, other], clock=clock, random=lambda: 0.0)
    assert ask(chain).secret.reveal() == "k1"
    store.says = "not found"
    clock.advance(86_400)
    for _ in range(3):
        with pytest.raises(errors.CredentialNotFoundError, match="held a key before") as caught:
            ask(ProviderChain([chain, other]))  # nor in a chain around it
        assert type(caught.value) is errors.CredentialNotFoundError
        clock.advance(5)
    assert other.asked == 0


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_forced_read_that_fails_is_told_while_calls_go_on_with_the_key(
    on_error: Literal["stop", "continue"],
) -> None:
    store = Source("vault", "k1", remote=True, on_error=on_error)
    chain = ProviderChain([store, Source("aws", "k2")])
    chain.get_credential()
    store.says = "unavailable"
    assert isinstance(chain.resolve(REFRESH_REQUEST), errors.CredentialStoreUnavailableError)
    assert chain.get_credential().secret.reveal() == "k1"


def test_a_forced_read_passes_over_a_source_that_had_no_key() -> None:
    store = Source("vault", "unavailable", remote=True, on_error="continue")
    answer = ProviderChain([store, Source("aws", "k2")]).resolve(REFRESH_REQUEST)
    assert isinstance(answer, Credential)
    assert answer.source == "aws:place"


def test_of_a_store_that_lost_its_key_and_may_be_passed_over_nothing_is_said_that_is_not_so(
    ask: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    store, other = Source("vault", "k1", remote=True, locator=True), Source("aws", "k2")
    store.on_error = "continue"
    chain = ProviderChain([store, other], clock=clock, random=lambda: 0.0)
    ask(chain)
    store.says = "not found"
    clock.advance(86_400)
    assert ask(chain).secret.reveal() == "k2"
    (passed_over,) = [each for each in caplog.messages if "was passed over" in each]
    assert "It held a key before: the key was removed" in passed_over
    assert "no other source" not in passed_over


def test_a_change_of_source_is_a_warning_and_a_new_key_is_not(
    events: list[CredentialEvent], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    above, below = Source("a", "not found"), Source("b", "k1")
    chain = ProviderChain([above, below])
    for above.says, below.says in [("not found", "k1"), ("not found", "k2"), ("k3", "k2")]:
        for _ in range(2):
            chain.get_credential()
    assert [(each.kind, each.source, each.previous_source) for each in events] == [
        ("resolved", "b:place", None),
        ("rotated", "b:place", "b:place"),
        ("rotated", "a:place", "b:place"),
    ]
    assert [each.levelname for each in caplog.records] == ["INFO", "INFO", "WARNING"]
    assert not any(key in caplog.text for key in ("k1", "k2", "k3"))


def test_a_chain_whose_sources_lost_their_key_says_so_once_and_when_there_is_one_again(
    ask: Asker, events: list[CredentialEvent]
) -> None:
    source = Source("b", "k1")
    chain = ProviderChain([Source("a", "not found"), source])
    for source.says in ("k1", "not found", "not found", "k1"):
        chain.resolve(LOCAL_REQUEST)  # tells nothing
        with contextlib.suppress(errors.MissingCredentialError):
            ask(chain)
    assert [(each.kind, each.provider, each.source) for each in events] == [
        ("resolved", "b", "b:place"),
        ("lost", "chain", "b:place"),
        ("recovered", "chain", "b:place"),
    ]


def test_a_chain_that_never_had_a_key_has_lost_none(
    ask: Asker, events: list[CredentialEvent]
) -> None:
    with pytest.raises(errors.MissingCredentialError):
        ask(ProviderChain([Source("a", "not found")]))
    assert events == []


def test_a_chain_that_goes_past_a_failure_has_lost_no_key(
    ask: Asker, events: list[CredentialEvent]
) -> None:
    above, below = Source("a", "denied", on_error="continue"), Source("b", "k1")
    chain = ProviderChain([above, below])
    ask(chain)
    below.says = "not found"
    with pytest.raises(errors.CredentialDeniedError):
        ask(chain)
    assert "lost" not in [each.kind for each in events]


def test_a_failure_without_a_source_is_told_of_the_source_that_was_asked(
    events: list[CredentialEvent],
) -> None:
    above = Remembering(None, errors.CredentialNotFoundError())
    chain = ProviderChain([above, Source("b", "k1")])
    chain.get_credential()
    above.read = errors.CredentialDeniedError("no")
    chain.resolve(DEFAULT_REQUEST)
    assert (events[-1].kind, events[-1].source) == ("lost", "remembering:place")


def test_a_callable_gives_many_keys_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keys = (f"tenant-{number}" for number in itertools.count())
    chain = ProviderChain([ExplicitProvider(lambda: next(keys))])
    assert [chain.get_credential().secret.reveal() for _ in range(3)] == [
        "tenant-0",
        "tenant-1",
        "tenant-2",
    ]
    assert len(caplog.records) == 1  # resolved


def test_a_callback_that_raises_harms_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def bad(event: CredentialEvent) -> None:
        raise ValueError("k1")

    stop = on_event(bad)
    try:
        assert ProviderChain([Source("a", "k1")]).get_credential().secret.reveal() == "k1"
    finally:
        stop()
    assert "ValueError" in caplog.text
    assert "k1" not in caplog.text


def test_the_whole_walk_has_one_deadline() -> None:
    deadlines: list[float | None] = []
    clock = ManualClock()

    class Slow(ExplicitProvider):
        def resolve(self, ask: LookupRequest) -> Any:
            deadlines.append(ask.deadline)
            clock.advance(3)
            return errors.CredentialNotFoundError("nothing")

        def get_cached(self) -> None:
            return None

    with pytest.raises(errors.MissingCredentialError):
        ProviderChain([Slow(), Slow(), Slow()], load_timeout=10, clock=clock).get_credential()
    assert len(deadlines) == 3
    (deadline,) = set(deadlines)
    assert deadline is not None
    assert 0 < deadline - time.monotonic() <= 10  # of the real clock, by which callers wait


def test_a_walk_waits_for_real_seconds_whatever_clock_a_test_moves() -> None:
    """Observation to fail on a machine that had just started: the deadline of the real clock was
    compared with the moved one.
    """
    clock = ManualClock()
    clock.advance(10 * 365 * 86_400)

    class Store(Source):
        remote = True

        def get_credential(self) -> Credential:
            time.sleep(0.1)
            return super().get_credential()

    cache = CachingProvider(Store("a", "k1"), clock=clock)
    assert ProviderChain([cache]).get_credential().secret.reveal() == "k1"


def test_refusals_and_closing_are_passed_on_to_every_provider(ask: Asker) -> None:
    first, second = Source("a", "not found"), Source("b", "k2")
    chain = ProviderChain([first, ProviderChain([second])])
    credential = ask(chain)
    chain.invalidate(credential)
    assert second.rejected == [credential]
    assert first.rejected == [credential]
    chain.close()
    assert second.closed
    asyncio.run(chain.aclose())


# --- What a chain answers with before it asks ---


HELD = Credential(secret="k1", source="remembering:place", provider="remembering")
NEW = Credential(secret="k2", source="remembering:place", provider="remembering")
REMOVED = errors.CredentialNotFoundError("it held a key before.")
REMOVED.had_key = True

CHANGES: dict[str, Callable[[Remembering, Remembering], object]] = {
    "the source above cannot tell at once": lambda above, _: setattr(above, "cached", None),
    "the source above has a key": lambda above, _: setattr(above, "cached", NEW),
    "the source above fails": lambda above, _: setattr(
        above, "cached", errors.CredentialDeniedError()
    ),
    "the source above lost its key": lambda above, _: setattr(above, "cached", REMOVED),
    "no other source may answer": lambda above, _: setattr(above, "on_missing", "stop"),
    "its source cannot tell at once": lambda _, below: setattr(below, "cached", None),
    "its source has a new key": lambda _, below: setattr(below, "cached", NEW),
    "its source is empty": lambda _, below: setattr(
        below, "cached", errors.CredentialNotFoundError()
    ),
    "everything is asked anew": lambda *_: vectorshift.reset(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_chain_answers_at_once_with_the_key_of_the_last_walk_until_something_changes(
    change: str,
) -> None:
    above, below = Remembering(errors.CredentialNotFoundError()), Remembering(HELD)
    chain = ProviderChain([above, below])
    assert chain.get_cached() is None
    assert chain.resolve(DEFAULT_REQUEST) is HELD
    assert chain.get_cached() is HELD
    CHANGES[change](above, below)
    assert chain.get_cached() is None


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (DEFAULT_REQUEST, HELD),
        (LookupRequest(rejected=HELD), NEW),
        (LookupRequest(bypass_cache=True), NEW),
        (LOCAL_REQUEST, NEW),
    ],
)
def test_a_walk_takes_what_a_source_remembers_unless_it_is_to_be_read(
    request_: LookupRequest, key: Credential
) -> None:
    assert ProviderChain([Remembering(HELD, NEW)]).resolve(request_) is key


class Replaced(Remembering):
    """A file whose key is replaced by programs."""

    def keeps_previous(self, credential: Credential) -> bool:
        return True


@pytest.mark.parametrize(
    ("answers", "again"),
    [
        ([HELD], HELD),
        ([HELD, NEW], HELD),
        ([HELD, errors.CredentialDeniedError("no"), NEW], NEW),
    ],
)
def test_a_refused_key_is_gone_back_from_unless_its_source_failed_between(
    answers: list[Result], again: Credential
) -> None:
    source = Replaced(None)
    inner = ProviderChain([source])
    outer = ProviderChain([Source("a", "not found"), inner])
    for source.read in answers:
        outer.resolve(DEFAULT_REQUEST)
    assert outer.resolve(LookupRequest(rejected=answers[-1])) is again  # type: ignore[arg-type]
    goes_back = again is not answers[-1]
    assert (outer.is_previous(HELD), inner.is_previous(HELD)) == (goes_back, goes_back)
    assert not outer.is_previous(NEW)


# --- What it tells of itself ---


def test_walks_are_counted_by_what_they_end_in(ask: Asker) -> None:
    def walks() -> dict[str | None, int]:
        return {each["error"]: each["count"] for each in vectorshift.metrics()["walks"]}

    before = walks()
    with_key, without = ProviderChain([Source("a", "k1")]), ProviderChain([])
    for _ in range(2):
        ask(with_key)
    with pytest.raises(errors.MissingCredentialError):
        ask(without)
    for chain in (with_key, without):
        chain.resolve(LOCAL_REQUEST)  # is no walk of a call
    after = walks()
    assert after[None] - before.get(None, 0) == 2
    name = "MissingCredentialError"
    assert after[name] - before.get(name, 0) == 1
    assert set(after) <= {*before, None, name}


@pytest.mark.parametrize(("obtained", "age"), [(-40.0, 40.0), (0.0, 0.0), (40.0, 0.0)])
def test_the_key_of_the_last_walk_is_held_with_its_age(obtained: float, age: float) -> None:
    clock = ManualClock()
    credential = Credential(
        secret="k1",
        source="held:place",
        provider="held",
        obtained_at=datetime.fromtimestamp(clock.time() + obtained, timezone.utc),
    )

    def held() -> list[float]:
        told = vectorshift.metrics()["held"]
        return [each["age"] for each in told if each["source"] == "held:place"]

    chain = ProviderChain([Remembering(credential)], clock=clock)
    assert held() == []
    chain.get_credential()
    assert held() == [age]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_may_ask_a_chain_though_a_thread_of_its_parent_was_in_it() -> None:
    chain = ProviderChain([Source("a", "k1")])
    with held_by_another_thread(chain._lock):
        assert succeeds_in_a_child(lambda: chain.get_credential().provider == "a")


@pytest.mark.parametrize("wrong", ["vs-no-provider", ["vs-no-provider"], [b"vs-no-provider"]])
def test_a_key_in_place_of_a_provider_is_shown_by_no_traceback(
    wrong: Any, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(TypeError, match="ProviderChain takes providers") as caught:
        ProviderChain(wrong)
    assert "vs-no-provider" not in shown(caught.value)


def test_a_chain_names_what_is_not_configured() -> None:
    with pytest.raises(errors.MissingCredentialError) as caught:
        ProviderChain.from_settings(Settings(env_file="")).get_credential()
    assert [(each.provider, each.outcome) for each in caught.value.attempts] == [
        ("explicit", "not found"),
        ("env", "not found"),
        ("dotenv", "not configured"),
        ("vault", "not configured"),
        ("aws", "not configured"),
    ]
    assert "VECTORSHIFT_VAULT_PATH is not set" in str(caught.value)


def test_settings_set_membership_and_order(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = ProviderChain.from_settings(Settings(providers=("vault", "env"), vault_path="x"))
    assert [each.name for each in chain.providers] == ["explicit", "vault", "env"]
    with pytest.raises(errors.CredentialConfigurationError, match="Did you mean vault"):
        ProviderChain.from_settings(Settings(providers=("valt",)))
    with pytest.raises(errors.CredentialConfigurationError, match="twice"):
        ProviderChain.from_settings(Settings(providers=("default", "env")))


def test_the_official_cli_s_key_is_named_when_nothing_is_found(tmp_path: Any) -> None:
    (tmp_path / ".vectorshift").mkdir()
    (tmp_path / ".vectorshift" / "config.toml").write_text('[auth]\napi_key = "vs-cli"\n')
    with pytest.raises(
        errors.MissingCredentialError, match=r"~/\.vectorshift/config\.toml"
    ) as caught:
        ProviderChain.from_settings(Settings()).get_credential()
    assert "vs-cli" not in str(caught.value)


def test_what_is_handed_in_as_credentials_may_be_a_key_a_callable_or_a_provider() -> None:
    for given in ("k1", lambda: "k1", Source("a", "k1"), ProviderChain([Source("a", "k1")])):
        assert as_provider(given).get_credential().secret.reveal() == "k1"
    with pytest.raises(TypeError, match="not int"):
        as_provider(7)
    remote = Source("a", "k1", remote=True)
    provider = as_provider(remote)
    for _ in range(3):
        provider.get_credential()
    assert remote.asked == 1


def test_a_subclass_of_ours_that_overrides_a_getter_is_asked_through_it(ask: Asker) -> None:
    class Audited(ExplicitProvider):
        asked = 0

        def get_credential(self) -> Credential:
            Audited.asked += 1
            return super().get_credential()

    assert ask(ProviderChain([Audited("k1")])).secret.reveal() == "k1"
    assert Audited.asked == 1


A, B = "vs-organisation-a", "vs-organisation-b"


class Empty(CredentialProvider):
    """A local source that may not be passed over, and has a key once it is given one."""

    name, remote, on_missing = "empty", False, "stop"
    key: str | None = None

    def get_credential(self) -> Credential:
        if self.key is None:
            raise errors.CredentialNotFoundError("nothing is here.", source="empty:x")
        return Credential(secret=self.key, source="empty:x", provider=self.name)


class Handing(CredentialProvider):
    """A local source whose key somebody else hands out."""

    remote = False

    def __init__(self, hand: Any) -> None:
        self.hand = hand

    def get_credential(self) -> Credential:
        return Credential(secret=self.hand(), source="hand:x", provider=self.name)


@pytest.mark.usefixtures("forgotten")
def test_a_source_that_was_left_no_time_is_not_blamed_alone() -> None:
    class Slow(CredentialProvider):
        def get_credential(self) -> Credential:
            assert hold.wait(20)
            raise AssertionError

    class Good(Slow):
        name = "good"

    hold = threading.Event()
    hung, good = Slow(), Good()
    hung.on_error = "continue"
    with pytest.raises(errors.CredentialStoreUnavailableError, match="did not answer within"):
        ProviderChain([hung, good], load_timeout=0.05).get_credential()
    hold.set()


@pytest.mark.usefixtures("forgotten")
def test_chains_in_chains_tell_once() -> None:
    seen: list[str] = []
    stop = on_event(lambda event: seen.append(event.kind))
    try:
        ProviderChain([ProviderChain([ExplicitProvider(A)])]).get_credential()
    finally:
        stop()
    assert seen == ["resolved"]


def test_of_a_chain_in_a_chain_a_new_key_is_told_once_and_so_is_a_change_of_source(
    ask: Asker, events: list[CredentialEvent]
) -> None:
    inner, below = Source("a", "k1"), Source("b", "k9")
    chain = ProviderChain([ProviderChain([inner]), below])
    for inner.says in ("k1", "k2", "not found", "k2"):
        for _ in range(2):
            ask(chain)
    assert [(each.kind, each.source, each.previous_source) for each in events] == [
        ("resolved", "a:place", None),
        ("rotated", "a:place", "a:place"),
        ("lost", "a:place", None),
        ("rotated", "b:place", "a:place"),
        ("recovered", "a:place", None),
        ("rotated", "a:place", "b:place"),
    ]


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("asks", ["sync", "async"])
def test_on_missing_stop_says_once_which_sources_are_not_asked(
    asks: str, caplog: pytest.LogCaptureFixture
) -> None:
    empty = Empty()
    chain = ProviderChain([empty, ExplicitProvider(), ExplicitProvider(B)])

    def fails() -> None:
        with pytest.raises(
            errors.CredentialConfigurationError, match="on_missing of empty is 'stop'"
        ):
            chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())

    def told() -> list[tuple[str, str]]:
        return [
            (each.levelname, each.message)
            for each in caplog.records
            if "is not asked, because" in each.message
        ]

    line = (
        "empty:x has no key. explicit:api_key is not asked, because on_missing of empty is 'stop'."
    )
    fails()
    fails()
    assert told() == [("WARNING", line)]
    empty.key = A
    chain.get_credential()
    empty.key = None
    fails()
    assert told() == [("WARNING", line)] * 2


@pytest.mark.usefixtures("forgotten")
def test_on_missing_stop_says_nothing_where_nobody_else_could_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(errors.CredentialConfigurationError):
        ProviderChain([Empty(), ExplicitProvider()]).get_credential()
    assert "is not asked, because" not in caplog.text


@pytest.mark.usefixtures("forgotten")
def test_of_two_walks_that_end_at_once_the_second_tells_of_what_has_changed_since_the_first() -> (
    None
):
    keys = iter([A, B])
    seen: list[tuple[str, str | None]] = []
    chain = ProviderChain([Handing(lambda: next(keys))])
    chain._lock = Meanwhile(chain.get_credential)  # type: ignore[assignment]
    stop = on_event(lambda event: seen.append((event.kind, event.fingerprint)))
    try:
        chain.get_credential()
    finally:
        stop()
    assert seen == [("resolved", Secret(B).fingerprint), ("rotated", Secret(A).fingerprint)]
