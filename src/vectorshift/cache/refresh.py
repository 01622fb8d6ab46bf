"""One read of a store by a `CachingProvider`: its thread, and its waiters."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vectorshift._platform.forks import renew_after_fork
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from vectorshift._platform.background import BackgroundTask
    from vectorshift._platform.clock import Instant
    from vectorshift.credentials.resolving import LookupRequest, Result

__all__ = [
    "MAX_REFRESHES",
    "Refresh",
    "end",
    "entered",
    "is_inside",
    "running",
    "settles",
    "start",
    "were_cut_off",
]

MAX_REFRESHES: Final = 4
"""The refreshes of one provider that may run at once: more than one only while others hang."""
MAX_THREADS: Final = 32
"""The refreshes of all providers that run at once in a process."""


@dataclass(eq=False, repr=False, slots=True)
class Refresh:
    """One read of the store. `answer` is set before `task` ends; it counts if no newer refresh
    began.

    Args:
        began: when it began.
        around: the refreshes that it was started in, if it is nested.
        pause: seconds to wait before the read.
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
            refresh for refresh in _inside.get() if refresh.answer is None
        )  # a context may outlive its refresh


class _Refreshes:
    """The refreshes that run in this process, and those that wait for a thread.

    Attributes:
        cut_off: whether refreshes ran when this process was forked. Their threads do not exist
            here, and a library that one of them was importing can never be imported.
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


_refreshes: Final = _Refreshes()


def were_cut_off() -> bool:
    """Return whether this process was forked while its parent ran refreshes."""
    return _refreshes.cut_off


def running() -> list[Refresh]:
    """Return the running refreshes of this process, without those that the caller runs in."""
    with _refreshes.lock:
        return [each for each in _refreshes.running if each not in _inside.get()]


def start(refresh: Refresh) -> bool:
    """Start a refresh, or queue it until a thread is free. A nested one is never queued: its outer
    refresh waits for it. Return False if all threads hang, or the system has no more.
    """
    with _refreshes.lock:
        if (
            refresh in _refreshes.running
            or refresh in _refreshes.waiting
            or refresh.answer is not None
        ):
            return True
        if len(_refreshes.running) >= MAX_THREADS and not refresh.around:
            if all(each.given_up for each in _refreshes.running):
                return False
            _refreshes.waiting.append(refresh)
            return True
        _refreshes.running.append(refresh)
    try:
        refresh.task.start()
    except CredentialStoreUnavailableError:
        end(refresh)
        return False
    return True


def end(refresh: Refresh) -> None:
    """Remove a refresh that has ended, and start one that is queued."""
    with _refreshes.lock:
        if refresh in _refreshes.running:
            _refreshes.running.remove(refresh)
        waiting = _refreshes.waiting.pop(0) if _refreshes.waiting else None
    if waiting is not None:
        start(waiting)


_inside: ContextVar[tuple[Refresh, ...]] = ContextVar("vectorshift.cache.refresh", default=())


def entered(refresh: Refresh) -> None:
    """Note that the code from here on runs in this refresh, and in those around it."""
    _inside.set((*refresh.around, refresh))


def is_inside(refreshes: Collection[Refresh]) -> bool:
    """Return whether the caller runs in one of these refreshes, such as a log handler. It would
    wait for itself.
    """
    return any(refresh in refreshes for refresh in _inside.get())


def settles(
    refresh: Refresh, known: Credential | None, request: LookupRequest, asked: Instant
) -> bool:
    """Return whether a refresh answers this caller. A caller that needs another key than the known
    one takes only that, or a refresh that began after it asked.
    """
    if not (refresh.counts and (request.forced or request.rejected is not None)):
        return refresh.counts
    answer = refresh.answer
    if isinstance(answer, Credential) and (known is None or answer.secret != known.secret):
        return True
    return refresh.began[1] >= asked[1]
