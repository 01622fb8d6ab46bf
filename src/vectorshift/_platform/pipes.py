"""Read a named pipe, `/dev/fd/N` or `/dev/stdin` once, and keep its content for the process.

The content of a pipe can be read once. Reading it takes the content away from other readers, and
the writer may ask a person for consent, as 1Password's environments do. So the first look-up that
needs the pipe reads it, in a thread of its own. `explain` and read-only commands do not open it.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vectorshift._platform.background import BackgroundTask
from vectorshift._platform.forks import renew_after_fork
from vectorshift.errors import CredentialStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["PATIENCE", "PipeError", "is_unread", "left_alone", "read_pipe", "was_read"]

PATIENCE: Final = 10.0
"""Seconds that a look-up without a deadline waits for a pipe."""

_left_alone: ContextVar[bool] = ContextVar("vectorshift_pipes_left_alone", default=False)


class PipeError(OSError):
    """A pipe has no content, or none yet. It may be different in a second."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EAGAIN, f"it is a named pipe, {why}")


class _Reading:
    """One pipe that is being read, or was read."""

    def __init__(self, path: str, status: os.stat_result, most: int) -> None:
        self.status, self.began = status, time.monotonic()
        self.task = BackgroundTask(lambda: _content_of(path, most))


class _Pipes:
    """The pipes of this process, by path. Thread-safe and fork-safe."""

    def __init__(self) -> None:
        self.readings: dict[str, _Reading] = {}
        self.was_forked = False
        self.lock = threading.RLock()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        # The child keeps finished reads. Unread pipes are left to the parent or another child.
        self.lock, self.was_forked = threading.RLock(), True
        self.readings = {path: each for path, each in self.readings.items() if each.task.wait(0)}


_pipes = _Pipes()


@contextmanager
def left_alone() -> Generator[None, None, None]:
    """Do not read any new pipe in this block."""
    token = _left_alone.set(True)
    try:
        yield
    finally:
        _left_alone.reset(token)


def was_read(path: str | os.PathLike[str]) -> bool:
    """Return whether this is a pipe that this process has read, or is reading."""
    readings = _pipes.readings  # if empty, as usual, no look-up asks for the working directory
    return bool(readings) and os.path.abspath(path) in readings  # noqa: PTH100


def is_unread(path: str | os.PathLike[str]) -> bool:
    """Return whether this is a pipe that was not read yet. Does not open it."""
    try:
        return not was_read(path) and stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def read_pipe(
    path: str | os.PathLike[str], *, within: float, most: int
) -> tuple[bytes, os.stat_result] | None:
    """Return the content of a pipe and its status then, or None if this is not a pipe.

    Args:
        path: the file.
        within: seconds to wait for the content, from the beginning of the read.
        most: the largest content in bytes. One more byte is read, to detect a longer one.

    Raises:
        PipeError: no content arrived in time, or this process must not read the pipe.
        OSError: it cannot be read.
        ValueError: no file can have this name.
    """
    name = os.path.abspath(path)  # noqa: PTH100  # does not resolve links such as /dev/fd/3
    with _pipes.lock:
        reading = _pipes.readings.get(name) or _begun(name, most)
    if reading is None:
        return None
    try:
        reading.task.start()
    except CredentialStoreUnavailableError:
        raise PipeError("and no thread can be started to read it") from None
    if not reading.task.wait(max(0.0, reading.began + within - time.monotonic())):
        raise PipeError(f"and nothing was written to it within {within:.2g} s")
    try:
        return reading.task.result(), reading.status
    except OSError:
        _pipes.readings.pop(name, None)  # it may be repaired
        raise


def _begun(name: str, most: int) -> _Reading | None:
    """Begin to read a pipe; return None if this is not a pipe."""
    status = Path(name).stat()
    if not stat.S_ISFIFO(status.st_mode):
        return None
    if _left_alone.get():
        raise PipeError("which the first call that needs it reads once")
    if _pipes.was_forked:
        raise PipeError(
            "which can be read once, and this process was forked before that. Call "
            "vectorshift.warm_up() before the fork"
        )
    reading = _pipes.readings[name] = _Reading(name, status, most)
    return reading


def _content_of(path: str, most: int) -> bytes:
    """Wait for a writer, and read until it closes the pipe."""
    with Path(path).open("rb") as pipe:
        return pipe.read(most + 1)
