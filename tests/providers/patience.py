"""How long code is ready to wait for a peer: what it asks of its sockets, and not how long anything
really took. So the wait itself can be skipped.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Patience", "patience", "skipping"]


@dataclass
class _Given:
    """The time-outs that one socket was given, and the port of the peer that it had by then."""

    timeouts: list[float] = field(default_factory=list)
    port: int | None = None
    skipped: float = 0.0


class Patience:
    """The time-outs that sockets of this process were given, in seconds; none at all counts as
    infinite.
    """

    def __init__(self) -> None:
        self._given: list[_Given] = []
        self._known: WeakKeyDictionary[socket.socket, _Given] = WeakKeyDictionary()

    def note(self, which: socket.socket, timeout: float | None) -> _Given:
        if which not in self._known:
            self._known[which] = _Given()
            self._given.append(self._known[which])
        given = self._known[which]
        given.timeouts.append(float("inf") if timeout is None else timeout)
        with contextlib.suppress(OSError):  # it is not connected yet
            given.port = which.getpeername()[1]
        return given

    @property
    def asked(self) -> list[float]:
        """All time-outs."""
        return [each for given in self._given for each in given.timeouts]

    def with_(self, url: str) -> float:
        """Return how long a server was waited for in all that takes each connection and then says
        nothing.
        """
        return sum(given.timeouts[-1] for given in self._given if given.port == urlsplit(url).port)


@contextlib.contextmanager
def patience(silent: str | None = None) -> Iterator[Patience]:
    """Note the time-outs that are given to sockets in a block.

    Args:
        silent: the URL of a server that never answers. Each wait for it is skipped, and each pause.
    """
    noted, plain = Patience(), socket.socket.settimeout

    def settimeout(self: socket.socket, timeout: float | None) -> None:
        given = noted.note(self, timeout)
        if silent and timeout and given.port == urlsplit(silent).port:
            skip(timeout - given.skipped)
            given.skipped, timeout = timeout, 0.01
        plain(self, timeout)

    kept: Any = socket.socket
    with skipping() if silent else contextlib.nullcontext(_nothing) as skip:
        kept.settimeout = settimeout
        try:
            yield noted
        finally:
            del kept.settimeout  # the one of its base class is there again


def _nothing(_: float) -> None:
    pass


_PAUSING = ("vectorshift.providers.", "botocore.")


@contextlib.contextmanager
def skipping(
    then: Callable[[], object] = lambda: None, *, after: float = 0.0
) -> Iterator[Callable[[float], None]]:
    """Skip each pause between the attempts of our providers and of botocore: it takes no time, but
    the monotonic clock moves on by as much. Yields what moves it.

    Args:
        then: what happens meanwhile.
        after: how many seconds of pauses come before that.
    """
    skipped, sleep, monotonic = list[float](), time.sleep, time.monotonic
    happens, over = [then], threading.Event()

    def pause(seconds: float) -> None:
        caller: str = sys._getframe(1).f_globals["__name__"]
        ours = caller.startswith(_PAUSING) and not over.is_set()
        (skipped.append if ours else sleep)(seconds)
        if ours and happens and sum(skipped) >= after:
            happens.pop()()

    kept: Any = time
    kept.sleep, kept.monotonic = pause, lambda: monotonic() + sum(skipped)
    try:
        yield skipped.append
    finally:
        kept.sleep, kept.monotonic = sleep, monotonic
        over.set()
        skipped.clear()  # what was imported meanwhile may keep these functions
