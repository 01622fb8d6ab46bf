"""What may be handed in as credentials, and the chain that is made of it."""

from __future__ import annotations

import threading
from typing import Any, cast

from vectorshift.chain import ProviderChain
from vectorshift.credentials import Secret
from vectorshift.providers.answering import AnsweringProvider
from vectorshift.providers.base import CredentialProvider

__all__ = ["as_provider"]


def as_provider(credentials: object) -> AnsweringProvider:
    """Return a chain that caches what is remote, for whatever is handed in as credentials.

    Args:
        credentials: a key, a callable of either colour that returns one, or any provider.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(credentials, ProviderChain):
        return credentials
    if isinstance(credentials, AnsweringProvider) and credentials.stands_for_another:
        return credentials
    if isinstance(credentials, CredentialProvider):
        return _chain_of(credentials)
    if isinstance(credentials, str | Secret) or (callable(credentials) and not isinstance(credentials, type)):
        from vectorshift.providers.explicit import ExplicitProvider

        return ProviderChain([ExplicitProvider(cast("Any", credentials))])
    kind = f"the class {credentials.__name__}" if isinstance(credentials, type) else type(credentials).__name__
    del credentials  # a traceback may show locals
    raise TypeError(f"credentials should be a key, a callable that returns one, or a CredentialProvider, not {kind}.")


_KEPT = "_vectorshift_chain"
_chains_lock = threading.RLock()


class _Kept(tuple[int, ProviderChain]):
    """An owner's id and its chain, kept on the owner; a copy and a pickle of the owner leave it behind."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing_kept, ()


def _nothing_kept() -> None:
    return None


def _chain_of(provider: CredentialProvider) -> ProviderChain:
    """Return a chain of this one provider, with the cache that it has had for as long as somebody uses it."""
    if not provider.remote:
        return ProviderChain([provider])
    with _chains_lock:
        kept = vars(provider).get(_KEPT)
        if kept is None or kept[0] != id(provider):  # a copy brings along what belongs to the original
            kept = vars(provider)[_KEPT] = _Kept((id(provider), ProviderChain([provider])))
        chain: ProviderChain = kept[1]
        return chain
