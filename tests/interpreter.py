"""A Python of its own for a piece of code."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["output", "printed"]


def printed(code: str, *arguments: str, **variables: str) -> str:
    """Return what the code prints; it must not fail."""
    return output(sys.executable, "-c", code, *arguments, env={**os.environ, **variables})


def output(*command: str | Path, env: Mapping[str, str], timeout: float = 60) -> str:
    """Return what a command prints with these variables alone; it must not fail."""
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
