"""One contact of a `CachingProvider` with its store: its thread, and who waits for it."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vectorshift._platform.forks import renew_after_fork
from vectorshift.credentials.values import Credential

if TYPE_CHECKING:
    from collections.abc import Collection

    from vectorshift._platform.background import BackgroundTask
    from vectorshift.cache.policy import Instant
    from vectorshift.credentials.resolving import LookupRequest, Result

__all__ = [
    "MAX_LOADS",
    "Refresh",
    "end",
    "entered",
    "is_inside",
    "running",
    "settles",
    "start",
    "were_cut_off",
]

MAX_LOADS: Final = 4
"""How many of one provider may be under way at once: further ones, when the others hang."""
MAX_THREADS: Final = 32
"""How many of all providers run at once in a process."""


@dataclass(eq=False, repr=False, slots=True)
class Refresh:
    """One contact with the store. `answer` is set before the flight lands; it counts if no newer
    load began.

    Args:
        began: the moment at which it was begun.
        pause: seconds that it waits before it asks.
    """

    began: Instant
    around: tuple[Refresh, ...] = field(init=False)
    task: BackgroundTask[None] = field(init=False)
    answer: Result | None = None
    counts: bool = False
    given_up: bool = False
    pause: float = 0.0

    def __post_init__(self) -> None:
        self.around = tuple(
            load for load in _inside.get() if load.answer is None
        )  # a context outlives its load


class _Loads:
    """The loads that run in this process, and those that wait for a thread.

    Attributes:
        cut_off: whether loads ran when this process was forked. Their threads are not here, and a
            library that one was importing can never be imported.
    """

    def __init__(self) -> None:
        self.running: list[Refresh] = []
        self.cut_off = False
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self.lock = threading.RLock()
        self.cut_off = self.cut_off or bool(self.running)
        self.running = []
        self.waiting: list[Refresh] = []


_loads: Final = _Loads()


def were_cut_off() -> bool:
    """Return whether this process was forked while loads of its parent ran."""
    return _loads.cut_off


def running() -> list[Refresh]:
    """Return the loads that run in this process, without those that the caller runs in."""
    with _loads.lock:
        return [each for each in _loads.running if each not in _inside.get()]


def start(load: Refresh) -> bool:
    """Start a load, or let it wait for a thread; return False if none can be had: too many hang, or
    the system has no more. One that another load waits for does not wait.
    """
    with _loads.lock:
        if load in _loads.running or load in _loads.waiting or load.answer is not None:
            return True
        if len(_loads.running) >= MAX_THREADS and not load.around:
            if all(each.given_up for each in _loads.running):
                return False
            _loads.waiting.append(load)
            return True
        _loads.running.append(load)
    try:
        load.task.start()
    except RuntimeError:
        end(load)
        return False
    return True


def end(load: Refresh) -> None:
    """Give the thread of a load to one that waits."""
    with _loads.lock:
        if load in _loads.running:
            _loads.running.remove(load)
        waiting = _loads.waiting.pop(0) if _loads.waiting else None
    if waiting is not None:
        start(waiting)


_inside: ContextVar[tuple[Refresh, ...]] = ContextVar("vectorshift.cache.refresh", default=())


def entered(load: Refresh) -> None:
    """Take note that what runs from here on runs in this load, and in those in which it was
    begun.
    """
    _inside.set((*load.around, load))


def is_inside(loads: Collection[Refresh]) -> bool:
    """Return whether the caller runs in one of these loads, as a log handler does: to wait would be
    to wait for itself.
    """
    return any(load in loads for load in _inside.get())


def settles(
    load: Refresh, known: Credential | None, request: LookupRequest, asked: Instant
) -> bool:
    """Return whether a load answers this caller. One whom the known key will not do is answered by
    another key, or by a load that began after it asked.
    """
    if not (load.counts and (request.forced or request.rejected is not None)):
        return load.counts
    answer = load.answer
    if isinstance(answer, Credential) and (known is None or answer.secret != known.secret):
        return True
    return load.began[1] >= asked[1]
