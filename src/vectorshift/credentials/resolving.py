"""How this package asks a provider: a `LookupRequest` goes in, a `Result` comes out."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from math import inf
from typing import Literal, NamedTuple, cast

from vectorshift._platform.background import SharedWork, arun_blocking
from vectorshift._platform.copying import StaysInProcess
from vectorshift._platform.frames import stripped
from vectorshift.credentials.guard import Result, no_thread, unforeseen, unwrap
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.values import Credential, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)

__all__ = [
    "DEFAULT_REQUEST",
    "LOCAL_REQUEST",
    "NOT_ASKED",
    "REFRESH_REQUEST",
    "STORE_FAILED",
    "BaseProvider",
    "LookupRequest",
    "Resets",
    "Result",
    "unwrap",
]


class Resets:
    """Counts the calls of `reset()`: what a chain remembers of one before is not taken for new."""

    count = 0


class LookupRequest(NamedTuple):
    """One caller's request for a credential.

    Args:
        rejected: the credential that the server has just refused with a 401, or None.
        deadline: the moment, in seconds of `time.monotonic`, until which the caller waits, or None.
        bypass_cache: whether the store is to be read now if it may be, past the cache.
        forced: whether the store is read even in the pause after a failure. If the read fails, the
            caller gets that failure, although the cached key stays in use.
        local: whether no store may be contacted: a cache answers with what it has.
    """

    rejected: Credential | None = None
    deadline: float | None = None
    bypass_cache: bool = False
    forced: bool = False
    local: bool = False

    def time_left(self) -> float:
        """Return the real seconds until the deadline, whatever clock a test moves."""
        return inf if self.deadline is None else max(0.0, self.deadline - time.monotonic())


DEFAULT_REQUEST = LookupRequest()
REFRESH_REQUEST = LookupRequest(bypass_cache=True, forced=True)
LOCAL_REQUEST = LookupRequest(local=True)
NOT_ASKED = CredentialStoreUnavailableError("The cache has no key, and the store was not asked.")
"""The answer of a cache to a local request if only its store can tell. It stops each chain."""
STORE_FAILED = CredentialStoreUnavailableError("The store failed the last time it was asked.")
"""The answer of a cache to a local request while it remembers a failure of its store."""


class BaseProvider(StaysInProcess, CredentialProvider, ABC):
    """Base of the providers of this package: answers are values, so nothing is raised on the way to
    a caller.

    A subclass writes `resolve`, and `get_cached` where it can answer without I/O; sync and async
    follow from these.
    """

    changes_silently = False
    """True if another key from the same source is no news, as from a callable that serves
    many tenants.
    """

    stands_for_another = False
    """True if this forwards to the provider in force, and must not be wrapped.
    """

    may_be_meant = False
    """True if the user may have meant this source, though it names no store: a 401 says so.
    """

    takes_once = False
    """True if asking takes what can be had once and was not taken yet, as from a pipe."""

    blocks = True
    """True if `resolve` may do I/O, so that an event loop has to leave it to a thread."""

    @property
    def actual(self) -> BaseProvider:
        """The provider that answers in the name of this one in its chain: a plugin, once it is
        made.
        """
        return self

    def maker(self) -> BaseProvider | None:
        """Return what makes that provider when it is asked, or None if there is nothing to make."""
        return None

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
        work = SharedWork(lambda: self.resolve(DEFAULT_REQUEST))
        shared = vars(self).setdefault("_looking", work)
        try:
            if request.rejected is None and not request.forced:
                return cast("Result", await shared.ajoin())
            return await arun_blocking(lambda: self.resolve(request))
        except CredentialStoreUnavailableError:
            return no_thread(self)

    def keeps_previous(self, credential: Credential) -> bool:
        """Return whether a chain may go back to the key before this one of a source that is not
        cached.

        Only where programs replace keys. What a person writes, perhaps another organisation's key,
        is meant as it is.
        """
        return False

    def is_previous(self, credential: Credential) -> bool:
        """Return whether this key is not the newest one of its source, but the one before it, which
        is used while the API does not know the newest. Does no I/O.
        """
        return False

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
        before = sys.exc_info()[1]
        try:
            answer = self.get_cached()
            if isinstance(answer, Credential):
                return answer
            return unwrap(self.resolve(DEFAULT_REQUEST) if answer is None else answer)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904  # what it was raised from stays

    async def aget_credential(self) -> Credential:
        """Return the credential of this moment without blocking the event loop."""
        before = sys.exc_info()[1]
        try:
            answer = self.get_cached()
            if isinstance(answer, Credential):
                return answer
            return unwrap(await self.aresolve(DEFAULT_REQUEST) if answer is None else answer)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904

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
