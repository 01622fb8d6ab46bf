"""The scenario vectors: each file tells a story of one source, and both shells have to tell it
alike.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from vectorshift.cache.policy import Policy, State, after_refresh
from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials import Credential
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import LookupRequest, Result
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)
from vectorshift.testing import ManualClock

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.json"))

FAILURES: dict[str, type[CredentialError]] = {
    "not found": CredentialNotFoundError,
    "configuration": CredentialConfigurationError,
    "denied": CredentialDeniedError,
    "revoked": CredentialRevokedError,
    "unavailable": CredentialStoreUnavailableError,
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
            raise CredentialStoreUnavailableError("busy", retry_after=says["unavailable_for"])
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
    except CredentialError as error:
        return error


def settle_down(provider: CachingProvider) -> None:
    for load in list(provider._loads):
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
        if isinstance(answer, CredentialNotFoundError):
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
