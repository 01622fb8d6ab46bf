"""Combine the results of a chain's providers into a report: the source in use, and each source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import time
from typing import TYPE_CHECKING

from vectorshift._platform.clock import elapsed
from vectorshift.cache.policy import passed, until_of, without_expired
from vectorshift.cache.provider import CachingProvider
from vectorshift.chain.chain import ProviderChain
from vectorshift.chain.outcomes import is_missing, must_not_miss, outcome_of, stops, what_to_do
from vectorshift.credentials.events import rejected_since
from vectorshift.credentials.guard import without
from vectorshift.credentials.values import Credential, looks_odd
from vectorshift.errors import CredentialError, CredentialNotFoundError
from vectorshift.errors.bodies import printable
from vectorshift.explanation.report import Report, SourceReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vectorshift.credentials.resolving import BaseProvider, Result
    from vectorshift.credentials.values import Secret

__all__ = ["ChainResult", "Observation", "build_report", "ending"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """One provider's answer, or None if a call would have to ask it."""

    provider: BaseProvider
    answer: Result | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ChainResult:
    """The result of a chain, or None if a store must be read first; and the deciding provider."""

    answer: Result | None
    by: Observation | None = None
    passed_over: bool = False

    @property
    def is_nothing(self) -> bool:
        """True if no source has a key and none has failed."""
        return self.answer is not None and is_missing(self.answer)


def ending(provider: BaseProvider, seen: Iterator[Observation]) -> ChainResult:
    """Return the result of a call to this provider, by the rules of `ProviderChain`.

    Args:
        provider: a chain, perhaps with nested chains, or another provider.
        seen: the observations of its members and those of nested chains, in order.
    """
    chain = provider.actual
    if not isinstance(chain, ProviderChain):
        each = next(seen)
        if each.answer is None and not provider.describe().configured:
            return ChainResult(CredentialNotFoundError(f"{provider.name} is not configured."), each)
        return ChainResult(each.answer, each)
    members = [(member, ending(member, seen)) for member in chain.providers]
    passed_over: ChainResult | None = None
    for member, end in members:
        if not isinstance(end.answer, CredentialError):
            return end
        if stops(member, end.answer):
            return replace(end, answer=must_not_miss(member, end.answer)) if end.is_nothing else end
        if not end.is_nothing:
            passed_over = passed_over or replace(end, passed_over=True)
    return passed_over or ChainResult(CredentialNotFoundError("No source has a key."))


def build_report(
    seen: list[Observation],
    end: ChainResult,
    hint: str,
    *,
    base_url: str | None,
    obstacle: str,
    scope: str,
    probed: bool,
) -> Report:
    """Return the report: the verdict, and a `SourceReport` for each source.

    Args:
        seen: the observation of each provider, in order.
        end: the result of the chain.
        hint: the hints, if no source has a key.
        base_url: the URL to which keys are sent.
        obstacle: why every call would fail, with any key; else an empty string.
        scope: the owner of the credentials: `process`, `using` or `client`.
        probed: whether stores were contacted.
    """
    sources = [_source(each) for each in seen]
    at = len(seen) if end.by is None or end.is_nothing or end.passed_over else seen.index(end.by)
    of = sources[seen.index(end.by)] if end.by is not None else None
    outcome, verdict, why = _verdict(end, of, what_to_do([each.source for each in sources]), hint)
    if obstacle:
        outcome, verdict = _with_obstacle(outcome, verdict, obstacle)
    if outcome == "found":
        sources[at] = replace(sources[at], wins=True)
    below = [_below(source, why) for source in sources[at + 1 :]]
    secrets = _secrets(seen)
    return Report(
        verdict=_clean(verdict, secrets),
        outcome=outcome,
        sources=tuple(_cleaned(source, secrets) for source in (*sources[: at + 1], *below)),
        base_url=None if obstacle else base_url,
        scope=scope,
        probed=probed,
    )


def _verdict(
    end: ChainResult, of: SourceReport | None, what_to_do: str, hint: str
) -> tuple[str, str, str]:
    """Return the outcome, the verdict, and why later sources are not used."""
    if end.is_nothing:
        return "none", f"No source has a key. {what_to_do} {hint}".rstrip(), ""
    if of is None:  # a chain without members that must not be empty
        return "failed", f"No key is available: {end.answer}", ""
    if isinstance(end.answer, Credential):
        return "found", f"A call uses {of.place}.", f"{of.provider} comes first"
    if end.answer is None:
        return (
            "unknown",
            f"Not known yet: a call would first ask {of.source}.",
            f"{of.provider} is asked first",
        )
    if end.passed_over:
        return (
            "failed",
            f"No key is available: {of.provider} failed, and no other source has a key.",
            "",
        )
    what = f"{of.provider} is empty" if of.outcome.startswith("not ") else f"{of.provider} failed"
    verdict = f"No key is available: {what}, and no other source is asked."
    return "failed", verdict, f"{what}, and no other source is asked"


def _with_obstacle(outcome: str, verdict: str, obstacle: str) -> tuple[str, str]:
    """Return the outcome and the verdict of a call that fails, whatever its key."""
    if outcome in ("found", "unknown"):
        return "failed", f"A call would fail: {obstacle}"
    return outcome, f"{verdict}\nA call would also fail: {obstacle}"


def _below(source: SourceReport, why: str) -> SourceReport:
    """Return the report of a later source, with the reason why it is not used if configured."""
    if not source.configured or source.outcome == "not found":
        return source
    kept = f"{source.reason}\n" if source.reason else ""
    return replace(source, reason=f"{kept}Not used: {why}.")


# --- One source ---


def _source(seen: Observation) -> SourceReport:
    provider, answer = seen.provider, seen.answer
    described = provider.describe()
    about = SourceReport(
        provider=provider.name,
        source=described.source,
        outcome="not asked",
        configured=described.configured,
        reason=described.detail,
        seconds=seen.seconds,
        on_error=provider.on_error,
        on_missing=provider.on_missing,
    )
    now = time()
    if isinstance(cache := provider.actual, CachingProvider):
        about, now = _with_cache(about, cache), cache.known()[1][0]
    if isinstance(answer, Credential):
        return _with_credential(about, answer, now)
    if answer is None:
        return about if about.configured else replace(about, outcome="not configured")
    outcome = outcome_of(provider, answer)
    return replace(
        about,
        outcome=outcome,
        reason=about.reason if outcome == "not configured" else answer.message,
    )


def _with_credential(about: SourceReport, credential: Credential, now: float) -> SourceReport:
    expires = credential.expires_at
    refused = _refusal(credential)
    refused = "" if refused in about.reason else refused  # the cache added it already
    return replace(
        about,
        outcome="found",
        source=credential.source,
        reason="\n".join(filter(None, (about.reason, refused, looks_odd(credential.secret)))),
        fingerprint=credential.fingerprint,
        version=credential.version,
        expires_in=None if expires is None else max(0.0, expires.timestamp() - now),
    )


def _with_cache(about: SourceReport, provider: CachingProvider) -> SourceReport:
    """Add what the cache knows: age, next refresh, and failures of the key or the store."""
    state, now = provider.known()
    credential, failure = state.credential, state.failure
    stale = credential is not None and passed(state.fresh_until, now)
    due = state.retry_at if stale or credential is None else max(state.fresh_until, state.retry_at)
    words = [about.reason]
    if failure is not None:
        before = "Its store cannot be read" if credential is not None else "When it was last asked"
        words = [f"{before}: {failure.message}"]
        ends = until_of(state)
        if credential is not None and ends is not None and not passed(state.usable_until, now):
            words.append(f"The cached key is used until {ends:%Y-%m-%d %H:%M} UTC at the latest.")
    previous = without_expired(state.overlap, now).previous
    if credential is not None:
        words.append(_refusal(credential))
    if previous is not None and state.overlap.rejections > 0:
        left = min(state.overlap.until[0] - now[0], state.overlap.until[1] - now[1])
        words.append(
            "It may not know this new key yet. Calls use the key before it, "
            f"{previous.fingerprint}, for at most {left:.0f} s."
        )
    return replace(
        about,
        age=None if credential is None else elapsed(state.read_at, now),
        next_refresh=(
            None
            if credential is None and failure is None
            else max(0.0, min(due[0] - now[0], due[1] - now[1]))
        ),
        stale=stale,
        reason="\n".join(filter(None, words)),
    )


def _refusal(credential: Credential) -> str:
    """Return since when the API refuses this key, as a sentence; "" if it does not."""
    since = rejected_since(credential)
    if since is None:
        return ""
    return f"The API has refused {credential.fingerprint} since {since:%Y-%m-%d %H:%M} UTC."


# --- Redaction: an author's provider may put a key into its description ---


def _secrets(seen: list[Observation]) -> list[Secret]:
    """Return all keys that were found."""
    behind = [each.provider.actual for each in seen]
    states = [each.known()[0] for each in behind if isinstance(each, CachingProvider)]
    found = [each.answer for each in seen] + [each.credential for each in states]
    found += [each.overlap.previous for each in states]
    return [each.secret for each in found if isinstance(each, Credential)]


def _cleaned(source: SourceReport, secrets: Iterable[Secret]) -> SourceReport:
    return replace(
        source,
        provider=_clean(source.provider, secrets),
        source=_clean(source.source, secrets),
        reason=_clean(source.reason, secrets),
        version=None if source.version is None else _clean(source.version, secrets),
    )


def _clean(text: object, secrets: Iterable[Secret]) -> str:
    """Return the text without keys and control characters. It may be no string, or None: an
    author's provider gave it.
    """
    clean = without(secrets, "" if text is None else str(text))
    return printable(clean, kept="\n")
