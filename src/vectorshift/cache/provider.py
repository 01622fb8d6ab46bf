"""`CachingProvider`: keeps the key of a remote source fresh, with one refresh at a time."""

from __future__ import annotations

import contextlib
import random as _random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from vectorshift._platform.background import BackgroundTask
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock, Instant, elapsed
from vectorshift._platform.forks import renew_after_fork
from vectorshift.cache.policy import (
    Decision,
    Policy,
    State,
    after_refresh,
    after_rejection,
    decide,
    in_use,
    instead_of,
    later,
    news,
    passed,
    reread_pause,
    until_of,
    without_expired,
)
from vectorshift.cache.refresh import (
    MAX_REFRESHES,
    Refresh,
    end,
    entered,
    is_inside,
    settles,
    start,
    were_cut_off,
)
from vectorshift.credentials.adapter import PolicyOfTheWrapped, adapt, flaw_of_ttl
from vectorshift.credentials.events import CredentialEvent, Kind, announce, announce_rejected
from vectorshift.credentials.guard import no_thread
from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.resolving import (
    NOT_ASKED,
    STORE_FAILED,
    BaseProvider,
    LookupRequest,
    Result,
)
from vectorshift.credentials.usage import HeldKey, Refreshed, usage
from vectorshift.credentials.values import Credential, Secret, kind_of, masked
from vectorshift.errors import (
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["DEFAULT_LOAD_TIMEOUT", "CachingProvider"]

DEFAULT_TTL: Final = 300.0
DEFAULT_MAX_STALE: Final = 86_400.0
DEFAULT_LOAD_TIMEOUT: Final = 10.0

_MORE_TIME = "Check the store, or allow more time with load_timeout (VECTORSHIFT_LOAD_TIMEOUT)."
_FORKED = (
    " This process was forked while a thread of its parent read a key. If reads hang here, call "
    "vectorshift.warm_up() before threads start and processes fork."
)


class CachingProvider(BaseProvider):
    """Wrap a provider and keep its key fresh.

    A fresh key is served at once. A stale one is served at once while one background refresh runs.
    With no key, all callers wait for one refresh. If the store fails, the last key stays in use for
    `max_stale`, unless the store says that the secret is gone. Thread-safe, loop-safe (asyncio and
    trio) and fork-safe. Wrapping a `CachingProvider` again keeps its numbers. Code that asks from
    inside a refresh, such as a log handler, gets the cached key.

    Args:
        provider: the provider to ask.
        ttl: seconds for which a key is fresh, less up to 10 %; the provider's own `ttl` comes
            first.
        max_stale: seconds for which a key is usable while the store fails.
        load_timeout: seconds that a caller waits for a refresh.
        clock: the source of time.
        random: gives numbers from 0 to 1, for the jitter.

    Raises:
        TypeError: `provider` is not a provider.
        ValueError: `ttl`, or that of the provider, is not a number of seconds; `on_error` or
            `on_missing` of the provider is neither `stop` nor `continue`.
    """

    remote = False
    on_error: Any = PolicyOfTheWrapped()
    on_missing: Any = PolicyOfTheWrapped()

    def __init__(
        self,
        provider: CredentialProvider,
        *,
        ttl: float = DEFAULT_TTL,
        max_stale: float = DEFAULT_MAX_STALE,
        load_timeout: float = DEFAULT_LOAD_TIMEOUT,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = _random.random,
    ) -> None:
        provider = masked(provider, CredentialProvider)
        if not isinstance(cast("object", provider), CredentialProvider):
            what = "str" if isinstance(cast("object", provider), Secret) else kind_of(provider)
            raise TypeError(
                f"CachingProvider takes a provider, not {what}. For a key in code, use "
                "ExplicitProvider(key)."
            )
        inner = provider.provider if isinstance(provider, CachingProvider) else adapt(provider)
        self.provider: BaseProvider = inner
        self.name = inner.name
        ttl = ttl if inner.ttl is None else inner.ttl
        if flaw := flaw_of_ttl(ttl):
            raise ValueError(f"{self.name}: {flaw}")
        self._policy, self.load_timeout = Policy(ttl=ttl, max_stale=max_stale), load_timeout
        if isinstance(provider, CachingProvider):  # a chain that wraps it has only its defaults
            self._policy, self.load_timeout = provider._policy, provider.load_timeout
            self.on_error, self.on_missing = provider.on_error, provider.on_missing
        self._events: deque[CredentialEvent] = deque()
        self._ending = ("", 15)
        self._wall, self._monotonic, self._random = clock.time, clock.monotonic, random
        self._state = State()
        usage.look_at(self)
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may ask for the key
        self._refreshes: list[Refresh] = []
        self._newest: Refresh | None = None

    def describe(self) -> Description:
        """Describe the wrapped provider. A remote one is described as a store in any case."""
        found = self.provider.describe()
        return replace(found, locator=True) if self.provider.remote and not found.locator else found

    def winner_warning(self, below: list[str]) -> str | None:
        """Return the warning of the wrapped provider."""
        return self.provider.winner_warning(below)

    def invalidate(self, rejected: Credential) -> None:
        """Mark the cached key as rejected by the server; the next caller waits for a re-read. Does
        no I/O.

        If another key is cached, nothing changes: a late rejection of an old key drops no new one.
        """
        self._mark(rejected, refresh_required=True)

    def held(self) -> list[HeldKey]:
        """Return the cached key, and the previous one while it may be used."""
        state, now = self._state, self._now()
        age = elapsed(state.read_at, now)
        keys = (state.credential, state.overlap.previous)
        is_stale = state.failure is not None
        return [HeldKey(credential=each, age=age, is_stale=is_stale) for each in keys if each]

    def close(self) -> None:
        """Close the wrapped provider."""
        self.provider.close()

    async def aclose(self) -> None:
        """Close the wrapped provider."""
        await self.provider.aclose()

    # --- Answers: from the cache, or by `_steps`, which `resolve` and `aresolve` drive ---

    def get_cached(self) -> Result | None:
        """Return the cached answer, and start a refresh if one is due; None if the caller must
        wait for a refresh.
        """
        state = self._state
        now = wall, monotonic = self._wall(), self._monotonic()
        fresh_until = state.fresh_until
        if (  # as in `decide`, but without a call: every request comes here
            wall < fresh_until[0]
            and monotonic < fresh_until[1]
            and not state.refresh_required
            and state.overlap.previous is None
        ):
            return state.credential
        decision = decide(state, now)
        if decision is Decision.SERVE:
            return self._in_use()
        if decision is Decision.FAIL:
            return state.failure
        if decision is Decision.WAIT:
            return None
        served = state.failure if decision is Decision.PROBE else self._in_use()
        with self._lock:  # another thread may have refreshed it meanwhile
            now = self._now()
            self._give_up(now)
            behind = decide(self._state, now) in (Decision.REFRESH, Decision.PROBE)
            refresh = self._join_or_start(now) if behind else None
        if isinstance(refresh, Refresh):
            self._start(refresh)
        self._announce_all()
        return served

    def _in_use(self) -> Credential | None:
        """Return the key to use, without a read; drop the previous key if its time is over."""
        with self._lock:
            state, now = self._state, self._now()
            overlap = without_expired(state.overlap, now)
            if overlap is not state.overlap:
                self._state = state._replace(overlap=overlap)
        credential = state.credential
        return None if credential is None else in_use(credential, overlap, now)

    def is_previous(self, credential: Credential) -> bool:
        """Return whether this is the key before the newest one."""
        return credential is self._state.overlap.previous

    def resolve(self, request: LookupRequest) -> Result:
        """Return a key or an error; block for a refresh if one is needed."""
        if request.local:
            return self._known_locally()
        steps = self._steps(request)
        try:
            while True:
                task, seconds = next(steps)
                task.wait(seconds)
        except StopIteration as end:
            answer: Result = end.value
            return answer

    def _known_locally(self) -> Result:
        """Return the cached answer, and start no refresh."""
        state = self._state
        decision = decide(state, (self._wall(), self._monotonic()))
        if decision is Decision.FAIL and state.failure is not None:
            empty = isinstance(state.failure, CredentialNotFoundError) and not state.failure.had_key
            return state.failure if empty else STORE_FAILED
        return (None if decision is Decision.WAIT else self._in_use()) or NOT_ASKED

    async def aresolve(self, request: LookupRequest) -> Result:
        """Return a key or an error; wait for a refresh if one is needed."""
        steps = self._steps(request)
        try:
            while True:
                task, seconds = next(steps)
                await task.wait_async(seconds)
        except StopIteration as end:
            answer: Result = end.value
            return answer

    def _steps(
        self, request: LookupRequest
    ) -> Generator[tuple[BackgroundTask[None], float], None, Result]:
        """Yield each read that this caller must wait for, and for how many seconds at most; return
        its answer.
        """
        asked = self._now()
        if request.rejected is not None:
            self._mark(request.rejected)
        elif not request.bypass_cache and (answer := self.get_cached()) is not None:
            return answer
        if is_inside(self._refreshes):
            return self._inside_refresh()
        known = request.rejected
        if request.forced and (known := self._state.credential) is not None:
            self.provider.invalidate(known)  # the provider or its agent may cache as well
        patience = request.time_left()
        while True:
            step = self._next_step(request)
            self._announce_all()
            if not isinstance(step, Refresh):
                return step
            if not self._start(step):
                return self._for_caller(self._state.failure or no_thread(self), request)
            began = time.monotonic()
            left = step.began[1] + self.load_timeout - self._monotonic()
            yield step.task, max(0.0, min(left, request.time_left()))
            if step.answer is None:
                with self._lock:
                    step.given_up = step.given_up or self._was_stopped(began)
                    self._give_up(self._now())
                self._announce_all()
                return self._for_caller(self._too_slow(patience), request)
            if settles(step, known, request, asked):
                return self._for_caller(step.answer, request)

    def _next_step(self, request: LookupRequest) -> Result | Refresh:
        """Return an answer that is ready, or the refresh to wait for: a running or a new one."""
        with self._lock:
            now = self._now()
            self._give_up(now)
            state = self._state
            credential = state.credential
            if (
                request.rejected is not None
                and credential is not None
                and credential.secret == request.rejected.secret
            ):
                if passed(state.retry_at, now) or self._joinable(now):
                    return self._join_or_start(now)
                return self._after_rejection(state.failure or credential, request.rejected)
            decision = decide(state, now)
            may_read = request.forced or (request.bypass_cache and passed(state.retry_at, now))
            if decision is Decision.WAIT or may_read:
                return self._join_or_start(now)
            failed = decision in (Decision.FAIL, Decision.PROBE)
            answer = state.failure if failed else self._in_use()
            assert answer is not None
            return answer

    def _for_caller(self, answer: Result, request: LookupRequest) -> Result:
        """Return the answer for this caller: instead of a failure, the old key if it is usable."""
        if request.rejected is not None:
            return self._after_rejection(answer, request.rejected)
        with self._lock:
            newest, kept = self._state.credential, self._usable()
        is_final = answer is not newest if isinstance(answer, Credential) else request.forced
        return answer if is_final or kept is None else kept

    def _usable(self) -> Credential | None:
        """Return the key to use while the store fails, or None."""
        kept = self._in_use()
        return None if passed(self._state.usable_until, self._now()) else kept

    def _after_rejection(self, answer: Result, rejected: Credential) -> Result:
        """Return the answer for a request with a rejected key: a newer key, or the previous one."""
        if isinstance(answer, Credential) and answer.secret != rejected.secret:
            return answer
        state = self._state
        if state.credential is None or state.credential.secret != rejected.secret:
            return answer
        before = instead_of(rejected, state.overlap, self._now())
        return answer if before is rejected else before

    def _inside_refresh(self) -> Result:
        """Return the answer for code that runs in the refresh itself."""
        return self._usable() or self._unavailable(
            "was asked for its key from inside its own read, perhaps by a log handler. Such code "
            "gets the cached key, and none is cached."
        )

    def _mark(self, rejected: Credential, *, refresh_required: bool = False) -> None:
        with self._lock:
            before = self._state
            after = self._state = after_rejection(
                before, rejected, now=self._now(), refresh_required=refresh_required
            )
        if after == before:
            return
        newest, previous = before.credential, after.overlap.previous
        is_news = False
        if newest is not None and newest.secret == rejected.secret:
            self.provider.invalidate(rejected)
            is_news = before.rejected_at is None and not (
                before.rejections or before.overlap.rejections
            )
        if is_news or before.overlap.rejections > after.overlap.rejections:
            announce_rejected(rejected, previous=previous)

    # --- Refreshes: one at a time, and a second one if the first hangs ---

    def known(self) -> tuple[State, Instant]:
        """Return the state of the source, without a read, and the present moment."""
        with self._lock:
            now = self._now()
            self._give_up(now)
        self._announce_all()
        return self._state, now

    def _now(self) -> Instant:
        return (self._wall(), self._monotonic())

    def _joinable(self, now: Instant) -> bool:
        """Return whether to wait for the newest refresh; older ones may hang for ever."""
        return bool(self._refreshes) and not self._is_overdue(self._refreshes[-1], now)

    def _is_overdue(self, refresh: Refresh, now: Instant) -> bool:
        # Slightly less than a caller waits, so that it is overdue when the wait ends.
        return passed(later(refresh.began, 0.98 * self.load_timeout), now)

    def _give_up(self, now: Instant) -> None:
        """Count a refresh that hangs as a failed read, once. The lock is held."""
        refresh = self._newest
        if refresh is None or refresh.given_up or refresh not in self._refreshes:
            return
        if self._is_overdue(refresh, now):
            refresh.given_up = True
            self._record(self._no_answer(f"{self.load_timeout:g} s"), refresh.began)
            self._state = self._state._replace(hung=True)

    def _join_or_start(self, now: Instant) -> Refresh | CredentialStoreUnavailableError:
        if self._joinable(now):
            return self._refreshes[-1]
        if len(self._refreshes) >= MAX_REFRESHES:
            flaw = self._unavailable(
                f"has not answered {MAX_REFRESHES} reads, which still run. The next read starts "
                "when one of them ends. Give the provider a time limit, or restart the process."
            )
            self._record(flaw, now)
            return flaw
        timeout, jitter = self.load_timeout, self._random()
        pause = reread_pause(self._state, now, load_timeout=timeout, jitter=jitter)
        refresh = Refresh(now, pause=pause)
        refresh.task = BackgroundTask(lambda: self._run(refresh))
        self._refreshes.append(refresh)
        self._newest = refresh
        self._state = self._state._replace(refresh_required=False)
        return refresh

    def _start(self, refresh: Refresh) -> bool:
        """Start the refresh, without the lock; return False if no thread is available."""
        if start(refresh):
            return True
        with self._lock:
            self._refreshes = [other for other in self._refreshes if other is not refresh]
            self._record(no_thread(self), refresh.began)
        self._announce_all()
        return False

    def _run(self, refresh: Refresh) -> None:
        """Read the store and keep the answer, unless a newer refresh began. Runs in a thread."""
        entered(refresh)
        began = time.monotonic()
        try:
            # The read ends before its waiters time out.
            until = began + 0.95 * self.load_timeout
            if refresh.pause:
                time.sleep(refresh.pause)
            self._store_result(refresh, self.provider.resolve(LookupRequest(deadline=until)), began)
        except BaseException as error:  # also if the answer is not a `Result`
            self._store_result(refresh, self.provider.unmapped(error), began)
        finally:
            end(refresh)

    def _was_stopped(self, began: float) -> bool:
        """Return whether the process, not the store, caused the delay: it was stopped."""
        return time.monotonic() - began > 2 * self.load_timeout

    def _store_result(self, refresh: Refresh, answer: Result, began: float) -> None:
        with self._lock:
            refresh.counts = refresh is self._newest
            if refresh in self._refreshes:
                self._refreshes.remove(refresh)
            seconds = max(0.0, self._monotonic() - refresh.began[1] - refresh.pause)
            is_over = refresh.given_up or self._was_stopped(began)
            late = is_over and isinstance(answer, CredentialStoreUnavailableError)
            if refresh.counts and not late:  # a late timeout is counted already
                self._record(answer, refresh.began)
            after = self._state
            refresh.answer = (after.failure or after.credential) if refresh.counts else answer
        source = answer.source or self.describe().source
        failure = "" if isinstance(answer, Credential) else type(answer).__name__
        usage.refreshed(Refreshed(self.name, source, failure, seconds))
        self._announce_all()

    # --- Events: each change of state is announced once ---

    def _record(self, answer: Result, began: Instant) -> None:
        """Update the state after a read, and queue its events. The lock is held."""
        now, jitter = self._now(), self._random()
        state = after_refresh(
            self._state, answer, began=began, now=now, policy=self._policy, jitter=jitter
        )
        failure, credential = state.failure, state.credential
        has_key = credential is not None and not passed(state.usable_until, now)
        kind: Kind | None = None
        if not (isinstance(failure, CredentialNotFoundError) and not failure.had_key):
            reported, kind = news(state.reported, failure, has_key=has_key, now=now)
            state = state._replace(reported=reported)
        self._state = state
        if kind is not None:
            self._events.append(self._event(kind, state, has_key=has_key))
        if failure is None and credential is not None and self._is_ending(credential, now):
            event = self._event("expiring", state, has_key=True)
            self._events.append(replace(event, until=credential.expires_at))

    def _is_ending(self, credential: Credential, now: Instant) -> bool:
        """Return whether to announce that a key ends soon: 14, 3 and 1 days before, once each. Keys
        that live for a day or less are not announced: programs renew them.
        """
        if credential.expires_at is None:
            return False
        days = (credential.expires_at.timestamp() - now[0]) / 86_400
        due = next((each for each in (1, 3, 14) if days <= each), 15)
        fingerprint, before = self._ending
        is_new = fingerprint != credential.fingerprint
        self._ending = (credential.fingerprint, due)
        return due < 15 and (days > 1 if is_new else due < before)

    def _event(self, kind: Kind, state: State, *, has_key: bool) -> CredentialEvent:
        credential, failure = state.credential, state.failure
        source = credential.source if credential is not None else failure and failure.source
        return CredentialEvent(
            kind=kind,
            provider=self.name,
            source=source or self.describe().source,
            fingerprint=credential.fingerprint if credential is not None else None,
            error=failure,
            until=until_of(state) if has_key and failure is not None else None,
        )

    def _announce_all(self) -> None:
        """Announce the queued events, with no lock held: a handler may ask for the key."""
        while self._events:
            with contextlib.suppress(IndexError):  # another thread was faster
                announce(self._events.popleft())

    def _too_slow(self, patience: float) -> CredentialStoreUnavailableError:
        within = f"{self.load_timeout:g} s"
        if patience < self.load_timeout / 2:
            within = f"{patience:.1f} s, the time that was left for the whole chain"
        return self._no_answer(within)

    def _no_answer(self, within: str) -> CredentialStoreUnavailableError:
        detail = self.describe().detail
        where = f"({detail}) " if detail else ""
        forked = _FORKED if were_cut_off() else ""
        return self._unavailable(f"{where}did not answer within {within}. {_MORE_TIME}{forked}")

    def _unavailable(self, what: str) -> CredentialStoreUnavailableError:
        source = self.describe().source
        return CredentialStoreUnavailableError(
            f"{source} {what}", source=source, provider=self.name
        )
