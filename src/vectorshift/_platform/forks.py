"""Renew locks, threads and connections in a forked child: it must not share its parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["ForkAware", "renew_after_fork"]


class ForkAware(Protocol):
    """An object with a lock, a thread or a connection that a forked child must not share."""

    def _after_fork(self) -> None:
        """Renew what the child must not share. Runs in the child, before its other code."""
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
