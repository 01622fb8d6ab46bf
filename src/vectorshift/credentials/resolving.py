"""How this package asks a provider: answers travel as values, so that nothing is raised on the way
to a caller.

An author's provider is adapted to this, and guarded against what it may let out.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal, cast

from vectorshift._platform.background import SharedWork, arun_blocking, run_async
from vectorshift.credentials.adapter import described, is_the_callers, line_of, unforeseen
from vectorshift.credentials.events import log_safely
from vectorshift.credentials.provider import CredentialProvider, Description, check_policies
from vectorshift.credentials.values import Credential, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
    fresh_copy,
)

__all__ = [
    "DEFAULT_REQUEST",
    "REFRESH_REQUEST",
    "BaseProvider",
    "GuardedProvider",
    "LookupRequest",
    "PolicyOfTheWrapped",
    "Result",
    "adapt",
    "flaw_of_ttl",
    "unwrap",
]

Result = Credential | CredentialError
"""What a provider has to say, as a value: the way round exceptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupRequest:
    """What one caller brings along when it asks.

    Args:
        refused: the credential that the server has just refused with a 401, or None.
        deadline: the moment, in seconds of `time.monotonic`, until which the caller waits, or None.
        anew: whether what is cached will not do, and the store is to be read now if it may be.
        forced: whether it is read now in any case, also while it is left alone after a failure, and
            the caller wants to know if that fails, though the cached key stays in use.
    """

    rejected: Credential | None = None
    deadline: float | None = None
    bypass_cache: bool = False
    forced: bool = False


DEFAULT_REQUEST = LookupRequest()
REFRESH_REQUEST = LookupRequest(bypass_cache=True, forced=True)


def unwrap(answer: Result) -> Credential:
    """Return the credential, or raise an error instance that is this caller's own."""
    if isinstance(answer, Credential):
        return answer
    raise fresh_copy(answer)


def flaw_of_ttl(ttl: object) -> str:
    """Say what is wrong with the `ttl` of a provider, or nothing."""
    if ttl is None or (isinstance(ttl, int | float) and 0 <= ttl < float("inf")):
        return ""
    return f"its ttl is {type(ttl).__name__}, and should be a number of seconds or None."


class BaseProvider(CredentialProvider, ABC):
    """Base of the providers of this package: answers are values, so nothing is raised on the way to
    a caller.

    A subclass writes `resolve`, and `get_cached` where it can answer without I/O; sync and async
    follow from these.
    """

    changes_silently = False
    """Whether another key from the same source is no news, as from a callable that serves many
    tenants.
    """

    stands_for_another = False
    """Whether this passes on to whichever provider the surroundings name, and is not to be
    wrapped.
    """

    blocks = True
    """Whether `resolve` may do I/O, so that an event loop has to leave it to a thread."""

    def resolved(self) -> BaseProvider:
        """Return the provider that this stands for now, or itself: one request asks one and the
        same. May block.
        """
        return self

    async def aresolved(self) -> BaseProvider:
        """Return the provider that this stands for now, or itself, without blocking the event
        loop.
        """
        return self

    def pin(self) -> BaseProvider:
        """Return who stays the same where this stands for whoever the surroundings name, or itself.
        Does no I/O.
        """
        return self

    @abstractmethod
    def resolve(self, request: LookupRequest) -> Result:
        """Answer; may block."""

    def get_cached(self) -> Result | None:
        """Answer at once and without I/O, or None where that takes `resolve`."""
        return None

    async def aresolve(self, request: LookupRequest) -> Result:
        """Answer without blocking the event loop: in a thread, which any number of tasks share."""
        if not self.blocks:
            return self.resolve(request)
        answer = (
            self.get_cached() if request.rejected is None and not request.bypass_cache else None
        )
        if answer is not None:
            return answer
        shared = vars(self).setdefault("_looking", SharedWork(self.load))
        try:
            if request.rejected is None and not request.forced:
                return cast("Result", await shared.ajoin())
            return await arun_blocking(lambda: self.resolve(request))
        except CredentialStoreUnavailableError:
            return self.no_thread()

    def keeps_previous(self, credential: Credential) -> bool:
        """Whether a chain may go back to the key before this one of a source that is not cached.

        Only where programs replace keys. What a person writes, perhaps another organisation's key,
        is meant as it is.
        """
        return False

    def is_previous(self, credential: Credential) -> bool:
        """Whether this key is not the newest one of its source, but the one before it, which is
        used while the API does not know the newest. Does no I/O.
        """
        return False

    def load(self) -> Result:
        """Answer, in a thread that has no event loop; may block. What a `CachingProvider` calls."""
        return self.resolve(DEFAULT_REQUEST)

    def unmapped(self, error: BaseException) -> CredentialError:
        """Return what an exception means that nobody foresaw: its type and line, as its text may
        hold a secret.
        """
        return unforeseen(error, self)

    def admits_latecomers(self) -> bool:
        """Return whether a key counts that appears here and that nobody named. Does no I/O."""
        return False

    def close_to_latecomers(self) -> None:
        """Take note that a source has answered: what appears from now on does not count. May block.

        A chain calls it when a source answers, as long as this admits latecomers.
        """

    def winner_warning(self, below: list[str]) -> str | None:
        """Return what to warn of when this answers, or None.

        Args:
            below: of the sources that come after it, which are configured and which are named, in
                clauses such as `aws:prod/vs is configured`.
        """
        return None

    def passed_over(self, winner: Credential) -> None:
        """Note that a chain asked this first, and that `winner` answered. Does no I/O."""

    def get_credential(self) -> Credential:
        """Return the credential of this moment. Raises as the contract says."""
        answer = self.get_cached()
        return unwrap(self.resolve(DEFAULT_REQUEST) if answer is None else answer)

    async def aget_credential(self) -> Credential:
        """Return the credential of this moment without blocking the event loop."""
        answer = self.get_cached()
        return unwrap(await self.aresolve(DEFAULT_REQUEST) if answer is None else answer)

    def no_thread(self) -> CredentialStoreUnavailableError:
        """Return what it means that no thread can be started."""
        source = self.describe().source
        return CredentialStoreUnavailableError(
            f"{source} cannot be asked: no thread can be started (too many, or the process is"
            " ending).",
            source=source,
            provider=self.name,
        )

    def wrong(self, message: str) -> CredentialConfigurationError:
        """Return a configuration error of this provider's source."""
        return CredentialConfigurationError(
            message, source=self.describe().source, provider=self.name
        )

    def not_found(self, message: str, source: str) -> CredentialNotFoundError:
        """Return what it means that nothing is at `source`."""
        return CredentialNotFoundError(message, source=source, provider=self.name)

    def keyed(
        self,
        text: str,
        source: str,
        *,
        blank: Literal["not found", "configuration"] = "configuration",
    ) -> Result:
        """Return the credential that `text` is, or the error that says why it is none."""
        key = parse_key(text, source=source, provider=self.name, blank=blank)
        return (
            key
            if isinstance(key, CredentialError)
            else Credential(secret=key, source=source, provider=self.name)
        )


def adapt(provider: CredentialProvider) -> BaseProvider:
    """Return a provider that answers with values: itself, or an author's provider, adapted.

    A subclass that overrides a getter of ours is an author's provider too: its getter is what
    counts.
    """
    ours, kind = BaseProvider, type(provider)
    if (
        isinstance(provider, ours)
        and kind.get_credential is ours.get_credential
        and kind.aget_credential is ours.aget_credential
    ):
        return provider
    return GuardedProvider(provider)


class PolicyOfTheWrapped:
    """`on_error` or `on_missing` of a wrapper: what was set on it, else what the wrapped provider
    has now.

    A copy would miss what a user sets after a chain was made, and so go on where it should stop.
    """

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name, self._own = name, f"_own_{name}"

    def __get__(self, wrapper: Any, owner: type[object] | None = None) -> Any:
        if wrapper is None:
            return self
        own = cast("dict[str, str]", vars(wrapper)).get(self._own)
        return cast("str", getattr(wrapper.provider, self._name)) if own is None else own

    def __set__(self, wrapper: Any, value: str) -> None:
        vars(wrapper)[self._own] = value


class GuardedProvider(BaseProvider):
    """An author's provider: asked in the way it was written, sync or async, and guarded against
    what it may let out.

    Args:
        provider: the author's provider.
    """

    on_error: Any = PolicyOfTheWrapped()
    on_missing: Any = PolicyOfTheWrapped()

    def __init__(self, provider: CredentialProvider) -> None:
        check_policies(provider)
        self.provider = provider
        self.name, self.remote, self.ttl = provider.name, provider.remote, provider.ttl
        given = BaseProvider if isinstance(provider, BaseProvider) else CredentialProvider
        self._sync = type(provider).get_credential is not given.get_credential
        self._async = type(provider).aget_credential is not given.aget_credential

    def describe(self) -> Description:
        """Describe the author's provider, or name it if it cannot do so itself."""
        return described(self.provider)

    def winner_warning(self, below: list[str]) -> str | None:
        """Warn as the provider does that an author's class derives from."""
        inner = self.provider
        return inner.winner_warning(below) if isinstance(inner, BaseProvider) else None

    def invalidate(self, rejected: Credential) -> None:
        """Tell the author's provider that the server refused `rejected`."""
        try:
            self.provider.invalidate(rejected)
        except Exception as error:
            self._complain("invalidate", error)

    def close(self) -> None:
        """Close the author's provider. What it raises keeps no other from being closed."""
        try:
            self.provider.close()
        except Exception as error:
            self._complain("close", error)

    async def aclose(self) -> None:
        """Close the author's provider. What it raises keeps no other from being closed."""
        try:
            await self.provider.aclose()
        except Exception as error:
            self._complain("aclose", error)

    def _complain(self, of: str, error: Exception) -> None:
        """Say what was raised where no answer is waited for, and not its text, which may hold a
        secret.
        """
        log_safely(
            logging.WARNING,
            "%s: %s raised %s at %s.",
            self.name,
            of,
            type(error).__name__,
            line_of(error),
        )

    def resolve(self, request: LookupRequest) -> Result:
        """Call the sync getter, or the async one in an event loop of its own."""
        if request.rejected is not None:
            self.invalidate(request.rejected)
        if self._sync:
            return self._get()
        try:
            return cast("Result", run_async(self._aget))
        except (
            BaseException
        ) as error:  # the task whose cancellation this may be was the getter's own
            if is_the_callers(error):
                raise
            return (
                self.no_thread()
                if isinstance(error, CredentialStoreUnavailableError)
                else self.unmapped(error)
            )

    async def aresolve(self, request: LookupRequest) -> Result:
        """Call the async getter, or the sync one in a thread that has the caller's context
        variables.
        """
        if request.rejected is not None:
            self.invalidate(request.rejected)
        if self._async:
            return await self._aget()
        try:
            return await arun_blocking(self._get)
        except CredentialStoreUnavailableError:
            return self.no_thread()

    def load(self) -> Result:
        """Call the sync getter, or the async one in an event loop of this thread."""
        return self._get() if self._sync else asyncio.run(self._aget())

    def unmapped(self, error: BaseException) -> CredentialError:
        """Return what an exception of the author's means."""
        return unforeseen(error, self.provider)

    def __repr__(self) -> str:
        return repr(self.provider)

    def _get(self) -> Result:
        try:
            return self._guarded(self.provider.get_credential())
        except BaseException as error:
            if is_the_callers(error):
                raise
            return self.unmapped(error)

    async def _aget(self) -> Result:
        try:
            return self._guarded(await self.provider.aget_credential())
        except Exception as error:  # a cancellation and the end of a coroutine are its caller's
            return self.unmapped(error)

    def _guarded(self, answer: object) -> Result:
        """Let nothing through that is not a credential with a key in it that can stand in a
        header.
        """
        if not isinstance(answer, Credential):
            hint = ""
            if inspect.iscoroutine(answer):
                answer.close()
                hint = " An async getter is named aget_credential."
            return self.wrong(
                f"{self.name} answered with {type(answer).__name__}, not a Credential.{hint}"
            )
        key = parse_key(answer.secret.reveal(), source=answer.source, provider=answer.provider)
        if isinstance(key, CredentialError):
            return key
        if (
            not self.remote
            and answer.expires_at is not None
            and answer.expires_at <= datetime.now(timezone.utc)
        ):
            return CredentialRevokedError(
                f"{answer} had expired when it was read. Write a key that is still valid there.",
                source=answer.source,
                provider=answer.provider,
            )
        return (
            answer if key == answer.secret else replace(answer, secret=key)
        )  # white space around it is gone
