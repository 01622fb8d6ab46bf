"""The logger of the package, and ways to write to it that no caller pays for."""

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
    """Write a log line. A handler that raises fails no request, and costs no caller its key."""
    with contextlib.suppress(Exception):
        log.log(level, text, *about, stacklevel=2, extra=extra)


_MINUTE: Final = 60.0
_FREE: Final = 3
"""Lines of a kind that are written as they come, in a minute."""


@dataclass(eq=False, repr=False, slots=True)
class _Minute:
    """The lines of one kind since `began`."""

    began: float
    count: int = 0
    sources: list[str] = field(default_factory=list[str])


_minutes: dict[str, _Minute] = {}


def begin_anew() -> None:
    """Forget how many lines there were: the next of each kind is written."""
    _minutes.clear()


_lock = threading.RLock()  # a handler of log lines, or a signal handler, may log in here


def log_seldom(
    level: int,
    kind: str,
    source: str,
    text: str,
    *about: object,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Write a log line of a kind of which there may be many.

    The first three in a minute are written as they come. The others are written at DEBUG; the
    tenth, hundredth and so on says how many there were.

    Args:
        level: the level of the line.
        kind: the kind, and the field `event` of the record.
        source: where it happened, for the line that counts.
        text: the line, as for `logging`.
        about: what belongs into the line.
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
