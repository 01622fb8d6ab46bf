"""Replace a file atomically: at each moment it has the old content or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Final

from vectorshift._platform.files import read_small, reason_of, sync_folder
from vectorshift.credentials.values import Secret
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["read_to_replace", "replace_file", "why_not"]

_MOUNTED: Final = (errno.EBUSY, errno.EROFS)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def why_not(path: Path) -> str:
    """Return why a file must not be replaced, and what to do; an empty text if it may."""
    if not os.path.islink(path):  # noqa: PTH114  # it does not raise
        return ""
    if os.path.islink(path.parent / "..data"):  # noqa: PTH114
        return (
            "it is a Kubernetes link to a mounted Secret. Change the Secret: kubectl create "
            "secret generic NAME --from-file=... --dry-run=client -o yaml | kubectl apply -f -"
        )
    return f"it is a link to {path.resolve()}. Name that file itself."


def read_to_replace(path: Path) -> Secret:
    """Return the text of a plain file.

    Raises:
        RotationError: it is a link, is not UTF-8 text, or cannot be read.
    """
    flaw, content = why_not(path), Secret("")
    try:
        if not flaw:
            content = Secret(read_small(path)[0].decode())
    except UnicodeDecodeError:
        flaw = "it is not UTF-8 text."
    except (OSError, ValueError) as error:
        flaw = f"it cannot be read: {getattr(error, 'strerror', None) or 'it has no such name'}."
    if flaw:
        raise RotationError(f"{path}: {flaw}")
    return content


def replace_file(path: Path, content: Secret, *, expected: Secret) -> None:
    """Replace the content that was read by new content.

    A file beside it first gets the mode and the owner, then the content, then the name of the
    original. It always begins with the same name: two rotations cannot write at once, and the next
    rotation removes the file of one that was killed.

    Raises:
        RotationError: somebody else wrote meanwhile, or the system refuses. The file is unchanged.
    """
    beside = path.with_name(f".{path.name}.vectorshift-rotate")
    try:
        with _created(beside) as descriptor:
            _take_over(descriptor, path.stat())
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content.reveal().encode())
            os.fsync(descriptor)
            if read_to_replace(path) != expected:
                raise RotationError(
                    f"{path}: somebody else changed it meanwhile. Look at what is there now, and"
                    " run this again."
                )
            beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        why = reason_of(error)
        hint = " If docker mounts it, change it on the host." if error.errno in _MOUNTED else ""
        raise RotationError(
            f"{path} was not changed: a file beside it cannot be written or replace it: "
            f"{why}.{hint}"
        ) from None


@contextlib.contextmanager
def _created(beside: Path) -> Generator[int, None, None]:
    """Create and lock a file; remove it if the block raises."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(beside, flags, 0o600)
    except FileExistsError:
        _remove_left_over(beside)
        descriptor = os.open(beside, flags, 0o600)
    try:
        # another rotation may have removed it before it was locked
        if not _lock(descriptor) or not os.fstat(descriptor).st_nlink:
            raise RotationError(f"{beside}: another rotation of this file is running.")
        try:
            yield descriptor
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            raise
    finally:
        os.close(descriptor)


def _remove_left_over(beside: Path) -> None:
    """Remove the file of a rotation that was killed; raise if that still runs."""
    descriptor = os.open(beside, os.O_RDWR | _NO_FOLLOW)
    try:
        if not _lock(descriptor):
            raise RotationError(f"{beside}: another rotation of this file is running.")
        beside.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock the file; return whether that worked. The lock ends with the process."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_over(descriptor: int, status: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
