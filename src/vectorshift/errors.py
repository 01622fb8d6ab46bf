"""Every error that this package raises.

    VectorshiftError
    ├── VectorshiftApiError             the API answered, and not with success
    │   ├── BadRequestError             400
    │   ├── AuthenticationError         401: no key, or a key that the API refuses
    │   ├── PermissionDeniedError       403: the key is good and lacks the scope
    │   ├── NotFoundError               404
    │   ├── UnprocessableEntityError    422
    │   ├── RateLimitError              429
    │   └── InternalServerError         500 and above
    ├── ApiConnectionError              no answer: nothing listens, or the connection broke
    │   └── ApiTimeoutError
    └── CredentialError                 no key could be had
        ├── CredentialNotFoundError             nothing is configured here, or the place is empty
        │   └── MissingCredentialError          ... anywhere in the chain; also an AuthenticationError
        ├── CredentialConfigurationError        configured, and wrong
        ├── CredentialDeniedError               the store refused us
        │   └── CredentialRevokedError          the store says that this secret is gone
        └── CredentialStoreUnavailableError     the store is down, slow or throttling

Each error survives `pickle` and `copy` with its attributes, and none holds a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    E = TypeVar("E", bound="VectorshiftError")

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "ApiConnectionError",
    "ApiStatusError",
    "ApiTimeoutError",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "CredentialConfigurationError",
    "CredentialDeniedError",
    "CredentialError",
    "CredentialNotFoundError",
    "CredentialRevokedError",
    "CredentialStoreUnavailableError",
    "InternalServerError",
    "MissingCredentialError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "UnprocessableEntityError",
    "VectorShiftAPIError",
    "VectorShiftError",
    "VectorshiftApiError",
    "VectorshiftError",
    "api_error_class",
]


def _revive(cls: type[E], args: tuple[Any, ...], state: dict[str, Any]) -> E:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class VectorshiftError(Exception):
    """Base of everything that this package raises on purpose.

    Attributes:
        message: what happened, where, and what to do about it. Holds no key.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _revive, (type(self), self.args, self.__dict__)


def fresh_copy(error: E) -> E:
    """Return an equal error without a traceback: one that is shared would grow with each raise."""
    copied = _revive(type(error), error.args, error.__dict__)
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = True
    return copied


# --- The API answered, and not with success ---------------------------------------------------------


class VectorshiftApiError(VectorshiftError):
    """The API answered with a failure.

    Args:
        status_code: the HTTP status, or 0 where there was none.
        method: the HTTP method.
        endpoint: the path alone.
        raw_response: the body as text.
        headers: the response's headers; names are kept in lower case, cookies are not kept.
        note: a sentence of ours, printed below what the server said.

    Attributes:
        error_message: the first truthy of `error`, `message`, `detail`, `errors` in a JSON body, else the body.
        request_id: what the server calls this request, or None.
        retry_after: seconds to wait as the server asked, or None.
    """

    label = "API Error"
    hint = ""

    def __init__(
        self,
        status_code: int,
        method: str,
        endpoint: str,
        raw_response: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        note: str = "",
    ) -> None:
        self.status_code = status_code
        self.method = method
        self.endpoint = endpoint
        self.raw_response = raw_response
        kept = {name.lower(): value for name, value in (headers or {}).items()}
        kept.pop("set-cookie", None)
        self.headers = kept
        self.request_id = kept.get("x-request-id")
        self.retry_after = _seconds(kept.get("retry-after"))
        self.error_message = _said(raw_response)
        first = f"{self.label} ({status_code}) on {method} {endpoint}: {self.error_message or 'no details'}"
        super().__init__("\n  ".join(line for line in (first, note, self.hint) if line))


class BadRequestError(VectorshiftApiError):
    """The request is malformed (400)."""

    label = "Bad Request"


class AuthenticationError(VectorshiftApiError):
    """No key was found, or the API refuses the one that was sent (401).

    Attributes:
        source: where the refused key came from, such as `vault:secret/vectorshift#api_key`, or None.
        fingerprint: names the refused key without showing it, such as `#1a2b3c4d`, or None.
    """

    label = "Unauthorized"
    hint = "Hint: make or look up a key under Account → API Keys, in the organisation it is to act on."

    def __init__(
        self,
        status_code: int = 401,
        method: str = "",
        endpoint: str = "",
        raw_response: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        note: str = "",
        source: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.source = source
        self.fingerprint = fingerprint
        super().__init__(status_code, method, endpoint, raw_response, headers=headers, note=note)


class PermissionDeniedError(VectorshiftApiError):
    """The key is valid and lacks the scope (403)."""

    label = "Forbidden"


class NotFoundError(VectorshiftApiError):
    """The API has no such object, or not for this key's organisation (404)."""

    label = "Not Found"
    hint = "Hint: check the id, and that the key belongs to the organisation that owns it."


class UnprocessableEntityError(VectorshiftApiError):
    """The request is well-formed and its content is not acceptable (422)."""

    label = "Validation Error"


class RateLimitError(VectorshiftApiError):
    """Too many requests (429); `retry_after` has the seconds to wait if the server said so."""

    label = "Rate Limited"


class InternalServerError(VectorshiftApiError):
    """The API failed (500 and above)."""

    label = "Internal Server Error"
    hint = "Hint: the fault is on the server's side; try again later."


_BY_STATUS: dict[int, type[VectorshiftApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def api_error_class(status_code: int) -> type[VectorshiftApiError]:
    """Return the class for an HTTP status; other 4xx give the base class."""
    if status_code >= 500:
        return InternalServerError
    return _BY_STATUS.get(status_code, VectorshiftApiError)


def _said(body: str) -> str:
    import json

    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        return body.strip()
    parsed = cast("dict[str, Any]", parsed)
    for name in ("error", "message", "detail", "errors"):
        said = parsed.get(name)
        if isinstance(said, dict):
            said = cast("dict[str, Any]", said).get("message") or json.dumps(said)
        if isinstance(said, list):
            said = "; ".join(str(each) for each in cast("Sequence[object]", said))
        if said:
            return str(said)
    return json.dumps(parsed, indent=2)


def _seconds(header: str | None) -> float | None:
    """Read `Retry-After`: seconds, or an HTTP date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime
    from math import isfinite

    try:
        seconds = float(header)
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)  # "-0000": UTC, from an unknown zone
        seconds = (at - datetime.now(timezone.utc)).total_seconds()
    return max(0.0, seconds) if isfinite(seconds) else None


# --- No answer --------------------------------------------------------------------------------------


class ApiConnectionError(VectorshiftError):
    """The API could not be reached, or the connection broke.

    Attributes:
        request_info: `{"method": ..., "endpoint": ...}`, or an empty dict.
    """

    def __init__(self, message: str = "", *, request_info: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.request_info = request_info or {}


class ApiTimeoutError(ApiConnectionError):
    """The API did not answer in time."""


# --- No key could be had ----------------------------------------------------------------------------


class CredentialError(VectorshiftError):
    """No key could be had from a source. Raise one of the subclasses.

    Attributes:
        source: the printable place that was asked, such as `env:VECTORSHIFT_API_KEY`, or None.
        provider: the name of the provider that was asked, or None.
    """

    def __init__(self, message: str = "", *, source: str | None = None, provider: str | None = None) -> None:
        super().__init__(message)
        self.source = source
        self.provider = provider


class CredentialNotFoundError(CredentialError):
    """Nothing is configured here, or the place is empty. The one failure that moves a chain on."""


class CredentialConfigurationError(CredentialError):
    """Configured, and wrong: a bad setting, a malformed secret, a missing field or package. Stops a chain."""


class CredentialDeniedError(CredentialError):
    """The store refused us. Stops a chain."""


class CredentialRevokedError(CredentialDeniedError):
    """The store says that this very secret was deleted, destroyed or scheduled for deletion. Stops a chain."""


class CredentialStoreUnavailableError(CredentialError):
    """The store is down, slow or throttling. Stops a chain.

    Attributes:
        retry_after: seconds to wait as the store asked, or None.
    """

    def __init__(
        self,
        message: str = "",
        *,
        source: str | None = None,
        provider: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, source=source, provider=provider)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one provider of a chain was asked and what came of it.

    Args:
        provider: the provider's name.
        source: the place it looked at.
        outcome: `not configured`, `not found`, `configuration`, `denied`, `revoked` or `unavailable`.
        reason: a sentence without a secret in it.
        seconds: how long the provider took.
    """

    provider: str
    source: str
    outcome: str
    reason: str
    seconds: float = 0.0


class MissingCredentialError(CredentialNotFoundError, AuthenticationError):
    """A chain ended with nothing.

    A `CredentialNotFoundError`, so that chains nest, and an `AuthenticationError` (`status_code` 401, no
    response), so that the documented `except AuthenticationError` catches a missing key.

    Attributes:
        attempts: one `Attempt` for each provider asked, in order.
    """

    def __init__(self, message: str = "", *, attempts: tuple[Attempt, ...] = ()) -> None:
        AuthenticationError.__init__(self)
        self.message = message
        self.args = (message,)
        self.provider = None
        self.attempts = attempts


# --- The official SDK's other spellings ---

ApiStatusError = APIStatusError = VectorShiftAPIError = VectorshiftApiError
VectorShiftError = VectorshiftError
APIConnectionError = ApiConnectionError
APITimeoutError = ApiTimeoutError
