"""Classify exceptions of libraries by the names of their classes, without importing a library."""

from __future__ import annotations

import re
import ssl
from typing import Any, Final, cast

from vectorshift.errors.credential import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialStoreUnavailableError,
    error_for_status,
)

__all__ = ["error_for_exception", "is_outage"]

_OUTAGES: Final = """
    TimeoutError OSError subprocess.TimeoutExpired
    httpx.TransportError httpx2.TransportError httpx.TooManyRedirects httpx.DecodingError
    httpcore.TimeoutException httpcore.NetworkError httpcore.ProtocolError httpcore.ProxyError
    requests.ConnectionError requests.Timeout requests.ChunkedEncodingError urllib3.HTTPError
    http.HTTPException aiohttp.ClientConnectionError aiohttp.ClientPayloadError
    botocore.HTTPClientError botocore.ConnectionError
    google.RetryError google.TransportError
    azure.ServiceRequestError azure.ServiceResponseError azure.IncompleteReadError
    anyio.BrokenResourceError anyio.ClosedResourceError anyio.EndOfStream
    trio.TooSlowError trio.BrokenResourceError trio.ClosedResourceError
"""
_WRONG: Final = """
    httpx.UnsupportedProtocol httpx2.UnsupportedProtocol httpx.InvalidURL httpx2.InvalidURL
    requests.InvalidURL requests.MissingSchema requests.InvalidSchema requests.InvalidHeader
    urllib3.LocationParseError urllib3.LocationValueError aiohttp.InvalidURL
    botocore.NoCredentialsError botocore.PartialCredentialsError botocore.ProfileNotFound
    botocore.NoRegionError botocore.ConfigNotFound botocore.ParamValidationError
    google.DefaultCredentialsError google.MalformedError azure.CredentialUnavailableError
"""
_REFUSED: Final = """
    google.RefreshError azure.ClientAuthenticationError azure.AuthenticationRequiredError
"""
_LATER: Final = (408, 425, 429)
_GRPC: Final = {
    "NOT_FOUND": 404,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "INVALID_ARGUMENT": 422,
    "FAILED_PRECONDITION": 422,
    "OUT_OF_RANGE": 422,
    "UNIMPLEMENTED": 405,
    "ALREADY_EXISTS": 422,
}
"""The HTTP status for each gRPC status; 503 for all others."""
_AWS: Final = (
    (re.compile("NotFound|NoSuch"), 404),
    (re.compile("AccessDenied|NotAuthorized|Unrecognized|Token|Signature|InvalidAccessKey"), 403),
    (re.compile("Throttl|LimitExceeded|Unavailable|Timeout|Internal|SlowDown|TooMany"), 503),
)
"""The HTTP status for parts of an AWS error code: AWS sends 400 for all of these."""


def _names(error: BaseException) -> set[str]:
    """Return the names of an exception's classes, such as `httpx.ReadError`. Built-in ones have no
    package.
    """
    names: set[str] = set()
    for each in type(error).__mro__:
        package = each.__module__.partition(".")[0]
        is_pythons = (
            package == "builtins" or each.__name__ == "TimeoutError"
        )  # Python has three of them
        names.add(each.__name__ if is_pythons else f"{package}.{each.__name__}")
    return names


def _are(names: set[str], known: str) -> bool:
    return not names.isdisjoint(known.split())


def is_outage(error: BaseException) -> bool:
    """Return whether an exception of Python or a known library means a timeout, a broken connection
    or an overloaded server.
    """
    names = _names(error)
    if _are(names, _WRONG):
        return False
    status = _status_of(error, names)
    return _are(names, _OUTAGES) or (status is not None and (status >= 500 or status in _LATER))


def error_for_exception(
    error: BaseException, *, source: str, provider: str | None = None
) -> CredentialError | None:
    """Return the error for an exception of a store's library, or None if it is unknown.

    For getters of your own. Raise the result `from None`: the exception itself may hold the request
    and the answer. It knows httpx, requests, urllib3, aiohttp, botocore, grpc, google-auth,
    google-api-core, azure-core and subprocess. An HTTP status means what `error_for_status` says.

    Args:
        error: the exception of the library.
        source: the printable source, without a secret in it.
        provider: the name of the provider.
    """
    names = _names(error)
    status = _status_of(error, names)
    if status is not None:
        return error_for_status(
            status, source=source, provider=provider, retry_after=_retry_after(error)
        )
    name = type(error).__name__
    kind: type[CredentialError] | None = None
    words = ""
    if _untrusted(error):
        kind = CredentialConfigurationError
        words = "has a certificate that is not trusted. Check the address and the CA"
    elif _are(names, _WRONG):
        kind, words = CredentialConfigurationError, "is set up incorrectly"
    elif _are(names, _REFUSED) and not getattr(error, "retryable", False):
        kind, words = CredentialDeniedError, "refused the login"
    elif _are(names, _OUTAGES + _REFUSED):
        kind, words = CredentialStoreUnavailableError, "could not be reached"
    elif "subprocess.CalledProcessError" in names:
        kind, words = CredentialStoreUnavailableError, "could not be read: its command failed"
    if kind is None:
        return None
    return kind(f"{source} {words} ({name}).", source=source, provider=provider)


def _status_of(error: BaseException, names: set[str]) -> int | None:
    """Return the HTTP status of an exception's answer, or None."""
    about: Any = error
    if "grpc.RpcError" in names:
        code = getattr(about.code(), "name", "") if callable(getattr(about, "code", None)) else ""
        return _GRPC.get(code, 503)
    if "botocore.ClientError" in names:
        return _of_aws(about.response)
    answer = getattr(about, "response", None)
    places = ((answer, "status_code"), (about, "status_code"), (about, "status"), (about, "code"))
    for holder, attribute in places:
        found = getattr(holder, attribute, None)
        if isinstance(found, int) and not isinstance(found, bool) and 300 <= found < 600:
            return int(found)
    return None


def _of_aws(answer: dict[str, Any]) -> int:
    code = str(answer.get("Error", {}).get("Code", ""))
    status = cast("int", answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 503))
    if status != 400:
        return status
    return next((means for pattern, means in _AWS if pattern.search(code)), 422)


def _retry_after(error: BaseException) -> str | None:
    answer = getattr(error, "response", None)
    headers = getattr(answer, "headers", None) or getattr(error, "headers", None)
    try:
        return cast("str | None", headers.get("Retry-After")) if headers is not None else None
    except Exception:
        return None


def _untrusted(error: BaseException) -> bool:
    """Return whether an exception was caused by a certificate that could not be verified."""
    each: BaseException | None = error
    for _ in range(10):
        if each is None:
            return False
        if isinstance(each, ssl.SSLCertVerificationError):
            return True
        each = each.__cause__ or each.__context__
    return False
