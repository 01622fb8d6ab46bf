"""Runs a Python program in a process of its own that has its imports already, and is forked."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fork_server import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

_ROOT = Path(__file__).parents[1]
_TIMEOUT = 60
_AT_FIRST = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def ran(
    program: str,
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    *,
    text: str = "",
    into: int | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with its streams in pipes.

    Args:
        program: its module.
        arguments: those of its command line.
        variables: its environment.
        text: what it can read from its standard input.
        into: a descriptor for its standard output, in place of a pipe.
        fresh: whether it has to make its imports itself.
    """
    (stdin, given), (out, stdout), (err, stderr) = (os.pipe() for _ in range(3))
    streams = (stdin, stdout if into is None else into, stderr)
    its_end = begun(program, arguments, variables, streams, fresh=fresh)
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
    return subprocess.CompletedProcess(arguments, its_end(), said, *errors)


def begun(
    program: str,
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    streams: tuple[int, int, int],
    *,
    cwd: Path | str | None = None,
    on_terminal: bool = False,
    fresh: bool = False,
) -> Callable[[], int]:
    """Start it, and return what waits for its exit code. It is forked, unless it has to start
    `fresh` or a variable is for the interpreter.
    """
    if fresh or not hasattr(os, "fork") or _of_python(variables) != _of_python(_AT_FIRST):
        process = subprocess.Popen(
            [sys.executable, "-m", program, *arguments],
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            env=variables,
            cwd=cwd,
            start_new_session=on_terminal,
            preexec_fn=_take_terminal if on_terminal else None,
        )
        return lambda: process.wait(timeout=_TIMEOUT)
    server = _server_of(program)
    folder = str(cwd or Path.cwd())
    server.send(Run(arguments, dict(variables), folder, on_terminal, _TIMEOUT))
    for each in streams:
        send_handle(server, each, None)
    return server.recv


@functools.cache
def _server_of(program: str) -> Connection:
    """Start the process that has imported a program; it ends with this one."""
    connection, its = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fork_server", program, str(its.fileno())],
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


def _of_python(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a Python reads as it starts. An empty one counts as absent."""
    own = {name: value for name, value in variables.items() if name.startswith("PYTHON") and value}
    own.pop("PYTHONPATH", None)
    return own


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # what /dev/tty is
