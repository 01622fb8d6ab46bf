"""`ProviderChain`: asks one provider after the other, and announces each change of source."""

from __future__ import annotations

import logging
import random as _random
import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple, cast

from vectorshift._platform import public
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock, Instant
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.importing import load
from vectorshift._platform.plugin_names import canonical
from vectorshift.cache.policy import (
    Overlap,
    Reported,
    after_rotation,
    in_use,
    instead_of,
    news,
    overlap_after_rejection,
    without_expired,
)
from vectorshift.cache.provider import (
    DEFAULT_LOAD_TIMEOUT,
    DEFAULT_MAX_STALE,
    DEFAULT_TTL,
    CachingProvider,
)
from vectorshift.chain.order import providers_of
from vectorshift.chain.outcomes import attempts_of, is_missing, must_not_miss, nothing_found, stops
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.events import (
    CredentialEvent,
    announce,
    announce_key,
    announce_rejected,
    log_safely,
)
from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.resolving import (
    NOT_ASKED,
    BaseProvider,
    LookupRequest,
    Resets,
    Result,
)
from vectorshift.credentials.usage import HeldKey, usage
from vectorshift.credentials.values import Credential, same_source
from vectorshift.errors import (
    Attempt,
    CredentialError,
    CredentialNotFoundError,
    MissingCredentialError,
)
from vectorshift.providers.explicit import ExplicitProvider

__all__ = ["ProviderChain", "each_of"]


class _Win(NamedTuple):
    """The last answer of the chain, kept to notice changes. A `reset()` makes it invalid.

    Args:
        credential: the key that was returned: the newest of its source, or the one before it.
        newest: the newest key of that source.
        provider: the member that returned it.
        fallen: the failed sources that were passed over.
        resets: the number of `reset()` calls at that time.
    """

    credential: Credential
    newest: Credential
    provider: BaseProvider
    fallen: tuple[str, ...]
    resets: int


_NO_END: Instant = (float("inf"), float("inf"))


class _File(NamedTuple):
    """The newest key of a source without a cache, and its previous key."""

    newest: Credential
    overlap: Overlap


class _Closing(BaseProvider):
    """Tells the members of a chain that a source has answered.

    It is a provider, so that an async walk calls it in a thread: it may look at files.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self._provider = provider

    def resolve(self, request: LookupRequest) -> Result:
        """Close each member to latecomers."""
        self._provider.close_to_latecomers()
        return CredentialNotFoundError()


class ProviderChain(BaseProvider):
    """Ask providers in order; the first one that has a key answers.

    Only *not found* moves the chain on: any other failure stops it, except where a provider's
    `on_error` is `"continue"`. A chain is itself a provider, so chains nest. A remote provider is
    wrapped in a `CachingProvider` unless it is one. Thread-safe and loop-safe.

    Args:
        providers: the providers, in order.
        ttl: seconds for which the key of a remote provider is fresh.
        max_stale: seconds for which it is usable while the store fails.
        load_timeout: seconds that a caller waits for all providers together.
        clock: the source of time.
        random: gives numbers from 0 to 1, for the jitter.

    Raises:
        TypeError: one of them is not a provider.
        ValueError: `on_error` or `on_missing` of one is neither `stop` nor `continue`.
    """

    name = "chain"
    remote = False

    def __init__(
        self,
        providers: Iterable[CredentialProvider],
        *,
        ttl: float = DEFAULT_TTL,
        max_stale: float = DEFAULT_MAX_STALE,
        load_timeout: float = DEFAULT_LOAD_TIMEOUT,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = _random.random,
    ) -> None:
        def fresh(provider: CredentialProvider) -> BaseProvider:
            if not provider.remote:
                return adapt(provider)
            return CachingProvider(
                provider,
                ttl=ttl,
                max_stale=max_stale,
                load_timeout=load_timeout,
                clock=clock,
                random=random,
            )

        given = list(cast("Iterable[object]", providers))
        del providers
        wrong = next(
            (type(each).__name__ for each in given if not isinstance(each, CredentialProvider)),
            None,
        )
        if wrong is not None:
            del given  # a traceback may show locals, and it may be a key
            raise TypeError(
                f"ProviderChain takes providers, not {wrong}. For a key in code, use "
                "ExplicitProvider(key)."
            )
        members = cast("list[CredentialProvider]", given)
        self.providers: tuple[BaseProvider, ...] = tuple(map(fresh, members))
        self._getters = tuple((each.get_cached, each) for each in self.providers)
        self._named: frozenset[str] = frozenset()
        self._load_timeout, self._monotonic, self._wall = load_timeout, clock.monotonic, clock.time
        self._files: dict[int, _File] = {}
        self._reported: dict[int, Reported] = {}
        self._win: _Win | None = None
        self._stopped: BaseProvider | None = None
        self._settings: public.Settings | None = None
        self._hints: BaseProvider | None = None
        usage.look_at(self)
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may come here

    @classmethod
    def from_settings(
        cls, settings: public.Settings, *, explicit: ExplicitProvider | None = None
    ) -> ProviderChain:
        """Return the chain that the settings describe. Contacts nothing, and reads no environment.

        Args:
            settings: `Settings(...)`, or `Settings.load()` for those of the process.
            explicit: the provider of a key that is set in code.

        Raises:
            CredentialConfigurationError: `providers` names a provider that does not exist.
        """
        chain = cls(
            providers_of(settings, explicit),
            ttl=settings.cache_ttl,
            max_stale=settings.cache_max_stale,
            load_timeout=settings.load_timeout,
        )
        chain._settings = settings
        chain._named = frozenset(map(canonical, settings.providers))
        return chain

    @property
    def neighbours(self) -> BaseProvider | None:
        """The provider of hints, which is asked last; None if the chain has no settings."""
        if self._hints is None and self._settings is not None:
            self._hints = load("vectorshift.chain.hints").HintProvider(self._settings)
        return self._hints

    def describe(self) -> Description:
        """Return the description of the first provider that is configured."""
        described = [provider.describe() for provider in self.providers]
        return next(
            (each for each in described if each.configured),
            Description(configured=False, source=self.name),
        )

    def shadowed_stores(self, winner: Credential) -> list[str]:
        """Return the configured stores that were not asked, because the source of `winner` comes
        first. The list is empty if another source has answered since.
        """
        win = self._win
        if win is None or win.credential.source != winner.source:
            return []
        member = win.provider.actual
        inner = member.shadowed_stores(winner) if isinstance(member, ProviderChain) else []
        return [*inner, *self._stores_below(win.provider)]

    def admits_latecomers(self) -> bool:
        """Return whether one of the providers admits latecomers."""
        return any(each.admits_latecomers() for each in self.providers)

    def close_to_latecomers(self) -> None:
        """Tell each provider that a source has answered. May block."""
        for each in self.providers:
            each.close_to_latecomers()

    def invalidate(self, rejected: Credential) -> None:
        """Tell each provider that the server rejected this key. Does no I/O."""
        for provider in self.providers:
            provider.invalidate(rejected)
            file = self._files.get(id(provider))
            if file is not None:
                self.or_previous(provider, file.newest, rejected)

    def is_previous(self, credential: Credential) -> bool:
        """Return whether this is the key before the newest one of its source."""
        if any(file.overlap.previous is credential for file in tuple(self._files.values())):
            return True
        return any(provider.is_previous(credential) for provider in self.providers)

    def held(self) -> list[HeldKey]:
        """Return the last key, if its source has no cache: a cache lists its own keys."""
        win = self._win
        if win is None or isinstance(win.provider, CachingProvider | ProviderChain):
            return []
        age = self._wall() - win.credential.obtained_at.timestamp()
        return [HeldKey(credential=win.credential, age=max(0.0, age))]

    def close(self) -> None:
        """Close each provider."""
        for provider in self.providers:
            provider.close()

    async def aclose(self) -> None:
        """Close each provider."""
        for provider in self.providers:
            await provider.aclose()

    # --- The hot path: no clock, no lock, no exception ---

    def get_cached(self) -> Result | None:
        """Return the key of the last full walk if it is still the first one; else None."""
        win = self._win
        if win is None or win.resets != Resets.count:
            return None
        for get_cached, provider in self._getters:
            answer = get_cached()
            if answer is None:
                return None
            if answer.__class__ is Credential:
                return answer if answer is win.credential else None
            # As in `stops`, but without a call for each empty source.
            if (
                not isinstance(answer, CredentialNotFoundError)
                or answer.had_key
                or provider.on_missing != "continue"
            ):
                return None
        return None

    # --- The full walk: a generator, which `resolve` and `aresolve` drive ---

    def resolve(self, request: LookupRequest) -> Result:
        """Ask one provider after the other."""
        walk = self._walk(request)
        try:
            provider, question = next(walk)
            while True:
                answer = (
                    provider.get_cached()
                    if question.rejected is None and not (question.bypass_cache or question.local)
                    else None
                )
                provider, question = walk.send(
                    provider.resolve(question) if answer is None else answer
                )
        except StopIteration as end:
            found: Result = end.value
            _count(found, request)
            return found

    async def aresolve(self, request: LookupRequest) -> Result:
        """Ask one provider after the other."""
        walk = self._walk(request)
        try:
            provider, question = next(walk)
            while True:
                provider, question = walk.send(await provider.aresolve(question))
        except StopIteration as end:
            answer: Result = end.value
            _count(answer, request)
            return answer

    def _walk(
        self, request: LookupRequest
    ) -> Generator[tuple[BaseProvider, LookupRequest], Result, Result]:
        question = request
        if request.deadline is None:
            question = request._replace(deadline=time.monotonic() + self._load_timeout)
        attempts: list[Attempt] = []
        fallen: list[CredentialError] = []
        for provider in self.providers:
            began = self._monotonic()
            answer = self.or_previous(provider, (yield provider, question), request.rejected)
            if not request.local:
                self._note(provider, answer)
            if isinstance(answer, Credential):
                if self.admits_latecomers():
                    yield _Closing(self), question
                if request.local:
                    return answer
                self._note(self, answer)
                self._vet(answer, provider, fallen)
                for each in self.providers[: self.providers.index(provider)]:
                    each.passed_over(answer)
                return answer
            if answer is NOT_ASKED:
                return answer
            attempts.extend(attempts_of(provider, answer, self._monotonic() - began))
            missing = is_missing(answer)
            if request.forced and isinstance(provider.get_cached(), Credential):
                return answer  # calls go on with the old key, whatever on_error says
            if stops(provider, answer):
                return self._nothing_else(provider, answer) if missing else answer
            fallen.extend(_stores_passed(provider, answer) if missing else (answer,))
        if self._win is not None and not request.local and not fallen:
            self._note(self, nothing_found(tuple(attempts), ""), had_key=True)
        failures = [error for error in fallen if not is_missing(error)]
        if failures:
            return failures[0]
        near = None if request.local else self.neighbours
        hint = None if near is None else (yield near, question)
        return nothing_found(
            tuple(attempts), hint.message if isinstance(hint, CredentialError) else ""
        )

    def _note(self, provider: BaseProvider, answer: Result, *, had_key: bool = False) -> None:
        """Announce once that a source has lost its key, and once that it has one again. A cache and
        a nested chain announce that themselves. A source that is passed over has its own event.
        """
        if provider is not self and isinstance(provider.actual, CachingProvider | ProviderChain):
            return
        before, failure = self._reported.get(id(provider)), None
        if not isinstance(answer, Credential):
            failure = answer
            if not had_key and (is_missing(failure) or not stops(provider, failure)):
                return
        elif before is None:
            return
        now = (self._wall(), self._monotonic())
        reported, kind = news(before or Reported(), failure, has_key=False, now=now)
        self._reported[id(provider)] = reported
        if kind is None:
            return
        known = self._win.credential.source if had_key and self._win is not None else ""
        announce(
            CredentialEvent(
                kind=kind,
                provider=provider.name,
                source=answer.source or known or provider.describe().source,
                fingerprint=answer.fingerprint if isinstance(answer, Credential) else None,
                error=failure,
            )
        )

    def or_previous(
        self, provider: BaseProvider, answer: Result, rejected: Credential | None = None
    ) -> Result:
        """Return the key of a member, or its previous key while the API may not know the new one.
        A cached member does that itself.
        """
        if not isinstance(answer, Credential) or not provider.keeps_previous(answer):
            self._files.pop(id(provider), None)
            return answer
        with self._lock:
            now = (self._wall(), self._monotonic())
            file = self._files.get(id(provider)) or _File(answer, Overlap())
            newest, before = file.newest, file.overlap
            overlap = without_expired(before, now)
            if rejected is not None:
                overlap = overlap_after_rejection(overlap, newest, rejected, now=now)
            if newest.secret != answer.secret:
                overlap = after_rotation(overlap, newest, answer, usable_until=_NO_END, now=now)
            self._files[id(provider)] = _File(answer, overlap)
        if rejected is None:
            return in_use(answer, overlap, now)
        previous = overlap.previous
        if before.rejections == 0 < overlap.rejections and previous is not None:
            announce_rejected(answer, previous=previous)
        elif before.rejections > overlap.rejections and newest.secret == answer.secret:
            announce_rejected(rejected)
        return instead_of(answer, overlap, now) if rejected.secret == answer.secret else answer

    def _nothing_else(self, provider: BaseProvider, missing: CredentialError) -> CredentialError:
        """Return the error of an empty source that stops the chain. Log once which configured
        sources are therefore not asked.
        """
        with self._lock:
            previous, self._stopped = self._stopped, provider
        below = [each.source for each in self._below(provider) if each.configured]
        if below and previous is not provider:
            source = missing.source or provider.describe().source
            text = "%s has no key. %s is not asked, because on_missing of %s is 'stop'."
            log_safely(logging.WARNING, text, source, ", ".join(below), provider.name)
        return must_not_miss(provider, missing)

    def _vet(
        self, winner: Credential, provider: BaseProvider, fallen: list[CredentialError]
    ) -> None:
        """Let `get_cached` return this key from now on, and announce what has changed."""
        passed_over = tuple(f"{type(error).__name__} {error.source}" for error in fallen)
        goes_back = self.is_previous(winner)
        with self._lock:
            before = self._win
            newest = before.newest if goes_back and before is not None else winner
            self._win = win = _Win(winner, newest, provider, passed_over, Resets.count)
            self._stopped = None
        if before is None:
            self._report_hidden(winner, provider)
        if fallen and (before is None or before.fallen != win.fallen):
            for error in fallen:
                announce_key("fell_through", winner, error)
        if isinstance(provider.actual, ProviderChain) and (
            before is None or before.provider is provider
        ):
            return  # it has announced that itself
        if before is None:
            announce_key("resolved", winner)
            return
        previous = before.newest
        if goes_back and same_source(previous, winner):  # its rejection was announced
            return
        if previous.source != winner.source or (
            previous.secret != winner.secret and not provider.changes_silently
        ):
            announce_key("rotated", winner, previous)

    def winner_warning(self, below: list[str]) -> str | None:
        """Return the warning of the member that answers about the sources after this chain."""
        win = self._win
        return win.provider.winner_warning(below) if win is not None and below else None

    def _report_hidden(self, winner: Credential, provider: BaseProvider) -> None:
        hidden = [each.source for each in self._below(provider) if each.configured]
        clauses = [f"{' and '.join(hidden)} {'is' if len(hidden) == 1 else 'are'} configured"]
        clauses = clauses if hidden else []
        if idle := self._named_below(provider):
            clauses.append(f"VECTORSHIFT_PROVIDERS names {' and '.join(idle)}")
        if warning := provider.winner_warning(clauses):
            log_safely(logging.WARNING, "%s", warning)
        elif hidden:
            log_safely(
                logging.INFO,
                "Configured but not asked while %s has a key: %s.",
                winner.source,
                ", ".join(hidden),
            )

    def _named_below(self, provider: BaseProvider) -> list[str]:
        """Return the later sources that the user named, and that are not configured."""
        return [
            each.name
            for each in self._later(provider)
            if each.name in self._named and not each.describe().configured
        ]

    def _stores_below(self, provider: BaseProvider) -> list[str]:
        files = [each.describe().source for each in self._later(provider) if each.may_be_meant]
        stores = [each.source for each in self._below(provider) if each.configured and each.locator]
        return files + stores

    def _below(self, provider: BaseProvider) -> list[Description]:
        return [each.describe() for other in self._later(provider) for each in each_of(other)]

    def _later(self, provider: BaseProvider) -> tuple[BaseProvider, ...]:
        return self.providers[self.providers.index(provider) + 1 :]


def _count(answer: Result, request: LookupRequest) -> None:
    if not request.local:
        usage.walked("" if isinstance(answer, Credential) else type(answer).__name__)


def each_of(provider: BaseProvider) -> list[BaseProvider]:
    """Return the provider alone, or the members of a chain, in order."""
    provider = provider.actual
    if not isinstance(provider, ProviderChain):
        return [provider]
    return [each for member in provider.providers for each in each_of(member)]


def _is_store(provider: BaseProvider) -> bool:
    described = provider.describe()
    return described.configured and described.locator


def _stores_passed(provider: BaseProvider, missing: CredentialError) -> list[CredentialError]:
    """Return the errors to announce for an empty source: those of configured stores. A nested chain
    has one for each such member.
    """
    if not isinstance(provider.actual, ProviderChain):
        return [missing] if _is_store(provider) else []
    attempts = missing.attempts if isinstance(missing, MissingCredentialError) else ()
    stores = {each.name for each in each_of(provider) if _is_store(each)}
    return [
        CredentialNotFoundError(each.reason, source=each.source, provider=each.provider)
        for each in attempts
        if each.provider in stores and each.outcome == "not found"
    ]
