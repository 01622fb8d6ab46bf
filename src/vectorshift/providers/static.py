"""A placeholder for a source that a chain names and that is not configured."""

from __future__ import annotations

from typing import Literal

from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import CredentialNotFoundError

__all__ = ["UnconfiguredProvider"]


class UnconfiguredProvider(BaseProvider):
    """Answer *not found*, with the setting that would configure the source.

    Args:
        name: the name of the provider that would stand here.
        hint: what is not set.
        on_missing: the user's word for the source, which may be misspelt and not unwanted.
    """

    remote = False
    blocks = False

    def __init__(
        self, name: str, hint: str, *, on_missing: Literal["stop", "continue"] = "continue"
    ) -> None:
        self.name = name
        self.on_missing = on_missing
        self._hint = hint
        self._answer = CredentialNotFoundError(
            f"not configured: {hint}.", source=name, provider=name
        )

    def describe(self) -> Description:
        """Say that it is not configured, and why."""
        return Description(configured=False, source=self.name, detail=self._hint)

    def get_cached(self) -> Result:
        """Answer *not found*."""
        return self._answer

    def resolve(self, request: LookupRequest) -> Result:
        """Answer *not found*."""
        return self._answer
