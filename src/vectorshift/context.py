"""Whose key a call uses that names none: the credentials of a block, else those of the process."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vectorshift.chain import ProviderChain
from vectorshift.errors import CredentialNotFoundError
from vectorshift.events import log
from vectorshift.flight import SharedWork
from vectorshift.forks import renew_after_fork
from vectorshift.given import as_provider
from vectorshift.providers.answering import PLAIN_ASK, Answer, AnsweringProvider, Ask, settle
from vectorshift.providers.explicit import ExplicitProvider

if TYPE_CHECKING:
    from vectorshift.credentials import Credential
    from vectorshift.providers.base import CredentialProvider, Description
    from vectorshift.settings import Settings

__all__ = ["AMBIENT", "AmbientProvider", "aget_credential", "api_key", "get_credential", "using"]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block in force, and the one around it. It is kept in the context alone: tasks may share the `using` object."""

    of: using
    provider: AnsweringProvider
    around: _Block | None


_in_block: ContextVar[_Block | None] = ContextVar("vectorshift.using", default=None)


class AmbientProvider(AnsweringProvider):
    """Ask the credentials of the surrounding `using` block, else a chain that is built at first use, once.

    Args:
        settings: what the chain is built from; the environment at first use by default.
    """

    name = "ambient"
    remote = False
    stands_for_another = True

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._process: AnsweringProvider | None = None
        self._built: ProviderChain | None = None
        self._building = SharedWork(lambda: self.process)
        self._warned = False
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come here while its thread is in here

    @property
    def loaded(self) -> Settings | None:
        """The settings, as far as they were read; does no I/O."""
        return self._settings

    @property
    def settings(self) -> Settings:
        """The settings that were configured, else those of the environment at first use. May block."""
        settings = self._settings
        if settings is None:
            from vectorshift.settings import Settings

            fresh = Settings.load()
            with self._lock:
                settings = self._settings = self._settings or fresh
        return settings

    @property
    def scope(self) -> str:
        """Whose credentials are in force: those of a block, `using`, or of the `process`."""
        return "process" if _in_block.get() is None else "using"

    @property
    def process(self) -> AnsweringProvider:
        """The credentials outside any block. May block at first."""
        process = self._process
        if process is None:
            explicit = ExplicitProvider(held=vars(sys.modules["vectorshift"]))
            built = ProviderChain.from_settings(self.settings, explicit=explicit)
            with self._lock:
                if self._process is None:
                    self._process = self._built = built
                process = self._process
        return process

    def resolved(self) -> AnsweringProvider:
        """Return the credentials of the surrounding block, else those outside any."""
        block = _in_block.get()
        return self.process if block is None else block.provider

    async def aresolved(self) -> AnsweringProvider:
        """Return the credentials of the surrounding block, else those outside any, which are built in a thread."""
        provider = self._at_hand()
        return await self._building.ajoin() if provider is None else provider

    def _at_hand(self) -> AnsweringProvider | None:
        block = _in_block.get()
        return self._process if block is None else block.provider

    def here(self) -> AnsweringProvider:
        """Return the credentials that are in force here and now, or this itself if they have not been built yet."""
        return self._at_hand() or self

    def configure(self, settings: Settings | None, credentials: object) -> None:
        """Set what is given, and leave the rest as it is."""
        try:
            provider = None if credentials is None else as_provider(credentials)
        finally:
            del credentials
        with self._lock:
            if settings is not None:
                self._settings = settings
            old = self._built
            if provider is not None:
                self._process, self._built = provider, None
            elif settings is not None and self._process is old:  # credentials that were given stay
                self._process = self._built = None
            unused = None if self._built is old else old
        if unused is not None:
            unused.close()
        if provider is not None:
            self._warned = False
            self.warn_of_api_key()

    def warn_of_api_key(self) -> None:
        """Say once that `vectorshift.api_key` is set and not used, as credentials were configured in its place."""
        given = self._process is not None and self._process is not self._built
        if self._warned or not given or vars(sys.modules["vectorshift"])["api_key"] is None:
            return
        self._warned = True
        log.warning(
            "vectorshift.api_key is set and has no effect, as configure(credentials=...) set what calls use. "
            "Give the key there, or call vectorshift.reset() first."
        )

    def reset(self) -> None:
        """Forget everything: the next use reads the environment anew."""
        with self._lock:
            built, self._settings, self._process, self._built = self._built, None, None, None
        if built is not None:
            built.close()

    def close(self) -> None:
        """Close the chain that was built."""
        if self._built is not None:
            self._built.close()

    def describe(self) -> Description:
        """Describe the credentials in force."""
        return self.resolved().describe()

    def __repr__(self) -> str:  # what shows locals must not read settings, or raise what is wrong with them
        return "<AmbientProvider>"

    def invalidate(self, rejected: Credential) -> None:
        """Tell the credentials in force that the server refused `rejected`."""
        self.resolved().invalidate(rejected)

    def peek(self) -> Answer | None:
        """Answer as the credentials in force do."""
        provider = self._at_hand()
        return None if provider is None else provider.peek()

    def lookup(self, ask: Ask) -> Answer:
        """Answer as the credentials in force do."""
        return self.resolved().lookup(ask)

    async def alookup(self, ask: Ask) -> Answer:
        """Answer as the credentials in force do."""
        return await (await self.aresolved()).alookup(ask)


AMBIENT = AmbientProvider()


class using:  # it reads as a statement
    """Use these credentials in a block, and in the tasks that are started in it, instead of the process's own.

    Nothing falls back to the process's credentials: if these find nothing, the call fails. A client that was made
    with credentials keeps its own. A new thread does not see the block, unless it is started with
    `contextvars.copy_context().run`. Any number of tasks and threads may share one, and enter it again. It is for
    `with` alone, and not a decorator: an async function would have left the block before it runs.

    Args:
        credentials: a key, a callable of either colour that returns one, or any provider.

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
    """Return the blocks that stay in force. A generator may be left after a block that was entered later."""
    inner: list[_Block] = []
    while block is not None and block.of is not left:
        inner.append(block)
        block = block.around
    if block is None:
        raise RuntimeError(
            "This using block ends in another task or thread than it began in, and what ran between may not have "
            "seen it. Let it begin and end in one function."
        )
    kept = block.around
    for each in reversed(inner):
        kept = replace(each, around=kept)
    return kept


def get_credential() -> Credential:
    """Return the credential that a call would use now. Thread-safe; may block when nothing is cached.

    Raises:
        MissingCredentialError: no source has a key; it is an `AuthenticationError`.
        CredentialError: a configured source failed.
    """
    return AMBIENT.get_credential()


async def aget_credential() -> Credential:
    """Return the credential that a call would use now, without blocking the event loop. Raises as `get_credential`."""
    return await AMBIENT.aget_credential()


def api_key() -> str | None:
    """Return the text of the key that a call would use now, or None if no source has one."""
    answer = AMBIENT.peek()
    if answer is None:
        answer = AMBIENT.lookup(PLAIN_ASK)
    return None if isinstance(answer, CredentialNotFoundError) else settle(answer).secret.reveal()
