"""Keep keys out of core dumps."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Final

__all__ = ["turn_off"]

_SET_DUMPABLE: Final = 4


def turn_off() -> None:
    """Prevent core dumps of this process.

    The limit alone is not enough if the system pipes dumps to a program, as systemd does.
    """
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
