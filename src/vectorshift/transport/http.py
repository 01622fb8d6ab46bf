"""The one module that imports httpx: pools, time limits, TLS, and what httpx's failures mean
here.
"""

from __future__ import annotations

import os
import platform
import re
import ssl
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.request import getproxies

import httpx as httpx

from vectorshift._platform.tls import tls
from vectorshift._platform.urls import DIRECT
from vectorshift.credentials.redact import redact
from vectorshift.credentials.values import Secret
from vectorshift.errors import ApiConnectionError, ApiTimeoutError, CredentialConfigurationError
from vectorshift.transport.failures import AttemptFailure, RetrySafety
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "API_KEY_HEADER",
    "ESCAPES",
    "KEEPALIVE",
    "LONGEST_WAIT",
    "Origin",
    "Route",
    "Timeouts",
    "connection_error",
    "escapes",
    "httpx",
    "new_async_client",
    "new_client",
    "origin_of",
    "route_to",
    "secrets_of",
    "timeouts",
]

CONNECT_TIMEOUT = 5.0
LONGEST_WAIT: Final = 1_000_000.0
"""Seconds at which a time limit is cut off, 11 days: a system call takes no more than 24."""
API_KEY_HEADER: Final = "Api-Key"
KEEPALIVE: Final = 30.0
"""Seconds after which an idle connection is not used again."""

_LIMITS = httpx.Limits(keepalive_expiry=KEEPALIVE)
# A proxy of the environment would carry even loopback traffic, with its key and in plain text, to
# another machine.
_DIRECT: Final[Any] = {
    f"all://[{host}]" if ":" in host else f"all://{host}": None for host in DIRECT
}
_DEFAULT_PORTS = {"http": 80, "https": 443}

ESCAPES: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    OSError,
    UnicodeError,
)
"""What may come out of httpx and the libraries below it. `ssl.SSLError` and `TimeoutError` are
`OSError`s.
"""

_OF_HTTP2: Final = (
    ("h2.exceptions", "H2Error"),
    ("hpack.exceptions", "HPACKError"),
    ("hyperframe.exceptions", "HyperframeError"),
)


def escapes() -> tuple[type[Exception], ...]:
    """Return what may come out of a call: `ESCAPES`, and what httpcore lets through of the
    libraries for HTTP/2.
    """
    found = (getattr(sys.modules.get(module), name, None) for module, name in _OF_HTTP2)
    return (*ESCAPES, *(each for each in found if each is not None))


Origin = tuple[str, str, int | None]
Timeouts = dict[str, float | None]
"""Seconds to connect, to write, to read and to wait for a connection, by the names that httpx gives
them.
"""


class _NoCookies(httpx.Cookies):
    """Keeps none: one organisation's cookie must not go with another's call. It also saves looking
    for them.
    """

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them where they are."""


_NO_COOKIES: Final = _NoCookies()


class _Client(httpx.Client):
    cookies = property(lambda self: _NO_COOKIES)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


class _AsyncClient(httpx.AsyncClient):
    cookies = property(lambda self: _NO_COOKIES)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


substitute: Callable[[ssl.SSLContext], Any] | None = None
"""Makes the transport of new connections in place of httpx. The fixture `vectorshift_offline` sets
it, and nothing else.
"""


class Route(NamedTuple):
    """Where connections lead, and how. Any client may use those of an equal route.

    Args:
        origin: the server. A redirect to another one opens a connection beside it.
        ca_bundle: the file of the CAs to trust, or None for those of the environment.
        environment: the variables that name proxies and CAs.
    """

    origin: Origin
    ca_bundle: str | None
    environment: tuple[tuple[str, str], ...]


def route_to(url: str, ca_bundle: str | None) -> Route:
    """Return the route to a URL by the environment of this moment.

    Raises:
        CredentialConfigurationError: what names the CAs cannot be used.
    """
    tls(ca_bundle)
    named = {name: os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    environment = tuple(sorted({**getproxies(), **named}.items()))
    return Route(origin_of(httpx.URL(url)), ca_bundle, environment)


def new_client(route: Route) -> httpx.Client:
    """Return a new httpx client: proxies from the environment, no redirects, no cookies, never
    netrc.
    """
    client: httpx.Client = _new(_Client, route)
    return client


def new_async_client(route: Route) -> httpx.AsyncClient:
    """Return a new httpx client for one event loop."""
    client: httpx.AsyncClient = _new(_AsyncClient, route)
    return client


def _new(kind: Callable[..., Any], route: Route) -> Any:
    verify, flaw = tls(route.ca_bundle), ""
    try:
        return kind(
            verify=verify,
            limits=_LIMITS,
            headers=_HEADERS,
            mounts=_DIRECT,
            transport=None if substitute is None else substitute(verify),
        )
    except (ValueError, httpx.InvalidURL):  # the text has the URL, which may hold a password
        flaw = "is no URL of a proxy, such as http://proxy.internal:3128"
    except ImportError:
        flaw = "names a SOCKS proxy, which takes the package socksio: pip install 'httpx[socks]'"
    raise CredentialConfigurationError(
        f"A proxy variable of the environment (HTTPS_PROXY and its like) {flaw}."
    )


def timeouts(seconds: float) -> Timeouts:
    """Return the limits of a call that waits so long for its answer."""
    seconds = min(seconds, LONGEST_WAIT)
    return {
        "connect": min(CONNECT_TIMEOUT, seconds),
        "read": seconds,
        "write": seconds,
        "pool": seconds,
    }


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host and port: what a key is bound to."""
    return (url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme))


def secrets_of(request: httpx.Request) -> list[Secret]:
    """Return what a request has in `Authorization`, without the word `Bearer`, and in `Api-Key`."""
    sent = (request.headers.get(name, "") for name in ("Authorization", API_KEY_HEADER))
    return [Secret(header.removeprefix("Bearer ").strip()) for header in sent if header]


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
) -> AttemptFailure:
    """Return what it means that there is no answer, or no whole one.

    The cause of the error keeps type and text, and no frame or request with a header.

    Args:
        error: one of `ESCAPES`.
        request: what was sent; None if it could not even be put together.
        method: the HTTP method.
        endpoint: the path alone.
        tries: the number of this attempt.
        begun: whether a part of the answer has come.
    """
    timed_out = isinstance(error, httpx.TimeoutException | TimeoutError)
    about, futile = _judged(error, request)
    unsent = (
        request is None
        or isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol)
        or _is_unsent(error, request)
    )
    failure = (ApiTimeoutError if timed_out else ApiConnectionError)(
        f"The API {_verb(error, timed_out, begun)} for {method} {endpoint}: {about}",
        request_info={"method": method, "endpoint": endpoint},
        may_have_run=not unsent,
        tries=tries,
    )
    failure.__cause__ = _bare(error, about) if isinstance(error, httpx.HTTPError) else None
    return AttemptFailure(
        failure,
        RetrySafety.NEVER if futile else RetrySafety.ANY if unsent else RetrySafety.IDEMPOTENT,
    )


def _judged(error: Exception, request: httpx.Request | None) -> tuple[str, bool]:
    """Return what went wrong, without a secret, and whether it would be the same again."""
    if (distrust := _distrust(error)) is not None:
        reason = distrust.verify_message
        return (
            (
                f"its certificate is not trusted: {reason}. VECTORSHIFT_CA_BUNDLE names the CAs to"
                " trust."
            ),
            True,
        )
    if isinstance(
        error, httpx.LocalProtocolError | UnicodeError
    ):  # its text may be that of a header
        return "something in it breaks the protocol.", True
    if not isinstance(error, ESCAPES):
        return f"HTTP/2 was broken off ({type(error).__name__}).", False
    if isinstance(error, httpx.ProxyError) and (refusal := _STATUS.match(str(error))):
        status = int(refusal[0])  # what follows may repeat what the proxy was sent
        return f"the proxy answered {status}.", status < 500 and status not in (408, 429)
    about = redact(str(error), secrets_of(request) if request else []) or type(error).__name__
    return about, isinstance(error, _FUTILE)


_STATUS = re.compile(r"[1-5]\d\d\b")


def _verb(error: Exception, timed_out: bool, begun: bool) -> str:
    if isinstance(error, httpx.DecodingError):
        return "sent what cannot be read"
    if timed_out:
        return "did not go on with its answer in time" if begun else "did not answer in time"
    return "broke off its answer" if begun else "could not be reached"


def _is_unsent(error: Exception, request: httpx.Request) -> bool:
    """Whether not a byte of the request was sent. After a redirect the first place has had it, so
    that says nothing.
    """
    if not isinstance(error, _UNSENT):
        return False
    return error._request in (None, request)  # pyright: ignore[reportPrivateUsage]


def _distrust(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the certificate's flaw, if it was that: it will not be trusted in a second either."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _bare(error: httpx.HTTPError, about: str) -> httpx.HTTPError:
    vars(error).clear()  # also the response of an `HTTPStatusError`
    error.args = (about,)
    error.__traceback__ = error.__context__ = error.__cause__ = None
    error._request = None  # pyright: ignore[reportPrivateUsage]
    return error


_HEADERS = {
    "User-Agent": (
        f"vectorshift/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
    ),
    "Accept": "application/json",
    "Accept-Encoding": (
        "gzip, deflate"
    ),  # what an answer of a failure is unpacked from, within a limit
}
