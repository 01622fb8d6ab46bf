"""The outcome of a walk through a chain: the attempts, and the error if no source had a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.credentials.resolving import BaseProvider
from vectorshift.errors import (
    Attempt,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    MissingCredentialError,
)
from vectorshift.providers.static import UnconfiguredProvider

if TYPE_CHECKING:
    from collections.abc import Collection

    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.credentials.resolving import Result

__all__ = [
    "attempts_of",
    "is_missing",
    "must_not_miss",
    "nothing_found",
    "outcome_of",
    "stops",
    "what_to_do",
]

_VARIABLE, _IN_CODE = "env:VECTORSHIFT_API_KEY", "explicit:api_key"

_OUTCOMES: tuple[tuple[type[CredentialError], str], ...] = (
    (CredentialNotFoundError, "not found"),
    (CredentialConfigurationError, "configuration"),
    (CredentialRevokedError, "revoked"),
    (CredentialDeniedError, "denied"),
)


def stops(provider: CredentialProvider, error: CredentialError) -> bool:
    """Return whether this failure stops a chain: `on_missing` or `on_error` is not `continue`."""
    return (provider.on_missing if is_missing(error) else provider.on_error) != "continue"


def is_missing(answer: Result) -> bool:
    """Return whether a source is empty. A source whose key was removed has failed instead."""
    return isinstance(answer, CredentialNotFoundError) and not answer.had_key


def outcome_of(provider: CredentialProvider, error: CredentialError) -> str:
    """Return the word for a failure, such as `denied`."""
    if isinstance(provider, BaseProvider) and isinstance(provider.actual, UnconfiguredProvider):
        return "not configured"
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "unavailable")


def attempts_of(
    provider: CredentialProvider, error: CredentialError, seconds: float
) -> tuple[Attempt, ...]:
    """Return the attempt of a provider that had no key, or each attempt of a nested chain."""
    if isinstance(error, MissingCredentialError) and error.attempts:  # an author's may have none
        return error.attempts
    source = error.source or provider.describe().source
    word = outcome_of(provider, error)
    return (
        Attempt(
            provider=provider.name,
            source=source,
            outcome=word,
            reason=error.message,
            seconds=seconds,
        ),
    )


def must_not_miss(
    provider: CredentialProvider, error: CredentialError
) -> CredentialConfigurationError:
    """Return the error of an empty source whose `on_missing` is `stop`."""
    return CredentialConfigurationError(
        f"{error.message} No other source is asked, because on_missing of {provider.name} is "
        "'stop'.",
        source=error.source,
        provider=provider.name,
    )


def what_to_do(sources: Collection[str]) -> str:
    """Return the advice for a chain that found no key in these sources. It names only sources that
    the chain asks.
    """
    where = (
        "set VECTORSHIFT_API_KEY" if _VARIABLE in sources else "put it into one of these sources"
    )
    in_code = ", or in code: vectorshift.api_key = ..." if _IN_CODE in sources else "."
    return f"Make a key under Account > API Keys and {where}{in_code}"


def nothing_found(attempts: tuple[Attempt, ...], hint: str) -> MissingCredentialError:
    """Return the error of a chain without a key. It lists the attempts, and what to do next."""
    width = max((len(each.provider) for each in attempts), default=0)
    lines = [
        "No VectorShift API key was found. Looked, in this order, at:",
        *(f"  {each.provider:<{width}}  {each.reason}" for each in attempts),
        what_to_do([each.source for each in attempts]),
    ]
    return MissingCredentialError("\n".join([*lines, hint] if hint else lines), attempts=attempts)
