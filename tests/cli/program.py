"""Runs the program as an operator does: in a process of its own, in a pipe or on a terminal."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.fork_server import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from multiprocessing.connection import Connection

_ROOT = Path(__file__).parents[2]
_NOT_KEPT = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
_TIMEOUT = 60
PROGRAM = [sys.executable, "-m", "vectorshift"]


def environment(**variables: str) -> dict[str, str]:
    """Return the scrubbed environment of the test with `variables`."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_KEPT}
    return {**kept, **variables}


def piped(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its output in pipes."""
    return _ran("", None, arguments, variables)


def fed(text: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its output in pipes, and with this text on its standard input."""
    return _ran(text, None, arguments, variables)


def led(into: int, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its standard output in this descriptor, and its standard error in a pipe."""
    return _ran("", into, arguments, variables)


def _ran(
    text: str, into: int | None, arguments: tuple[str, ...], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    (stdin, given), (out, stdout), (err, stderr) = (os.pipe() for _ in range(3))
    streams = (stdin, stdout if into is None else into, stderr)
    its_end = begun(arguments, environment(**variables), streams)
    for each in (stdin, stdout, stderr):
        os.close(each)
    with contextlib.suppress(BrokenPipeError), os.fdopen(given, "w") as stream:
        stream.write(text)
    errors = list[str]()
    with os.fdopen(out) as output, os.fdopen(err) as complaints:
        reading = threading.Thread(target=lambda: errors.append(complaints.read()))
        reading.start()
        said = output.read()
        reading.join()
    return subprocess.CompletedProcess([*PROGRAM, *arguments], its_end(), said, *errors)


# --- How it starts --------------------------------------------------------------------------------


_AT_FIRST = environment()


@functools.cache
def _fork_server() -> Connection:
    """Start the process that has imported the program; it ends with this one."""
    connection, its = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.fork_server", str(its.fileno())],
        cwd=_ROOT,
        env=_AT_FIRST,
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    its.close()

    def end() -> None:
        connection.close()
        process.wait()

    atexit.register(end)
    return connection


def begun(
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    streams: tuple[int, int, int],
    *,
    cwd: Path | str | None = None,
    on_terminal: bool = False,
    anew: bool = False,
) -> Callable[[], int]:
    """Start it, and return what waits for its exit code. It starts anew if a variable is for the
    interpreter; else it is forked, unless `anew` is True.
    """
    if anew or not hasattr(os, "fork") or _of_python(variables) != _of_python(_AT_FIRST):
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            env=variables,
            cwd=cwd,
            start_new_session=on_terminal,
            preexec_fn=_take_terminal if on_terminal else None,
        )
        return lambda: process.wait(timeout=_TIMEOUT)
    server = _fork_server()
    folder = str(cwd or Path.cwd())
    server.send(Run(arguments, dict(variables), folder, on_terminal, _TIMEOUT))
    for each in streams:
        send_handle(server, each, None)
    return server.recv


def _of_python(variables: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in variables.items() if name.startswith("PYTHON")}
    own.pop("PYTHONPATH", None)
    return own


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # what /dev/tty is


@contextlib.contextmanager
def started(*command: str, **variables: str) -> Generator[subprocess.Popen[str], None, None]:
    """Run a command beside the test; whatever is left of it, and of what it started, ends with the
    block.
    """
    pipe = subprocess.PIPE
    given = environment(**variables)
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=given, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def on_terminal(
    arguments: list[str],
    variables: Mapping[str, str],
    *,
    columns: int = 80,
    cwd: Path | str | None = None,
    answers: Mapping[str, str] | None = None,
    anew: bool = False,
) -> tuple[str, int]:
    """Run it on a terminal; return what the terminal got, with its escape sequences, and the exit
    code. A question that ends in a key of `answers` is answered.
    """
    import fcntl
    import pty
    import struct
    import termios

    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    its_end = begun(
        tuple(arguments), variables, (its, its, its), cwd=cwd, on_terminal=True, anew=anew
    )
    os.close(its)
    got = b""
    try:
        while more := _read(ours):
            got += more
            for question, text in (answers or {}).items():
                if got.decode(errors="replace").endswith(question):
                    os.write(ours, f"{text}\n".encode())
    finally:
        os.close(ours)
    return got.decode().replace("\r\n", "\n"), its_end()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux says that nobody has the terminal open any more
        return b""
