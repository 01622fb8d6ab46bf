"""Whose key a call uses that names none: the credentials of a block, else those of the process."""

from __future__ import annotations

import contextlib
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from vectorshift.chain import ProviderChain, as_provider
from vectorshift.errors import CredentialNotFoundError
from vectorshift.flight import arun_blocking
from vectorshift.forks import renew_after_fork
from vectorshift.providers.base import (
    PLAIN_ASK,
    Answer,
    AnsweringProvider,
    Ask,
    CredentialProvider,
    Description,
    settle,
)
from vectorshift.providers.explicit import ExplicitProvider

if TYPE_CHECKING:
    from collections.abc import Generator

    from vectorshift.credentials import Credential
    from vectorshift.settings import Settings

__all__ = ["AMBIENT", "AmbientProvider", "aget_credential", "api_key", "get_credential", "using"]

_in_block: ContextVar[AnsweringProvider | None] = ContextVar("vectorshift.using", default=None)


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
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    @property
    def settings(self) -> Settings:
        """The settings that were configured, else those of the environment at first use."""
        with self._lock:
            if self._settings is None:
                from vectorshift.settings import Settings

                self._settings = Settings.load()
            return self._settings

    @property
    def process(self) -> AnsweringProvider:
        """The credentials outside any block."""
        process = self._process  # another thread may reset it meanwhile
        if process is None:
            with self._lock:
                if self._process is None:
                    explicit = ExplicitProvider(held=vars(sys.modules["vectorshift"]))
                    self._process = self._built = ProviderChain.from_settings(self.settings, explicit=explicit)
                process = self._process
        return process

    @property
    def in_force(self) -> AnsweringProvider:
        """The credentials of the surrounding block, else those outside any."""
        return _in_block.get() or self.process

    def configure(self, settings: Settings | None, credentials: object) -> None:
        """Set what is given, and leave the rest as it is."""
        try:
            provider = None if credentials is None else as_provider(credentials)
        finally:
            del credentials
        with self._lock:
            if settings is not None:
                self._settings = settings
            if settings is not None or provider is not None:
                self._process = provider

    def reset(self) -> None:
        """Forget everything: the next use reads the environment anew."""
        with self._lock:
            built, self._settings, self._process, self._built = self._built, None, None, None
        if built is not None:
            built.close()

    def describe(self) -> Description:
        """Describe the credentials in force."""
        return self.in_force.describe()

    def __repr__(self) -> str:  # what shows locals must not read settings, or raise what is wrong with them
        return "<AmbientProvider>"

    def invalidate(self, rejected: Credential) -> None:
        """Tell the credentials in force that the server refused `rejected`."""
        self.in_force.invalidate(rejected)

    def peek(self) -> Answer | None:
        """Answer as the credentials in force do."""
        provider = _in_block.get() or self._process
        return None if provider is None else provider.peek()

    def lookup(self, ask: Ask) -> Answer:
        """Answer as the credentials in force do; build the chain of the process at first."""
        return self.in_force.lookup(ask)

    async def alookup(self, ask: Ask) -> Answer:
        """Answer as the credentials in force do; build the chain of the process at first, in a thread."""
        provider = _in_block.get() or self._process
        if provider is None:
            provider = await arun_blocking(lambda: self.process)
        return await provider.alookup(ask)


AMBIENT = AmbientProvider()


@contextlib.contextmanager
def using(credentials: Any) -> Generator[CredentialProvider, None, None]:
    """Use these credentials in a block, and in the tasks that are started in it, instead of the process's own.

    Nothing falls back to the process's credentials: if these find nothing, the call fails. A client that was made with
    credentials keeps its own. A new thread does not see the block, unless it is started with
    `contextvars.copy_context().run`.

    Args:
        credentials: a key, a callable of either colour that returns one, or any provider.

    Raises:
        TypeError: `credentials` is none of these.
    """
    try:
        provider = as_provider(credentials)
    finally:
        del credentials  # a traceback may show locals
    if isinstance(provider, AmbientProvider):
        provider = provider.in_force
    token = _in_block.set(provider)
    try:
        yield provider
    finally:
        _in_block.reset(token)


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
