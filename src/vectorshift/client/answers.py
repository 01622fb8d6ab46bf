"""How an answer is read: shared by both colours, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vectorshift.auth import CREDENTIAL, REFUSAL, Refusal
from vectorshift.errors import AuthenticationError, api_error_class
from vectorshift.failures import Failure, Repeat, repeat_after_status
from vectorshift.http import masked, secrets_of

if TYPE_CHECKING:
    from vectorshift.calls import Call
    from vectorshift.credentials import Credential, Secret
    from vectorshift.http import httpx

__all__ = ["failed", "masked_headers", "masked_text", "read"]


def read(response: httpx.Response, call: Call, tries: int = 1) -> Any:
    """Return the parsed body of an answer that was read whole.

    Returns:
        What the body says; an empty dict if there is none; or a `Failure`, as the answer is not a success, says in its
        body that it failed, or is no JSON.
    """
    if not response.is_success:
        return failed(response, call, tries)
    if not response.content:
        return {}
    try:
        body: Any = response.json()
    except (ValueError, RecursionError):
        body = _FAILED
    if not isinstance(body, dict) or cast("dict[str, Any]", body).get("status") != "failed":
        return cast("Any", body)
    return failed(response, call, tries)


_FAILED: Any = {"status": "failed"}


def failed(response: httpx.Response, call: Call, tries: int = 1) -> Failure:
    """Return what it means that this answer, which was read whole, is not a success."""
    extensions = _first(response).extensions
    credential: Credential | None = extensions.get(CREDENTIAL)
    secrets = _secrets(response)  # a server that echoes them does not bring them into a log
    kind = api_error_class(response.status_code)
    about: dict[str, Any] = {"headers": masked_headers(response), "tries": tries}
    if issubclass(kind, AuthenticationError):
        refusal: Refusal | None = extensions.get(REFUSAL)
        about["note"] = str(refusal or "") if credential else "The Authorization header is the caller's own."
        about["source"] = credential.source if credential else None
        about["fingerprint"] = credential.fingerprint if credential else None
    elif not (response.is_success or response.is_error):
        about["note"] = "Hint: a redirect is not followed; check the base URL."
    error = kind(response.status_code, call.method, call.path, masked(_text(response), secrets), **about)
    repeat = repeat_after_status(response.status_code, error.retry_after)
    if repeat is Repeat.ANY and response.request is not _first(response):
        repeat = Repeat.IDEMPOTENT  # another place says that it did nothing; the first one led there, and may have
    return Failure(error, repeat)


def masked_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers by lower-case name, without the secrets that the server may echo."""
    secrets = _secrets(response)
    return {name: masked(value, secrets) for name, value in response.headers.items()}


def masked_text(response: httpx.Response, text: str) -> str:
    """Return a text that the server sent without the secrets that it may echo."""
    return masked(text, _secrets(response))


def _first(response: httpx.Response) -> httpx.Request:
    """The request as it was sent at first: that of a redirect is a copy."""
    return (response.history or [response])[0].request


def _secrets(response: httpx.Response) -> list[Secret]:
    extensions = _first(response).extensions
    refusal: Refusal | None = extensions.get(REFUSAL)
    stamped: list[Credential | None] = [extensions.get(CREDENTIAL), refusal.rejected if refusal else None]
    return [*secrets_of(response.request), *(known.secret for known in stamped if known)]


def _text(response: httpx.Response) -> str:
    try:
        return response.text
    except Exception:  # a charset such as `hex` is one to Python and none for text; its codec raises what it likes
        return response.content.decode("utf-8", "replace")
