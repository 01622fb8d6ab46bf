"""What the mode of a key file lets other users of the machine do. It is told, and never a reason to
refuse the file.
"""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING, Final

from vectorshift.credentials.events import log_safely

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FilePermissions"]

_MOUNTS: Final = ("/run/secrets/", "/var/run/secrets/", "/run/credentials/")
_POSIX: Final = os.name == "posix"  # Windows reports 0666 for every file

_warned: set[str] = set()


class FilePermissions:
    """Keep what the mode of one file lets others do. Looks at the file's folder when the mode is a
    new one.

    Others are all users of the machine: a group was given its rights on purpose. What an
    orchestrator mounts is passed over, as its modes are not the user's to choose: Kubernetes,
    `/run/secrets`, systemd's credentials.

    Args:
        path: the file.
        mounted: whether an orchestrator is known to have put it there.
    """

    def __init__(self, path: Path, *, mounted: bool = False) -> None:
        self._path = path
        self._mounted = mounted or str(path).startswith(_MOUNTS)
        self._mode: int = 0
        self.detail = ""

    def see(self, mode: int) -> None:
        """Take note of the mode as it is now."""
        if mode == self._mode or self._mounted or not _POSIX:
            return
        self._mode = mode
        others = [
            word for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "write")) if mode & bit
        ]
        if others and _is_kubernetes(self._path):
            others = []
        self.detail = (
            f"others can {' and '.join(others)} it (mode {stat.S_IMODE(mode):04o})"
            if others
            else ""
        )

    def warn_once(self) -> None:
        """Log a warning if others can write the file: once a process and file."""
        path = str(self._path)
        if "write" not in self.detail or path in _warned:
            return
        _warned.add(path)
        from shlex import quote

        log_safely(
            logging.WARNING,
            "%s: %s, and so every user of this machine can say which key is used. Run: chmod"
            " o-w %s",
            path,
            self.detail,
            quote(path),
        )


def _is_kubernetes(path: Path) -> bool:
    """Whether the file stands in a volume that the kubelet writes: its folder has a link named
    `..data`.
    """
    return os.path.islink(path.parent / "..data")  # noqa: PTH114  # it does not raise
