"""`CredentialEvent` and `on_event`. Import them from `vectorshift` in new code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.credentials.events import CredentialEvent, on_event

__all__ = ["CredentialEvent", "on_event"]


if not TYPE_CHECKING:  # so that type checkers find a mistyped name

    def __getattr__(name: str) -> Any:
        from vectorshift._compat import missing

        raise missing(__name__, name)
