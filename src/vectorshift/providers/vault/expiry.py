"""When a secret ends, as its metadata say: pure functions."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXPIRES_AT", "MalformedTime", "parse_time", "read_expiry"]

EXPIRES_AT: Final = "expires_at"
"""The key in the secret's custom metadata. Its value is a time as RFC 3339 has it:
`2027-01-31T00:00:00Z`.
"""

_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", flags=re.ASCII
)


class MalformedTime:
    """What stands in the place of a time, and is none."""


def read_expiry(metadata: Mapping[str, Any]) -> datetime | MalformedTime | None:
    """Return when a version ends: by its secret's custom metadata, or by its own deletion time if
    that is earlier.

    Args:
        metadata: what KV version 2 tells of a version that it serves.
    """
    custom = metadata.get("custom_metadata")
    named = cast("Mapping[str, Any]", custom).get(EXPIRES_AT) if isinstance(custom, dict) else None
    own = parse_time(named) if named is not None else None
    if named is not None and own is None:
        return MalformedTime()
    times = [time for time in (own, parse_time(metadata.get("deletion_time"))) if time is not None]
    return min(times, default=None)


def parse_time(text: object) -> datetime | None:
    """Return an RFC 3339 time, cut to whole seconds; None for anything else."""
    found = _RFC_3339.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    day, time, sign, hours, minutes = found.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
        local = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=timezone.utc)
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None
