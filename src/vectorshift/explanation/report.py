"""`Report`: which key is in use and why that one, as a value and as text. Holds no key."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Report", "SourceReport"]

_WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """The report of one provider's source. Durations are in seconds.

    Args:
        provider: the provider's name.
        source: the source that it reads.
        outcome: `found`, `not asked`, `not configured`, `not found`, `configuration`, `denied`,
            `revoked` or `unavailable`.
        configured: whether it is configured; if not, it is not asked.
        wins: whether a call would use its key now.
        reason: details for a person.
        fingerprint: the fingerprint of its key, or None.
        version: the store's name for the version of the key, or None.
        age: how long ago a cached key was read, or None for a source that is read on every call.
        expires_in: until the key expires, or None if it does not.
        next_refresh: until its store may be read again, or None for a source that is read on every
            call.
        stale: whether the key is older than its `ttl`, because its store could not be read.
        seconds: how long the look-up took, or None if there was none.
        on_error: `stop` if the chain stops when this source fails, else `continue`.
        on_missing: `stop` if the chain stops when this source is empty, else `continue`.
    """

    provider: str
    source: str
    outcome: str
    configured: bool
    wins: bool = False
    reason: str = ""
    fingerprint: str | None = None
    version: str | None = None
    age: float | None = None
    expires_in: float | None = None
    next_refresh: float | None = None
    stale: bool = False
    seconds: float | None = None
    on_error: str = "stop"
    on_missing: str = "continue"

    @property
    def place(self) -> str:
        """The source with version and fingerprint, as a credential prints."""
        version = "" if self.version is None else f"@{self.version}"
        return f"{self.source}{version}" + (f" {self.fingerprint}" if self.fingerprint else "")

    @property
    def timing(self) -> str:
        """The times, such as `read 12 s ago, refreshed in 4 min`."""
        again = (
            "refreshed in {}"
            if self.fingerprint and not self.stale
            else "asked again in {} at the earliest"
        )
        facts = [
            "" if self.age is None else f"read {_spoken(self.age)} ago",
            (
                ""
                if self.seconds is None or self.seconds < 0.0005
                else f"asked in {self.seconds * 1000:.0f} ms"
            ),
            "" if self.expires_in is None else f"expires in {_spoken(self.expires_in)}",
            "" if not self.next_refresh else again.format(_spoken(self.next_refresh)),
        ]
        return ", ".join(fact for fact in facts if fact)

    def __str__(self) -> str:
        is_named = self.source.partition(":")[2] in self.reason
        known = self.fingerprint or (self.configured and not is_named)
        timing = f"({self.timing})" if self.timing else ""
        return "\n".join(filter(None, (self.place if known else "", self.reason, timing)))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """The result of `vectorshift.explain()`. Prints as a table, pickles, and holds no key.

    Args:
        verdict: sentences that say which key a call would use now, or why there is none.
        outcome: `found`, `none`, `failed`, or `unknown` if a call would first read a store that was
            not read. It is `failed` too if a key was found that may not be sent: over plain HTTP,
            or with an unusable CA bundle.
        sources: one `SourceReport` for each provider, in the order of the chain.
        base_url: the URL to which the key would be sent, or None if the settings are wrong or
            prevent that.
        scope: the owner of the credentials: `process`, `using` (a block) or `client` (its own).
        probed: whether stores were contacted for this report.
    """

    verdict: str
    outcome: str
    sources: tuple[SourceReport, ...] = ()
    base_url: str | None = None
    scope: str = "process"
    probed: bool = False

    @property
    def winner(self) -> SourceReport | None:
        """The source whose key a call would use now, or None if there is none or it is unknown."""
        return next((source for source in self.sources if source.wins), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Return the report as indented JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self) -> str:
        lines = [
            self.verdict,
            *([f"Keys are sent to {self.base_url}."] if self.base_url else []),
            "",
        ]
        width = max((len(source.provider) for source in self.sources), default=0)
        for source in self.sources:
            head = (
                f"{'>' if source.wins else ' '} {source.provider:<{width}}  {source.outcome:<14}  "
            )
            lines.extend(_beside(head, str(source)))
        return "\n".join(lines).rstrip()

    __repr__ = __str__


def _beside(head: str, text: str) -> list[str]:
    """Return the lines of `text` to the right of `head`. Words, such as paths, are not broken."""
    width = max(40, _WIDTH - len(head))
    lines = [
        line
        for part in text.splitlines() or [""]
        for line in textwrap.wrap(part, width, break_long_words=False, break_on_hyphens=False)
        or [""]
    ]
    return [head + lines[0], *(" " * len(head) + line for line in lines[1:])]


def _spoken(seconds: float) -> str:
    """Return a duration as text, such as `4 min`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
