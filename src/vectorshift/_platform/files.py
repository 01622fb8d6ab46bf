"""Read small files whole, and tell a file's name from a key that was put in its place."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final

__all__ = ["absolute", "file_name", "read_small", "text_of"]

_LARGEST: Final = 1 << 20


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the path as one that a later change of the working directory does not lead elsewhere.
    Does not raise.

    Where the working directory was deleted, what is relative to it is not there, and never will be.
    """
    try:
        return Path(path).absolute()
    except OSError:
        return Path(os.sep, "no working directory", path)


def read_small(path: str | os.PathLike[str]) -> tuple[bytes, os.stat_result]:
    """Return what a plain file holds, and its mode and owner.

    Nothing else is opened: a pipe can be read once, and whoever writes to it would be told to go on
    by the mere opening; a device might never end.

    Raises:
        OSError: it cannot be read, is no plain file, or is larger than 1 MiB.
        ValueError: no file can have this name.
    """
    _check_plain(Path(path).stat())
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        _check_plain(status)
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, "too large for a file with a key")
    return content, status


def _check_plain(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a plain file, which could be read again")


def _open_at_once(path: str, flags: int) -> int:
    """Open a pipe without waiting for its writer, too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def text_of(content: bytes) -> str | None:
    """Return the text, or None if it is not UTF-8: the decoder's own exception would carry the
    whole file.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


_WORD = "[a-z]{1,12}"
_LIKE_A_NAME = re.compile(
    rf".{{1,7}}|{_WORD}([_-]{_WORD})*|\.env(\..*)?"
    r"|.+\.(env|txt|key|secret|token|jwt|pem|crt|conf|cfg|ini|toml|json|ya?ml|local)"
)


def file_name(value: str) -> str:
    """Return the name of a file or folder as it is; it is printed wherever the file is named.

    A name that is set by mistake to the key itself must not be: without a separator in it, it has
    to be there, or to look like a name, such as `.env`, `prod2.key` or `vectorshift_api_key`.

    Raises:
        ValueError: it may be the key. The text of the error does not repeat it.
    """
    if (
        re.search(r"[/\\]", value)
        or not value
        or _LIKE_A_NAME.fullmatch(value)
        or os.path.lexists(value)
    ):
        return value
    raise ValueError(
        "should be the name of a file, and there is none of this name. It may be the key itself,"
        " and so is not shown; if it is a name, put ./ before it"
    )
