"""The one room that imports httpx: pools, time limits, TLS, and what httpx's failures mean here."""

from __future__ import annotations

import json
import os
import platform
import re
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx as httpx

from vectorshift.credentials import Secret
from vectorshift.errors import ApiConnectionError, ApiTimeoutError, CredentialConfigurationError
from vectorshift.failures import Failure, Repeat
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "API_KEY_HEADER",
    "ESCAPES",
    "KEEPALIVE",
    "LONGEST_WAIT",
    "Origin",
    "Timeouts",
    "httpx",
    "lost",
    "masked",
    "masking",
    "new_async_pool",
    "new_pool",
    "origin_of",
    "secrets_of",
    "timeouts",
    "tls",
]

CONNECTIONS = 100
CONNECT_TIMEOUT = 5.0
LONGEST_WAIT: Final = 1_000_000.0
"""Seconds at which a time limit is cut off, 11 days: a system call takes no more than 24."""
API_KEY_HEADER: Final = "Api-Key"
KEEPALIVE: Final = 30.0
"""Seconds after which an idle connection is not used again."""

_LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE)
# A proxy of the environment would carry even loopback traffic, with its key and in plain text, to another machine.
_DIRECT: Final[Any] = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
_DEFAULT_PORTS = {"http": 80, "https": 443}

ESCAPES: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, OSError, UnicodeError)
"""What may come out of httpx and the libraries below it. `ssl.SSLError` and `TimeoutError` are `OSError`s."""

Origin = tuple[str, str, int | None]
Timeouts = dict[str, float | None]
"""Seconds to connect, to write, to read and to wait for a connection, by the names that httpx gives them."""


class _NoCookies(httpx.Cookies):
    """Keeps none: one organisation's cookie must not go with another's call. It also saves looking for them."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them where they are."""


_NO_COOKIES: Final = _NoCookies()


class _Client(httpx.Client):
    cookies = property(lambda self: _NO_COOKIES)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


class _AsyncClient(httpx.AsyncClient):
    cookies = property(lambda self: _NO_COOKIES)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


substitute: Callable[[ssl.SSLContext], Any] | None = None
"""Makes the transport of new pools in place of httpx. The fixture `vectorshift_offline` sets it, and nothing else."""


def new_pool(timeout: float, ca_bundle: str | None) -> httpx.Client:
    """Return a new connection pool: proxies from the environment, no redirects, no cookies, never netrc."""
    pool: httpx.Client = _new(_Client, timeout, ca_bundle)
    return pool


def new_async_pool(timeout: float, ca_bundle: str | None) -> httpx.AsyncClient:
    """Return a new connection pool for one event loop."""
    pool: httpx.AsyncClient = _new(_AsyncClient, timeout, ca_bundle)
    return pool


def _new(kind: Callable[..., Any], timeout: float, ca_bundle: str | None) -> Any:
    verify, flaw = tls(ca_bundle), ""
    try:
        return kind(
            timeout=httpx.Timeout(**timeouts(timeout)),
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
    raise CredentialConfigurationError(f"A proxy variable of the environment (HTTPS_PROXY and its like) {flaw}.")


def timeouts(seconds: float) -> Timeouts:
    """Return the limits of a call that waits so long for its answer."""
    seconds = min(seconds, LONGEST_WAIT)
    return {"connect": min(CONNECT_TIMEOUT, seconds), "read": seconds, "write": seconds, "pool": seconds}


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host and port: what a key is bound to."""
    return (url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme))


def secrets_of(request: httpx.Request) -> list[Secret]:
    """Return what a request has in `Authorization`, without the word `Bearer`, and in `Api-Key`."""
    sent = (request.headers.get(name, "") for name in ("Authorization", API_KEY_HEADER))
    return [Secret(header.removeprefix("Bearer ").strip()) for header in sent if header]


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """Return text of the server's with the secrets that it echoes, also escaped, replaced by their fingerprints."""
    return masking(secrets)(text)


def masking(secrets: Iterable[Secret]) -> Callable[[str], str]:
    """Return what does as `masked`, for several texts."""
    forms = [(form, secret.fingerprint) for secret in secrets for form in _forms(secret.reveal())]
    if not forms:
        return lambda text: text
    forms.sort(key=lambda each: len(each[0]), reverse=True)  # a key may be the beginning of another
    any_of_them = re.compile("|".join(f"({_escaped(form)})" for form, _ in forms))
    # In one pass: a short key may be part of a fingerprint.
    return lambda text: any_of_them.sub(lambda found: forms[(found.lastindex or 1) - 1][1], text)


def _forms(plain: str) -> set[str]:
    return {plain, repr(plain)[1:-1], json.dumps(plain)[1:-1], quote(plain, safe="")} - {""}


def _escaped(form: str) -> str:
    """Return a pattern for a text in which quotes, slashes and backslashes may be escaped, three times over.

    An error whose text has the `repr` of bytes is logged with its own `repr`.
    """
    return re.sub(r"(\\*)([^\\]|$)", _with_backslashes, form)


def _with_backslashes(found: re.Match[str]) -> str:
    backslashes, then = found.groups()
    if not backslashes and then not in tuple("'\"/"):
        return re.escape(then)
    least = len(backslashes)
    return rf"\\{{{least},{8 * least + 8}}}{re.escape(then)}"


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


def lost(error: Exception, request: httpx.Request | None, method: str, endpoint: str, tries: int = 1) -> Failure:
    """Return what it means that there is no answer, or no whole one.

    The cause of the error keeps type and text, and no frame or request with a header.

    Args:
        error: one of `ESCAPES`.
        request: what was sent; None if it could not even be put together.
        method: the HTTP method.
        endpoint: the path alone.
        tries: the number of this attempt.
    """
    timed_out = isinstance(error, httpx.TimeoutException | TimeoutError)
    about = masked(str(error), secrets_of(request) if request else []) or type(error).__name__
    if isinstance(error, httpx.LocalProtocolError | UnicodeError):  # its text is that of a header
        about = "the method or a header holds a character that cannot be sent."
    unsent = (
        request is None or isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol) or _is_unsent(error, request)
    )
    repeat = Repeat.ANY if unsent else Repeat.IDEMPOTENT
    distrust = _distrust(error)
    if distrust is not None:
        about = (
            f"its certificate is not trusted: {distrust.verify_message}. VECTORSHIFT_CA_BUNDLE names the CAs to trust."
        )
    if isinstance(error, _FUTILE) or distrust is not None:
        repeat = Repeat.NEVER
    failure = (ApiTimeoutError if timed_out else ApiConnectionError)(
        f"The API {_verb(error, timed_out)} for {method} {endpoint}: {about}",
        request_info={"method": method, "endpoint": endpoint},
        may_have_run=not unsent,
        tries=tries,
    )
    failure.__cause__ = _bare(error, about) if isinstance(error, httpx.HTTPError) else None
    return Failure(failure, repeat)


def _verb(error: Exception, timed_out: bool) -> str:
    if timed_out:
        return "did not answer in time"
    return "sent what cannot be read" if isinstance(error, httpx.DecodingError) else "could not be reached"


def _is_unsent(error: Exception, request: httpx.Request) -> bool:
    """Whether not a byte of the request was sent. After a redirect the first place has had it, so that says nothing."""
    return isinstance(error, _UNSENT) and error._request in (None, request)  # pyright: ignore[reportPrivateUsage]


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


@lru_cache(maxsize=16)
def _context(ca_bundle: str | None, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    if ca_bundle is None:
        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=ca_bundle)


def tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a TLS context that all clients share: making one takes 20 ms.

    Without a bundle, `SSL_CERT_FILE` and `SSL_CERT_DIR` name the CAs, and else the certifi package that httpx brings.

    Raises:
        CredentialConfigurationError: what names the CAs cannot be used.
    """
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
    try:
        return _context(ca_bundle, *named)
    except OSError as error:  # an ssl.SSLError, for a file without certificates, is one
        flaw = error.strerror or "no certificate in it"
    if ca_bundle is None:
        raise CredentialConfigurationError(
            f"SSL_CERT_FILE names {named[0]}, which cannot be used: {flaw}. Name a PEM file of certificates."
        )
    raise CredentialConfigurationError(
        f"VECTORSHIFT_CA_BUNDLE names {ca_bundle}, which cannot be used: {flaw}. Name a PEM file of certificates."
    )


_HEADERS = {
    "User-Agent": f"vectorshift/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}",
    "Accept": "application/json",
}
