"""The logger of the package, and a way to write to it that no caller pays for."""

from __future__ import annotations

import contextlib
import logging

__all__ = ["log", "log_safely"]

log = logging.getLogger("vectorshift")


def log_safely(level: int, text: str, *about: object) -> None:
    """Write a log line. A handler that raises fails no request, and costs no caller its key."""
    with contextlib.suppress(Exception):
        log.log(level, text, *about, stacklevel=2)
