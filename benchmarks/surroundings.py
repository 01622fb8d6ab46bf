"""What the measurements stand on: a clean environment, and the stand-in API in a process of its
own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS = ("VECTORSHIFT_", "VAULT_", "BAO_", "AWS_", "GOOGLE_", "OPENAI_", "ANTHROPIC_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_ROOT = Path(__file__).parent.parent


@contextlib.contextmanager
def clean_surroundings() -> Iterator[None]:
    """Work in an empty folder, without a variable that leads any library somewhere."""
    before = Path.cwd()
    for name in list(os.environ):
        if name.upper().startswith(_OURS) or name.upper() in _PROXIES:
            del os.environ[name]
    os.environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # users' imports read bytecode, and so should the children's
    with tempfile.TemporaryDirectory(prefix="vectorshift-bench-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def python(code: str, **environ: str) -> str:
    """Run code in a Python of its own, and return what it prints."""
    return _output("-c", code, **environ)


def module(name: str, *arguments: str, **environ: str) -> str:
    """Run a module of this package in a Python of its own, and return what it prints."""
    return _output("-m", name, *arguments, PYTHONPATH=str(_ROOT), **environ)


def _output(*arguments: str, **environ: str) -> str:
    child = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **environ}, capture_output=True, text=True
    )
    if child.returncode:
        raise RuntimeError(child.stderr)
    return child.stdout


@dataclass(frozen=True)
class Api:
    base_url: str
    key: str

    @property
    def url(self) -> str:
        return f"{self.base_url}/pipelines"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextlib.contextmanager
def stand_in_api() -> Iterator[Api]:
    """Serve the stand-in API from another process, so that it shares no interpreter lock with its
    clients.
    """
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:  # leaving it closes the standard input, at whose end the server stops
        assert server.stdout is not None
        yield Api(**json.loads(server.stdout.readline()))
