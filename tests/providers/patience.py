"""How long code is ready to wait for a peer: what it asks of its sockets, and not how long anything
really took.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Patience", "patience"]


@dataclass
class _Given:
    """The time-outs that one socket was given, and the port of the peer that it had by then."""

    timeouts: list[float] = field(default_factory=list)
    port: int | None = None


class Patience:
    """The time-outs that sockets of this process were given, in seconds; none at all counts as
    infinite.
    """

    def __init__(self) -> None:
        self._given: list[_Given] = []
        self._known: WeakKeyDictionary[socket.socket, _Given] = WeakKeyDictionary()

    def note(self, which: socket.socket, timeout: float | None) -> None:
        if which not in self._known:
            self._known[which] = _Given()
            self._given.append(self._known[which])
        given = self._known[which]
        given.timeouts.append(float("inf") if timeout is None else timeout)
        with contextlib.suppress(OSError):  # it is not connected yet
            given.port = which.getpeername()[1]

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
def patience() -> Iterator[Patience]:
    """Note the time-outs that are given to sockets in a block."""
    noted, plain = Patience(), socket.socket.settimeout

    def settimeout(self: socket.socket, timeout: float | None) -> None:
        noted.note(self, timeout)
        plain(self, timeout)

    kept: Any = socket.socket
    kept.settimeout = settimeout
    try:
        yield noted
    finally:
        del kept.settimeout  # the one of its base class is there again
