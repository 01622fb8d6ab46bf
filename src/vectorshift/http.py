"""The one room that imports httpx: pools, time limits, TLS, and what httpx's failures mean here."""

from __future__ import annotations

import ipaddress
import platform
import ssl
from functools import lru_cache

import httpx as httpx

from vectorshift import __version__
from vectorshift.errors import ApiConnectionError, ApiTimeoutError

__all__ = [
    "Origin",
    "connection_error",
    "httpx",
    "is_loopback",
    "new_async_pool",
    "new_pool",
    "origin_of",
    "tls",
]

CONNECTIONS = 100
CONNECT_TIMEOUT = 5.0

_LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0)
_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def new_pool(timeout: float, ca_bundle: str | None) -> httpx.Client:
    """Return a new connection pool: proxies from the environment, no redirects, never netrc."""
    return httpx.Client(timeout=_timeout(timeout), verify=tls(ca_bundle), limits=_LIMITS, headers=_HEADERS)


def new_async_pool(timeout: float, ca_bundle: str | None) -> httpx.AsyncClient:
    """Return a new connection pool for one event loop."""
    return httpx.AsyncClient(timeout=_timeout(timeout), verify=tls(ca_bundle), limits=_LIMITS, headers=_HEADERS)


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host and port: what a key is bound to."""
    return (url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme))


def is_loopback(host: str) -> bool:
    """Return whether a host is this very machine, by its name or address; no look-up is made."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def connection_error(error: httpx.HTTPError, method: str, endpoint: str) -> ApiConnectionError:
    """Return what an httpx failure means. Its cause keeps type and text, and no frame or request with a header."""
    timed_out = isinstance(error, httpx.TimeoutException)
    kind = ApiTimeoutError if timed_out else ApiConnectionError
    verb = "did not answer in time" if timed_out else "could not be reached"
    about = str(error) or type(error).__name__
    failure = kind(
        f"The API {verb} for {method} {endpoint}: {about}",
        request_info={"method": method, "endpoint": endpoint},
    )
    failure.__cause__ = _bare(error)
    return failure


def _bare(error: httpx.HTTPError) -> httpx.HTTPError:
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
    return ssl.create_default_context(cafile=ca_bundle)


_HEADERS = {
    "User-Agent": f"vectorshift/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}",
    "Accept": "application/json",
}
