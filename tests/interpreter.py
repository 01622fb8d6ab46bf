"""A Python of its own for a piece of code."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["printed"]


def printed(code: str, **variables: str) -> str:
    """Return what the code prints; it must not fail."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
