"""Runs a program without its imports, which take nearly all of the time of its start.

This process has made them. For each run it forks a child, which gets the arguments, variables,
folder and streams of the run, and is the program from its first line to the interpreter's end.
`tests/forked.py` asks for runs.
"""

from __future__ import annotations

import gc
import os
import pkgutil
import runpy
import signal
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import NamedTuple

_STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}


class Run(NamedTuple):
    """What a process gets from the one that starts it, beside its streams."""

    arguments: tuple[str, ...]
    variables: dict[str, str]
    folder: str
    on_terminal: bool
    timeout: int


IMPORTS: dict[str, dict[str, tuple[str, ...]]] = {
    "vectorshift": {
        "packages": ("vectorshift.cli", "vectorshift.providers", "vectorshift.rotation"),
        "modules": (
            *("vectorshift.client.sync", "rich.table"),
            *("boto3", "h2.connection", "httpcore", "hvac"),
        ),
    },
    "pytest": {
        # not vectorshift.testing.fixtures: pytest rewrites the assertions of what it imports
        "packages": ("_pytest", "vectorshift.chain", "vectorshift.client", "vectorshift.pipeline"),
        "modules": ("httpcore", "pytest", "uvicorn", "vectorshift.testing.api"),
    },
}
"""What a program imports, also within its functions, by its module."""


def import_all(program: str) -> None:
    """Import what a program imports."""
    for name in IMPORTS[program]["packages"]:
        package = import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            import_module(module.name)
    for name in IMPORTS[program]["modules"]:
        import_module(name)


def serve(connection: Connection) -> None:
    """Fork a child for each run, and tell its exit code. A child returns, to be the program."""
    while True:
        try:
            run: Run = connection.recv()
        except EOFError:  # nobody can ask any more
            sys.exit()
        streams = [recv_handle(connection) for _ in _STREAMS]
        child = os.fork()
        if child == 0:
            connection.close()
            return become(run, streams)
        for each in streams:
            os.close(each)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def become(run: Run, streams: list[int]) -> None:
    """Take over what the process of a run has."""
    signal.alarm(run.timeout)
    for number, ((name, mode), given) in enumerate(zip(_STREAMS.items(), streams, strict=True)):
        os.dup2(given, number)
        os.close(given)
        own = getattr(sys, name)
        stream = os.fdopen(number, mode, encoding=own.encoding, errors=own.errors, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if run.on_terminal:
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # what /dev/tty is
    os.chdir(run.folder)
    os.environ.clear()
    os.environ.update(run.variables)
    sys.path[:0] = [run.folder, *filter(None, run.variables.get("PYTHONPATH", "").split(":"))]
    sys.argv[1:] = run.arguments


if __name__ == "__main__":
    ours = ["", os.getcwd(), *os.environ.get("PYTHONPATH", "").split(":")]  # noqa: PTH109
    sys.path[:] = [each for each in sys.path if each not in ours]
    program, descriptor = sys.argv[1:]
    import_all(program)
    gc.freeze()
    serve(Connection(int(descriptor)))
    runpy.run_module(program, run_name="__main__", alter_sys=True)
