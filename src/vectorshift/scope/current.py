"""The key of a call without credentials of its own: that of a block, else of the process."""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from vectorshift._platform import slot
from vectorshift._platform.arguments import UNSET, Unset
from vectorshift._platform.copying import StaysInProcess
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.log import begin_anew
from vectorshift.chain.coerce import as_provider
from vectorshift.chain.outcomes import is_missing
from vectorshift.credentials.events import log, log_safely
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import (
    LOCAL_REQUEST,
    NOT_ASKED,
    REFRESH_REQUEST,
    STORE_FAILED,
    BaseProvider,
    unwrap,
)
from vectorshift.credentials.values import Credential, masked
from vectorshift.errors import (
    CredentialConfigurationError,
)
from vectorshift.scope.configuration import Configured, ForwardingProvider, failing

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from vectorshift.client.handle import Handle
    from vectorshift.settings import Settings

    Target: TypeAlias = "Handle[Any] | DefaultScope"
    """The client or scope that has the URL and the key of a call without `client=`."""

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


_abandoned: list[weakref.ref[using]] = []
"""The blocks whose context ended before they were left: no call can see them."""


class _Entry:
    """One entry of a block. Only contexts refer to it, so it is deleted with the last of them.

    Args:
        of: the block that was entered.
    """

    __slots__ = ("__weakref__", "_task", "left", "left_elsewhere", "of")

    def __init__(self, of: using) -> None:
        self.of, self.left, self.left_elsewhere = of, False, False
        task = _running_task()
        self._task = None if task is None else weakref.ref(task)

    def leave(self) -> None:
        """Note that the block was left. The task that entered it may still see it.

        asyncio ends a dropped async generator in a task of its own, with a copy of the context.
        """
        self.left = True
        task = None if self._task is None else self._task()
        if task is not None and task is not _running_task() and not task.done():
            self.left_elsewhere = True

    def __del__(self, abandoned: list[weakref.ref[using]] = _abandoned) -> None:
        if not self.left:
            abandoned.append(weakref.ref(self.of))


def _running_task() -> asyncio.Task[Any] | None:
    with suppress(KeyError, AttributeError, RuntimeError):  # not (yet) imported; no loop here
        task: asyncio.Task[Any] | None = sys.modules["asyncio"].current_task()
        return task
    return None


class _Block(NamedTuple):
    """A block in force, and the one around it. It is stored in the context, because tasks may share
    the `using` object.
    """

    entry: _Entry
    provider: BaseProvider
    around: _Block | None


_in_block: ContextVar[_Block | None] = ContextVar("vectorshift.using", default=None)

_LEFT_ELSEWHERE = failing(
    "The using block around this call was left in another task or thread, so the right key is "
    "unknown. Begin and end the block in one function. Put it around a loop over a generator, not "
    "into the generator."
)


def _warn_of_abandoned() -> None:
    # a block that was deleted can no longer be left: no warning
    abandoned = [block for each in _abandoned if (block := each()) is not None]
    _abandoned.clear()
    if abandoned:
        log_safely(
            logging.WARNING,
            "A using block was entered in a task or thread that ended without leaving it. This "
            "call does not see the block or use its key. FastAPI does this with a dependency "
            "that is a sync generator: write it as async def. To make such calls fail: "
            "vectorshift.configure(require_using=True).",
        )


class DefaultScope(ForwardingProvider):
    """Forwards to the credentials of the surrounding `using` block, else to those of the process.

    Args:
        settings: the settings of the chain; None reads the environment at first use.

    Attributes:
        current: the settings and credentials that are configured.
        sync: the client that was configured for sync calls, or None.
        asynchronous: the client that was configured for async calls, or None.
    """

    name = "ambient"

    def __init__(self, settings: Settings | None = None) -> None:
        self.current = Configured(
            settings, process=None if settings is None else lambda: DEFAULT_SCOPE.current
        )
        self.sync: Handle[Any] | None = None
        self.asynchronous: Handle[Any] | None = None
        self._warned = False
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may come here

    @property
    def loaded(self) -> Settings | None:
        """The settings, or None if they were not read yet. Does no I/O."""
        return self.current.loaded

    @property
    def settings(self) -> Settings:
        """The configured settings; else those of the environment, read once. May block."""
        return self.current.settings

    @property
    def base_url(self) -> str:
        """The configured base URL. May block."""
        return self.settings.base_url

    @property
    def provider(self) -> BaseProvider:
        """This scope itself."""
        return self

    def target(self, *, asynchronous: bool = False) -> Target:
        """Return the client that was configured for sync or async calls; else this scope.

        Raises:
            CredentialConfigurationError: the client has its own key, but every call needs a `using`
                block.
        """
        target = self.asynchronous if asynchronous else self.sync
        if target is None:
            return self
        if target.has_own_credentials and self.current.requires_using:
            raise CredentialConfigurationError(
                "configure(client=...) set a client with its own credentials for every call, but "
                f"{self.current.required_by} says that this process has no key of its own. Pass "
                "that client to the calls that need it: client=...",
                source="using",
            )
        return target

    @property
    def scope(self) -> str:
        """The credentials in force: `using` for those of a block, else `process`."""
        return "process" if _in_block.get() is None else "using"

    def pin(self) -> BaseProvider:
        """Return a provider that later `configure()` or `using` cannot change."""
        return self.pin_to(self.current)

    def pin_to(self, configured: Configured) -> BaseProvider:
        """Return the credentials of the surrounding block, else those of this configuration.

        Settings of a client do not choose its key: credentials that were configured for the process
        come before a chain of these settings.
        """
        block = _in_block.get()
        if block is not None:
            return _LEFT_ELSEWHERE if block.entry.left_elsewhere else block.provider
        if _abandoned:
            _warn_of_abandoned()
        process = DEFAULT_SCOPE.current  # it also knows whether calls need a block
        return configured if self is DEFAULT_SCOPE or process.given is None else process

    def in_force(self, configured: Configured) -> BaseProvider:
        """Return what `pin_to` does, for one call: if known, the provider in a `Configured`."""
        provider = self.pin_to(configured)
        if isinstance(provider, Configured):
            process, known = provider.found
            if known is not None and process is DEFAULT_SCOPE.current:
                return known
        return provider

    def resolved_or_none(self) -> BaseProvider | None:
        """Return the credentials in force, or None if they are not made yet."""
        provider = self.in_force(self.current)
        return provider.resolved_or_none() if isinstance(provider, Configured) else provider

    def resolved(self) -> BaseProvider:
        """Return the credentials in force. May block."""
        return self.pin().resolved()

    async def aresolved(self) -> BaseProvider:
        """Return the credentials in force, without blocking the event loop."""
        return await self.pin().aresolved()

    def configure(
        self,
        settings: Settings | None,
        credentials: object = UNSET,
        require_using: bool | None = None,
    ) -> None:
        """Set the arguments that were passed, and leave the rest as it is."""
        provider = (
            None
            if isinstance(credentials, Unset)
            else as_provider(credentials, settings or self.current.chosen)
        )
        if settings is None and provider is None and require_using is None:
            return
        with self._lock:
            old = self.current
            self.current = Configured(
                settings or old.chosen,
                provider or old.given,
                read=old.loaded,
                require_using=old.require_using if require_using is None else require_using,
            )
        old.close()
        if require_using or (provider is not None and self.current.require_using):
            self._warn_of_process_key()
        elif provider is not None:
            self.warn_of_api_key(again=True)

    def _warn_of_process_key(self) -> None:
        """Warn that a key of the process is set and not used, because calls need a block."""
        what = [
            *(["vectorshift.api_key"] if slot.namespace["api_key"] is not None else []),
            *(["configure(credentials=...)"] if self.current.given is not None else []),
        ]
        if what:
            log.warning(
                "%s set a key for the process, which is not used: with "
                "configure(require_using=True), every call takes its key from a using block.",
                " and ".join(what),
            )

    def refuse_api_key(self) -> None:
        """Raise CredentialConfigurationError if the process must have no key of its own."""
        now = self.current
        if now.requires_using:
            raise CredentialConfigurationError(
                f"vectorshift.api_key cannot be set: {now.required_by} says that this process has"
                " no key of its own. Use `with vectorshift.using(key):`, or VectorShift(key).",
                source="using",
            )

    def warn_of_api_key(self, *, again: bool = False) -> None:
        """Warn once that `vectorshift.api_key` is set and not used, because other credentials are
        configured.
        """
        self._warned = self._warned and not again
        if self._warned or slot.namespace["api_key"] is None:
            return
        what, how = self._in_place_of_api_key()
        self._warned = bool(how)
        if how:
            log.warning(
                "vectorshift.api_key is set and has no effect%s: configure(%s=...) decides what "
                "calls use. Pass the key there, or call vectorshift.reset() first.",
                what,
                how,
            )

    def _in_place_of_api_key(self) -> tuple[str, str]:
        """Return on which calls `api_key` has no effect, and the `configure` argument that replaces
        it; empty if there is none.
        """
        if self.current.given is not None:
            return "", "credentials"
        own = [
            type(each).__name__
            for each in (self.sync, self.asynchronous)
            if each is not None and each.has_own_credentials
        ]
        return (f" on calls of {own[0]}" if len(own) == 1 else "", "client" if own else "")

    def reset(self) -> None:
        """Forget all configuration: the next use reads the environment again."""
        from vectorshift.providers.dotenv import admit_latecomers

        admit_latecomers()
        begin_anew()
        self.sync = self.asynchronous = None
        with self._lock:
            old, self.current = self.current, Configured()
        old.close()

    def close(self) -> None:
        """Close the chain that was built."""
        self.current.close()

    async def aclose(self) -> None:
        """Close the chain that was built, from an event loop."""
        await self.current.aclose()

    def __repr__(self) -> str:  # a debugger calls it: it must not read settings, or raise
        return "<DefaultScope>"


DEFAULT_SCOPE = DefaultScope()
slot.scope = DEFAULT_SCOPE


class using(StaysInProcess):  # lower case: it reads as a statement
    """Use these credentials in a block, and in tasks that are started in it.

    There is no fall-back to the process's credentials: if these find no key, the call fails. A
    client that was made with credentials keeps them. A new thread does not see the block, unless it
    is started with `contextvars.copy_context().run`. Tasks and threads may share one `using`, and
    enter it again. It is for `with` only, not a decorator: an async function would leave the block
    before it runs.

    Args:
        credentials: a key, a sync or async callable that returns one, or any provider.

    Raises:
        TypeError: `credentials` has another type.
        RuntimeError: the block ends in another task or thread than it began in.
    """

    _has_effect = True

    def __init__(self, credentials: Any) -> None:
        credentials = masked(credentials, CredentialProvider)
        self._provider = as_provider(credentials).resolved()
        self._entries: list[weakref.ref[_Entry]] = []
        self._has_effect = False

    def __enter__(self) -> CredentialProvider:
        self._has_effect = True
        entry = _Entry(self)
        self._entries.append(weakref.ref(entry, self._forget))
        _in_block.set(_Block(entry, self._provider, _in_block.get()))
        return self._provider

    def __exit__(self, *_: object) -> None:
        _in_block.set(_without(self, _in_block.get()))

    def __del__(self, _is_ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not self._has_effect and not _is_ending():
            log_safely(
                logging.WARNING,
                "vectorshift.using(...) without `with` has no effect: calls use the credentials"
                " that they used before.",
            )

    def _forget(self, entry: weakref.ref[_Entry]) -> None:
        self._entries.remove(entry)

    def _left_elsewhere(self) -> None:
        """Fail later calls in the context that entered this block: it has ended elsewhere."""
        _abandoned[:] = [each for each in _abandoned if each() is not self]
        open_still = [entry for each in self._entries if (entry := each()) and not entry.left]
        if len(open_still) == 1:  # with several, it is unknown which one was left
            open_still[0].left_elsewhere = True


def _without(left: using, block: _Block | None) -> _Block | None:
    """Return the blocks that stay in force. With generators, a block may end before one that was
    entered later.
    """
    inner: list[_Block] = []
    while block is not None and block.entry.of is not left:
        inner.append(block)
        block = block.around
    if block is None:
        left._left_elsewhere()  # pyright: ignore[reportPrivateUsage]
        raise RuntimeError(
            "This using block ends in another task or thread than it began in, so code in "
            "between may not have seen it. Begin and end the block in one function."
        )
    block.entry.leave()
    kept = block.around
    for each in reversed(inner):
        kept = each._replace(around=kept)
    return kept


def get_credential() -> Credential:
    """Return the credential that a sync call would use now. Thread-safe; may block when nothing is
    cached.

    A client that is configured for sync calls comes first, then the surrounding `using` block, then
    the process.

    Raises:
        MissingCredentialError: no source has a key; it is an `AuthenticationError`.
        CredentialError: a configured source failed.
    """
    scope = DEFAULT_SCOPE
    if scope.sync is None:
        return scope.in_force(scope.current).get_credential()
    return scope.target().provider.get_credential()


async def aget_credential() -> Credential:
    """Return the credential that an async call would use now, without blocking the event loop.

    Raises as `get_credential`.
    """
    scope = DEFAULT_SCOPE
    if scope.asynchronous is None:
        return await scope.in_force(scope.current).aget_credential()
    return await scope.target(asynchronous=True).provider.aget_credential()


def refresh() -> Credential:
    """Read the current source again, and return the key that calls use from now on.

    Call it after a key was replaced or removed, if the cache would notice too late. The source is
    that of `get_credential`: in a `using` block, the block's. The store is read at once, even after
    a recent failure. If the read fails, this raises, and calls keep the old key, unless the store
    said that the key is gone.

    Simultaneous callers share a read. A read that began earlier counts only if it returns another
    key. Other processes are not affected. Thread-safe; may block.

    Raises:
        MissingCredentialError: no source has a key.
        CredentialError: a configured source failed.
    """
    return unwrap(DEFAULT_SCOPE.target().provider.resolve(REFRESH_REQUEST))


async def arefresh() -> Credential:
    """Read the current source again, without blocking the event loop.

    Promises and raises as `refresh`.
    """
    return unwrap(await DEFAULT_SCOPE.target(asynchronous=True).provider.aresolve(REFRESH_REQUEST))


def api_key() -> str | None:
    """Return the text of the key that a sync call would use now, if it is known without a read.

    Contacts no store. None if no local source and no cache has a key, or if a store comes first
    that was not read yet. None too if calls fail: for their settings, or because they need a block.

    Raises:
        CredentialError: a local source failed.
    """
    try:
        if _in_block.get() is None and DEFAULT_SCOPE.current.requires_using:
            return None
        provider = DEFAULT_SCOPE.target().provider.resolved()
    except CredentialConfigurationError:  # tools read this to list the module: only a call raises
        return None
    answer = provider.resolve(LOCAL_REQUEST)
    if is_missing(answer) or answer is NOT_ASKED or answer is STORE_FAILED:
        return None
    return unwrap(answer).secret.reveal()
