"""The logger of the package, and functions that log without harm to the caller."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["begin_anew", "log", "log_safely", "log_seldom"]

log = logging.getLogger("vectorshift")


def log_safely(
    level: int, text: str, *about: object, extra: Mapping[str, object] | None = None
) -> None:
    """Log a record. If a handler raises, the error is dropped: it must not fail a request."""
    with contextlib.suppress(Exception):
        log.log(level, text, *about, stacklevel=2, extra=extra)


_MINUTE: Final = 60.0
_FREE: Final = 3
"""How many records of a kind are logged normally in a minute."""


@dataclass(eq=False, repr=False, slots=True)
class _Minute:
    """The records of one kind since `began`."""

    began: float
    count: int = 0
    sources: list[str] = field(default_factory=list[str])


_minutes: dict[str, _Minute] = {}


def begin_anew() -> None:
    """Reset the counts of `log_seldom`: the next record of each kind is logged."""
    _minutes.clear()


_lock = threading.RLock()  # a log handler or a signal handler may log while this is held


def log_seldom(
    level: int,
    kind: str,
    source: str,
    text: str,
    *about: object,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Log a record of a kind that may be frequent.

    The first three in a minute are logged normally, the others at DEBUG. At the tenth, the
    hundredth and so on, a summary says how many there were.

    Args:
        level: the level of the record.
        kind: the kind; also the field `event` of the record.
        source: where it happened, for the summary.
        text: the message, as for `logging`.
        about: the arguments of the message.
        extra: further fields of the record.
    """
    now = time.monotonic()
    with _lock:
        minute = _minutes.get(kind)
        if minute is None or now - minute.began >= _MINUTE:
            minute = _minutes[kind] = _Minute(now)
        minute.count += 1
        count = minute.count
        if source not in minute.sources and len(minute.sources) < _FREE:
            minute.sources.append(source)
        sources = ", ".join(minute.sources)
    fields = {"event": kind, **(extra or {})}
    log_safely(level if count <= _FREE else logging.DEBUG, text, *about, extra=fields)
    if count > _FREE and math.log10(count).is_integer():
        summary = "%d times within a minute: %s, first at %s. Each is logged at DEBUG."
        log_safely(level, summary, count, kind, sources, extra={"event": kind, "count": count})
