"""Providers that give every request one and the same error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import CredentialNotFoundError

if TYPE_CHECKING:
    from vectorshift.errors import CredentialError

__all__ = ["FailingProvider", "UnconfiguredProvider"]


class FailingProvider(BaseProvider):
    """Fail every request with one error, so that no other source answers it.

    Args:
        failure: the error; it names the provider and the source.
        locator: whether this stands for a store that the user pointed at.
    """

    remote = False
    blocks = False

    def __init__(self, failure: CredentialError, *, locator: bool = False) -> None:
        self.name = failure.provider or ""
        self.failure = failure
        self._locator = locator

    def describe(self) -> Description:
        """Describe what is wrong."""
        return Description(
            configured=True,
            source=self.name,
            detail=self.failure.message,
            locator=self._locator,
        )

    def get_cached(self) -> Result:
        """Return the error."""
        return self.failure

    def resolve(self, request: LookupRequest) -> Result:
        """Return the error."""
        return self.failure


class UnconfiguredProvider(FailingProvider):
    """Stand for a source that a chain names and nobody configured.

    Args:
        name: the name of the provider that would stand here.
        hint: what is not set.
        on_missing: the user's word for the source, which may be misspelt and not unwanted.
    """

    def __init__(
        self, name: str, hint: str, *, on_missing: Literal["stop", "continue"] = "continue"
    ) -> None:
        super().__init__(
            CredentialNotFoundError(f"not configured: {hint}.", source=name, provider=name)
        )
        self.on_missing = on_missing
        self._hint = hint

    def describe(self) -> Description:
        """Say that it is not configured, and why."""
        return Description(configured=False, source=self.name, detail=self._hint)
