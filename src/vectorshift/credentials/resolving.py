"""How this package asks a provider: a `LookupRequest` goes in, a `Result` comes out."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from math import inf
from typing import Literal, NamedTuple

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
    """Counts the calls of `reset()`, so that chains forget answers from before."""

    count = 0


class LookupRequest(NamedTuple):
    """One caller's request for a credential.

    Args:
        rejected: the credential that the server has just rejected with a 401, or None.
        deadline: until when the caller waits, in seconds of `time.monotonic`, or None.
        bypass_cache: read the store instead of the cache, except in the pause after a failure.
        forced: read the store even in the pause after a failure. If the read fails, the caller
            gets that failure, although the cached key stays in use.
        local: contact no store: a cache returns the key that it has.
    """

    rejected: Credential | None = None
    deadline: float | None = None
    bypass_cache: bool = False
    forced: bool = False
    local: bool = False

    def time_left(self) -> float:
        """Return the seconds until the deadline. It is real time, also if a test moves a clock."""
        return inf if self.deadline is None else max(0.0, self.deadline - time.monotonic())


DEFAULT_REQUEST = LookupRequest()
REFRESH_REQUEST = LookupRequest(bypass_cache=True, forced=True)
LOCAL_REQUEST = LookupRequest(local=True)
NOT_ASKED = CredentialStoreUnavailableError("The cache has no key, and the store was not asked.")
"""The answer of an empty cache to a local request. It stops every chain."""
STORE_FAILED = CredentialStoreUnavailableError("The store failed the last time it was asked.")
"""The answer of a cache to a local request after a failure of its store."""


class BaseProvider(StaysInProcess, CredentialProvider, ABC):
    """Base of the providers of this package. Errors are returned, and raised only to the caller.

    A subclass writes `resolve`, and `get_cached` if it can answer without I/O. The sync and async
    getters use these two.
    """

    changes_silently = False
    """True if a new key from the same source is not announced: a callable may serve many tenants.
    """

    stands_for_another = False
    """True if this forwards to the provider in force, and must not be wrapped."""

    may_be_meant = False
    """True if the user may have meant this source, though it names no store: a 401 says so."""

    takes_once = False
    """True if the next read takes a value that can be read only once, as from a pipe."""

    blocks = True
    """True if `resolve` may do I/O, so that an event loop must run it in a thread."""

    @property
    def actual(self) -> BaseProvider:
        """The provider that answers: for a plugin in a chain, the provider that it made."""
        return self

    def maker(self) -> BaseProvider | None:
        """Return a provider that makes `actual` when it is asked, or None if that is made."""
        return None

    def resolved(self) -> BaseProvider:
        """Return the provider that this forwards to now, or itself, so that one request asks only
        one. May block.
        """
        return self

    async def aresolved(self) -> BaseProvider:
        """Return what `resolved` does, without blocking the event loop."""
        return self

    @abstractmethod
    def resolve(self, request: LookupRequest) -> Result:
        """Return a key or an error. May block."""

    def get_cached(self) -> Result | None:
        """Return the answer if no I/O is needed, or None if `resolve` is needed."""
        return None

    async def aresolve(self, request: LookupRequest) -> Result:
        """Return a key or an error without blocking the event loop: tasks share one thread."""
        if not self.blocks:
            return self.resolve(request)
        answer = (
            self.get_cached() if request.rejected is None and not request.bypass_cache else None
        )
        if answer is not None:
            return answer
        shared: SharedWork[Result] = vars(self).setdefault("_looking", SharedWork())
        try:
            if request.rejected is None and not request.forced:
                return await shared.ajoin(lambda: self.resolve(DEFAULT_REQUEST))
            return await arun_blocking(lambda: self.resolve(request))
        except CredentialStoreUnavailableError:
            return no_thread(self)

    def keeps_previous(self, credential: Credential) -> bool:
        """Return whether a chain may use the previous key of this source, which has no cache.

        That is so only where programs replace keys. A key that a person replaces may belong to
        another organisation.
        """
        return False

    def is_previous(self, credential: Credential) -> bool:
        """Return whether this is the previous key of its source, used while the API may not know
        the newest. Does no I/O.
        """
        return False

    def unmapped(self, error: BaseException) -> CredentialError:
        """Return the error for an unexpected exception: its type and line, because its text may
        hold a secret.
        """
        return unforeseen(error, self)

    def admits_latecomers(self) -> bool:
        """Return whether a key still counts that appears in a file that nobody named. Does no
        I/O.
        """
        return False

    def close_to_latecomers(self) -> None:
        """Ignore keys that appear from now on. May block.

        A chain calls it when a source answers, as long as this admits latecomers.
        """

    def winner_warning(self, below: list[str]) -> str | None:
        """Return the text of a warning for when this provider answers, or None.

        Args:
            below: the later sources that are configured or named, as clauses such as
                `aws:prod/vs is configured`.
        """
        return None

    def passed_over(self, winner: Credential) -> None:
        """Note that a later source, `winner`, answered instead of this. Does no I/O."""

    def get_credential(self) -> Credential:
        """Return the current credential. Raises as `CredentialProvider.get_credential`."""
        before = sys.exc_info()[1]
        try:
            answer = self.get_cached()
            if isinstance(answer, Credential):
                return answer
            return unwrap(self.resolve(DEFAULT_REQUEST) if answer is None else answer)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904  # its `__cause__` stays

    async def aget_credential(self) -> Credential:
        """Return the current credential without blocking the event loop."""
        before = sys.exc_info()[1]
        try:
            answer = self.get_cached()
            if isinstance(answer, Credential):
                return answer
            return unwrap(await self.aresolve(DEFAULT_REQUEST) if answer is None else answer)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904

    def wrong(self, message: str) -> CredentialConfigurationError:
        """Return a configuration error for this provider's source."""
        return CredentialConfigurationError(
            message, source=self.describe().source, provider=self.name
        )

    def not_found(self, message: str, source: str) -> CredentialNotFoundError:
        """Return the error for a `source` that is empty."""
        return CredentialNotFoundError(message, source=source, provider=self.name)

    def keyed(
        self,
        text: str,
        source: str,
        *,
        blank: Literal["not found", "configuration"] = "configuration",
    ) -> Result:
        """Return `text` as a credential, or the error that says why it cannot be a key."""
        key = parse_key(text, source=source, provider=self.name, blank=blank)
        return (
            key
            if isinstance(key, CredentialError)
            else Credential(secret=key, source=source, provider=self.name)
        )
