"""Time as a value that can be handed in, so that no test waits for it to pass."""

from __future__ import annotations

import time as _time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock", "WaitingClock"]


class Clock(Protocol):
    """Both clocks of a machine, in seconds. Reading one is thread-safe and does not block."""

    def time(self) -> float:
        """Return wall-clock time as seconds since the Unix epoch; it may be set back or forward."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back and that may stand still while the machine is
        suspended.
        """
        ...


class WaitingClock(Clock, Protocol):
    """A clock that can be waited on, by sync and async callers."""

    def sleep(self, seconds: float, /) -> None:
        """Return when so many seconds have passed."""
        ...

    async def asleep(self, seconds: float, /) -> None:
        """Return when so many seconds have passed, or at once when the caller is cancelled."""
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
