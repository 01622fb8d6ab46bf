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
    """Ask the credentials of the surrounding `using` block, else those of the process.

    The chain of the process is built from the environment at first use, once.
    """

    name = "ambient"
    remote = False
    stands_for_another = True

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._process: AnsweringProvider | None = None
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
        """The credentials of the process, whatever block this is in."""
        if self._process is None:
            with self._lock:
                if self._process is None:
                    explicit = ExplicitProvider(held=vars(sys.modules["vectorshift"]))
                    self._process = ProviderChain.from_settings(self.settings, explicit=explicit)
        return self._process

    def configure(self, settings: Settings | None, credentials: object) -> None:
        """Set what is given, and leave the rest as it is."""
        provider = None if credentials is None else as_provider(credentials)
        with self._lock:
            if settings is not None:
                self._settings = settings
            if settings is not None or provider is not None:
                self._process = provider

    def reset(self) -> None:
        """Forget everything: the next use reads the environment anew."""
        with self._lock:
            self._settings = self._process = None

    def describe(self) -> Description:
        """Describe the credentials in force."""
        return (_in_block.get() or self.process).describe()

    def invalidate(self, rejected: Credential) -> None:
        """Tell the credentials in force that the server refused `rejected`."""
        (_in_block.get() or self.process).invalidate(rejected)

    def peek(self) -> Answer | None:
        """Answer as the credentials in force do."""
        provider = _in_block.get() or self._process
        return None if provider is None else provider.peek()

    def lookup(self, ask: Ask) -> Answer:
        """Answer as the credentials in force do; build the chain of the process at first."""
        return (_in_block.get() or self.process).lookup(ask)

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
    provider = as_provider(credentials)
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
