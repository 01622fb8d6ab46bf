"""Runs the program as an operator does: in a process of its own, in a pipe or on a terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

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
    return fed(None, *arguments, **variables)


def fed(text: str | None, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with its output in pipes, and with this text on its standard input."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**variables),
    )


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
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=its,
        stdout=its,
        stderr=its,
        env=variables,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # what /dev/tty is
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
    return got.decode().replace("\r\n", "\n"), process.wait(timeout=60)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux says that nobody has the terminal open any more
        return b""
