"""Adapts an author's provider to `BaseProvider`, so that none of its exceptions leak a secret."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from vectorshift.credentials.events import log_safely
from vectorshift.credentials.guard import (
    Result,
    aget_by_sync_getter,
    aget_guarded,
    described,
    get_by_async_getter,
    get_guarded,
    line_of,
    unforeseen,
)
from vectorshift.credentials.provider import CredentialProvider, Description, check_policies
from vectorshift.credentials.resolving import BaseProvider, LookupRequest

if TYPE_CHECKING:
    from collections.abc import Generator

    from vectorshift.credentials.values import Credential
    from vectorshift.errors import CredentialError

__all__ = ["SLOW", "GuardedProvider", "PolicyOfTheWrapped", "adapt", "flaw_of_ttl"]

SLOW: Final = 1.0
"""Seconds after which a local getter causes a warning."""


def adapt(provider: CredentialProvider) -> BaseProvider:
    """Return the provider itself if it is a `BaseProvider`, else a `GuardedProvider` around it.

    A `BaseProvider` that overrides a getter is an author's provider too: its getter is called.

    Raises:
        PolicyError: its `on_error` or `on_missing` is neither `stop` nor `continue`.
    """
    check_policies(provider)
    ours, kind = BaseProvider, type(provider)
    if (
        isinstance(provider, ours)
        and kind.get_credential is ours.get_credential
        and kind.aget_credential is ours.aget_credential
    ):
        return provider
    return GuardedProvider(provider)


def flaw_of_ttl(ttl: object) -> str:
    """Return what is wrong with the `ttl` of a provider, or ""."""
    if ttl is None or (isinstance(ttl, int | float) and 0 <= ttl < float("inf")):
        return ""
    what = "out of range" if isinstance(ttl, int | float) else f"of type {type(ttl).__name__}"
    return f"its ttl is {what}, and should be a number of seconds from 0 on, or None."


class PolicyOfTheWrapped:
    """`on_error` or `on_missing` of a wrapper: its own value if one was set, else the current value
    of the wrapped provider.

    It is not copied: a user may set it on the wrapped provider after the chain was made.
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
    """Wraps an author's provider: calls the getter that it has, sync or async, and lets none of its
    exceptions out.

    Args:
        provider: the author's provider.
    """

    on_error: Any = PolicyOfTheWrapped()
    on_missing: Any = PolicyOfTheWrapped()

    def __init__(self, provider: CredentialProvider) -> None:
        self.provider = provider
        self.name, self.remote, self.ttl = provider.name, provider.remote, provider.ttl
        given = BaseProvider if isinstance(provider, BaseProvider) else CredentialProvider
        self._sync = type(provider).get_credential is not given.get_credential
        self._async = type(provider).aget_credential is not given.aget_credential
        self._described: Description | None = None
        self._was_slow = False

    def describe(self) -> Description:
        """Describe the author's provider, or name it if it cannot do so itself."""
        return self._described or described(self.provider)

    def keep_description(self) -> None:
        """Cache the description of a remote provider until the next read, so that no caller waits
        for a `describe()` that hangs.
        """
        description = described(self.provider)
        self._described = description if self.remote else None

    def winner_warning(self, below: list[str]) -> str | None:
        """Return the warning of the author's provider, if its class has one."""
        inner = self.provider
        return inner.winner_warning(below) if isinstance(inner, BaseProvider) else None

    def invalidate(self, rejected: Credential) -> None:
        """Tell the author's provider that the server rejected this key."""
        try:
            self.provider.invalidate(rejected)
        except Exception as error:
            self._complain("invalidate", error)

    def close(self) -> None:
        """Close the author's provider. An exception is logged, so that others are closed too."""
        try:
            self.provider.close()
        except Exception as error:
            self._complain("close", error)

    async def aclose(self) -> None:
        """Close the author's provider. An exception is logged, so that others are closed too."""
        try:
            await self.provider.aclose()
        except Exception as error:
            self._complain("aclose", error)

    def _complain(self, of: str, error: Exception) -> None:
        """Log an exception of a method without a result, without its text: it may hold a secret."""
        log_safely(
            logging.WARNING,
            "%s: %s raised %s at %s.",
            self.name,
            of,
            type(error).__name__,
            line_of(error),
        )

    def resolve(self, request: LookupRequest) -> Result:
        """Call the sync getter, or the async one in its own event loop."""
        if request.rejected is not None:
            self.invalidate(request.rejected)
        with self._observed():
            return get_guarded(self.provider) if self._sync else get_by_async_getter(self.provider)

    async def aresolve(self, request: LookupRequest) -> Result:
        """Call the async getter, or the sync one in a thread that has the caller's context
        variables.
        """
        if request.rejected is not None:
            self.invalidate(request.rejected)
        with self._observed():
            if self._async:
                return await aget_guarded(self.provider)
            return await aget_by_sync_getter(self.provider)

    @contextmanager
    def _observed(self) -> Generator[None]:
        """After a read, describe a remote provider again, and warn once if a local one was slow. A
        local getter runs in the caller's thread, where nothing can stop it.
        """
        began = monotonic()
        try:
            yield
        finally:
            seconds = monotonic() - began
            if self._described is not None:
                self.keep_description()
            elif not self.remote and seconds > SLOW and not self._was_slow:
                self._was_slow = True
                log_safely(
                    logging.WARNING,
                    "%s took %.1f s to answer, and every call waits for it, because it is local. "
                    "Set remote = True to cache its answers and limit the wait to load_timeout.",
                    self.name,
                    seconds,
                )

    def unmapped(self, error: BaseException) -> CredentialError:
        """Return the error for an exception of the author's provider."""
        return unforeseen(error, self.provider)

    def __repr__(self) -> str:
        return repr(self.provider)
