"""Answers of the API that are no success, and what may be shown of an answer. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

__all__ = ["failed", "masked_headers", "masked_text", "secrets_in"]


def failed(response: httpx.Response, call: Call, tries: int, lacks: str = "") -> AttemptFailure:
    """Return what it means that this answer, which was read, is not a success.

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
        response.extensions.get(BODY_NOTE, ""),
        _HTML_NOTE if response.is_client_error and _is_html(response) else "",
        lacks and f"The answer {lacks}; check the base URL.",
    ]
    note = "\n  ".join(filter(None, notes))
    about: dict[str, Any] = {"headers": masked_headers(response), "tries": tries, "note": note}
    if issubclass(kind, AuthenticationError):
        about["source"] = credential.source if credential else None
        about["fingerprint"] = credential.fingerprint if credential else None
    error = kind(response.status_code, call.method, call.path, _text(response, secrets), **about)
    repeat = repeat_after_status(response.status_code, error.retry_after)
    if repeat is RetrySafety.ANY and response.request is not _first(response):
        # Another place says that it did nothing. The first one led there, and may have.
        repeat = RetrySafety.IDEMPOTENT
    return AttemptFailure(error, repeat)


def _note(
    response: httpx.Response, credential: Credential | None, refusal: Rejection | None
) -> str:
    """Return what the server cannot say: whose key it was, and what was done about a 401."""
    if response.status_code == 401 and credential is None:
        return "The Authorization header is the caller's own."
    if response.status_code in (401, 403, 404, 429) and credential is not None:
        return str(refusal or f"The key was {credential}.")
    return (
        "Hint: a redirect is not followed; check the base URL."
        if response.status_code < 400 and not response.is_success
        else ""
    )


_HTML_NOTE = (
    "The answer is a page of HTML, which the API does not send: check the base URL, and what is in "
    "between."
)


def _is_html(response: httpx.Response) -> bool:
    return response.content[:100].lstrip().lower().startswith((b"<!doctype", b"<html"))


def masked_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers by lower-case name, without the secrets that the server may echo."""
    mask = redactor(_secrets(response))
    return {name: mask(value) for name, value in response.headers.items()}


def masked_text(response: httpx.Response, text: str) -> str:
    """Return a text that the server sent without the secrets that it may echo."""
    return redact(text, _secrets(response))


def _first(response: httpx.Response) -> httpx.Request:
    """Return the first request. Those of redirects are copies."""
    return (response.history or [response])[0].request


def _secrets(response: httpx.Response) -> list[Secret]:
    return [*secrets_of(response.request), *secrets_in(_first(response))]


def secrets_in(request: httpx.Request) -> list[Secret]:
    """Return the keys that a request was sent with, including one that a 401 rejected."""
    refusal: Rejection | None = request.extensions.get(REJECTION)
    stamped: list[Credential | None] = [
        request.extensions.get(CREDENTIAL),
        refusal.rejected if refusal else None,
    ]
    return [*secrets_of(request), *(known.secret for known in stamped if known)]


def _text(response: httpx.Response, secrets: list[Secret]) -> str:
    # Whatever charset it names: `punycode` and its like take minutes for some bodies.
    text = redact(response.content.decode("utf-8", "replace"), secrets)
    return without_part(text, secrets) if response.extensions.get(BODY_NOTE) else text
