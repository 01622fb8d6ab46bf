"""A key, and what a source says to a sync and to an async caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from vectorshift import CredentialError

if TYPE_CHECKING:
    from vectorshift import CredentialProvider

__all__ = ["KEY", "answer", "failure"]

KEY = "vs-Xq7fL0nevertobeseen"


def answer(provider: CredentialProvider) -> tuple[str, str, str]:
    """Return the key, its source and its provider; sync and async callers get the same object."""
    credential = provider.get_credential()
    assert asyncio.run(provider.aget_credential()) is credential
    return credential.secret.reveal(), credential.source, credential.provider


def failure(provider: CredentialProvider, asks: str = "sync") -> CredentialError:
    """Return what a sync or an async caller gets instead of a key."""
    with pytest.raises(CredentialError) as caught:
        provider.get_credential() if asks == "sync" else asyncio.run(provider.aget_credential())
    return caught.value
