"""The scenario vectors: each file tells a story of one source, and both shells have to tell it
alike.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from vectorshift import errors
from vectorshift.cache.policy import (
    LONG_AGO,
    Decision,
    Overlap,
    Policy,
    Reported,
    State,
    after_refresh,
    after_rejection,
    after_rotation,
    backoff,
    decide,
    instead_of,
    later,
    news,
    overlap_after_rejection,
    passed,
    reread_pause,
    until_of,
    without_expired,
)
from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials import Credential
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import LookupRequest, Result
from vectorshift.testing import ManualClock

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.json"))

FAILURES: dict[str, type[errors.CredentialError]] = {
    "not found": errors.CredentialNotFoundError,
    "configuration": errors.CredentialConfigurationError,
    "denied": errors.CredentialDeniedError,
    "revoked": errors.CredentialRevokedError,
    "unavailable": errors.CredentialStoreUnavailableError,
}
KNOWN = {"it", "ttl", "max_stale", "own_ttl", "jitter", "steps"}
KNOWN_IN_STEP = {
    "after",
    "suspended",
    "wall",
    "store",
    "takes",
    "fork",
    "invalidate",
    "refused",
    "gets",
    "contacts",
    "pauses",
}


@dataclass
class Store(CredentialProvider):
    """A source whose answer the scenario sets, and that counts how often it is contacted."""

    clock: ManualClock
    ttl: float | None = None
    says: Any = "not found"
    takes: float = 0
    contacts: int = field(default=0)

    def get_credential(self) -> Credential:
        self.contacts += 1
        self.clock.advance(self.takes)
        says = self.says
        if isinstance(says, str):
            if says in FAILURES:
                raise FAILURES[says](says)
            return Credential(secret=says, source="store:x", provider="store")
        if "unavailable_for" in says:
            raise errors.CredentialStoreUnavailableError(
                "busy", retry_after=says["unavailable_for"]
            )
        ends = datetime.fromtimestamp(self.clock.time() + says["expires_in"], timezone.utc)
        life = timedelta(seconds=says.get("life", says["expires_in"]))
        return Credential(
            secret=says["key"],
            source="store:x",
            provider="store",
            obtained_at=ends - life,
            expires_at=ends,
        )


def key(text: str) -> Credential:
    return Credential(secret=text, source="store:x", provider="store")


def answer_of(provider: CachingProvider, step: dict[str, Any], *, style: str) -> Result:
    if "refused" in step:
        ask = LookupRequest(rejected=key(step["refused"]))
        return provider.resolve(ask) if style == "sync" else asyncio.run(provider.aresolve(ask))
    try:
        return (
            provider.get_credential()
            if style == "sync"
            else asyncio.run(provider.aget_credential())
        )
    except errors.CredentialError as error:
        return error


def settle_down(provider: CachingProvider) -> None:
    for load in list(provider._refreshes):
        assert load.task.wait(5)


def name_of(answer: Result) -> str:
    if isinstance(answer, Credential):
        return answer.secret.reveal()
    return next(name for name, kind in FAILURES.items() if type(answer) is kind)


@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path, style: str) -> None:
    story = json.loads(path.read_text())
    assert set(story) <= KNOWN
    clock = ManualClock()
    store = Store(clock, ttl=story.get("own_ttl"))
    provider = CachingProvider(
        store,
        ttl=story.get("ttl", 300),
        max_stale=story.get("max_stale", 86_400),
        clock=clock,
        random=lambda: story.get("jitter", 0.0),
    )
    had_key = False
    for number, step in enumerate(story["steps"], 1):
        assert set(step) <= KNOWN_IN_STEP
        clock.advance(step.get("after", 0))
        clock.advance(step.get("suspended", 0), suspended=True)
        clock.set_wall(clock.time() + step.get("wall", 0))
        store.says = step.get("store", store.says)
        store.takes = step.get("takes", store.takes)
        if "fork" in step:
            provider._after_fork()
        if "invalidate" in step:
            provider.invalidate(key(step["invalidate"]))
        if "gets" not in step:
            continue
        before = store.contacts
        answer = answer_of(provider, step, style=style)
        got, had_key = name_of(answer), had_key or isinstance(answer, Credential)
        if isinstance(answer, errors.CredentialNotFoundError):
            assert answer.had_key is had_key, "a key that was removed lets no other source answer"
        settle_down(provider)
        assert (got, store.contacts - before) == (
            step["gets"],
            step["contacts"],
        ), f"step {number} of: {story['it']}"
        if "pauses" in step:
            assert provider._newest is not None
            assert provider._newest.pause == pytest.approx(step["pauses"])


def test_there_are_enough_scenarios() -> None:
    assert len(SCENARIOS) >= 40
    assert len({json.loads(path.read_text())["it"] for path in SCENARIOS}) == len(SCENARIOS)


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_a_read_from_before_a_refusal_is_told_by_the_clock_that_is_never_set_back() -> None:
    held = Credential(secret=A, source="x", provider="y")
    state = State(credential=held, rejected_at=(100.0, 10.0))
    after = after_refresh(
        state,
        held,
        began=(200.0, 5.0),
        now=(101.0, 11.0),
        policy=Policy(ttl=1, max_stale=2),
        jitter=0,
    )
    assert after.rejected_at == (100.0, 10.0)


NOW = (1_000.0, 50.0)
OLD, NEW = key("vs-old"), key("vs-new")
NEVER = (float("inf"), float("inf"))
LONG_RUNNING = State(credential=OLD, since=LONG_AGO, rejected_at=NOW)
DURING = Overlap(previous=OLD, until=NEVER)
DOWN = errors.CredentialStoreUnavailableError("down")
HUNG = State(failure=DOWN, hung=True, retry_at=NOW)


def loaded(answer: Result, state: State | None = None, *, took: float = 0.0) -> State:
    """Return the state after a load that ends now."""
    policy, began = Policy(ttl=300, max_stale=86_400), (NOW[0] - took, NOW[1] - took)
    return after_refresh(state or State(), answer, began=began, now=NOW, policy=policy, jitter=0.0)


def ending(in_seconds: float) -> Credential:
    """Return a key that was made long ago."""
    end = datetime.fromtimestamp(NOW[0] + in_seconds, timezone.utc)
    return replace(OLD, obtained_at=end - timedelta(days=1), expires_at=end)


def limits() -> dict[str, tuple[object, object]]:
    """Return what each rule gives at a limit, and what it should."""
    return {
        "either clock reaches a deadline": (passed((2_000.0, 50.0), NOW), True),
        "a usable key ends by the wall clock": (
            until_of(State(usable_until=NOW)),
            datetime.fromtimestamp(1_000, timezone.utc),
        ),
        "a usable key that never ends": (until_of(State(usable_until=NEVER)), None),
        "a usable key that ends beyond all dates": (until_of(State(usable_until=(1e12, 0))), None),
        "a fresh key": (decide(State(fresh_until=NEVER), NOW), Decision.SERVE),
        "a stale key before its next read": (
            decide(State(usable_until=NEVER, retry_at=NEVER), NOW),
            Decision.SERVE,
        ),
        "after a load that hung, one tries again for all": (decide(HUNG, NOW), Decision.PROBE),
        "but a minute later each waits": (
            decide(HUNG, later(NOW, 60.0)),
            Decision.WAIT,
        ),
        "a key that ends now has ended": (loaded(ending(0)).credential, None),
        "a key that ends in half a second": (loaded(ending(0.5)).credential, ending(0.5)),
        "at the margin it is read again soon": (loaded(ending(60)).retry_at, later(NOW, 1.0)),
        "before the margin it is just fresh": (loaded(ending(60.5)).retry_at, LONG_AGO),
        "the first read counts": (loaded(OLD, State(since=LONG_AGO)).since, LONG_AGO),
        "a source that gave a key has answered": (loaded(OLD).answered, True),
        "a failure begins with its read": (loaded(DOWN, took=2).failing_since, later(NOW, -2.0)),
        "a row of failures began with its first": (
            loaded(DOWN, State(failing_since=LONG_AGO)).failing_since,
            LONG_AGO,
        ),
        "a missing key is a failure": (
            loaded(errors.CredentialNotFoundError("x"), State(answered=True, failures=3)).failures,
            4,
        ),
        "a revoked key takes its refusals along": (
            loaded(errors.CredentialRevokedError("x"), State(rejections=2)).rejections,
            0,
        ),
        "a quick denial is no start of a store": (
            loaded(errors.CredentialDeniedError("x")).failures,
            1,
        ),
        "a store that starts asks for a second": (
            loaded(errors.CredentialStoreUnavailableError("x", retry_after=1), took=1).failures,
            0,
        ),
        "a store that asks for more is down": (
            loaded(errors.CredentialStoreUnavailableError("x", retry_after=1.5), took=1).failures,
            1,
        ),
        "re-reads are spread over 3 s": (
            reread_pause(LONG_RUNNING, NOW, load_timeout=20, jitter=1.0),
            3.0,
        ),
        "and over less than a third of the patience": (
            reread_pause(LONG_RUNNING, NOW, load_timeout=5, jitter=0.5),
            0.75,
        ),
        "a key that nobody refused": (
            reread_pause(LONG_RUNNING._replace(rejected_at=None), NOW, load_timeout=20, jitter=1.0),
            0.0,
        ),
        "a refused key is not read at once": (
            after_rejection(State(credential=OLD), OLD, now=NOW).refresh_required,
            False,
        ),
        "a key that was to be read is read, though it is refused again": (
            after_rejection(
                State(credential=OLD, rejected_at=LONG_AGO),
                OLD,
                now=NOW,
                refresh_required=True,
            ),
            State(
                credential=OLD,
                rejected_at=LONG_AGO,
                refresh_required=True,
                overlap=Overlap(rejected=True),
            ),
        ),
        "the key before, when its time is over": (
            instead_of(NEW, Overlap(previous=OLD, until=NOW), NOW),
            NEW,
        ),
        "the key before is dropped when its time is over": (
            without_expired(DURING._replace(until=NOW, pause_ends=NEVER, rejections=2), NOW),
            Overlap(until=NOW, rejections=2),
        ),
        "the key before ends by both clocks": (
            after_rotation(
                Overlap(), OLD, NEW, usable_until=(NOW[0] + 9, NOW[1] + 7), now=NOW
            ).until,
            (NOW[0] + 9, NOW[1] + 7),
        ),
        "the key before is refused, the newest was not": (
            overlap_after_rejection(DURING, NEW, OLD, now=NOW),
            Overlap(rejected=False),
        ),
        "the key before is refused, as the newest was": (
            overlap_after_rejection(DURING._replace(rejections=1), NEW, OLD, now=NOW),
            Overlap(rejected=True),
        ),
        "the newest rests for a second": (
            overlap_after_rejection(DURING, NEW, NEW, now=NOW).pause_ends,
            later(NOW, 1.0),
        ),
        "pauses double": (
            [backoff(n, 0.0) for n in (1, 2, 6, 7, 99)],
            [1.0, 2.0, 32.0, 60.0, 60.0],
        ),
        "the jitter takes a tenth of a pause": (backoff(1, 1.0), 0.9),
        "nothing was lost, so nothing came back": (
            news(Reported(), None, has_key=True, now=NOW)[1],
            None,
        ),
        "a source that was lost came back": (
            news(Reported(("down",)), None, has_key=True, now=NOW),
            (Reported(), "recovered"),
        ),
    }


@pytest.mark.parametrize("name", list(limits()))
def test_each_rule_holds_at_its_limit(name: str) -> None:
    is_so, should_be = limits()[name]
    assert is_so == should_be
