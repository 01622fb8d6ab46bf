"""What a provider must leave as it is in its process, and what it lets others see of a key."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import warnings
from collections import deque
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
    """Yield each file that was opened to be written and is still there, with its text."""
    paths = {
        os.fsdecode(about[0])
        for event, about in events
        if event == "open" and isinstance(about[0], str | bytes)
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


def _set_tls(before: tuple[Any, ...]) -> None:
    holder: Any = ssl
    holder._create_default_https_context, holder.create_default_context = before


def _tls() -> tuple[Any, ...]:
    holder: Any = ssl
    return holder._create_default_https_context, holder.create_default_context


def _set_logging(before: tuple[int, int]) -> None:
    logging.root.setLevel(before[0])
    logging.disable(before[1])


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
    "the root logger": (
        lambda: (logging.root.level, logging.root.manager.disable),
        _set_logging,
    ),
    "the filters of warnings": (
        lambda: list(warnings.filters),
        _set_filters,
    ),
    "the sockets' default timeout": (socket.getdefaulttimeout, socket.setdefaulttimeout),
    "TLS verification": (_tls, _set_tls),
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
_OPAQUE = (ModuleType, FunctionType, MethodType, type, Secret, threading.Thread)


def holders(provider: CredentialProvider, key: str) -> set[str]:
    """Return the places in a provider, its classes and its module that hold the text of a key."""
    own = [each for each in type(provider).__mro__ if each.__module__ != "builtins"]
    module = sys.modules.get(type(provider).__module__)
    roots: list[tuple[str, object]] = [("the provider", provider)]
    roots += [(f"{each.__name__}.{name}", value) for each in own for name, value in _of(each)]
    roots += [] if module is None else [(f"the module's {n}", v) for n, v in _of(module)]
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
    return [each for each in list(vars(thing).items()) if not each[0].startswith("__")]


def _inside(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in list(cast("dict[object, object]", value).items()):
            yield "[...]", key
            yield "[...]", inner
    elif isinstance(value, list | tuple | set | frozenset | deque):
        for inner in list(cast("list[object]", value)):
            yield "[...]", inner
    else:
        for name, inner in list(getattr(value, "__dict__", {}).items()):
            yield f".{name}", inner
        for name in getattr(type(value), "__slots__", ()):
            with contextlib.suppress(Exception):
                yield f".{name}", getattr(value, name)
