"""Whose key a call uses that names none: the credentials of a block, else those of the process."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vectorshift._platform.forks import renew_after_fork
from vectorshift.chain.coerce import as_provider
from vectorshift.credentials.events import log
from vectorshift.credentials.resolving import DEFAULT_REQUEST, REFRESH_ASK, BaseProvider, unwrap
from vectorshift.errors import CredentialNotFoundError
from vectorshift.scope.configuration import Configured, ForwardingProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client import AsyncVectorShift, VectorShift
    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.credentials.values import Credential
    from vectorshift.settings import Settings

__all__ = [
    "DEFAULT_SCOPE",
    "DefaultScope",
    "aget_credential",
    "api_key",
    "arefresh",
    "get_credential",
    "refresh",
    "using",
]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block in force, and the one around it. It is kept in the context alone: tasks may share the
    `using` object.
    """

    of: using
    provider: BaseProvider
    around: _Block | None


_in_block: ContextVar[_Block | None] = ContextVar("vectorshift.using", default=None)


def _nobody(*, asynchronous: bool) -> None:
    return None


class DefaultScope(ForwardingProvider):
    """Ask the credentials of the surrounding `using` block, else those that are configured for the
    process.

    Args:
        settings: what the chain is built from; the environment at first use by default.

    Attributes:
        now: what is configured.
        client: gives the client that was configured for sync or async calls, or None. Who keeps the
            clients sets it.
    """

    name = "ambient"

    def __init__(self, settings: Settings | None = None) -> None:
        self.current = Configured(settings)
        self.client: Callable[..., VectorShift | AsyncVectorShift | None] = _nobody
        self._warned = False
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come here while its thread is in here

    @property
    def loaded(self) -> Settings | None:
        """The settings, as far as they were read; does no I/O."""
        return self.current.loaded

    @property
    def settings(self) -> Settings:
        """The settings that were configured, else those of the environment at first use. May
        block.
        """
        return self.current.settings

    @property
    def scope(self) -> str:
        """Whose credentials are in force: those of a block, `using`, or of the `process`."""
        return "process" if _in_block.get() is None else "using"

    def pin(self) -> BaseProvider:
        """Return the credentials that are in force here and now, and stay what they are."""
        return self.pin_to(self.current)

    def pin_to(self, configured: Configured) -> BaseProvider:
        """Return the credentials of the surrounding block, else those that are configured in this
        way.
        """
        block = _in_block.get()
        return configured if block is None else block.provider

    def resolved_or_none(self) -> BaseProvider | None:
        """Return the credentials that are in force here and now, if they have been made."""
        block = _in_block.get()
        return self.current.resolved_or_none() if block is None else block.provider

    def resolved(self) -> BaseProvider:
        """Return the credentials that are in force here and now. May block."""
        return self.pin().resolved()

    async def aresolved(self) -> BaseProvider:
        """Return the credentials that are in force here and now, without blocking the event
        loop.
        """
        return await self.pin().aresolved()

    def configure(self, settings: Settings | None, credentials: object) -> None:
        """Set what is given, and leave the rest as it is."""
        try:
            provider = (
                None
                if credentials is None
                else as_provider(credentials, settings or self.current.chosen)
            )
        finally:
            del credentials
        if settings is None and provider is None:
            return
        with self._lock:
            old = self.current
            self.current = Configured(
                settings or old.chosen, provider or old.given, read=old.loaded
            )
        old.close()
        if provider is not None:
            self.warn_of_api_key(again=True)

    def warn_of_api_key(self, *, again: bool = False) -> None:
        """Say once that `vectorshift.api_key` is set and not used, as something was configured in
        its place.
        """
        self._warned = self._warned and not again
        if self._warned or vars(sys.modules["vectorshift"])["api_key"] is None:
            return
        what, how = self._in_place_of_api_key()
        self._warned = bool(how)
        if how:
            log.warning(
                "vectorshift.api_key is set and has no effect%s, as configure(%s=...) set what"
                " calls use. Give the key there, or call vectorshift.reset() first.",
                what,
                how,
            )

    def _in_place_of_api_key(self) -> tuple[str, str]:
        """Return on which calls it has no effect, and what was configured in its place, if anything
        was.
        """
        if self.current.given is not None:
            return "", "credentials"
        clients = [self.client(asynchronous=asynchronous) for asynchronous in (False, True)]
        own = [
            type(each).__name__ for each in clients if each is not None and each.has_own_credentials
        ]
        return (f" on calls of {own[0]}" if len(own) == 1 else "", "client" if own else "")

    def reset(self) -> None:
        """Forget everything: the next use reads the environment anew."""
        from vectorshift.providers.dotenv import admit_latecomers

        admit_latecomers()
        with self._lock:
            old, self.current = self.current, Configured()
        old.close()

    def close(self) -> None:
        """Close the chain that was built."""
        self.current.close()

    def __repr__(
        self,
    ) -> str:  # what shows locals must not read settings, or raise what is wrong with them
        return "<DefaultScope>"


DEFAULT_SCOPE = DefaultScope()


class using:  # it reads as a statement
    """Use these credentials in a block, and in the tasks that are started in it, instead of the
    process's own.

    Nothing falls back to the process's credentials: if these find nothing, the call fails. A client
    that was made with credentials keeps its own. A new thread does not see the block, unless it is
    started with `contextvars.copy_context().run`. Any number of tasks and threads may share one,
    and enter it again. It is for `with` alone, and not a decorator: an async function would have
    left the block before it runs.

    Args:
        credentials: a key, a sync or async callable that returns one, or any provider.

    Raises:
        TypeError: `credentials` is none of these.
        RuntimeError: at its end, if that comes in another task or thread than its beginning.
    """

    def __init__(self, credentials: Any) -> None:
        try:
            provider = as_provider(credentials)
        finally:
            del credentials  # a traceback may show locals
        self._provider = provider.resolved()

    def __enter__(self) -> CredentialProvider:
        _in_block.set(_Block(self, self._provider, _in_block.get()))
        return self._provider

    def __exit__(self, *_: object) -> None:
        _in_block.set(_without(self, _in_block.get()))


def _without(left: using, block: _Block | None) -> _Block | None:
    """Return the blocks that stay in force. A generator may be left after a block that was entered
    later.
    """
    inner: list[_Block] = []
    while block is not None and block.of is not left:
        inner.append(block)
        block = block.around
    if block is None:
        raise RuntimeError(
            "This using block ends in another task or thread than it began in, and what ran between"
            " may not have seen it. Let it begin and end in one function."
        )
    kept = block.around
    for each in reversed(inner):
        kept = replace(each, around=kept)
    return kept


def _in_force(*, asynchronous: bool = False) -> BaseProvider:
    client = DEFAULT_SCOPE.client(asynchronous=asynchronous)
    return DEFAULT_SCOPE if client is None else client.provider


def get_credential() -> Credential:
    """Return the credential that a sync call would use now. Thread-safe; may block when nothing is
    cached.

    It is that of the client which was configured for sync calls, if there is one; else that of the
    surrounding `using` block or of the process.

    Raises:
        MissingCredentialError: no source has a key; it is an `AuthenticationError`.
        CredentialError: a configured source failed.
    """
    return _in_force().get_credential()


async def aget_credential() -> Credential:
    """Return the credential that an async call would use now, without blocking the event loop.

    Raises as `get_credential`.
    """
    return await _in_force(asynchronous=True).aget_credential()


def refresh() -> Credential:
    """Read the source that is in force now again, and return the key that calls use from here on.

    Call it after a key was replaced or removed, where the cache would notice too late. The source
    is that of `get_credential`: in a `using` block, the block's. A store is asked at once, even if
    it failed a moment ago. If it fails, this raises, and calls keep the old key, unless the store
    said that the key is gone. Callers who come together share a read. A read that began before this
    call counts only if it brings another key. Other processes are not told. Thread-safe; may block.

    Raises:
        MissingCredentialError: no source has a key.
        CredentialError: a configured source failed.
    """
    return unwrap(_in_force().resolve(REFRESH_ASK))


async def arefresh() -> Credential:
    """Read the source that is in force now again, without blocking the event loop.

    Promises and raises as `refresh`.
    """
    return unwrap(await _in_force(asynchronous=True).aresolve(REFRESH_ASK))


def api_key() -> str | None:
    """Return the text of the key that a sync call would use now, or None if no source has one."""
    provider = _in_force()
    answer = provider.get_cached()
    if answer is None:
        answer = provider.resolve(DEFAULT_REQUEST)
    return None if isinstance(answer, CredentialNotFoundError) else unwrap(answer).secret.reveal()
