"""The contract that every source of a key keeps."""

from __future__ import annotations

import os
import sys
from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vectorshift.credentials import Credential, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
    fresh_copy,
)
from vectorshift.flight import arun_blocking, run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Answer", "AnsweringProvider", "Ask", "CredentialProvider", "Description", "settle"]

Answer = Credential | CredentialError
"""What a provider has to say, as a value: the way round exceptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a provider can tell of itself without contacting anything.

    Args:
        configured: whether it would be asked at all.
        source: the printable place that it looks at.
        detail: a sentence for a person, without a secret in it.
        locator: whether the source is a configured store, so that falling past it is worth a warning.
    """

    configured: bool
    source: str
    detail: str = ""
    locator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one caller brings along when it asks.

    Args:
        refused: the credential that the server has just refused with a 401, or None.
        deadline: the moment, in seconds of `time.monotonic`, until which the caller waits, or None.
    """

    refused: Credential | None = None
    deadline: float | None = None


PLAIN_ASK = Ask()


def settle(answer: Answer) -> Credential:
    """Return the credential, or raise an error instance that is this caller's own."""
    if isinstance(answer, Credential):
        return answer
    raise fresh_copy(answer)


class CredentialProvider(ABC):
    """Asks one source for a credential. Subclass it and write one of the two getters; the other is given.

    Instances are shared by threads and event loops. A getter raises `CredentialNotFoundError` when nothing is
    configured or the place is empty (a chain moves on), and another `CredentialError` when it failed (a chain
    stops). Any other exception counts as a configuration error, `OSError` and `TimeoutError` as an unavailable
    store, and of those only type and line are printed.

    Attributes:
        name: a short lower-case name, as `VECTORSHIFT_PROVIDERS` and messages use it.
        remote: whether answers are cached by a `CachingProvider`; a provider that is not remote is asked
            on every call.
        ttl: seconds for which an answer of a remote provider is fresh, or None for the common setting.
        on_error: `"continue"` is the user's word that another source may answer when this one fails.
        on_missing: `"stop"` is the user's word that no other may answer when this one is empty.
    """

    name: str = ""
    remote: bool = True
    ttl: float | None = None
    on_error: Literal["stop", "continue"] = "stop"
    on_missing: Literal["stop", "continue"] = "continue"

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        mine = CredentialProvider
        if cls.get_credential is mine.get_credential and cls.aget_credential is mine.aget_credential:
            raise TypeError(f"{cls.__name__} has to define get_credential or aget_credential.")
        return super().__new__(cls)

    def __init_subclass__(cls) -> None:
        cls.name = cls.__dict__.get("name") or cls.name or cls.__name__.removesuffix("Provider").lower()

    def describe(self) -> Description:
        """Say whether this is configured and where it looks, without contact. Does not raise or block."""
        return Description(configured=True, source=self.name)

    def get_credential(self) -> Credential:
        """Return the credential of this moment. May block; thread-safe.

        Raises:
            CredentialNotFoundError: nothing is configured here, or the place is empty.
            CredentialConfigurationError: configured, and wrong.
            CredentialDeniedError: the store refused us.
            CredentialRevokedError: the store says that this secret is gone.
            CredentialStoreUnavailableError: the store is down, slow or throttling.
        """
        return settle(run_async(self._aget))

    async def aget_credential(self) -> Credential:
        """Return the credential of this moment without blocking the event loop. Raises as `get_credential`."""
        return settle(await arun_blocking(self._get))

    def invalidate(self, rejected: Credential) -> None:  # noqa: B027  # a provider without memory has nothing to do
        """Take note that the server refused `rejected`. Does no I/O; wrappers pass it on."""

    def close(self) -> None:  # noqa: B027
        """Give back what this provider holds. It may be asked again afterwards."""

    async def aclose(self) -> None:
        """Give back what this provider holds, from an event loop."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.describe().source}>"

    # --- The way round exceptions: an answer is a value. Private to this package. ---

    def _peek(self) -> Answer | None:
        """Answer at once and without I/O, or None where that takes `_lookup`."""
        return None

    def _lookup(self, ask: Ask) -> Answer:
        """Answer; may block."""
        if ask.refused is not None:
            self.invalidate(ask.refused)
        if type(self).get_credential is CredentialProvider.get_credential:
            answer: Answer = run_async(self._aget)
            return answer
        return self._get()

    async def _alookup(self, ask: Ask) -> Answer:
        """Answer without blocking the event loop."""
        if ask.refused is not None:
            self.invalidate(ask.refused)
        if type(self).aget_credential is CredentialProvider.aget_credential:
            return await arun_blocking(self._get)
        return await self._aget()

    def _get(self) -> Answer:
        try:
            return self._guard(self.get_credential())
        except Exception as error:
            return self._mapped(error)

    async def _aget(self) -> Answer:
        try:
            return self._guard(await self.aget_credential())
        except Exception as error:
            return self._mapped(error)

    def _guard(self, answer: object) -> Answer:
        """Let nothing through that is not a credential with a key in it that can stand in a header."""
        if isinstance(answer, CredentialError):
            return answer
        if not isinstance(answer, Credential):
            return self._configuration(f"{self.name} answered with {type(answer).__name__}, not a Credential.")
        flaw = parse_key(answer.secret.reveal(), source=answer.source, provider=answer.provider)
        return flaw if isinstance(flaw, CredentialError) else answer

    def _mapped(self, error: Exception) -> CredentialError:
        """Turn what a getter raised into an answer that holds nothing of the getter's frames."""
        if isinstance(error, CredentialError):
            bare = fresh_copy(error)
            bare.__cause__ = None
            bare.source = bare.source or self.describe().source
            bare.provider = bare.provider or self.name
            return bare
        what = f"{self.describe().source}: {self.name} raised {type(error).__name__} at {_line(error, type(self))}."
        if isinstance(error, OSError | TimeoutError) or type(error).__name__ == "TimeoutError":
            return CredentialStoreUnavailableError(
                f"{what} The store could not be reached.", source=self.describe().source, provider=self.name
            )
        return self._configuration(f"{what} Its text is withheld, as it may hold a secret.")

    def _configuration(self, message: str) -> CredentialConfigurationError:
        return CredentialConfigurationError(message, source=self.describe().source, provider=self.name)


class AnsweringProvider(CredentialProvider):
    """Base of the providers in this package: they write `_lookup` once and answer both colours without raising."""

    def get_credential(self) -> Credential:
        """Return the credential of this moment. Raises as the contract says."""
        answer = self._peek()
        return settle(self._lookup(PLAIN_ASK) if answer is None else answer)

    async def aget_credential(self) -> Credential:
        """Return the credential of this moment without blocking the event loop."""
        answer = self._peek()
        return settle(await self._alookup(PLAIN_ASK) if answer is None else answer)

    def _lookup(self, ask: Ask) -> Answer:
        raise NotImplementedError

    async def _alookup(self, ask: Ask) -> Answer:
        return await arun_blocking(lambda: self._lookup(ask))


def _line(error: Exception, provider: type) -> str:
    """Return `file:line` of the deepest frame in the provider's own file, else of the deepest frame."""
    home = getattr(sys.modules.get(provider.__module__), "__file__", None) or ""
    deepest = "an unknown line"
    trace = error.__traceback__
    while trace is not None:
        place = trace.tb_frame.f_code.co_filename
        if place == home or not deepest.startswith(os.path.basename(home) or "?"):
            deepest = f"{os.path.basename(place)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return deepest
