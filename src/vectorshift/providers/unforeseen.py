"""What it means that a provider raised what nobody foresaw: its type and line are told, never its text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
    fresh_copy,
)
from vectorshift.providers.base import Description

if TYPE_CHECKING:
    from vectorshift.providers.base import CredentialProvider

__all__ = ["described", "line_of", "unforeseen"]


def described(provider: CredentialProvider) -> Description:
    """Return how an author's provider describes itself, or its name if it cannot do so."""
    try:
        told: object = provider.describe()
    except Exception:
        told = None
    return told if isinstance(told, Description) else Description(configured=True, source=provider.name)


def unforeseen(error: BaseException, provider: CredentialProvider, home: str | None = None) -> CredentialError:
    """Turn what a provider raised into an answer that holds nothing of the provider's frames.

    Args:
        error: what was raised.
        provider: who raised it.
        home: the file whose line is told; that of the provider's class by default.
    """
    own = getattr(sys.modules.get(type(provider).__module__), "__file__", None) or ""
    source, name = described(provider).source, provider.name
    if isinstance(error, CredentialError):
        bare = fresh_copy(error)
        bare.__cause__ = None
        bare.source, bare.provider = bare.source or source, bare.provider or name
        return bare
    what = f"{source}: {name} raised {type(error).__name__} at {line_of(error, own if home is None else home)}."
    if isinstance(error, OSError) or type(error).__name__ == "TimeoutError":  # there are three before Python 3.11
        return CredentialStoreUnavailableError(f"{what} The store could not be reached.", source=source, provider=name)
    return CredentialConfigurationError(
        f"{what} Its text is withheld, as it may hold a secret.", source=source, provider=name
    )


def line_of(error: BaseException, home: str = "") -> str:
    """Return `file:line` of the deepest frame in the file `home`, else of the deepest frame."""
    deepest = "an unknown line"
    trace = error.__traceback__
    while trace is not None:
        place = trace.tb_frame.f_code.co_filename
        if place == home or not deepest.startswith(Path(home).name or "?"):
            deepest = f"{Path(place).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return deepest
