"""What a forked child has to make anew: locks that another thread may have held, work that nobody
does there.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["ForkAware", "renew_after_fork"]


class ForkAware(Protocol):
    """Something with a lock, a thread or a connection that must not be shared with a forked
    child.
    """

    def _after_fork(self) -> None:
        """Make anew what the child must not share. Runs in the child, before any other code of
        it.
        """
        ...


_aware: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def renew_after_fork(thing: ForkAware) -> None:
    """Call `thing._after_fork()` in each forked child for as long as `thing` lives."""
    _aware.add(thing)


def _renew() -> None:
    for thing in list(_aware):
        thing._after_fork()  # pyright: ignore[reportPrivateUsage]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
