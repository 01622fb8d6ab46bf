"""Tests of side effects: a provider leaves its process unchanged and shows nobody the key."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import locale
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections import deque
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from vectorshift._platform import slot
from vectorshift.credentials.values import Secret
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from vectorshift.credentials.provider import CredentialProvider

__all__ = [
    "CONTACT",
    "Event",
    "audited",
    "children",
    "environment_read",
    "holders",
    "restore",
    "snapshot",
    "sub_reaper",
    "written_files",
]

Event = tuple[str, Any]
"""An event of `sys.addaudithook`, and what matters of it."""

CONTACT: Final = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.posix_spawn")
_EVENTS: Final[dict[str, Callable[[Any], object]]] = {
    **dict.fromkeys(CONTACT, lambda args: [str(each) for each in args[1:2]]),
    "os.exec": lambda args: str(args[1]),
    "os.system": lambda args: str(args[0]),
    "os.putenv": lambda args: (os.fsdecode(args[0]), os.fsdecode(args[1])),
    "open": lambda args: (args[0], args[2]),
    "os.rename": lambda args: (args[1], os.O_WRONLY),
    "sqlite3.connect": lambda args: (args[0], os.O_WRONLY),
    "builtins.input": lambda args: "input()",
    "builtins.breakpoint": lambda args: "breakpoint()",
}
_recorders: list[list[Event]] = []


@functools.cache
def _install() -> None:
    """Install the hook, which stays: Python takes none away."""
    sys.addaudithook(_record)


def _record(event: str, args: tuple[Any, ...]) -> None:
    if _recorders and event in _EVENTS:
        with contextlib.suppress(Exception):
            seen = (event, _EVENTS[event](args))
            for each in _recorders:
                each.append(seen)


@contextlib.contextmanager
def audited() -> Generator[list[Event]]:
    """Record what the process does in the block: in whatever thread, and whatever library."""
    _install()
    events: list[Event] = []
    start: Any = threading.Thread.start

    def named_start(thread: threading.Thread) -> None:  # no event has the name of a thread
        events.append(("thread", thread.name))
        start(thread)

    holder: Any = threading.Thread
    holder.start = named_start
    _recorders.append(events)
    try:
        yield events
    finally:
        _recorders.remove(events)
        holder.start = start


def written_files(events: list[Event]) -> Iterator[tuple[str, str]]:
    """Yield each file that may have been written and is still there, with its text."""
    paths = {
        os.fsdecode(about[0])
        for event, about in events
        if event in ("open", "os.rename", "sqlite3.connect")
        if isinstance(about[0], str | bytes | os.PathLike)
        if isinstance(about[1], int) and about[1] & (os.O_WRONLY | os.O_RDWR)
    }
    for path in sorted(paths):
        with contextlib.suppress(OSError):
            if Path(path).is_file() and Path(path).stat().st_size < 1_000_000:
                yield path, Path(path).read_bytes().decode(errors="replace")


@contextlib.contextmanager
def environment_read() -> Generator[set[str]]:
    """Record which variables of this package are read one by one in the block."""
    real, names = cast("Any", os.environ), set[str]()

    class Recording(type(real)):  # type: ignore[misc]
        def __getitem__(self, name: str) -> str:
            if str(name).startswith("VECTORSHIFT_"):
                names.add(name)
            return cast("str", real[name])

        def items(self) -> Any:
            return real.items()

    recording = Recording.__new__(Recording)
    recording.__dict__.update(cast("dict[str, Any]", vars(real)))
    holder: Any = os
    holder.environ = recording
    try:
        yield names
    finally:
        holder.environ = real


# --- The state of a process -----------------------------------------------------------------------


def _umask(mask: int | None = None) -> int:
    before = os.umask(0 if mask is None else mask)
    if mask is None:
        os.umask(before)
    return before


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _set_environ(before: dict[str, str]) -> None:
    for name in set(_environ()) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _set_signals(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not signal.getsignal(number) and handler is not None:
            signal.signal(number, handler)


def _loggers() -> tuple[int, list[Any], dict[str, int]]:
    every = {"root": logging.root, **logging.Logger.manager.loggerDict}
    levels = {n: each.level for n, each in every.items() if isinstance(each, logging.Logger)}
    levels = {name: level for name, level in levels.items() if level}
    return logging.root.manager.disable, [*logging.root.handlers], levels


def _set_loggers(before: tuple[int, list[Any], dict[str, int]]) -> None:
    off, logging.root.handlers[:], levels = before
    logging.disable(off)
    for name in _loggers()[2].keys() | levels.keys():
        logging.getLogger(None if name == "root" else name).setLevel(levels.get(name, 0))


def _values(*names: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """Return how to read names of modules, and how to set them back."""
    places: list[tuple[Any, str]] = []
    for each in names:
        module, _, name = each.rpartition(".")
        places.append((import_module(module), name))

    def set_(before: list[Any]) -> None:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)

    return lambda: [getattr(module, name) for module, name in places], set_


def _set_filters(before: list[Any]) -> None:
    cast("list[Any]", warnings.filters)[:] = before


def _set_scope(before: Any) -> None:
    DEFAULT_SCOPE.current = before


_STATE: Final[dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]] = {
    "os.environ": (_environ, _set_environ),
    "the working directory": (os.getcwd, os.chdir),
    "the umask": (_umask, _umask),
    "a signal's handler": (
        lambda: {each: signal.getsignal(each) for each in signal.valid_signals()},
        _set_signals,
    ),
    "the level of a logger, or what the root logger does": (_loggers, _set_loggers),
    "the filters of warnings": (
        lambda: list(warnings.filters),
        _set_filters,
    ),
    "the sockets' default timeout": (socket.getdefaulttimeout, socket.setdefaulttimeout),
    "TLS verification": _values("ssl._create_default_https_context", "ssl.create_default_context"),
    "the functions of socket and time": _values(
        "socket.socket", "socket.create_connection", "socket.getaddrinfo", "time.sleep"
    ),
    "the opener of urllib": _values("urllib.request._opener"),
    "what is done with an exception or a warning": _values(
        "sys.excepthook", "threading.excepthook", "warnings.showwarning"
    ),
    "the garbage collector": (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "the locale": (
        lambda: locale.setlocale(locale.LC_ALL),
        lambda before: locale.setlocale(locale.LC_ALL, before),
    ),
    "sys.path": (lambda: list(sys.path), lambda before: sys.path.__setitem__(slice(None), before)),
    "vectorshift.api_key": (
        lambda: slot.namespace["api_key"],
        lambda before: slot.namespace.__setitem__("api_key", before),
    ),
    "what vectorshift.configure() sets": (lambda: DEFAULT_SCOPE.current, _set_scope),
}


def snapshot() -> dict[str, Any]:
    """Return the state of the process that a provider must leave as it is."""
    return {name: read() for name, (read, _) in _STATE.items()}


def restore(before: dict[str, Any]) -> list[str]:
    """Bring the state of the process back; return what had changed."""
    now = snapshot()
    changed = [name for name in _STATE if now[name] != before[name]]
    for name in changed:
        _STATE[name][1](before[name])
    return changed


# --- Processes ------------------------------------------------------------------------------------


def children() -> set[int]:
    """Return the processes that are children of this one, ended ones that nobody waits for too."""
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(map(int, task.read_text().split()))
    return found


@contextlib.contextmanager
def sub_reaper() -> Generator[None]:
    """Let orphans of this process's children become its own in the block, so that they are seen.

    Linux alone can do that; elsewhere, orphans are not noticed.
    """
    set_, get = 36, 37
    library: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    before = ctypes.c_int(0)
    if library is not None:
        library.prctl(get, ctypes.byref(before))
        library.prctl(set_, 1)
    try:
        yield
    finally:
        if library is not None:
            library.prctl(set_, before.value)


# --- Who holds a key ------------------------------------------------------------------------------

_DEEPEST, _MOST = 6, 20_000
_OPAQUE = (ModuleType, MethodType, type, Secret, threading.Thread)


def holders(provider: CredentialProvider, key: str) -> set[str]:
    """Return the places in a provider, its classes and its package that hold the text of a key."""
    own = [each for each in type(provider).__mro__ if each.__module__ != "builtins"]
    home = type(provider).__module__
    package = f"{home.rpartition('.')[0] or home}."
    roots: list[tuple[str, object]] = [("the provider", provider)]
    roots += [(f"{each.__name__}.{name}", value) for each in own for name, value in _of(each)]
    for name, module in list(sys.modules.items()):
        if name == home or f"{name}.".startswith(package):
            roots += [(f"{name}.{each}", value) for each, value in _of(module)]
    waiting = deque((place, value, 0) for place, value in roots)
    seen: set[int] = set()
    found: set[str] = set()
    while waiting and len(seen) < _MOST:
        place, value, depth = waiting.popleft()
        if isinstance(value, str | bytes | bytearray):
            text = value if isinstance(value, str) else value.decode("latin-1")
            if key in text:
                found.add(place)
            continue
        if id(value) in seen or depth > _DEEPEST or isinstance(value, _OPAQUE):
            continue
        seen.add(id(value))
        waiting.extend((f"{place}{name}", inner, depth + 1) for name, inner in _inside(value))
    return found


def _of(thing: object) -> list[tuple[str, object]]:
    own = [each for each in list(vars(thing).items()) if not each[0].startswith("__")]
    return [(name, getattr(value, "__func__", value)) for name, value in own]  # of static methods


def _inside(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in list(cast("dict[object, object]", value).items()):
            yield "[...]", key
            yield "[...]", inner
    elif isinstance(value, list | tuple | set | frozenset | deque):
        for inner in list(cast("list[object]", value)):
            yield "[...]", inner
    else:
        if isinstance(value, FunctionType):
            yield "()", [value.__defaults__, value.__kwdefaults__]
        for name, inner in list(getattr(value, "__dict__", {}).items()):
            yield f".{name}", inner
        for name in getattr(type(value), "__slots__", ()):
            with contextlib.suppress(Exception):
                yield f".{name}", getattr(value, name)
