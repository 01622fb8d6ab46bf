"""Reading a `multipart/form-data` body, as RFC 7578 has it: what the stand-in API was sent beside
JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import HeaderParser
from typing import cast

__all__ = ["FormPart", "form_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPart:
    """One part of a form. Prints without its content.

    Args:
        name: the field's name.
        filename: the file's name, or None for a field that is no file.
        content_type: such as `application/pdf`; `text/plain` where none is given.
        content: the bytes.
    """

    name: str
    filename: str | None
    content_type: str
    content: bytes

    def __repr__(self) -> str:
        return f"<FormPart {self.name} filename={self.filename!r} {len(self.content)} bytes>"


def form_parts(body: bytes, content_type: str) -> list[FormPart]:
    """Return the parts of a form, in their order.

    Raises:
        ValueError: this is no such form, or it is malformed.
    """
    kind = HeaderParser().parsestr(f"Content-Type: {content_type}\n\n")
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/form-data" or boundary is None:
        raise ValueError("This is not a multipart form.")
    delimiter = b"\r\n--" + boundary.encode("latin-1")
    preamble, *pieces = (b"\r\n" + body).split(delimiter)
    if preamble or not pieces or not pieces[-1].startswith(b"--"):
        raise ValueError("The form does not begin or end with its boundary.")
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> FormPart:
    head, blank, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = HeaderParser().parsestr(head.decode("utf-8"))
    name = headers.get_param("name", header="Content-Disposition")
    if not blank or not isinstance(name, str):
        raise ValueError("A part of the form has no name.")
    filename = cast("str | None", headers.get_param("filename", header="Content-Disposition"))
    return FormPart(
        name=name, filename=filename, content_type=headers.get_content_type(), content=content
    )
