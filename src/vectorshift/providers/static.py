"""Providers that return the same error for every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import CredentialNotFoundError

if TYPE_CHECKING:
    from vectorshift.errors import CredentialError

__all__ = ["FailingProvider", "UnconfiguredProvider"]


class FailingProvider(BaseProvider):
    """Returns the same error for every request, so that no other source is asked.

    Args:
        failure: the error, with the names of provider and source.
        locator: whether it replaces a store that the user has configured.
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
    """Takes the place of a source that the chain names, but nobody configured.

    Args:
        name: the name of the missing provider.
        hint: what is not set.
        on_missing: the user's choice for the source: its settings may be misspelt, not missing.
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
        """Describe it as not configured, and why."""
        return Description(configured=False, source=self.name, detail=self._hint)
