"""Metrics: the keys in caches, the keys that requests used lately, and the reads of stores.

Requests are counted from the first `metrics()` or `instrument()`. Before that, they cost one check
of an attribute.
"""

from __future__ import annotations

import re
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from vectorshift._platform.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vectorshift.credentials.events import CredentialEvent
    from vectorshift.credentials.values import Credential

__all__ = [
    "IN_USE",
    "OTHER",
    "SHOWN",
    "HeldKey",
    "Holder",
    "KeyName",
    "Refreshed",
    "Usage",
    "metrics",
    "usage",
]

IN_USE: Final = 300.0
"""A key counts as in use for so many seconds after its last request."""
SHOWN: Final = 600.0
"""A key is listed for so many seconds after its last request."""
OTHER: Final = "other"
"""The name of all series above the limit."""
_MOST: Final = 90
"""The largest number of series of one kind, besides `other`."""

KeyName = tuple[str, str, str]
"""Provider, source and fingerprint of a key."""


class HeldKey(NamedTuple):
    """A key that a cache or a chain holds.

    Args:
        credential: the key.
        age: seconds since it was read.
        is_stale: whether the last read of its store failed.
    """

    credential: Credential
    age: float
    is_stale: bool = False


class Holder(Protocol):
    """A cache or a chain that holds keys."""

    def held(self) -> Iterable[HeldKey]:
        """Return the keys, without a read."""
        ...


class Refreshed(NamedTuple):
    """One read of a store.

    Args:
        provider: the provider.
        source: its source.
        failure: the class of the error, or an empty text if it returned a key.
        seconds: how long it took.
    """

    provider: str
    source: str
    failure: str
    seconds: float


class Usage:
    """The metrics of this process. Thread-safe; a forked child starts at zero.

    Attributes:
        note: called with the credential of each request after `watch()`; None before.
        observers: called with each `Refreshed`; above the limit, with the name `other`.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._holders: weakref.WeakSet[Holder] = weakref.WeakSet()
        self.observers: list[Callable[[Refreshed], None]] = []
        self.note: Callable[[Credential], None] | None = None
        self._monotonic = monotonic
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may come here
        self._last_used: dict[KeyName, float] = {}
        self._events: dict[str, dict[tuple[str, str], int]] = {}
        self._refreshes: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._walks: dict[str, int] = {}

    # --- Input ---

    def watch(self) -> None:
        """Count requests from now on."""
        self.note = self.note or self._use

    def _use(self, credential: Credential) -> None:
        name = _name(credential)
        with self._lock:
            if name not in self._last_used and len(self._last_used) >= _MOST:
                self._forget_old()
                if len(self._last_used) >= _MOST:
                    name = (OTHER, OTHER, OTHER)
            self._last_used[name] = self._monotonic()

    def look_at(self, holder: Holder) -> None:
        """List the keys of a cache or a chain in `held`, as long as it exists."""
        with self._lock:
            self._holders.add(holder)

    def happened(self, event: CredentialEvent) -> None:
        """Count an event."""
        kind: str = event.kind
        if kind == "rotated" and event.source != event.previous_source:
            kind = "source_changed"
        with self._lock:
            counts = self._events.setdefault(kind, {})
            name = (event.provider, without_version(event.source))
            if name not in counts and len(counts) >= _MOST:
                name = (OTHER, OTHER)
            counts[name] = counts.get(name, 0) + 1

    def refreshed(self, refresh: Refreshed) -> None:
        """Count a read of a store."""
        name = (refresh.provider, without_version(refresh.source), refresh.failure)
        with self._lock:
            if name not in self._refreshes and len(self._refreshes) >= _MOST:
                name = (OTHER, OTHER, refresh.failure)
            count, seconds = self._refreshes.get(name, (0, 0.0))
            self._refreshes[name] = (count + 1, seconds + refresh.seconds)
        for observe in tuple(self.observers):
            observe(Refreshed(*name, refresh.seconds))

    def walked(self, failure: str) -> None:
        """Count a walk through a chain. `failure` is empty if it found a key."""
        with self._lock:
            self._walks[failure] = self._walks.get(failure, 0) + 1

    # --- Output ---

    def in_use(self) -> dict[KeyName, float]:
        """Return the seconds since the last request with each key of the last 10 minutes."""
        with self._lock:
            self._forget_old()
            now = self._monotonic()
            return {name: max(0.0, now - at) for name, at in self._last_used.items()}

    def held(self) -> dict[KeyName, HeldKey]:
        """Return the keys in caches and chains. If two have the same name, the stale or older one
        counts.
        """
        found: dict[KeyName, HeldKey] = {}
        with self._lock:
            holders = list(self._holders)
        for holder in holders:
            for key in holder.held():
                name = _name(key.credential)
                if name not in found and len(found) >= _MOST:
                    name = (OTHER, OTHER, OTHER)
                before = found.get(name)
                if before is None or (key.is_stale, key.age) > (before.is_stale, before.age):
                    found[name] = key
        return found

    def events(self) -> dict[str, dict[tuple[str, str], int]]:
        """Return the number of events of each kind, by provider and source."""
        with self._lock:
            return {kind: dict(counts) for kind, counts in self._events.items()}

    def refreshes(self) -> dict[tuple[str, str, str], tuple[int, float]]:
        """Return the number of reads and their seconds, by provider, source and error."""
        with self._lock:
            return dict(self._refreshes)

    def walks(self) -> dict[str, int]:
        """Return the number of walks through chains, by error; the error is empty for a key."""
        with self._lock:
            return dict(self._walks)

    def _forget_old(self) -> None:
        oldest = self._monotonic() - SHOWN
        for name in [name for name, at in self._last_used.items() if at <= oldest]:
            del self._last_used[name]


def _name(credential: Credential) -> KeyName:
    return (credential.provider, without_version(credential.source), credential.fingerprint)


def without_version(source: str) -> str:
    """Return a source without the version or label of a parameter: 3 in `ssm:/prod/vs:3`."""
    if not source.startswith("ssm:"):
        return source
    return re.sub(r"^(ssm:(?:arn:(?:[^:]*:){4})?[^:#]*):[^#]*", r"\1", source)


usage: Final = Usage()


def metrics() -> dict[str, Any]:
    """Return the metrics of this process, for a status page or your own monitoring.

    Call this once when the process starts: `in_use` begins with the first call. It lists the keys
    that requests used in the last 10 minutes; `used` is True for the last 5. `held` lists the keys
    in caches and chains. `events`, `refreshes` and `walks` count from the start of the process;
    `error` is the class of the error, or None.
    """
    usage.watch()
    return {
        "in_use": [
            {**_named(name), "used": since < IN_USE, "seconds_since_use": since}
            for name, since in usage.in_use().items()
        ],
        "held": [
            {**_named(name), "age": key.age, "stale": key.is_stale}
            for name, key in usage.held().items()
        ],
        "events": {kind: sum(counts.values()) for kind, counts in usage.events().items()},
        "refreshes": [
            {
                "provider": provider,
                "source": source,
                "error": failure or None,
                "count": count,
                "seconds": seconds,
            }
            for (provider, source, failure), (count, seconds) in usage.refreshes().items()
        ],
        "walks": [
            {"error": failure or None, "count": count} for failure, count in usage.walks().items()
        ],
    }


def _named(name: KeyName) -> dict[str, str]:
    return dict(zip(("provider", "source", "fingerprint"), name, strict=True))
