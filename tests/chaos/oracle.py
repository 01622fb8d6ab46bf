"""What may come of a call, by what befell its process: an independent account of the promises."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

RECOVERY = 75.0
"""Seconds after the end of an outage within which a key that was lost is there again: pauses
between reads grow to 60 s, with a tenth of jitter, and a read takes a while on a busy machine."""
MAX_STALE = 86_400.0
API = {"ApiConnectionError", "ApiTimeoutError"}
UNREADABLE = {"VectorshiftApiError", "InternalServerError"}


@dataclass
class Fault:
    """Something that was done to a place, from when until when; `size` is that of a clock jump."""

    place: str
    kind: str
    began: float
    ended: float | None = None
    size: float = 0.0

    def during(self, began: float, ended: float, after: float = 0.0) -> bool:
        """Return whether it was there in a span, or up to `after` seconds before."""
        return self.began <= ended and (self.ended is None or began <= self.ended + after)


@dataclass
class Call:
    """A call that ended: who made it, when, and the name of its error, or an empty text.

    Args:
        place: where its key is kept.
        warm: its client had a key before.
    """

    place: str
    warm: bool
    began: float
    ended: float
    error: str = ""


@dataclass
class Oracle:
    """Say whether a call may fail as it did."""

    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, fault: Fault) -> Fault:
        """Keep a fault that begins."""
        with self.lock:
            self.faults.append(fault)
        return fault

    def allows(self, call: Call) -> bool:
        """Return whether what befell explains the error of a call."""
        with self.lock:
            faults = [each for each in self.faults if each.began <= call.ended]
        api = [f for f in faults if f.place == "api" and f.during(call.began, call.ended)]
        store = [f for f in faults if f.place == call.place]
        if call.error in API:
            return bool(api)
        if call.error in UNREADABLE:
            return any(f.kind in ("corrupt", "5xx") for f in api)
        if call.error in ("CredentialStoreUnavailableError", "CredentialConfigurationError"):
            if call.error == "CredentialConfigurationError":
                store = [f for f in store if f.kind == "corrupt"]  # what it holds is no key
            if not call.warm:
                return any(f.during(call.began, call.ended) for f in store)
            return any(
                f.during(call.began, call.ended, RECOVERY) and self._aged(f, faults) for f in store
            )
        if call.error == "AuthenticationError":  # revoked, and the store cannot be read again
            return any(
                r.kind == "revoked"
                and r.place == f"key of {call.place}"
                and r.during(call.began, call.ended, RECOVERY)
                and any(f.during(r.began, call.ended) for f in store)
                for r in faults
            )
        return False

    def _aged(self, outage: Fault, faults: list[Fault]) -> bool:
        """Return whether the clocks went past the end of every key in an outage or around it."""
        return any(
            jump.place == "clock"
            and jump.size >= MAX_STALE
            and outage.during(jump.began, jump.began + 20, RECOVERY)
            for jump in faults
        )
