"""How long a Vault token lasts, and what to do about it when: pure functions of what was granted
and of time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.values import Secret

__all__ = ["Grant", "Moment", "age", "granted", "has_ended", "looked_up", "past_half", "renewed"]

Moment = tuple[float, float]
"""Wall clock and monotonic clock, in seconds. The larger age counts: a monotonic clock stands still
in suspend.
"""

MARGIN = 10.0
"""Seconds before its end at which a token is replaced: what one look-up may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
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
    since: Moment = (0.0, 0.0)


def granted(token: Secret, auth: Mapping[str, Any]) -> Grant:
    """Return what the `auth` part of a server's answer grants."""
    life = _seconds(auth.get("lease_duration"))
    return Grant(token=token, life=life, full=life, renewable=auth.get("renewable") is True)


def looked_up(grant: Grant, data: Mapping[str, Any]) -> Grant:
    """Return the grant with what the server says of its token, of which only the text was known."""
    full = _seconds(data.get("period")) or _seconds(data.get("creation_ttl"))
    life = _seconds(data.get("ttl")) or (0.0 if full else None)  # less than a second is told as 0
    full = full or life
    return replace(grant, life=life, full=full, renewable=data.get("renewable") is True, known=True)


def renewed(grant: Grant, auth: Mapping[str, Any]) -> Grant:
    """Return the grant after a renewal that the server answered with `auth`."""
    life = _seconds(auth.get("lease_duration")) or (
        0.0 if grant.full else None
    )  # less than a second is told as 0
    return replace(grant, life=life, renewable=auth.get("renewable") is True)


def age(grant: Grant, now: Moment) -> float:
    """Return the seconds since the grant."""
    return max(now[0] - grant.since[0], now[1] - grant.since[1])


def has_ended(grant: Grant, now: Moment) -> bool:
    """Return whether the token has ended, or ends before a look-up that begins now."""
    return grant.life is not None and age(grant, now) >= grant.life - min(MARGIN, grant.life / 10)


def past_half(grant: Grant, now: Moment) -> bool:
    """Return whether half of the token's life is over: as it is granted now, or as it was at first.

    So a renewal that brings much less than the first grant, as one near the max TTL does, brings
    nothing.
    """
    if grant.life is None:
        return False
    left = grant.life - age(grant, now)
    return left <= max(grant.life, grant.full or 0.0) / 2


def _seconds(value: object) -> float | None:
    """Return a positive number of seconds, or None: 0 stands for ever."""
    return float(value) if type(value) is int and value > 0 else None
