"""What takes the encoding off a body: whole, in pieces, or as much of it as an error may keep."""

from __future__ import annotations

import zlib
from typing import Any, Final

from vectorshift.client.body import OF_BODY, is_read
from vectorshift.transport.http import httpx

__all__ = ["BoundedBody", "decoder_of", "refuse_if_cut_off"]

LONGEST_OF_ERRORS: Final = 2**20


def decoder_of(response: httpx.Response) -> Any:
    """Return what takes the encoding off a body: `aiter_bytes`, which does it, cannot be left
    half-read under trio.
    """
    return _AsItIs if is_read(response) else response._get_content_decoder()  # pyright: ignore[reportPrivateUsage]


class _AsItIs:
    """Takes nothing off: that was done."""

    @staticmethod
    def decode(piece: bytes) -> bytes:
        return piece

    @staticmethod
    def flush() -> bytes:
        return b""


def refuse_if_cut_off(decoder: Any, begun: bool) -> None:
    """Refuse a body in gzip or deflate that did not come to its end, though its message did: httpx
    takes it for whole.

    Args:
        decoder: what `decoder_of` gave, when it has had all.
        begun: whether it has had anything: an answer to HEAD has no body, whatever its headers say.

    Raises:
        httpx.DecodingError: the body is not whole.
    """
    layers: tuple[Any, ...] = tuple(getattr(decoder, "children", (decoder,)))
    if begun and not all(
        getattr(getattr(each, "decompressor", None), "eof", True) for each in layers
    ):
        raise httpx.DecodingError(_CUT_OFF)


_CUT_OFF = "its body is compressed, and was cut off."


class BoundedBody:
    """The body of a failed answer, up to 1 MiB with its encoding taken off.

    A few hundred bytes may unpack to gigabytes, all at once, so only what can be unpacked up to a
    limit is: one gzip, or one deflate. What is encoded otherwise stays as it came.

    Args:
        response: the answer.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response, self._content, self._came = response, bytearray(), 0
        names = (
            name.strip() for name in response.headers.get("Content-Encoding", "").lower().split(",")
        )
        encodings = [name for name in names if name in _ENCODINGS]
        self._stays = bool(encodings) and encodings not in (["gzip"], ["deflate"])
        self._unpack = _Unpack(*encodings) if encodings and not self._stays else None

    def takes(self, piece: bytes) -> bool:
        """Take a piece of the body as it came; return whether it takes more."""
        self._came += len(piece)
        limit = LONGEST_OF_ERRORS + 1 - len(self._content)
        self._content += piece[:limit] if self._unpack is None else self._unpack(piece, limit)
        return not self._is_too_long()

    def end(self) -> None:
        """Let the answer have what was taken, and a note on what is missing."""
        if self._is_too_long():
            self._response.extensions[OF_BODY] = (
                "Its body was longer, and was not read beyond 1 MiB."
            )
        elif self._stays:
            self._response.extensions[OF_BODY] = _STAYS
        elif self._unpack is not None and not self._unpack.is_whole:
            self._response.extensions[OF_BODY] = "Its body was cut off."
        self._response._content = bytes(self._content[:LONGEST_OF_ERRORS])  # pyright: ignore[reportPrivateUsage]

    def _is_too_long(self) -> bool:
        return len(self._content) > LONGEST_OF_ERRORS or self._came > 2 * LONGEST_OF_ERRORS


_ENCODINGS = ("gzip", "deflate", "br", "zstd")
"""Those that httpx knows; it ignores others, which are often no encodings."""
_STAYS = (
    "Its body is shown as it came: of a failed answer nothing but one gzip or deflate is unpacked."
)


class _Unpack:
    """Takes gzip or deflate off, and gives no more than is asked for.

    Args:
        encoding: which of them. What is called deflate has the header of zlib, or none.
    """

    def __init__(self, encoding: str) -> None:
        self._headers = (
            [zlib.MAX_WBITS + 16] if encoding == "gzip" else [-zlib.MAX_WBITS, zlib.MAX_WBITS]
        )
        self._inflate, self._begun = zlib.decompressobj(self._headers.pop()), False

    def __call__(self, piece: bytes, limit: int) -> bytes:
        begun, self._begun = self._begun, True
        try:
            return self._inflate.decompress(piece, limit)
        except zlib.error as error:
            if begun or not self._headers:
                raise httpx.DecodingError(str(error)) from None
        self._inflate, self._begun = zlib.decompressobj(self._headers.pop()), False
        return self(piece, limit)

    @property
    def is_whole(self) -> bool:
        """Whether what has come ends where it should; where nothing has, there is nothing to
        end.
        """
        return not self._begun or self._inflate.eof
