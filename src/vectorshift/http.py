"""The one room that imports httpx: pools, time limits, TLS, and what httpx's failures mean here."""

from __future__ import annotations

import json
import platform
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx as httpx

from vectorshift.credentials import Secret
from vectorshift.errors import ApiConnectionError, ApiTimeoutError, CredentialConfigurationError
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Origin",
    "connection_error",
    "httpx",
    "masked",
    "new_async_pool",
    "new_pool",
    "origin_of",
    "secret_of",
    "tls",
]

CONNECTIONS = 100
CONNECT_TIMEOUT = 5.0

_LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0)
# A proxy of the environment would carry even loopback traffic, with its key and in plain text, to another machine.
_DIRECT: Final[Any] = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def new_pool(timeout: float, ca_bundle: str | None) -> httpx.Client:
    """Return a new connection pool: proxies from the environment, no redirects, never netrc."""
    return httpx.Client(
        timeout=_timeout(timeout), verify=tls(ca_bundle), limits=_LIMITS, headers=_HEADERS, mounts=_DIRECT
    )


def new_async_pool(timeout: float, ca_bundle: str | None) -> httpx.AsyncClient:
    """Return a new connection pool for one event loop."""
    return httpx.AsyncClient(
        timeout=_timeout(timeout), verify=tls(ca_bundle), limits=_LIMITS, headers=_HEADERS, mounts=_DIRECT
    )


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host and port: what a key is bound to."""
    return (url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme))


def secret_of(request: httpx.Request) -> Secret:
    """Return what a request has in `Authorization`, without the word `Bearer`."""
    header: str = request.headers.get("Authorization", "")
    return Secret(header.removeprefix("Bearer ").strip())


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """Return text of the server's with the secrets that it echoes, also escaped, replaced by their fingerprints."""
    for secret in secrets:
        plain = secret.reveal()
        escaped = json.dumps(plain)[1:-1]
        for form in {plain, repr(plain)[1:-1], escaped, escaped.replace("/", r"\/"), quote(plain, safe="")} - {""}:
            text = text.replace(form, secret.fingerprint)
    return text


def connection_error(error: httpx.HTTPError, request: httpx.Request, endpoint: str) -> ApiConnectionError:
    """Return what an httpx failure means. Its cause keeps type and text, and no frame or request with a header."""
    method = request.method
    timed_out = isinstance(error, httpx.TimeoutException)
    kind = ApiTimeoutError if timed_out else ApiConnectionError
    verb = "did not answer in time" if timed_out else "could not be reached"
    about = masked(str(error), [secret_of(request)]) or type(error).__name__
    if isinstance(error, httpx.LocalProtocolError):  # its text is that of a header
        about = "a header holds a character that cannot be sent."
    failure = kind(
        f"The API {verb} for {method} {endpoint}: {about}",
        request_info={"method": method, "endpoint": endpoint},
    )
    failure.__cause__ = _bare(error, about)
    return failure


def _bare(error: httpx.HTTPError, about: str) -> httpx.HTTPError:
    error.args = (about,)
    error.__traceback__ = error.__context__ = error.__cause__ = None
    error._request = None  # pyright: ignore[reportPrivateUsage]
    return error


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds))


@lru_cache(maxsize=16)
def tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a TLS context that all clients share: making one takes 20 ms."""
    if ca_bundle is None:
        return httpx.create_ssl_context()
    flaw = None
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:  # an ssl.SSLError, for a file without certificates, is one
        flaw = error.strerror or "no certificate in it"
    raise CredentialConfigurationError(
        f"VECTORSHIFT_CA_BUNDLE names {ca_bundle}, which cannot be used: {flaw}. Name a PEM file of certificates."
    )


_HEADERS = {
    "User-Agent": f"vectorshift/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}",
    "Accept": "application/json",
}
