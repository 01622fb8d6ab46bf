"""`explain`: reports which key is in use and why. It contacts stores only with `probe`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from vectorshift._platform import public
from vectorshift._platform.background import arun_blocking
from vectorshift._platform.pipes import is_unread, left_alone
from vectorshift._platform.urls import DIRECT, in_the_clear, wrong_api
from vectorshift.cache.policy import Decision, decide, in_use
from vectorshift.cache.provider import CachingProvider
from vectorshift.chain.chain import ProviderChain, each_of
from vectorshift.credentials.resolving import DEFAULT_REQUEST, BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialError, VectorshiftError
from vectorshift.explanation.chain_result import Observation, build_report, ending
from vectorshift.explanation.report import Report
from vectorshift.providers.static import FailingProvider
from vectorshift.scope.current import DEFAULT_SCOPE, DefaultScope

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from vectorshift.scope.current import Target
    from vectorshift.settings import Settings

__all__ = ["aexplain", "examine", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The subject of a report, and the obstacle to every call, with any key."""

    provider: BaseProvider
    scope: str
    base_url: str
    obstacle: str
    pipes: frozenset[int]


def explain(
    *,
    probe: bool = False,
    client: public.VectorShift | public.AsyncVectorShift | None = None,
) -> Report:
    """Say which key a call would use now, and why that one. Prints as a table; never shows a key.

    Sources that are read on every call are read. Stores are contacted only with `probe`; else the
    report shows what the cache knows. Failures are part of the report and are not raised.
    Thread-safe; may block.

    Args:
        probe: read every store now, also those after the source in use, and call a callable. A
            store that has just failed is not read before its pause ends.
        client: the client to explain; by default, a sync call without a client of its own.
    """
    return examine(probe, client, lambda provider, lookup: provider.resolve(lookup))


def examine(
    probe: bool,
    client: public.VectorShift | public.AsyncVectorShift | None,
    ask: Callable[[BaseProvider, LookupRequest], Result],
) -> Report:
    """Return the report of `explain`, with `ask` to ask each provider."""
    try:
        with left_alone():
            subject = _subject(client)
        steps = _steps(subject, probe)
        provider, lookup = next(steps)
        while True:
            provider, lookup = steps.send(ask(provider, lookup))
    except StopIteration as end:
        return cast("Report", end.value)
    except VectorshiftError as error:
        return _no_chain(error, probe)


async def aexplain(
    *,
    probe: bool = False,
    client: public.VectorShift | public.AsyncVectorShift | None = None,
) -> Report:
    """Say which key an async call would use now, without blocking the event loop. It takes the
    arguments of `explain`.
    """
    try:
        with left_alone():
            subject = await arun_blocking(lambda: _subject(client, asynchronous=True))
        steps = _steps(subject, probe)
        provider, lookup = next(steps)
        while True:
            answer = await provider.aresolve(lookup)
            provider, lookup = steps.send(answer)
    except StopIteration as end:
        return cast("Report", end.value)
    except VectorshiftError as error:
        failure = error
    return await arun_blocking(lambda: _no_chain(failure, probe))


def _no_chain(error: VectorshiftError, probe: bool) -> Report:
    """Return the report without settings: they are wrong, or in a pipe that was not read yet."""
    source = (error.source or "") if isinstance(error, CredentialError) else ""
    if is_unread(source.partition(":")[2]):
        return Report(verdict=f"Not known yet: {error}", outcome="unknown", probed=probe)
    return Report(verdict=f"No key is available: {error}", outcome="failed", probed=probe)


def _subject(
    named: public.VectorShift | public.AsyncVectorShift | None,
    *,
    asynchronous: bool = False,
) -> _Subject:
    target: Target = named or DEFAULT_SCOPE.target(asynchronous=asynchronous)
    provider = target.provider
    scope = provider.scope if isinstance(provider, DefaultScope) else "client"
    base_url = target.base_url
    obstacle = _obstacle(base_url, target.settings)
    in_force = provider.resolved()
    if isinstance(in_force, FailingProvider):  # its error is the whole report
        raise in_force.failure
    return _Subject(
        provider=in_force,
        scope=scope,
        base_url=base_url,
        obstacle=obstacle,
        pipes=frozenset(id(each) for each in each_of(in_force) if each.takes_once),
    )


def _obstacle(base_url: str, settings: Settings) -> str:
    """Return why no key can be sent to this URL, or ""."""
    named = os.environ.get("SSL_CERT_FILE")
    if settings.ca_bundle or (named and not os.access(named, os.R_OK)):
        # It imports httpx, which is needed only here.
        from vectorshift._platform.tls import tls

        try:
            tls(settings.ca_bundle)
        except CredentialError as error:
            return error.message
    url = urlsplit(base_url)
    host = url.hostname or ""
    return (
        "" if url.scheme == "https" or settings.allow_http or host in DIRECT else in_the_clear(host)
    )


# --- The look-ups: a generator, which `examine` and `aexplain` drive ---


def _steps(
    subject: _Subject, probe: bool
) -> Generator[tuple[BaseProvider, LookupRequest], Result, Report]:
    """Yield each provider to ask, with its request; return the report."""
    seen: list[Observation] = []
    found = False
    waiting: list[tuple[ProviderChain | None, BaseProvider]] = [(None, subject.provider)]
    while waiting:
        chain, provider = waiting.pop(0)
        maker = None if found and not probe else provider.maker()
        if maker is not None:
            began = monotonic()
            late = yield maker, DEFAULT_REQUEST
            if provider.maker() is not None:  # a call fails with this, too
                seen.append(
                    Observation(provider=provider, answer=late, seconds=monotonic() - began)
                )
                continue
        if isinstance(members := provider.actual, ProviderChain):
            waiting[:0] = [(members, each) for each in members.providers]
            continue
        if id(provider) in subject.pipes or not _is_asked(provider, probe):
            seen.append(Observation(provider=provider, answer=_known(provider)))
            found = found or isinstance(seen[-1].answer, Credential)
            continue
        began = monotonic()
        answer = yield provider, LookupRequest(bypass_cache=True)
        answer = answer if chain is None else chain.or_previous(provider, answer)
        seen.append(Observation(provider=provider, answer=answer, seconds=monotonic() - began))
        found = found or isinstance(answer, Credential)
    end = ending(subject.provider, iter(seen))
    hint, key = "", end.answer
    obstacle = subject.obstacle
    if isinstance(key, Credential):
        obstacle = obstacle or wrong_api(key.source, key.origin, subject.base_url)
    if (
        end.is_nothing
        and isinstance(subject.provider, ProviderChain)
        and subject.provider.neighbours
    ):
        near = yield subject.provider.neighbours, DEFAULT_REQUEST
        hint = near.message if isinstance(near, CredentialError) else ""
    return build_report(
        seen,
        end,
        hint,
        base_url=subject.base_url,
        obstacle=obstacle,
        scope=subject.scope,
        probed=probe,
    )


def _is_asked(provider: BaseProvider, probe: bool) -> bool:
    """Return whether to ask the provider. Stores and callables are asked only with `probe`."""
    known = provider.maker() is not None or isinstance(provider.actual, CachingProvider)
    return probe or not (known or provider.changes_silently)


def _known(provider: BaseProvider) -> Result | None:
    """Return what a call would get from the cache, or None if it would wait for a read."""
    cache = provider.actual
    if not isinstance(cache, CachingProvider):
        return None
    state, now = cache.known()
    verdict = decide(state, now)
    if verdict is Decision.WAIT:
        return None
    if verdict is Decision.FAIL or state.credential is None:
        return state.failure
    return in_use(state.credential, state.overlap, now)
