"""Failed answers of the API as errors, and answers without the secrets in them. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.client.call import BESIDE
from vectorshift.credentials.redact import redact, redactor, without_part
from vectorshift.errors import AuthenticationError, api_error_class
from vectorshift.transport.auth import CREDENTIAL
from vectorshift.transport.body import BODY_NOTE
from vectorshift.transport.failures import AttemptFailure, RetrySafety, repeat_after_status
from vectorshift.transport.http import secrets_of
from vectorshift.transport.rejection import REJECTION, Rejection

if TYPE_CHECKING:
    from vectorshift.client.call import Call
    from vectorshift.credentials.values import Credential, Secret
    from vectorshift.transport.http import httpx

__all__ = ["failed", "redacted_headers", "redacted_text", "secrets_in"]


def failed(response: httpx.Response, call: Call, tries: int, lacks: str = "") -> AttemptFailure:
    """Return the failure of the attempt that got this answer, whose body was read.

    Args:
        response: the answer.
        call: the call.
        tries: how often it was sent.
        lacks: what is wrong with the body of a 200, such as `has no id`.
    """
    extensions = _first(response).extensions
    credential: Credential | None = extensions.get(CREDENTIAL)
    secrets = _secrets(response)  # the server may echo them
    kind = api_error_class(response.status_code)
    notes = [
        redact(call.missing, secrets) if response.status_code == 404 else "",
        _note(response, credential, extensions.get(REJECTION)),
        redact(_redirect(response), secrets)[:_LONGEST_HINT],
        response.extensions.get(BODY_NOTE, ""),
        _HTML_NOTE if response.is_client_error and _is_html(response) else "",
        _note_on_path(response, call) if response.status_code == 404 else "",
        lacks and f"The answer {lacks}; check the base URL.",
    ]
    note = "\n  ".join(filter(None, notes))
    about: dict[str, Any] = {"headers": redacted_headers(response), "tries": tries, "note": note}
    if issubclass(kind, AuthenticationError):
        about["source"] = credential.source if credential else None
        about["fingerprint"] = credential.fingerprint if credential else None
    error = kind(response.status_code, call.method, call.path, _text(response, secrets), **about)
    repeat = repeat_after_status(response.status_code, error.retry_after)
    if repeat is RetrySafety.ANY and response.request is not _first(response):
        # A redirect's target says that it did nothing. The first server may have done something.
        repeat = RetrySafety.IDEMPOTENT
    return AttemptFailure(error, repeat)


def _note(
    response: httpx.Response, credential: Credential | None, rejection: Rejection | None
) -> str:
    """Return what the server cannot say: which key was sent, and what was done about a 401."""
    if response.status_code == 401 and credential is None:
        return "The Authorization header is the caller's own."
    if response.status_code in (401, 403, 404, 429) and credential is not None:
        return str(rejection or f"The key was {credential}.")
    return ""


def _redirect(response: httpx.Response) -> str:
    """Return a hint for a redirect, with its target but without the query, which may be secret."""
    if response.status_code >= 400 or response.is_success:
        return ""
    hint = "Hint: a redirect is not followed; check the base URL."
    if response.next_request is None:
        return hint
    url = response.next_request.url
    path = url.raw_path.partition(b"?")[0]
    return f"{hint} It leads to {url.scheme}://{(url.netloc + path).decode('ascii')}"


_LONGEST_HINT = 300


def _note_on_path(response: httpx.Response, call: Call) -> str:
    """Return what is wrong with a base URL that lacks its `/v1`, or a path that repeats it."""
    path = response.request.url.raw_path.partition(b"?")[0].decode("ascii")
    if path.startswith("/v1/v1/"):
        return "The base URL ends in /v1: leave it out of the path of the call."
    if path == call.path and not path.startswith(BESIDE):
        return "The base URL has no path. That of VectorShift's API ends in /v1."
    return ""


_HTML_NOTE = (
    "The answer is a page of HTML, which the API does not send: check the base URL, and what is in "
    "between."
)


def _is_html(response: httpx.Response) -> bool:
    return response.content[:100].lstrip().lower().startswith((b"<!doctype", b"<html"))


def redacted_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers by lower-case name, without the secrets that the server may echo."""
    redact_all = redactor(_secrets(response))
    return {name: redact_all(value) for name, value in response.headers.items()}


def redacted_text(response: httpx.Response, text: str) -> str:
    """Return a text of the server, without the secrets that it may echo."""
    return redact(text, _secrets(response))


def _first(response: httpx.Response) -> httpx.Request:
    """Return the first request, not the copies that redirects make."""
    return (response.history or [response])[0].request


def _secrets(response: httpx.Response) -> list[Secret]:
    return [*secrets_of(response.request), *secrets_in(_first(response))]


def secrets_in(request: httpx.Request) -> list[Secret]:
    """Return the keys that were sent with a request, including one that a 401 rejected."""
    rejection: Rejection | None = request.extensions.get(REJECTION)
    credentials: list[Credential | None] = [
        request.extensions.get(CREDENTIAL),
        rejection.rejected if rejection else None,
    ]
    return [*secrets_of(request), *(known.secret for known in credentials if known)]


def _text(response: httpx.Response, secrets: list[Secret]) -> str:
    # UTF-8, whatever charset the answer names: decoding `punycode` may take minutes.
    text = redact(response.content.decode("utf-8", "replace"), secrets)
    return without_part(text, secrets) if response.extensions.get(BODY_NOTE) else text
