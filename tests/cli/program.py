"""Runs the program as an operator does: in a process of its own, in a pipe or on a terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.forked import begun, ran

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

_NOT_KEPT = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
PROGRAM = [sys.executable, "-m", "vectorshift"]


def environment(**variables: str) -> dict[str, str]:
    """Return the scrubbed environment of the test with `variables`."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_KEPT}
    return {**kept, **variables}


def piped(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its output in pipes."""
    return ran("vectorshift", arguments, environment(**variables))


def fed(text: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its output in pipes, and with this text on its standard input."""
    return ran("vectorshift", arguments, environment(**variables), text=text)


def led(into: int, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its standard output in this descriptor, and its standard error in a pipe."""
    return ran("vectorshift", arguments, environment(**variables), into=into)


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
    fresh: bool = False,
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
    streams = (its, its, its)
    its_end = begun(
        "vectorshift",
        tuple(arguments),
        variables,
        streams,
        cwd=cwd,
        on_terminal=True,
        fresh=fresh,
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
