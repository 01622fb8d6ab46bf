"""Files that are sent along: read whole, once, so that every attempt sends the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, Any, cast

from vectorshift.errors import VectorshiftError

__all__ = ["Content", "File", "Files", "Loaded", "are_at_hand", "load"]

Content = Path | bytes | IO[bytes]
File = Content | tuple[str, Content] | tuple[str, Content, str]
"""A path, bytes or an open binary file; or its name with one of these; or name, content and media type."""
Files = Mapping[str, File] | Sequence[tuple[str, File]]
Loaded = list[tuple[str, tuple[str, bytes] | tuple[str, bytes, str]]]


def are_at_hand(files: Files) -> bool:
    """Whether reading them takes no I/O."""
    return all(isinstance(_parts(field, given)[1], bytes) for field, given in _pairs(files))


def load(files: Files) -> Loaded:
    """Return the fields with their files' names and bytes. Blocks while it reads.

    An open file is read from where it stands, and left open.

    Raises:
        TypeError: what is given is no file.
        VectorshiftError: a file cannot be read; nothing was sent.
    """
    loaded: Loaded = []
    for field, given in _pairs(files):
        name, content, *media_type = _parts(field, given)
        loaded.append((field, cast("tuple[str, bytes]", (name, _read(field, content), *media_type))))
    return loaded


def _pairs(files: Files) -> Sequence[tuple[str, File]]:
    return list(files.items()) if isinstance(files, Mapping) else files


def _parts(field: str, given: File) -> tuple[Any, ...]:
    if isinstance(given, tuple):
        return given
    named = given if isinstance(given, PurePath) else getattr(given, "name", None)
    return (PurePath(named).name if isinstance(named, str | PurePath) else field), given


def _read(field: str, content: object) -> bytes:
    flaw, read = "", getattr(content, "read", None)
    if isinstance(content, bytes):
        return content
    if not isinstance(content, Path) and read is None:
        raise TypeError(
            f"The file {field!r} should be a Path, bytes or an open binary file, not {type(content).__name__}."
        )
    try:
        data: object = content.read_bytes() if isinstance(content, Path) else cast("Any", read)()
    except (OSError, ValueError) as error:  # ValueError: the file is closed
        flaw = (getattr(error, "strerror", None) or str(error)).lower().rstrip(".")
    else:
        if isinstance(data, bytes):
            return data
        raise TypeError(f"The file {field!r} is open as text. Open it with mode 'rb'.")
    raise VectorshiftError(
        f"The file {field!r}{f', {content},' if isinstance(content, Path) else ''} cannot be read: {flaw}."
    )
