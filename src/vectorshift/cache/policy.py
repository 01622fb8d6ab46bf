"""When a cached credential is served, refreshed, waited for or given up: pure functions of state
and time.

Every moment is a pair (wall clock, monotonic clock) in seconds, and a deadline has passed as soon
as either clock says so: a monotonic clock stands still in suspend, a wall clock may be set back.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)

if TYPE_CHECKING:
    from vectorshift.credentials.values import Credential

__all__ = ["Moment", "Policy", "State", "Verdict", "decide", "landed", "later", "passed", "refused"]

Moment = tuple[float, float]
LONG_AGO: Moment = (float("-inf"), float("-inf"))

_LONGEST_BACKOFF = 60.0
_REMIND_EVERY = 300.0
_EXPIRY_MARGIN = 60.0
_JITTER = 0.1
_FREE_TURNS = 16
_TURNS_APART = 1.0
_PAUSES: tuple[tuple[type[CredentialError], float], ...] = (
    (CredentialNotFoundError, 30.0),
    (CredentialConfigurationError, 30.0),
    (CredentialDeniedError, 5.0),
)


class Verdict(enum.Enum):
    """What a caller gets."""

    SERVE = "the cached credential, at once"
    REFRESH = "the cached credential, at once, while one refresh runs"
    WAIT = "the answer of a load"
    FAIL = "the remembered failure, at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long an answer counts, in seconds: fresh below `ttl`, usable below `max_stale`."""

    ttl: float
    max_stale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of one source.

    Args:
        credential: the newest answer, or None.
        fresh_until: until when it is served without a refresh.
        usable_until: until when it is served at all.
        failure: what came of the last contact, or None if that was a credential.
        failures: failed contacts in a row.
        retry_at: no contact with the store before that.
        refused_at: when the server first refused the credential after it was last read, or None.
        refusals: re-reads in a row that brought a refused key again.
        turns: re-reads in a row that brought another key each, which was soon refused as well.
        turns_end: when the row of those has ended.
        owed: the next caller waits for a re-read, as the server refused the credential.
        answered: whether the source has ever given a credential.
        remind_at: when it is next told that a stale credential is in use.
    """

    credential: Credential | None = None
    fresh_until: Moment = LONG_AGO
    usable_until: Moment = LONG_AGO
    failure: CredentialError | None = None
    failures: int = 0
    retry_at: Moment = LONG_AGO
    refused_at: Moment | None = None
    refusals: int = 0
    turns: int = 0
    turns_end: Moment = LONG_AGO
    owed: bool = False
    answered: bool = False
    remind_at: Moment = LONG_AGO


def passed(deadline: Moment, now: Moment) -> bool:
    """Return whether either clock has reached the deadline."""
    return now[0] >= deadline[0] or now[1] >= deadline[1]


def later(now: Moment, seconds: float) -> Moment:
    """Return the moment `seconds` from now, on both clocks."""
    return (now[0] + seconds, now[1] + seconds)


def decide(state: State, now: Moment) -> Verdict:
    """Say what a caller gets who asks now."""
    if not (state.owed or passed(state.fresh_until, now)):
        return Verdict.SERVE
    may_contact = passed(state.retry_at, now)
    if not passed(state.usable_until, now):
        if not may_contact:
            return Verdict.SERVE
        return Verdict.WAIT if state.owed else Verdict.REFRESH
    if state.failure is not None and not may_contact:
        return Verdict.FAIL
    return Verdict.WAIT


def landed(
    state: State,
    answer: Credential | CredentialError,
    *,
    began: Moment,
    now: Moment,
    policy: Policy,
    dice: float,
) -> State:
    """Return the state after a load that began at `began` brought this answer.

    Args:
        dice: a number from 0 to 1 that spreads the contacts of many processes.
    """
    if isinstance(answer, CredentialError):
        return _failed(state, answer, now=now, dice=dice)
    credential = answer
    fresh, usable, retry_at = policy.ttl * (1 - _JITTER * dice), policy.max_stale, LONG_AGO
    if credential.expires_at is not None:
        left = credential.expires_at.timestamp() - now[0]
        if left <= 0:
            return _failed(state, _expired(credential), now=now, dice=dice)
        life = (credential.expires_at - credential.obtained_at).total_seconds()
        fresh, usable = (
            min(fresh, left - min(_EXPIRY_MARGIN, max(life, left) / 10)),
            min(usable, left),
        )
        if fresh <= 0:  # the store has no newer one yet: ask again soon, not on every call
            retry_at = later(now, min(backoff(1, dice), left))
    found = State(
        credential=credential,
        fresh_until=later(now, min(fresh, usable)),
        usable_until=later(now, usable),
        retry_at=retry_at,
        turns=state.turns,
        turns_end=state.turns_end,
        answered=True,
    )
    if state.credential is None or state.refused_at is None:
        return found
    if state.credential.secret != credential.secret:
        return _turned(found, now=now, dice=dice)
    if began[1] < state.refused_at[1]:  # read before the refusal: that is not answered yet
        return replace(
            found,
            refused_at=state.refused_at,
            refusals=state.refusals,
            owed=state.owed,
            retry_at=state.retry_at,
        )
    pause = backoff(state.refusals + 1, dice)
    return replace(found, refusals=state.refusals + 1, retry_at=later(now, pause))


def _turned(found: State, *, now: Moment, dice: float) -> State:
    """Return the state after a re-read that brought another key in place of a refused one.

    A rotation costs one read and no pause. A store that gives another key each time, and none that
    the server takes, is read again like one that still holds the refused key, once that has
    happened more often than keys are rotated.
    """
    turns = 1 if passed(found.turns_end, now) else found.turns + 1
    pause = backoff(turns - _FREE_TURNS, dice) if turns > _FREE_TURNS else 0.0
    retry_at = later(now, pause) if pause else found.retry_at
    return replace(
        found, turns=turns, turns_end=later(now, pause + _TURNS_APART), retry_at=retry_at
    )


def _failed(state: State, error: CredentialError, *, now: Moment, dice: float) -> State:
    """Return the state after a load that failed.

    Only proof about the secret itself drops a credential: the store says that it is gone, or a
    store that had it now finds nothing. Whether the key still works, when it is only us who cannot
    read it, is for the API to say.
    """
    if isinstance(error, CredentialNotFoundError) and state.answered:
        error = _vanished(error)
    gone = isinstance(error, CredentialRevokedError)
    kept = state.credential is not None and not gone and not passed(state.usable_until, now)
    pause = backoff(state.failures + 1, dice)
    if not kept:
        pause = next((seconds for kind, seconds in _PAUSES if isinstance(error, kind)), pause)
    if isinstance(error, CredentialStoreUnavailableError) and error.retry_after is not None:
        pause = min(max(pause, error.retry_after), _LONGEST_BACKOFF)
    after = replace(
        state,
        failure=error,
        failures=state.failures + 1,
        retry_at=later(now, pause),
        owed=False,
        refused_at=None,
    )
    if gone:
        return replace(
            after, credential=None, fresh_until=LONG_AGO, usable_until=LONG_AGO, refusals=0
        )
    if kept and passed(state.remind_at, now):
        return replace(after, remind_at=later(now, _REMIND_EVERY))
    return after


def refused(state: State, rejected: Credential, *, now: Moment, owed: bool = False) -> State:
    """Return the state after the server refused `rejected`: marked if that is what is cached, else
    unchanged.
    """
    if state.credential is None or state.credential.secret != rejected.secret:
        return state
    if state.refused_at is not None and state.owed >= owed:  # it is marked already
        return state
    return replace(state, refused_at=state.refused_at or now, owed=owed or state.owed)


def backoff(failures: int, dice: float) -> float:
    """Return the pause in seconds after so many failures in a row: 1 s doubling to 60 s, less up to
    a tenth.
    """
    return float(min(2.0 ** min(failures - 1, 6), _LONGEST_BACKOFF) * (1 - _JITTER * dice))


def _expired(credential: Credential) -> CredentialRevokedError:
    return CredentialRevokedError(
        f"{credential} had expired when it was read. Write a key that is still valid there.",
        source=credential.source,
        provider=credential.provider,
    )


def _vanished(error: CredentialNotFoundError) -> CredentialRevokedError:
    return CredentialRevokedError(
        f"{error.message} It held a key before, so the key was removed. "
        "Put a key back, or take the source out of the settings and restart.",
        source=error.source,
        provider=error.provider,
    )
