"""Requests that the stand-in API received, for tests to check and print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectorshift.credentials.values import Secret
from vectorshift.testing.forms import FormPart, form_parts

__all__ = ["RecordedHeaders", "RecordedRequest"]

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
