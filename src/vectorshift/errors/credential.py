"""Errors of credentials: no key was found, or a source failed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

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
    "error_for_status",
]


class CredentialError(VectorshiftError):
    """A source gave no key. Raise one of the subclasses.

    Attributes:
        source: the printable source, such as `env:VECTORSHIFT_API_KEY`, or None.
        provider: the name of its provider, or None.
    """

    _parameters: tuple[str, ...] = ("message", "source", "provider")

    def __init__(
        self, message: str = "", source: str | None = None, provider: str | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.provider = provider


class CredentialNotFoundError(CredentialError):
    """Nothing is configured here, or the place is empty. The one failure that moves a chain on.

    Attributes:
        had_key: whether this process found a key there before. If so, the key was removed, and the
            failure stops a chain: no other key replaces a key that was in use.
    """

    had_key = False  # pickles of 1.0 have none
    _parameters: tuple[str, ...] = ("message", "source", "provider", "had_key")

    def __init__(
        self,
        message: str = "",
        source: str | None = None,
        provider: str | None = None,
        had_key: bool = False,
    ) -> None:
        super().__init__(message, source, provider)
        self.had_key = had_key


class CredentialConfigurationError(CredentialError):
    """The configuration is wrong: a bad setting, a malformed secret, a missing field or package.
    Stops a chain.
    """


class CredentialDeniedError(CredentialError):
    """The store denied access. Stops a chain."""


class CredentialRevokedError(CredentialDeniedError):
    """The store says that this secret was deleted, destroyed or scheduled for deletion. Stops a
    chain.
    """


class CredentialStoreUnavailableError(CredentialError):
    """The store is down, slow or throttling. Stops a chain.

    The argument `retry_after` may be the text of the header `Retry-After`. If it is not a time, the
    attribute is None.

    Attributes:
        retry_after: seconds that the store asks to wait, or None.
    """

    _parameters: tuple[str, ...] = ("message", "source", "provider", "retry_after")

    def __init__(
        self,
        message: str = "",
        source: str | None = None,
        provider: str | None = None,
        retry_after: float | str | None = None,
    ) -> None:
        super().__init__(message, source=source, provider=provider)
        # another type would break the arithmetic of the cache
        self.retry_after = (
            seconds(str(retry_after)) if isinstance(retry_after, str | int | float) else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One look-up by a provider of a chain, and its outcome.

    Args:
        provider: the provider's name.
        source: the source that it read.
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
    """No source of a chain has a key.

    A `CredentialNotFoundError`, so that chains nest, and an `AuthenticationError` (`status_code`
    401, no response), so that the documented `except AuthenticationError` catches a missing key.

    Attributes:
        attempts: one `Attempt` for each provider asked, in order.
    """

    _parameters: tuple[str, ...] = ("message", "_attempts")

    def __init__(
        self, message: str = "", attempts: Iterable[Attempt | Mapping[str, Any]] = ()
    ) -> None:
        AuthenticationError.__init__(self)
        self.message = message
        self.provider, self.had_key = None, False
        self.attempts = tuple(
            each if isinstance(each, Attempt) else Attempt(**each) for each in attempts
        )

    @property
    def _attempts(self) -> tuple[dict[str, Any], ...]:
        return tuple(map(asdict, self.attempts))


_WHOLE: Final = (200, 201, 203)
"""Statuses with a complete body."""
_MEANINGS: Final[tuple[tuple[Collection[int], type[CredentialError], str], ...]] = (
    (
        (404,),
        CredentialNotFoundError,
        "holds nothing {}. Put the key there, or correct the address.",
    ),
    ((410,), CredentialRevokedError, "is gone {}. Bring the secret back, or write a new one."),
    (
        (401, 402, 403, 451),
        CredentialDeniedError,
        "refused access {}. Check the login, and its permissions.",
    ),
    (  # a retry would fail as well
        (405, 406, 411, 413, 414, 415, 416, 417, 422, 426, 428, 431),
        CredentialConfigurationError,
        "does not accept the request {}. Check the address.",
    ),
    (  # 202: not yet
        {*range(200, 300)} - {*_WHOLE, 202},
        CredentialConfigurationError,
        "sent an incomplete answer {}. Check the address.",
    ),
)
"""The error and its text for statuses of a store. All others may be temporary."""


def error_for_status(
    status: int,
    *,
    source: str,
    provider: str | None = None,
    retry_after: float | str | None = None,
) -> CredentialError | None:
    """Return the error for an HTTP status of a store, or None if the body is the answer.

    For getters of your own; raise what it returns. Handle statuses with another meaning in your
    store first. A 404 for a wrong address does not mean that the secret is empty. A 410 for an old
    API version does not mean that it was deleted.

    Args:
        status: the HTTP status of the last answer.
        source: the printable source, without a secret in it.
        provider: the name of the provider.
        retry_after: the text of the header `Retry-After`, or seconds, or None.

    Returns:
        None for 200, 201 and 203. `CredentialNotFoundError` for 404. `CredentialRevokedError` for
        410. `CredentialDeniedError` for 401, 402, 403 and 451. `CredentialConfigurationError` for a
        wrong request (405, 406, 411, 413 to 417, 422, 426, 428, 431) and for a success without a
        complete body. `CredentialStoreUnavailableError` for failures that may be temporary: a
        redirect, 400, 408, 429, 500 and above, and other statuses that a proxy may send.

    Raises:
        TypeError: `status` is not an integer.
    """
    number = cast("object", status)
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"status should be a number such as 404, not {type(number).__name__}.")
    if status in _WHOLE:
        return None
    code = f"(HTTP {int(status)})"
    for statuses, kind, text in _MEANINGS:
        if status in statuses:
            return kind(f"{source} {text.format(code)}", source=source, provider=provider)
    what = "sent a redirect, which was not followed" if 300 <= status < 400 else "could not answer"
    return CredentialStoreUnavailableError(
        f"{source} {what} {code}. If that lasts, check the store and the address.",
        source=source,
        provider=provider,
        retry_after=retry_after,
    )
