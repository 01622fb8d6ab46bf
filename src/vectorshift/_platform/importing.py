"""Imports at first use, kept apart from forks.

A fork copies Python's import locks. If another thread held one, no thread of the child ever
releases it, and the child would wait for ever. So imports at first use run under one lock, and a
fork waits for it, for at most 2 s. If the fork did not get the lock, the child's imports time out.
"""

import os
import sys
from _thread import RLock, allocate_lock, get_ident, start_new_thread

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, TypeVar

    T = TypeVar("T")

_WAIT_OF_FORK = 2.0
_WAIT_OF_IMPORT = 10.0

_lock = RLock()
_loaded: "set[str]" = set()
_is_ordered = False
_importing = 0
"""The thread that imports, or imported last."""
_cut_off = 0
"""In a child: the thread of its parent that was importing at the fork, or 0."""
_importers: "set[int]" = set()
_stuck: "set[str]" = set()


def load(name: str) -> "ModuleType":
    """Import a module. A fork waits for the import, for at most 2 s.

    Raises:
        CredentialConfigurationError: this is a forked child whose parent was still importing the
            module.
        ImportError: Python is ending. Our own errors can no longer be imported.
    """
    if name not in _loaded or sys.modules.get(name) is None:
        if not sys.meta_path:
            raise ImportError(
                f"{name} cannot be imported, as Python is ending. Make this call in a function of"
                " atexit, and not in __del__.",
                name=name,
            )
        (_load_in_a_thread if _cut_off else _load)(name)
        _loaded.add(name)
    return sys.modules[name]


def at_first_use(package: str, homes: "dict[str, str]") -> "Callable[[str], object]":
    """Return the `__getattr__` of a package that imports the module of each name at first use.

    Args:
        package: its name.
        homes: the module below `vectorshift` of each public name.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(load(f"vectorshift.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get


def _load(name: str) -> None:
    apart_from_forks(lambda: __import__(name))


def apart_from_forks(work: "Callable[[], T]") -> "T":
    """Do work that holds locks of libraries. A fork waits for it, for at most 2 s."""
    global _is_ordered, _importing
    lock = _lock  # a child gets a new one
    taken = lock.acquire(timeout=_WAIT_OF_IMPORT)
    try:
        _importing = get_ident()
        if not _is_ordered:
            __import__("logging")  # imports may need its lock, which a fork takes, too:
            _register(before=_before, after_in_parent=_after)  # the last hook is called first
            _is_ordered = True
        return work()
    finally:
        if taken:
            lock.release()


def _load_in_a_thread(name: str) -> None:
    """Import a module that may hang, with a time-out slightly below that of a key's look-up, so
    that the look-up ends with this error.
    """
    if get_ident() in _importers:
        __import__(name)
        return
    done, failures = allocate_lock(), list[BaseException]()

    def run() -> None:
        if get_ident() == _cut_off:  # with this id, Python thinks that it holds the parent's locks
            start_new_thread(run, ())  # gets another id, as this one is still in use
            return
        _importers.add(get_ident())
        try:
            __import__(name)
        except BaseException as error:
            failures.append(error)
        finally:
            _importers.discard(get_ident())
            done.release()

    done.acquire()
    start_new_thread(run, ())
    if not done.acquire(timeout=0.1 if name in _stuck else _patience()):
        _stuck.add(name)
        # Even the module of the error may be impossible to import.
        errors = sys.modules.get("vectorshift.errors")
        raise getattr(errors, "CredentialConfigurationError", RuntimeError)(
            f"{name} cannot be imported in this process, which was forked while another thread "
            "imported it. Call vectorshift.warm_up() before threads start and processes fork."
        )
    if failures:
        raise failures[0]


def _patience() -> float:
    try:
        seconds = float(os.environ["VECTORSHIFT_LOAD_TIMEOUT"])
    except (KeyError, ValueError):
        seconds = _WAIT_OF_IMPORT
    return 0.9 * min(max(seconds, 0.1), 3600.0)


def _before_first() -> None:
    _lock.acquire(timeout=0 if _is_ordered else _WAIT_OF_FORK)


def _before() -> None:
    _lock.acquire(timeout=_WAIT_OF_FORK)


def _after() -> None:
    try:  # noqa: SIM105  # saves `import vectorshift` an import of contextlib
        _lock.release()
    except RuntimeError:  # another thread has it, and is still importing
        pass


def _after_in_child() -> None:
    global _lock, _cut_off
    try:
        _lock.release()
    except RuntimeError:
        _cut_off = _importing
    _lock = RLock()


def _register(**hooks: "Any") -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


_register(before=_before_first, after_in_parent=_after, after_in_child=_after_in_child)
