"""Read small files whole, and detect a key that was set in place of a file's name."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from vectorshift._platform.pipes import read_pipe
from vectorshift._platform.urls import has_control_characters

__all__ = [
    "absolute",
    "content_in_place_of_name",
    "read_small",
    "reason_of",
    "sync_folder",
    "text_of",
    "unexpanded",
    "wrong_name",
]

_LARGEST: Final = 1 << 20
_LONGEST_PATH: Final = 4096
_LONGEST_NAME: Final = 255


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path in the current working directory. Does not raise.

    If the working directory was deleted, a relative path becomes one that never exists.
    """
    try:
        return Path(path).absolute()
    except OSError:
        return Path(os.sep, "no working directory", path)


def read_small(
    path: str | os.PathLike[str], *, pipe_within: float | None = None
) -> tuple[bytes, os.stat_result]:
    """Return the content of a plain file, and its mode and owner.

    Opens nothing else: a device may never end, and a pipe can be read only once.

    Args:
        path: the file.
        pipe_within: seconds to wait for the content of a pipe; None rejects pipes.

    Raises:
        PipeError: a pipe has no content, or none yet.
        OSError: it cannot be read, is not a plain file, or is larger than 1 MiB.
        ValueError: no file can have this name.
    """
    piped = None if pipe_within is None else read_pipe(path, within=pipe_within, most=_LARGEST)
    content, status = piped or _read_plain(path)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, "too large for a file with a key")
    return content, status


def _read_plain(path: str | os.PathLike[str]) -> tuple[bytes, os.stat_result]:
    _check_plain(Path(path).stat())
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        _check_plain(status)
        return file.read(_LARGEST + 1), status


def _check_plain(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(status.st_mode):
        kind = "a named pipe" if stat.S_ISFIFO(status.st_mode) else "a device or a socket"
        raise OSError(errno.EINVAL, f"it is {kind}, not a plain file")


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without blocking, even if it is a pipe without a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, if the file system can."""
    if os.name != "posix":  # folders of Windows cannot be opened
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def text_of(content: bytes) -> str | None:
    """Return the text, or None if it is not UTF-8. The exception would hold the content."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


_WORD = "[a-z]{1,12}"
_LIKE_A_NAME = (
    rf".{{1,7}}|{_WORD}([_-]{_WORD})*|\.env(\..*)?"
    r"|.+\.(env|txt|key|secret|token|jwt|pem|crt|conf|cfg|ini|toml|json|ya?ml|local)"
)


def content_in_place_of_name(value: str) -> str:
    """Return an error message if a text looks like the content of a file, else an empty text."""
    if not (
        "-----BEGIN" in value
        or has_control_characters(value)
        or len(value) > _LONGEST_PATH
        or any(len(part) > _LONGEST_NAME for part in re.split(r"[/\\]", value))
    ):
        return ""
    return (
        "should be the name of a file. It may be the content of one, so it is not shown. Write "
        "the content to a file, and name that file"
    )


def reason_of(error: OSError) -> str:
    """Return why a file cannot be read or written, as the system says it."""
    return (error.strerror or type(error).__name__).lower()


def unexpanded(name: str) -> str:
    """Return advice on a file name that a shell would have expanded, or an empty text."""
    if name[:1] in ("'", '"'):
        return "Remove the quotation marks: here they are part of the name."
    if re.match(r"file:|[a-z][a-z0-9+.-]+:/", name):
        return "Write the path alone, not a URL."
    if name.startswith("~") or re.search(r"\$|%\w+%", name):
        return "Write the whole path: ~ and variables are not expanded here."
    if re.search(r"[,;]|(?<=\.env):", name):
        return "Name one file: this looks like a list."
    if name and not Path(name).is_absolute():
        return "Write the whole path: this one is relative to the working directory."
    return ""


def wrong_name(path: object) -> str:
    """Return an error message if a file name may be the key itself, or an empty text.

    A string without a separator must exist as a file, or look like a name, such as `.env`,
    `prod2.key` or `vectorshift_api_key`. The key is not repeated.
    """
    if isinstance(path, str) and (flaw := content_in_place_of_name(path)):
        return flaw
    if (
        not isinstance(path, str)
        or not path
        or re.search(r"[/\\]", path)
        or re.fullmatch(_LIKE_A_NAME, path)
        or os.path.lexists(path)
    ):
        return ""
    return (
        "should be the name of a file, but no file has this name. It may be the key itself, so "
        "it is not shown. If it is a name, put ./ before it"
    )
