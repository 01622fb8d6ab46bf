"""How long a Vault token lasts, and what to do about it when: pure functions of what was granted
and of time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.values import Secret

__all__ = [
    "Instant",
    "TokenLease",
    "age",
    "granted",
    "has_ended",
    "looked_up",
    "past_half",
    "renewed",
]

Instant = tuple[float, float]
"""Wall clock and monotonic clock, in seconds. The larger age counts: a monotonic clock stands still
in suspend.
"""

MARGIN = 10.0
"""Seconds before its end at which a token is replaced: what one look-up may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLease:
    """A token, and for how long it was granted.

    Args:
        token: the token; empty where a proxy adds one.
        life: seconds from `since` to its end, or None if it does not end or that is not known.
        full: seconds that it was first granted for.
        renewable: whether the server would renew it.
        known: whether the server has said how long it lasts.
        since: when it was granted, at the earliest.
    """

    token: Secret
    life: float | None = None
    full: float | None = None
    renewable: bool = False
    known: bool = True
    since: Instant = (0.0, 0.0)


def granted(token: Secret, auth: Mapping[str, Any]) -> TokenLease:
    """Return what the `auth` part of a server's answer grants."""
    life = _seconds(auth.get("lease_duration"))
    return TokenLease(token=token, life=life, full=life, renewable=auth.get("renewable") is True)


def looked_up(lease: TokenLease, data: Mapping[str, Any]) -> TokenLease:
    """Return the grant with what the server says of its token, of which only the text was known."""
    full = _seconds(data.get("period")) or _seconds(data.get("creation_ttl"))
    life = _seconds(data.get("ttl")) or (0.0 if full else None)  # less than a second is told as 0
    full = full or life
    return replace(lease, life=life, full=full, renewable=data.get("renewable") is True, known=True)


def renewed(lease: TokenLease, auth: Mapping[str, Any]) -> TokenLease:
    """Return the grant after a renewal that the server answered with `auth`."""
    life = _seconds(auth.get("lease_duration")) or (
        0.0 if lease.full else None
    )  # less than a second is told as 0
    return replace(lease, life=life, renewable=auth.get("renewable") is True)


def age(lease: TokenLease, now: Instant) -> float:
    """Return the seconds since the grant."""
    return max(now[0] - lease.since[0], now[1] - lease.since[1])


def has_ended(lease: TokenLease, now: Instant) -> bool:
    """Return whether the token has ended, or ends before a look-up that begins now."""
    return lease.life is not None and age(lease, now) >= lease.life - min(MARGIN, lease.life / 10)


def past_half(lease: TokenLease, now: Instant) -> bool:
    """Return whether half of the token's life is over: as it is granted now, or as it was at first.

    So a renewal that brings much less than the first grant, as one near the max TTL does, brings
    nothing.
    """
    if lease.life is None:
        return False
    left = lease.life - age(lease, now)
    return left <= max(lease.life, lease.full or 0.0) / 2


def _seconds(value: object) -> float | None:
    """Return a positive number of seconds, or None: 0 stands for ever."""
    return float(value) if type(value) is int and value > 0 else None
