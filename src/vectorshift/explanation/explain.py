"""`explain`: asks each provider what it knows, without contact unless told to, and says which key
is in use.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vectorshift._platform import public
from vectorshift._platform.background import arun_blocking
from vectorshift._platform.pipes import is_unread, left_alone
from vectorshift._platform.urls import DIRECT, in_the_clear, wrong_api
from vectorshift.cache.policy import Decision, decide, in_use
from vectorshift.cache.provider import CachingProvider
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.resolving import DEFAULT_REQUEST, BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialError, VectorshiftError
from vectorshift.explanation.chain_result import Observation, build_report, ending
from vectorshift.explanation.report import Report
from vectorshift.providers.static import FailingProvider
from vectorshift.scope.current import DEFAULT_SCOPE, DefaultScope

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from vectorshift.scope.current import Target
    from vectorshift.settings import Settings

__all__ = ["aexplain", "examine", "explain"]

_NO_CHAIN: ProviderChain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The subject of a report, and the obstacle to every call, whatever its key."""

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

    Sources that are read on every call are read. Stores are contacted only if asked to: else the
    report has what is known of them. It does not raise for what it finds; what is wrong stands in
    the report. Thread-safe; may block.

    Args:
        probe: whether to ask every store now, also those that another source hides, and to call a
            callable. A store that failed a moment ago is left alone until it may be asked again.
        client: the client whose credentials are meant; by default those of a sync call that names
            none.
    """
    return examine(probe, client, lambda provider, lookup: provider.resolve(lookup))


def examine(
    probe: bool,
    client: public.VectorShift | public.AsyncVectorShift | None,
    ask: Callable[[BaseProvider, LookupRequest], Result],
) -> Report:
    """Return the report of `explain`; each provider is asked by `ask`."""
    try:
        with left_alone():
            subject = _subject(client)
        steps = _steps(subject, probe)
        provider, lookup = next(steps)
        while True:
            provider, lookup = steps.send(ask(provider, lookup))
    except StopIteration as end:
        return _report_of(end)
    except VectorshiftError as error:
        return _no_chain(error, probe)


async def aexplain(
    *,
    probe: bool = False,
    client: public.VectorShift | public.AsyncVectorShift | None = None,
) -> Report:
    """Say which key an async call would use now, without blocking the event loop. Arguments are
    those of `explain`.
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
        return _report_of(end)
    except VectorshiftError as error:
        failure = error
    return await arun_blocking(lambda: _no_chain(failure, probe))


def _report_of(end: StopIteration) -> Report:
    report: Report = end.value
    return report


def _no_chain(error: VectorshiftError, probe: bool) -> Report:
    """Return the report where the settings cannot be had: they are wrong, or still in a pipe."""
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
    if isinstance(in_force, FailingProvider):  # its one sentence is the whole answer
        raise in_force.failure
    return _Subject(
        provider=in_force,
        scope=scope,
        base_url=base_url,
        obstacle=obstacle,
        pipes=frozenset(id(each) for each in _leaves(in_force) if each.takes_once),
    )


def _obstacle(base_url: str, settings: Settings) -> str:
    """Say why no key is sent to this URL, or return an empty string."""
    named = os.environ.get("SSL_CERT_FILE")
    if settings.ca_bundle or (named and not os.access(named, os.R_OK)):
        # It imports httpx, which a status has no other need of.
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


# --- What each provider says: one generator, two thin shells ---


def _steps(
    subject: _Subject, probe: bool
) -> Generator[tuple[BaseProvider, LookupRequest], Result, Report]:
    """Yield whom to ask what; return the report."""
    seen: list[Observation] = []
    found, waiting = False, [(_NO_CHAIN, subject.provider)]
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


def _leaves(provider: BaseProvider) -> Iterator[BaseProvider]:
    """Yield the providers of a chain in order, those of nested chains in their place."""
    if not isinstance(members := provider.actual, ProviderChain):
        yield provider
        return
    for member in members.providers:
        yield from _leaves(member)


def _is_asked(provider: BaseProvider, probe: bool) -> bool:
    """Return whether to ask now: a store and a callable of the user's are contacted only if that is
    wished.
    """
    known = provider.maker() is not None or isinstance(provider.actual, CachingProvider)
    return probe or not (known or provider.changes_silently)


def _known(provider: BaseProvider) -> Result | None:
    """Return what a call would get without a contact, or None if it would have to wait for one."""
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
