"""Clocks that callers can replace, so that tests need not wait."""

from __future__ import annotations

import time as _time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "Instant", "SystemClock", "WaitingClock", "elapsed"]

Instant = tuple[float, float]
"""Wall clock and monotonic clock, in seconds."""


def elapsed(since: Instant, now: Instant) -> float:
    """Return the seconds between two instants, by the clock that advanced more: the wall clock may
    be set back, and the monotonic clock stops during suspend.
    """
    return max(now[0] - since[0], now[1] - since[1])


class Clock(Protocol):
    """Both clocks of a machine, in seconds. Reading one is thread-safe and does not block."""

    def time(self) -> float:
        """Return wall-clock time in seconds since the Unix epoch. It may jump back or forward."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, but may stop while the machine is suspended."""
        ...


class WaitingClock(Clock, Protocol):
    """A clock that can also wait, for sync and async callers."""

    def sleep(self, seconds: float, /) -> None:
        """Wait so many seconds."""
        ...

    async def asleep(self, seconds: float, /) -> None:
        """Wait so many seconds. Can be cancelled."""
        ...


class SystemClock:
    """The machine's own clocks."""

    time = staticmethod(_time.time)
    monotonic = staticmethod(_time.monotonic)
    sleep = staticmethod(_time.sleep)

    async def asleep(self, seconds: float, /) -> None:
        """Wait under asyncio or trio."""
        import anyio

        await anyio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
