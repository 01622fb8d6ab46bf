"""The rules of the cache: when a key is served, refreshed, waited for or dropped.

They are pure functions. An `Instant` is a pair (wall clock, monotonic clock) in seconds. A deadline
has passed as soon as either clock says so: a monotonic clock stops in suspend, and a wall clock may
be set back.
"""

import enum
import re
from datetime import datetime, timezone
from typing import NamedTuple

from vectorshift._platform.clock import Instant
from vectorshift.credentials.events import Kind
from vectorshift.credentials.values import Credential, same_source
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)

__all__ = [
    "Decision",
    "Overlap",
    "Policy",
    "Reported",
    "State",
    "after_refresh",
    "after_rejection",
    "after_rotation",
    "decide",
    "in_use",
    "instead_of",
    "later",
    "news",
    "overlap_after_rejection",
    "passed",
    "reread_pause",
    "until_of",
    "without_expired",
]

LONG_AGO: Instant = (float("-inf"), float("-inf"))

_LONGEST_BACKOFF = 60.0
# A sidecar or a container's credentials endpoint may start after the process: retry it soon.
_QUICK_FAILURE = 0.25
_START_UP = 15.0
_REMIND_EVERY = 300.0
_CONFIRM_AFTER = 2.0
"""Seconds between a first "not found" for a known key and the read that confirms it."""
_REMOVED_PAUSE = 5.0
_EXPIRY_MARGIN = 60.0
_JITTER = 0.1
_OVERLAP = 120.0
_SPREAD = 3.0
"""Seconds over which the processes of a fleet spread their re-reads after a revocation."""
_LONG_RUNNING = 300.0
_FREE_ROTATIONS = 16
_ROTATIONS_APART = 1.0
_PAUSES: tuple[tuple[type[CredentialError], float], ...] = (
    (CredentialNotFoundError, 30.0),
    (CredentialConfigurationError, 30.0),
    (CredentialDeniedError, 5.0),
)


class Decision(enum.Enum):
    """The decision about one look-up."""

    SERVE = "the cached credential, at once"
    REFRESH = "the cached credential, at once, while one refresh runs"
    WAIT = "the answer of a refresh"
    FAIL = "the remembered failure, at once"
    PROBE = "the remembered failure, at once, while one refresh runs"


class Policy(NamedTuple):
    """The age in seconds below which a key is fresh (`ttl`), and usable (`max_stale`)."""

    ttl: float
    max_stale: float


class Overlap(NamedTuple):
    """The previous key of a source, used while the API may not know the newest one yet.

    Args:
        previous: the key before the newest one, or None.
        until: when it ends: 120 s after the newest key was first seen, or at its own end.
        rejections: how often the server rejected the newest key, without those during a pause.
        pause_ends: until then `previous` is used; after that the newest key is tried again.
        rejected: the server rejected the newest key, and there was no previous key to use.
    """

    previous: Credential | None = None
    until: Instant = LONG_AGO
    rejections: int = 0
    pause_ends: Instant = LONG_AGO
    rejected: bool = False


class Reported(NamedTuple):
    """The last report about a source.

    Args:
        reason: the reported failure, or empty if there is none.
        remind_at: when the same failure is reported again.
    """

    reason: tuple[str, ...] = ()
    remind_at: Instant = LONG_AGO


def news(
    reported: Reported, failure: CredentialError | None, *, has_key: bool, now: Instant
) -> tuple[Reported, Kind | None]:
    """Return the new report about a source, and the event to announce, or None.

    Args:
        reported: the last report.
        failure: the error of the last read, or None if it returned a key.
        has_key: whether an older key is used while reads fail.
        now: the present moment.
    """
    if failure is None:
        return Reported(), "recovered" if reported.reason else None
    text = re.sub(r"\d+", "", failure.message)  # another number of seconds is not news
    reason = (str(has_key), type(failure).__name__, text)
    if reason == reported.reason and not passed(reported.remind_at, now):
        return reported, None
    kind: Kind = "lost"
    if has_key:
        kind = "served_stale" if reason == reported.reason else "refresh_failed"
    return Reported(reason, later(now, _REMIND_EVERY)), kind


class State(NamedTuple):
    """The state of one source.

    Args:
        credential: the newest key, or None.
        fresh_until: until then, it is served without a refresh.
        usable_until: until then, it is served while the store fails.
        failure: the error of the last read, or None if it returned a key.
        failures: failed reads in a row, without the quick ones of the first 15 s.
        failing_since: when the first of these failed reads began, or None.
        retry_at: the store is not read before this moment.
        rejected_at: when the server first rejected the key after its last read, or None.
        rejections: re-reads in a row that returned the rejected key again.
        rejected_rotations: re-reads in a row that each returned a new key, soon rejected as well.
        rotations_end: when that row is over.
        refresh_required: the next caller waits for a re-read, because the server rejected the key.
        answered: whether the source has ever returned a key.
        missing_since: when the store first answered "not found" for a key that it had, or None.
        hung: whether the last read timed out; callers do not wait for the next one.
        reported: the last report about the source.
        read_at: when the key was read.
        since: when the first key was read, or None.
        overlap: the previous key, and when it is used in place of `credential`.
    """

    credential: Credential | None = None
    fresh_until: Instant = LONG_AGO
    usable_until: Instant = LONG_AGO
    failure: CredentialError | None = None
    failures: int = 0
    failing_since: Instant | None = None
    retry_at: Instant = LONG_AGO
    rejected_at: Instant | None = None
    rejections: int = 0
    rejected_rotations: int = 0
    rotations_end: Instant = LONG_AGO
    refresh_required: bool = False
    answered: bool = False
    missing_since: Instant | None = None
    hung: bool = False
    reported: Reported = Reported()
    read_at: Instant = LONG_AGO
    since: Instant | None = None
    overlap: Overlap = Overlap()


def passed(deadline: Instant, now: Instant) -> bool:
    """Return whether either clock has reached the deadline."""
    return now[0] >= deadline[0] or now[1] >= deadline[1]


def until_of(state: State) -> datetime | None:
    """Return when the key ends if its store keeps failing, or None for never."""
    try:
        return datetime.fromtimestamp(state.usable_until[0], timezone.utc)
    except (OverflowError, ValueError):
        return None


def later(now: Instant, seconds: float) -> Instant:
    """Return the moment `seconds` from now, on both clocks."""
    return (now[0] + seconds, now[1] + seconds)


def decide(state: State, now: Instant) -> Decision:
    """Return what a caller gets at this moment."""
    if not (passed(state.fresh_until, now) or state.refresh_required):
        return Decision.SERVE
    may_contact = passed(state.retry_at, now)
    if not passed(state.usable_until, now):
        if not may_contact:
            return Decision.SERVE
        return Decision.WAIT if state.refresh_required else Decision.REFRESH
    if state.failure is not None and not may_contact:
        return Decision.FAIL
    recent = not passed(later(state.retry_at, _LONGEST_BACKOFF), now)
    return Decision.PROBE if state.hung and recent else Decision.WAIT


def after_refresh(
    state: State,
    answer: Credential | CredentialError,
    *,
    began: Instant,
    now: Instant,
    policy: Policy,
    jitter: float,
) -> State:
    """Return the state after a refresh that began at `began` returned this answer.

    Args:
        jitter: a number from 0 to 1 that spreads the reads of many processes.
    """
    if isinstance(answer, CredentialError):
        return _failed(state, answer, began=began, now=now, jitter=jitter)
    credential = answer
    fresh, usable, retry_at = policy.ttl * (1 - _JITTER * jitter), policy.max_stale, LONG_AGO
    if credential.expires_at is not None:
        left = credential.expires_at.timestamp() - now[0]
        if left <= 0:
            return _failed(state, _expired(credential), began=began, now=now, jitter=jitter)
        life = (credential.expires_at - credential.obtained_at).total_seconds()
        fresh, usable = (
            min(fresh, left - min(_EXPIRY_MARGIN, max(life, left) / 10)),
            min(usable, left),
        )
        if fresh <= 0:  # the store has no newer one yet: ask again soon, not on every call
            retry_at = later(now, min(backoff(1, jitter), left))
    found = State(
        credential=credential,
        fresh_until=later(now, min(fresh, usable)),
        usable_until=later(now, usable),
        retry_at=retry_at,
        rejected_rotations=state.rejected_rotations,
        rotations_end=state.rotations_end,
        answered=True,
        reported=state.reported,
        read_at=now,
        since=state.since or now,
        overlap=_overlap_with(state, credential, now=now),
    )
    if state.credential is None or state.rejected_at is None:
        return found
    if state.credential.secret != credential.secret:
        return _after_new_key(found, now=now, jitter=jitter)
    if began[1] < state.rejected_at[1]:  # this read began before the rejection: read again
        return found._replace(
            rejected_at=state.rejected_at,
            rejections=state.rejections,
            refresh_required=state.refresh_required,
            retry_at=state.retry_at,
        )
    pause = backoff(state.rejections + 1, jitter)
    return found._replace(rejections=state.rejections + 1, retry_at=later(now, pause))


def _after_new_key(found: State, *, now: Instant, jitter: float) -> State:
    """Return the state after a re-read that returned a new key in place of a rejected one.

    A rotation costs one read and no pause. If the server rejects one new key after the other, reads
    back off after the 16th, as they do while a store still has the rejected key.
    """
    rejected_rotations = 1 if passed(found.rotations_end, now) else found.rejected_rotations + 1
    pause = (
        backoff(rejected_rotations - _FREE_ROTATIONS, jitter)
        if rejected_rotations > _FREE_ROTATIONS
        else 0.0
    )
    retry_at = later(now, pause) if pause else found.retry_at
    return found._replace(
        rejected_rotations=rejected_rotations,
        rotations_end=later(now, pause + _ROTATIONS_APART),
        retry_at=retry_at,
    )


def _failed(
    state: State, error: CredentialError, *, began: Instant, now: Instant, jitter: float
) -> State:
    """Return the state after a refresh that failed.

    Only proof about the secret itself drops a key: the store says that it was deleted, or answers
    "not found" twice in a row. After any other failure, the API decides whether the key works.
    """
    if isinstance(error, CredentialNotFoundError) and state.answered:
        return _missing(state, error, began=began, now=now)
    gone = isinstance(error, CredentialRevokedError)
    kept = state.credential is not None and not gone and not passed(state.usable_until, now)
    since = state.failing_since or began
    starting_up = not (kept or passed(later(since, _START_UP), now))
    soon = starting_up and _is_quick(error, now[1] - began[1])
    failures = state.failures if soon else state.failures + 1
    pause = backoff(1 if soon else failures, jitter)
    if not kept:
        pause = next((seconds for kind, seconds in _PAUSES if isinstance(error, kind)), pause)
    if isinstance(error, CredentialStoreUnavailableError) and error.retry_after is not None:
        pause = min(max(pause, error.retry_after), _LONGEST_BACKOFF)
    after = _after_failure(state, error, failures=failures, since=since, retry_at=later(now, pause))
    return _dropped(after) if gone else after


def _missing(
    state: State, error: CredentialNotFoundError, *, began: Instant, now: Instant
) -> State:
    """Return the state after a store that had the key answered "not found".

    It may be a replica that lags behind. A second read confirms it, at the earliest 2 s after the
    first answer. The key is used until then; if the API rejects it, the rejection stands.
    """
    since = state.missing_since or now
    failed = _after_failure(
        state,
        _removed(error),
        failures=state.failures + 1,
        since=began,
        retry_at=later(since, _CONFIRM_AFTER),
    )
    if passed(failed.retry_at, began):
        return _dropped(failed)._replace(retry_at=later(now, _REMOVED_PAUSE))
    return failed._replace(missing_since=since, fresh_until=LONG_AGO, overlap=Overlap())


def _after_failure(
    state: State, error: CredentialError, *, failures: int, since: Instant, retry_at: Instant
) -> State:
    return state._replace(
        failure=error,
        failures=failures,
        failing_since=state.failing_since or since,
        retry_at=retry_at,
        refresh_required=False,
        rejected_at=None,
        hung=False,
    )


def _dropped(state: State) -> State:
    """Return the state without its credential."""
    return state._replace(
        credential=None,
        fresh_until=LONG_AGO,
        usable_until=LONG_AGO,
        rejections=0,
        overlap=Overlap(),
    )


def _is_quick(error: CredentialError, seconds: float) -> bool:
    """Return whether a read failed so quickly that the next one may come soon.

    A provider can allow that after a slow failure too: by a `retry_after` of at most 1 s.
    """
    return isinstance(error, CredentialStoreUnavailableError) and (
        seconds < _QUICK_FAILURE or (error.retry_after is not None and error.retry_after <= 1)
    )


def after_rejection(
    state: State, rejected: Credential, *, now: Instant, refresh_required: bool = False
) -> State:
    """Return the state after the server rejected this key. The newest key is marked as rejected,
    the previous key is dropped, and any other key changes nothing.
    """
    overlap = overlap_after_rejection(state.overlap, state.credential, rejected, now=now)
    state = state._replace(overlap=overlap)
    if state.credential is None or state.credential.secret != rejected.secret:
        return state
    return state._replace(
        rejected_at=state.rejected_at or now,
        refresh_required=refresh_required or state.refresh_required,
    )


def reread_pause(state: State, now: Instant, *, load_timeout: float, jitter: float) -> float:
    """Return how many seconds to wait before a re-read after a rejection.

    All processes of a fleet get the 401 for a revoked key in the same second, and would all read
    the store at once. Scripts and commands do not wait: only a process that has run for long may be
    one of many. There is no wait either after a backoff, or if the previous key can be used.
    """
    alone = state.since is None or not passed(later(state.since, _LONG_RUNNING), now)
    if alone or state.rejected_at is None or state.rejections or state.overlap.previous:
        return 0.0
    return min(_SPREAD, 0.3 * load_timeout) * jitter


# --- Overlap: a key can reach its store before it reaches the API. All keys here have one provider
# and source, so one organisation. ---


def in_use(newest: Credential, overlap: Overlap, now: Instant) -> Credential:
    """Return the key to use: the newest one, or the previous one during a pause that follows a
    rejection.
    """
    return newest if passed(overlap.pause_ends, now) else instead_of(newest, overlap, now)


def instead_of(newest: Credential, overlap: Overlap, now: Instant) -> Credential:
    """Return the key to use after the server rejected the newest one: the previous key, or the
    newest itself if there is no other.
    """
    if overlap.previous is None or passed(overlap.until, now):
        return newest
    return overlap.previous


def after_rotation(
    overlap: Overlap, old: Credential, new: Credential, *, usable_until: Instant, now: Instant
) -> Overlap:
    """Return the overlap after `new` replaced `old`.

    A rejected key is not used again. If `old` was rejected, the key before it stays usable, with
    its old end.

    Args:
        usable_until: when `old` ends.
    """
    overlap = without_expired(overlap, now)
    if overlap.previous is not None and overlap.rejections:
        previous, until = overlap.previous, overlap.until
    elif overlap.rejected:
        return Overlap()
    else:
        end = later(now, _OVERLAP)
        previous, until = old, (min(end[0], usable_until[0]), min(end[1], usable_until[1]))
    if previous.secret == new.secret or not same_source(previous, new) or passed(until, now):
        return Overlap()
    return Overlap(previous=previous, until=until)


def overlap_after_rejection(
    overlap: Overlap, newest: Credential | None, rejected: Credential, *, now: Instant
) -> Overlap:
    """Return the overlap after the server rejected this key, which may be any key."""
    overlap = without_expired(overlap, now)
    previous = overlap.previous
    if previous is not None and previous.secret == rejected.secret:
        return Overlap(rejected=overlap.rejections > 0)
    if newest is None or newest.secret != rejected.secret:
        return overlap
    if previous is None:
        return Overlap(rejected=True)
    if not passed(overlap.pause_ends, now):  # it was sent before the pause began
        return overlap
    rejections = overlap.rejections + 1
    return overlap._replace(rejections=rejections, pause_ends=later(now, backoff(rejections, 0.0)))


def without_expired(overlap: Overlap, now: Instant) -> Overlap:
    """Return the overlap, without the previous key if its time is over."""
    if overlap.previous is None or not passed(overlap.until, now):
        return overlap
    return overlap._replace(previous=None, pause_ends=LONG_AGO)


def _overlap_with(state: State, found: Credential, *, now: Instant) -> Overlap:
    old, until = state.credential, state.usable_until
    if old is None or old.secret == found.secret:
        return without_expired(state.overlap, now)
    return after_rotation(state.overlap, old, found, usable_until=until, now=now)


def backoff(failures: int, jitter: float) -> float:
    """Return the pause in seconds after this many failures in a row: 1 s doubling to 60 s, less up
    to a tenth.
    """
    return float(min(2.0 ** min(failures - 1, 6), _LONGEST_BACKOFF) * (1 - _JITTER * jitter))


def _expired(credential: Credential) -> CredentialRevokedError:
    return CredentialRevokedError(
        f"{credential} had expired when it was read. Write a valid key there.",
        source=credential.source,
        provider=credential.provider,
    )


def _removed(error: CredentialNotFoundError) -> CredentialNotFoundError:
    return CredentialNotFoundError(
        f"{error.message} It held a key before: the key was removed, or a replica lags behind. "
        "Put a key back, or remove the source from the settings and restart.",
        source=error.source,
        provider=error.provider,
        had_key=True,
    )
