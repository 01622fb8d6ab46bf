"""Requests that the stand-in API received, for tests to check and print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Any, cast

from vectorshift.credentials.values import Secret

__all__ = ["FormPart", "RecordedHeaders", "RecordedRequest", "form_parts"]

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "api-key", "cookie"})


class RecordedHeaders(dict[str, str]):
    """Headers by their name in lower case. Those with keys read in full and print redacted.

    A header that was sent more than once has its values joined with a comma.
    """

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__()
        for name_bytes, value_bytes in raw:
            name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
            self[name] = f"{self[name]}, {value}" if name in self else value

    def __repr__(self) -> str:
        return repr(
            {name: "***" if name in _SECRET_HEADERS else value for name, value in self.items()}
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RecordedRequest:
    """One request as it arrived, and the status that it got. Prints without headers, query and
    body.

    Args:
        method: such as `GET`.
        path: the decoded path with its `/v1`.
        raw_path: the path as it was sent, escapes and all, without the query.
        query: the decoded query; of a name that was sent more than once, the last value.
        headers: by name in lower case.
        body: the whole body.
        key: the key of a well-formed `Authorization` header, known or not, else None.
        org: the organisation that the key acts on, or None for a key that is not (or no longer)
            good.
        status: the status answered, or None where the connection was closed without an answer.
        at: when it arrived, in seconds of `time.monotonic()`.
    """

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    key: Secret | None
    org: str | None
    status: int | None
    at: float

    @property
    def json(self) -> Any:
        """The body, parsed.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, FormPart]:
        """The parts of a multipart body by their names; of a name that was sent more than once, the
        last.

        Raises:
            ValueError: it is no multipart form.
        """
        return {
            part.name: part for part in form_parts(self.body, self.headers.get("content-type", ""))
        }

    def __repr__(self) -> str:
        key = self.key.fingerprint if self.key else "without a key"
        return f"<{self.method} {self.path} {key} org={self.org} -> {self.status or 'no answer'}>"


# --- Forms: a `multipart/form-data` body, as RFC 7578 has it ---


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
