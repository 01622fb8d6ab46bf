"""Find out whether other users can change a key file, from its mode and its owner.

A file that the user named is used anyway. A found file must belong to this user or to root.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from vectorshift._platform.log import log_safely

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FilePermissions", "Stranger"]

_MOUNTS: Final = ("/run/secrets/", "/var/run/secrets/", "/run/credentials/")
_POSIX: Final = os.name == "posix"  # Windows reports 0666 for every file, and the owner 0
_MOST_LINKS: Final = 40

_warned: set[str] = set()


class Stranger(NamedTuple):
    """An owner of a file, or of a link to it, who is neither this user nor root.

    Args:
        place: the file or the link.
        uid: the number of its owner.
        is_link: whether it is a link.
        is_known: whether the number identifies a user. For an owner without a number here, as in a
            user namespace, the system shows the overflow uid.
    """

    place: str
    uid: int
    is_link: bool
    is_known: bool

    def __str__(self) -> str:
        what = f"its link {self.place} belongs" if self.is_link else "it belongs"
        who = "another user of this machine" if self.is_known else "a user unknown on this system"
        return f"{what} to {who} (uid {self.uid})"

    @property
    def cure(self) -> str:
        """Advice: the command that makes this user the owner."""
        if not self.is_known:
            return "run as its owner, or map its owner into the container."
        from shlex import quote

        option = "-h " if self.is_link else ""
        return f"make it yours: chown {option}{os.geteuid()} {quote(self.place)}"


class FilePermissions:
    """The rights of other users on one file. Looks at the file's folder when the mode has changed.

    "Others" are all users of the machine. A group is ignored: it got its rights on purpose. Files
    that an orchestrator mounts are skipped, as the user cannot choose their modes: Kubernetes,
    `/run/secrets`, systemd's credentials.

    Args:
        path: the file.
        mounted: whether an orchestrator is known to have mounted it.

    Attributes:
        stranger: the owner of the file, if it is neither this user nor root; else None.
    """

    def __init__(self, path: Path, *, mounted: bool = False) -> None:
        self._path = path
        self._mounted = mounted or str(path).startswith(_MOUNTS)
        self._mode: int = 0
        self._by_mode = ""
        self.stranger: Stranger | None = None

    @property
    def detail(self) -> str:
        """A text on what others can do with the file, or an empty one."""
        return "; ".join(
            filter(None, (self._by_mode, "" if self.stranger is None else str(self.stranger)))
        )

    def see(self, mode: int, uid: int) -> None:
        """Record the current mode and owner. For a new mode, look at the file's folder."""
        if self._mounted or not _POSIX:
            return
        self.stranger = _stranger(self._path, uid)
        if mode == self._mode:
            return
        self._mode = mode
        self._by_mode = ""
        others = [
            word for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "write")) if mode & bit
        ]
        # the kubelet writes files into a folder with a link named ..data
        if others and not os.path.islink(self._path.parent / "..data"):  # noqa: PTH114  # raises not
            self._by_mode = f"others can {' and '.join(others)} it (mode {stat.S_IMODE(mode):04o})"

    def warn_once(self) -> None:
        """Log a warning if others can write or own the file, once per process, file and reason."""
        path = str(self._path)
        if "write" in self._by_mode and path not in _warned:
            from shlex import quote

            _warned.add(path)
            log_safely(
                logging.WARNING,
                "%s: %s, so every user of this machine can choose which key is used. Run: chmod "
                "o-w %s",
                path,
                self._by_mode,
                quote(path),
            )
        stranger = self.stranger
        if stranger is not None and f"owner of {path}" not in _warned:
            _warned.add(f"owner of {path}")
            log_safely(
                logging.WARNING,
                "%s: %s, who can choose which key is used. If you do not want that, %s",
                path,
                stranger,
                stranger.cure,
            )


def _stranger(path: Path, uid: int) -> Stranger | None:
    """Return an owner who is neither this user nor root, or None. Known owners come first."""
    strangers = [
        Stranger(place=place, uid=owner, is_link=is_link, is_known=owner != _overflow_uid())
        for place, owner, is_link in _owners(path, uid)
        if owner not in (0, os.geteuid())
    ]
    return next((each for each in strangers if each.is_known), next(iter(strangers), None))


def _owners(path: Path, uid: int) -> Iterator[tuple[str, int, bool]]:
    """Yield the owners of the links to a file, or to its folders, and of the file itself.

    The owner of a link decides which file is read.
    """
    for _ in range(_MOST_LINKS):
        link = next(filter(os.path.islink, [*reversed(path.parents), path]), None)
        if link is None:
            break
        try:
            owner, target = link.lstat().st_uid, link.readlink()
        except OSError:  # it was just replaced
            break
        yield str(link), owner, True
        path = link.parent / target / path.relative_to(link)
    yield str(path), uid, False


def _overflow_uid() -> int:
    """Return the number that the system shows for owners without a number here."""
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))
    except (OSError, ValueError):
        return 65534
