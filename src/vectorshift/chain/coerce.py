"""Turn the credentials that a caller passes into a provider or a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vectorshift.cache.provider import (
    DEFAULT_LOAD_TIMEOUT,
    DEFAULT_MAX_STALE,
    DEFAULT_TTL,
    CachingProvider,
)
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import BaseProvider
from vectorshift.credentials.values import Secret, kind_of, masked
from vectorshift.providers.explicit import ExplicitProvider

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["as_provider"]


def as_provider(credentials: object, settings: Settings | None = None) -> BaseProvider:
    """Return a chain for any kind of credentials. It caches remote providers.

    Args:
        credentials: a key, a sync or async callable that returns one, or any provider.
        settings: have the `ttl`, `max_stale` and `load_timeout` of a new cache; the defaults if
            None.

    Raises:
        TypeError: `credentials` has another type.
    """
    credentials = masked(credentials, CredentialProvider)
    if isinstance(credentials, ProviderChain):
        return credentials
    if isinstance(credentials, BaseProvider) and credentials.stands_for_another:
        return credentials
    if isinstance(credentials, CredentialProvider):
        return _chain_of(credentials, _numbers_of(settings))
    if isinstance(credentials, Secret) or (
        callable(credentials) and not isinstance(credentials, type)
    ):
        return ProviderChain([ExplicitProvider(cast("Any", credentials))])
    kind = (
        f"the class {credentials.__name__}"
        if isinstance(credentials, type)
        else kind_of(credentials)
    )
    raise TypeError(
        "credentials should be a key, a callable that returns one, or a CredentialProvider, not"
        f" {kind}."
    )


_Numbers = tuple[float, float, float]
"""`ttl`, `max_stale` and `load_timeout`, in seconds."""


def _numbers_of(settings: Settings | None) -> _Numbers:
    if settings is None:
        return (DEFAULT_TTL, DEFAULT_MAX_STALE, DEFAULT_LOAD_TIMEOUT)
    return (settings.cache_ttl, settings.cache_max_stale, settings.load_timeout)


_KEPT = "_vectorshift_chains"


class _Kept(tuple[int | None, dict[_Numbers, ProviderChain]]):
    """The id of a provider and its chains, in an attribute of the provider. A deep copy or a pickle
    of the provider has none of them.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Kept, ((None, {}),)


def _chain_of(provider: CredentialProvider, numbers: _Numbers) -> ProviderChain:
    """Return a chain of this one provider. A provider with the same numbers always gets the
    same chain, and so keeps its cache.
    """
    ttl, max_stale, load_timeout = numbers
    if isinstance(provider, CachingProvider):
        return ProviderChain([provider], load_timeout=provider.load_timeout)
    if not provider.remote:
        return ProviderChain([provider], load_timeout=load_timeout)
    # `setdefault` gives concurrent threads the same chain
    kept = vars(provider).setdefault(_KEPT, _Kept((id(provider), {})))
    if kept[0] != id(provider):  # a shallow copy has the chains of the original
        kept = vars(provider)[_KEPT] = _Kept((id(provider), {}))
    chains: dict[_Numbers, ProviderChain] = kept[1]
    if numbers in chains:
        return chains[numbers]
    made = ProviderChain([provider], ttl=ttl, max_stale=max_stale, load_timeout=load_timeout)
    return chains.setdefault(numbers, made)
