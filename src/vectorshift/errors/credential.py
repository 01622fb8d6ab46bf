"""No key could be had."""

from __future__ import annotations

from dataclasses import dataclass

from vectorshift.errors.api import AuthenticationError
from vectorshift.errors.base import VectorshiftError
from vectorshift.errors.bodies import seconds

__all__ = [
    "Attempt",
    "CredentialConfigurationError",
    "CredentialDeniedError",
    "CredentialError",
    "CredentialNotFoundError",
    "CredentialRevokedError",
    "CredentialStoreUnavailableError",
    "MissingCredentialError",
]


class CredentialError(VectorshiftError):
    """No key could be had from a source. Raise one of the subclasses.

    Attributes:
        source: the printable place that was asked, such as `env:VECTORSHIFT_API_KEY`, or None.
        provider: the name of the provider that was asked, or None.
    """

    def __init__(
        self, message: str = "", *, source: str | None = None, provider: str | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.provider = provider


class CredentialNotFoundError(CredentialError):
    """Nothing is configured here, or the place is empty. The one failure that moves a chain on."""


class CredentialConfigurationError(CredentialError):
    """Configured, and wrong: a bad setting, a malformed secret, a missing field or package. Stops a
    chain.
    """


class CredentialDeniedError(CredentialError):
    """The store refused us. Stops a chain."""


class CredentialRevokedError(CredentialDeniedError):
    """The store says that this very secret was deleted, destroyed or scheduled for deletion. Stops
    a chain.
    """


class CredentialStoreUnavailableError(CredentialError):
    """The store is down, slow or throttling. Stops a chain.

    `retry_after` may be given as the header `Retry-After` stands, as text. What says no time is
    None.

    Attributes:
        retry_after: seconds to wait as the store asked, or None.
    """

    def __init__(
        self,
        message: str = "",
        *,
        source: str | None = None,
        provider: str | None = None,
        retry_after: float | str | None = None,
    ) -> None:
        super().__init__(message, source=source, provider=provider)
        # what is no number would stop the cache where it counts with it
        self.retry_after = (
            seconds(str(retry_after)) if isinstance(retry_after, str | int | float) else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one provider of a chain was asked and what came of it.

    Args:
        provider: the provider's name.
        source: the place it looked at.
        outcome: `not configured`, `not found`, `configuration`, `denied`, `revoked` or
            `unavailable`.
        reason: a sentence without a secret in it.
        seconds: how long the provider took.
    """

    provider: str
    source: str
    outcome: str
    reason: str
    seconds: float = 0.0


class MissingCredentialError(CredentialNotFoundError, AuthenticationError):
    """A chain ended with nothing.

    A `CredentialNotFoundError`, so that chains nest, and an `AuthenticationError` (`status_code`
    401, no response), so that the documented `except AuthenticationError` catches a missing key.

    Attributes:
        attempts: one `Attempt` for each provider asked, in order.
    """

    def __init__(self, message: str = "", *, attempts: tuple[Attempt, ...] = ()) -> None:
        AuthenticationError.__init__(self)
        self.message = message
        self.args = (message,)
        self.provider = None
        self.attempts = attempts
