"""Files to upload: read whole, once, so that every attempt sends the same bytes."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, Any, cast

from vectorshift.errors import VectorshiftError

__all__ = ["Content", "File", "Files", "Loaded", "Reader", "are_in_memory", "name_of"]

Content = Path | bytes | bytearray | memoryview | IO[bytes]
File = Content | tuple[str, Content] | tuple[str, Content, str]
"""A path, bytes or an open binary file; or its name with one of these; or name, content and media
type.
"""
_MEDIA_TYPE = r"(?a:[!#$&^_.+\w-]+/[!#$&^_.+\w-]+(;[ -~]*)?)"
_BYTES = bytes | bytearray | memoryview
Files = Mapping[str, File] | Sequence[tuple[str, File]]
Loaded = list[tuple[str, tuple[str, bytes] | tuple[str, bytes, str]]]


def are_in_memory(files: Files) -> bool:
    """Return whether `Reader.load` needs no I/O: all are bytes, and media types were read."""
    return mimetypes.inited and all(
        isinstance(_parts(field, given)[1], _BYTES) for field, given in _pairs(files)
    )


class Reader:
    """Reads files for one call. An open file used in several places is read once; each place gets
    all of it.
    """

    def __init__(self) -> None:
        self._read: dict[int, tuple[object, bytes]] = {}

    def load(self, files: Files) -> Loaded:
        """Return the fields with the names and bytes of their files. Blocks while it reads.

        An open file is read from its current position, and left open.

        Raises:
            TypeError: a value is not a file, or its name or media type is invalid.
            VectorshiftError: a file cannot be read; nothing was sent.
        """
        if not mimetypes.inited:
            mimetypes.init()  # reads files; httpx would do it in the event loop
        loaded: Loaded = []
        for field, given in _pairs(files):
            name, content, *media_type = _parts(field, given)
            _check(field, name, *media_type)
            loaded.append(
                (field, cast("tuple[str, bytes]", (name, self._bytes(field, content), *media_type)))
            )
        return loaded

    def _bytes(self, field: str, content: object) -> bytes:
        if not hasattr(content, "read"):
            return _read(field, content)
        known = self._read.get(id(content))
        if known is None:
            # The file is kept, so that no other object gets its id.
            known = self._read[id(content)] = (content, _read(field, content))
        return known[1]


def name_of(content: object) -> str:
    """Return the file name that a path or an open file has, or an empty string."""
    named = content if isinstance(content, PurePath) else getattr(content, "name", None)
    return PurePath(named).name if isinstance(named, str | PurePath) else ""


def _pairs(files: Files) -> Sequence[tuple[str, File]]:
    if isinstance(files, Mapping):
        return list(files.items())
    for pair in cast("Sequence[object]", files):
        if not (isinstance(pair, tuple) and len(cast("tuple[object, ...]", pair)) == 2):
            raise TypeError(
                "files should be a dict of files by field, or a list of (field, file) pairs."
            )
    return files


def _parts(field: str, given: File) -> tuple[Any, ...]:
    if isinstance(given, tuple):
        if len(given) not in (2, 3):
            raise TypeError(
                f"The file {field!r} should be a name, its content and optionally its media type."
            )
        return given
    return name_of(given) or field, given


def _check(field: object, name: object, media_type: object = "text/plain") -> None:
    """Reject what would end up elsewhere in the form: httpx escapes names, but not media types."""
    if not (isinstance(field, str) and isinstance(name, str)):
        raise TypeError(
            f"The file {field!r} should have a field and a name of text, not {type(name).__name__}."
        )
    if not name:
        raise TypeError(
            f"The file {field!r} should have a name: without one, servers treat it as text."
        )
    if not (isinstance(media_type, str) and re.fullmatch(_MEDIA_TYPE, media_type)):
        raise TypeError(
            f"The media type of the file {field!r} should be one such as image/png, not"
            f" {media_type!r}."
        )


def _read(field: str, content: object) -> bytes:
    flaw, read = "", getattr(content, "read", None)
    if isinstance(content, _BYTES):
        return bytes(cast("bytes", content))
    if not isinstance(content, Path) and read is None:
        raise TypeError(
            f"The file {field!r} should be a Path, bytes or an open binary file, not"
            f" {type(content).__name__}."
        )
    try:
        data: object = content.read_bytes() if isinstance(content, Path) else cast("Any", read)()
    except Exception as error:  # a reader raises what it likes: EOFError, zlib.error
        flaw = (
            (getattr(error, "strerror", None) or str(error) or type(error).__name__)
            .lower()
            .rstrip(".")
        )
    else:
        if isinstance(data, bytes):
            return data
        raise TypeError(f"The file {field!r} is open in text mode. Open it with mode 'rb'.")
    raise VectorshiftError(
        f"The file {field!r}{f', {content},' if isinstance(content, Path) else ''} cannot be read:"
        f" {flaw}."
    )
