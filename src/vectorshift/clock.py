"""Time as a value that can be handed in, so that no test waits for it to pass."""

from __future__ import annotations

import time as _time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Both clocks of a machine, in seconds. Reading one is thread-safe and does not block."""

    def time(self) -> float:
        """Return wall-clock time as seconds since the Unix epoch; it may be set back or forward."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back and that may stand still while the machine is suspended."""
        ...


class SystemClock:
    """The machine's own clocks."""

    time = staticmethod(_time.time)
    monotonic = staticmethod(_time.monotonic)


SYSTEM_CLOCK = SystemClock()
