"""Imports at first use, kept apart from forks: a child would wait for ever for a module that a
thread of its parent was importing.
"""

import os
import sys
from _thread import RLock

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from types import ModuleType

_lock = RLock()
_first: "list[str]" = []
_WAIT_OF_IMPORT = 10.0
_WAIT_OF_FORK = 2.0


def load(name: str) -> "ModuleType":
    """Import a module; a fork waits until that is done, for at most 2 s."""
    lock = _lock  # a child has another one
    taken = lock.acquire(timeout=_WAIT_OF_IMPORT)
    try:
        if not _first:
            _first.append(name)
            __import__("logging")  # a fork takes its lock as well, which imports may need:
            _register()  # what is registered last is called first
        __import__(name)
        return sys.modules[name]
    finally:
        if taken:
            lock.release()


def _before() -> None:
    _lock.acquire(timeout=_WAIT_OF_FORK)


def _after() -> None:
    try:  # noqa: SIM105  # contextlib is an import that `import vectorshift` does without
        _lock.release()
    except RuntimeError:  # another thread has it, and imports for longer
        pass


def _after_in_child() -> None:
    global _lock
    _lock = RLock()


def _register() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after_in_child)


_register()
