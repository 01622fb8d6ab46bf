"""A failed attempt as a value: the error, and which calls may be sent again."""

import re
import ssl
import sys
from enum import Enum
from typing import Final, NamedTuple

from vectorshift._platform.frames import callers_own, related
from vectorshift.credentials.redact import redact
from vectorshift.errors import ApiConnectionError, ApiTimeoutError
from vectorshift.transport.http import httpx, secrets_of
from vectorshift.transport.proxies import variable_for

__all__ = [
    "ESCAPES",
    "AttemptFailure",
    "RetrySafety",
    "connection_error",
    "escapes",
    "repeat_after_status",
]


ESCAPES: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    OSError,
    UnicodeError,
)
"""Exceptions of httpx and the libraries below. `ssl.SSLError` and `TimeoutError` are `OSError`s."""

_OF_HTTP2: Final = (
    ("h2.exceptions", "H2Error"),
    ("hpack.exceptions", "HPACKError"),
    ("hyperframe.exceptions", "HyperframeError"),
)


def escapes() -> tuple[type[Exception], ...]:
    """Return `ESCAPES` and the HTTP/2 exceptions that httpcore lets through."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _OF_HTTP2)
    return (*ESCAPES, *(each for each in found if each is not None))


class RetrySafety(Enum):
    """The calls that may be sent again after a failure."""

    NEVER = "another attempt would fail as this one did"
    IDEMPOTENT = "it may have taken effect: only what does no harm twice"
    ANY = "it did not take effect"


class AttemptFailure(NamedTuple):
    """An attempt that failed.

    Args:
        error: the error for the caller if there is no further attempt. It is ours, or was raised by
            the caller's code, such as a signal handler.
        repeat: which calls may be sent again.
    """

    error: BaseException
    repeat: RetrySafety


def repeat_after_status(status: int, retry_after: float | None) -> RetrySafety:
    """Return which calls may be sent again after a status.

    A 429 says that the call was not carried out, and so does a 503 with `Retry-After`: the server
    asks to be called again. A 408 or another 5xx does not say: a gateway also sends it when the
    server behind it was too slow.
    """
    if status == 429 or (status == 503 and retry_after is not None):
        return RetrySafety.ANY
    return RetrySafety.IDEMPOTENT if status == 408 or status >= 500 else RetrySafety.NEVER


_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_FUTILE = (
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.HTTPStatusError,
    httpx.DecodingError,
    httpx.TooManyRedirects,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    UnicodeError,
)


def connection_error(
    error: Exception,
    request: httpx.Request | None,
    method: str,
    endpoint: str,
    tries: int = 1,
    *,
    begun: bool = False,
    has_proxy: bool = False,
) -> AttemptFailure:
    """Return the failure of an attempt whose answer is missing or incomplete.

    The cause of its error keeps its type and text, but no frame or request that holds the key.

    Args:
        error: one of `ESCAPES`.
        request: the request; None if it could not be built.
        method: the HTTP method.
        endpoint: the path alone.
        tries: the number of this attempt.
        begun: whether a part of the answer has arrived.
        has_proxy: whether the httpx client takes its proxies from the environment.
    """
    if (own := callers_own(error)) is not None:
        return AttemptFailure(own, RetrySafety.NEVER)
    timed_out = isinstance(error, httpx.TimeoutException | TimeoutError)
    about, futile = _reason(error, request, has_proxy)
    unsent = (
        request is None
        or isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol)
        or _is_unsent(error, request)
    )
    what = f"The API{_address(request)} {_verb(error, timed_out, begun)}"
    failure = (ApiTimeoutError if timed_out else ApiConnectionError)(
        f"{what} for {method} {endpoint}: {about}",
        request_info={"method": method, "endpoint": endpoint},
        may_have_run=not unsent,
        tries=tries,
    )
    failure.__cause__ = _stripped(error, about) if isinstance(error, httpx.HTTPError) else None
    return AttemptFailure(
        failure,
        RetrySafety.NEVER if futile else RetrySafety.ANY if unsent else RetrySafety.IDEMPOTENT,
    )


def _address(request: httpx.Request | None) -> str:
    """Return the address of the API for a message, without user information."""
    if request is None:
        return ""
    return f" at {request.url.scheme}://{request.url.netloc.decode('ascii')}"


def _reason(error: Exception, request: httpx.Request | None, has_proxy: bool) -> tuple[str, bool]:
    """Return the reason, without a secret, and whether every attempt would fail like this."""
    flaw = next((each for each in related(error, set()) if isinstance(each, ssl.SSLError)), None)
    if isinstance(flaw, ssl.SSLCertVerificationError):
        return _untrusted(flaw), True
    if isinstance(error, httpx.LocalProtocolError | UnicodeError):
        # Its text may quote a header.
        return "something in it breaks the protocol.", True
    if not isinstance(error, ESCAPES):
        return f"the HTTP/2 connection ended early ({type(error).__name__}).", False
    if isinstance(error, httpx.ProxyError) and (refusal := re.match(_STATUS, str(error))):
        status = int(refusal[0])  # the text after it may quote the request
        return f"the proxy answered {status}.", status < 500 and status not in (408, 429)
    about = redact(str(error), secrets_of(request) if request else []) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and request is not None:
        about += _hint_of_address(request.url, flaw, has_proxy)
    return about, isinstance(error, _FUTILE)


_STATUS = r"[1-5]\d\d\b"


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    """Return why the server's certificate is not accepted, by the codes of X509_verify_cert."""
    advice = "Set VECTORSHIFT_CA_BUNDLE to the file of the CAs to trust."
    if error.verify_code in (62, 64):  # it is for another name or address
        advice = "Check the base URL."
    elif error.verify_code in (9, 10):  # it is not valid yet, or has expired
        advice = (
            "Check the clock of this machine. If it is right, the server needs a new certificate."
        )
    return f"its certificate is not trusted: {error.verify_message.rstrip('.')}. {advice}"


def _hint_of_address(url: httpx.URL, flaw: ssl.SSLError | None, has_proxy: bool) -> str:
    """Return a hint about a connection that could not be made, or an empty text."""
    is_without_tls = flaw is not None and flaw.reason in _WITHOUT_TLS
    if has_proxy and (variable := variable_for(url.scheme, url.host, url.port)):
        hint = "the URLs of most proxies begin with http://"
        return f" ({variable} is set: {hint if is_without_tls else _NO_PROXY})"
    return " (this port does not speak TLS: check the base URL)" if is_without_tls else ""


_WITHOUT_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_NO_PROXY: Final = "perhaps the proxy cannot be reached"


def _verb(error: Exception, timed_out: bool, begun: bool) -> str:
    if isinstance(error, httpx.DecodingError):
        return "sent an unreadable answer"
    if timed_out:
        return "stopped in the middle of its answer" if begun else "did not answer in time"
    if begun:
        return "ended its answer early"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return "gave no readable answer"
    return "could not be reached"


def _is_unsent(error: Exception, request: httpx.Request) -> bool:
    """Return whether no server got a byte. After a redirect, the first server has the request."""
    if not isinstance(error, _UNSENT):
        return False
    return error._request in (None, request)  # pyright: ignore[reportPrivateUsage]


def _stripped(error: httpx.HTTPError, about: str) -> httpx.HTTPError:
    vars(error).clear()  # also the response of an `HTTPStatusError`
    error.args = (about,)
    error.__traceback__ = error.__context__ = error.__cause__ = None
    error._request = None  # pyright: ignore[reportPrivateUsage]
    return error
