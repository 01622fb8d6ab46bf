"""Turn credentials of a caller into a provider or a chain."""

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
from vectorshift.credentials.values import Secret, masked

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["as_provider"]


def as_provider(credentials: object, settings: Settings | None = None) -> BaseProvider:
    """Return a chain that caches what is remote, for whatever is handed in as credentials.

    Args:
        credentials: a key, a sync or async callable that returns one, or any provider.
        settings: where a provider that is neither a chain nor cached has the numbers of its cache
            from; the defaults hold if there are none.

    Raises:
        TypeError: `credentials` has another type.
    """
    credentials = masked(credentials)
    if isinstance(credentials, ProviderChain):
        return credentials
    if isinstance(credentials, BaseProvider) and credentials.stands_for_another:
        return credentials
    if isinstance(credentials, CredentialProvider):
        return _chain_of(credentials, _NUMBERS if settings is None else _numbers_of(settings))
    if isinstance(credentials, Secret) or (
        callable(credentials) and not isinstance(credentials, type)
    ):
        from vectorshift.providers.explicit import ExplicitProvider

        return ProviderChain([ExplicitProvider(cast("Any", credentials))])
    kind = (
        f"the class {credentials.__name__}"
        if isinstance(credentials, type)
        else type(credentials).__name__
    )
    del credentials  # bytes, perhaps: a traceback may show locals
    raise TypeError(
        "credentials should be a key, a callable that returns one, or a CredentialProvider, not"
        f" {kind}."
    )


_Numbers = tuple[float, float, float]
"""Seconds: how long an answer is fresh, and usable, and how long a caller waits for one."""
_NUMBERS: _Numbers = (DEFAULT_TTL, DEFAULT_MAX_STALE, DEFAULT_LOAD_TIMEOUT)


def _numbers_of(settings: Settings) -> _Numbers:
    return (settings.cache_ttl, settings.cache_max_stale, settings.load_timeout)


_KEPT = "_vectorshift_chains"


class _Kept(tuple[int | None, dict[_Numbers, ProviderChain]]):
    """An owner's id and its chains, kept on the owner; a deep copy and a pickle of the owner leave
    them behind.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Kept, ((None, {}),)


def _chain_of(provider: CredentialProvider, numbers: _Numbers) -> ProviderChain:
    """Return a chain of this one provider, with the cache that it has had for as long as somebody
    uses it.
    """
    ttl, max_stale, load_timeout = numbers
    if isinstance(provider, CachingProvider):
        return ProviderChain([provider], load_timeout=provider.load_timeout)
    if not provider.remote:
        return ProviderChain([provider], load_timeout=load_timeout)
    # of threads that come here at once, `setdefault` gives all the chain of the first
    kept = vars(provider).setdefault(_KEPT, _Kept((id(provider), {})))
    if kept[0] != id(provider):  # a copy brings along what belongs to the original
        kept = vars(provider)[_KEPT] = _Kept((id(provider), {}))
    chains: dict[_Numbers, ProviderChain] = kept[1]
    if numbers in chains:
        return chains[numbers]
    made = ProviderChain([provider], ttl=ttl, max_stale=max_stale, load_timeout=load_timeout)
    return chains.setdefault(numbers, made)
