"""A clock that stands still until a test moves it, or code under test waits on it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vectorshift.cache.refresh import Refresh

__all__ = ["ManualClock"]

_PATIENCE: Final = 0.25
"""Seconds that `advance` waits for refreshes in the background."""


class ManualClock:
    """Both clocks of a machine, moved by hand. Thread-safe; has the methods of
    `vectorshift._platform.clock.WaitingClock`.

    The monotonic clock begins far from the wall clock, so that code which mixes them up fails.
    Whoever waits on it moves it, and waits no time at all.

    Args:
        start: wall-clock time as seconds since the Unix epoch.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._lock = threading.Lock()
        self._wall = float(start)
        self._monotonic = 1_000.0
        self._waits: list[float] = []
        self._hanging: list[Refresh] = []

    def time(self) -> float:
        """Return wall-clock time as seconds since the Unix epoch."""
        with self._lock:
            return self._wall

    def monotonic(self) -> float:
        """Return seconds that never go back and that stand still while the machine is suspended."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float, *, suspended: bool = False) -> None:
        """Let time pass, once the refreshes in the background are done: one that takes no time
        would otherwise seem to take as long. Those that hang are waited for once, 0.25 s in all.

        Args:
            seconds: how long; not negative.
            suspended: the machine sleeps meanwhile, so only the wall clock moves.

        Raises:
            ValueError: `seconds` is negative or not a number; `set_wall` sets the wall clock back.
        """
        self._wait_for_refreshes()
        self._move(seconds, suspended=suspended)

    def _wait_for_refreshes(self) -> None:
        from vectorshift.cache.refresh import running

        loads, ends = running(), time.monotonic() + _PATIENCE
        for load in loads:
            if load not in self._hanging:
                load.task.wait(max(0.0, ends - time.monotonic()))
        self._hanging = [load for load in loads if load.task.running]

    def _move(self, seconds: float, *, suspended: bool = False) -> None:
        if not seconds >= 0:
            raise ValueError(
                f"Time does not pass by {seconds} seconds; set_wall() sets the wall clock back."
            )
        with self._lock:
            self._wall += seconds
            if not suspended:
                self._monotonic += seconds

    def sleep(self, seconds: float) -> None:
        """Move both clocks on by `seconds` and return at once."""
        self._move(seconds)
        with self._lock:
            self._waits.append(seconds)

    async def asleep(self, seconds: float) -> None:
        """Move both clocks on by `seconds`, let other tasks run, and return."""
        import anyio

        self.sleep(seconds)
        await anyio.lowlevel.checkpoint()

    @property
    def waits(self) -> list[float]:
        """The seconds of each wait on this clock so far, in their order; a list of your own."""
        with self._lock:
            return list(self._waits)

    def set_wall(self, epoch: float) -> None:
        """Set the wall clock, forward or back, as an operator or NTP does; the monotonic clock does
        not move.

        Args:
            epoch: seconds since the Unix epoch.
        """
        with self._lock:
            self._wall = float(epoch)

    def __repr__(self) -> str:
        return f"<ManualClock wall={self.time()} monotonic={self.monotonic()}>"
