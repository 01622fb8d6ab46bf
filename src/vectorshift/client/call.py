"""`Call`: the content of a call. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from vectorshift.transport.auth import API_KEY_TOO
from vectorshift.transport.http import API_KEY_HEADER, AsyncPooledClient, PooledClient, httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vectorshift.client.uploads import Files, Loaded
    from vectorshift.transport.http import AnyClient, Timeouts

__all__ = ["BESIDE", "Call", "check_timeout"]

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
BESIDE = "/integrations-go/"
"""The paths that are beside the base URL, not below it."""

_RUNS = ("/run", "/bulk-run", "/bulk_run")


@dataclass(eq=False, slots=True)  # frozen would cost a microsecond of each call
class Call:
    """One call of the API. It begins with the arguments of `VectorShift.request`, in their order.

    Args:
        method: the HTTP method.
        path: the path below the base URL, with a leading slash. A path that begins with
            `/integrations-go/` replaces the `/v1` of the base URL; its request has the key in
            `Api-Key` too.
        query, json, files, form, headers, timeout: as `VectorShift.request` describes them. Fields
            of a form that are None are left out.
        within: seconds for the whole call with all of its attempts, or None.
        patient: whether the call waits 600 s for its answer if no timeout is set. None: yes for a
            POST to a path such as `/agent/{id}/run`, which answers at the end of a run.
        min_pause: the shortest pause before another attempt, in seconds.
        parse: makes the result from the parsed body. It raises ValueError with what the body lacks,
            such as `has no id`; then the call fails.
        missing: what a 404 means, such as `No pipeline named 'notes' is visible to this key.`

    Raises:
        TypeError: the path is not a `str`.
        ValueError: a path without its slash, or with more than a path; two bodies; or an invalid
            time-out.
    """

    method: str
    path: str
    query: Mapping[str, Any] | None = None
    json: Any = field(default=None, repr=False)
    files: Files | None = field(default=None, repr=False)
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    timeout: float | None = None
    within: float | None = field(default=None, kw_only=True)
    patient: bool | None = field(default=None, kw_only=True)
    min_pause: float = field(default=0.0, kw_only=True)
    parse: Callable[[Any], Any] | None = field(default=None, repr=False, kw_only=True)
    missing: str = field(default="", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                "The path of a call must be a str, such as '/pipelines', not "
                f"{type(self.path).__name__}."
            )
        if not self.path.startswith("/") or self.path.startswith("//"):
            raise ValueError(
                "The path of a call must begin with one slash, such as /pipelines, not "
                f"{self.path!r}."
            )
        if "?" in self.path or "#" in self.path:
            raise ValueError(
                "The path of a call must have no ? and no #. Parameters go into query=. This is "
                f"{self.path!r}."
            )
        if ("." in self.path or "%" in self.path) and any(
            unquote(segment) in (".", "..") for segment in self.path.split("/")
        ):
            raise ValueError(
                f"A path must have no . and no .. between its slashes. This is {self.path!r}."
            )
        if self.timeout is not None:
            check_timeout(self.timeout)
        if self.json is not None and not (self.form is None and self.files is None):
            raise ValueError("A call has one body: pass json=, or form= and files=.")

    @property
    def may_be_repeated(self) -> bool:
        """Return whether the method is idempotent: sending it twice does no harm."""
        return self.method.upper() in _IDEMPOTENT

    @property
    def awaits_run(self) -> bool:
        """Return whether the answer comes only at the end of a run, which may take minutes."""
        if self.patient is not None:
            return self.patient
        return self.path.endswith(_RUNS) and str(self.method).upper() == "POST"

    def request(
        self, base_url: str, http: AnyClient, limits: Timeouts, files: Loaded | None
    ) -> httpx.Request:
        """Return the request, built by an httpx client.

        Args:
            base_url: the URL below which paths lie.
            http: the httpx client.
            limits: the time limits of this attempt.
            files: the loaded `files`.

        Raises:
            TypeError: the body, a parameter or a header is of a type that cannot be sent.
            ValueError: a header cannot be sent, or contradicts the body.
            UnicodeError: the method or a header holds a character that cannot be sent.
            httpx.InvalidURL: the path or the query cannot be part of a URL.
        """
        self.method.encode("ascii")  # httpcore would raise with the headers in its frame
        extensions: dict[str, Any] = {"timeout": limits}
        if self.path.startswith(BESIDE):  # beside the `/v1` of the base URL
            base_url = base_url.removesuffix("/v1")
            if not any(name.lower() == API_KEY_HEADER.lower() for name in self.headers or ()):
                extensions[API_KEY_TOO] = True
        request: httpx.Request = http.build_request(
            self.method,
            _parsed(base_url + self.path),
            params=(self.query and _given(self.query)) or None,
            json=self.json,
            data=self.form and _given(self.form),
            files=files,
            headers=self.headers,
            extensions=extensions,
        )
        if files is not None:
            request.read()  # bytes can be sent a second time, after a 401
        if self.headers or not isinstance(http, (PooledClient, AsyncPooledClient)):
            _check_headers(request)
        return request


def check_timeout(seconds: object) -> None:
    """Check the timeout of a call or a client.

    Raises:
        TypeError, ValueError: it is not a number of seconds above 0.
    """
    what = "timeout should be a number of seconds above 0, not"
    if not isinstance(seconds, int | float):
        raise TypeError(f"{what} of type {type(seconds).__name__}.")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{what} {seconds}.")


_parsed = lru_cache(maxsize=256)(httpx.URL)
"""Parses a URL, cached: a process calls few URLs, and parsing one takes 15 microseconds."""


def _check_headers(request: httpx.Request) -> None:
    """Reject invalid headers of the call, or of a caller's httpx client: the error of h11 would
    quote them.
    """
    for name, value in request.headers.raw:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(
                f"the header {name.decode('latin-1')!r} holds a character that cannot be sent"
            )
    if "Transfer-Encoding" in request.headers:
        raise ValueError("the header Transfer-Encoding cannot be set by the caller")
    length = request.headers.get("Content-Length", "")
    if length not in ("", str(len(request.content))):
        raise ValueError(
            f"its Content-Length is {length}, and its body has {len(request.content)} bytes"
        )


# RFC 9110, section 5.5
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
