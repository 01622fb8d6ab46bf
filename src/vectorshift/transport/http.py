"""httpx for calls of the API: clients with one connection each, routes, time limits, and whether a
connection may be reused.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import ssl
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.request import getproxies

import httpx as httpx

from vectorshift._platform.importing import apart_from_forks, load
from vectorshift._platform.tls import tls
from vectorshift._platform.urls import PORTS
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialConfigurationError
from vectorshift.transport.proxies import is_direct, proxies_in, variable_of
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "API_KEY_HEADER",
    "KEEPALIVE",
    "LONGEST_WAIT",
    "AnyClient",
    "AsyncPooledClient",
    "ConnectionRoute",
    "Origin",
    "PooledClient",
    "Timeouts",
    "abandon",
    "has_connections",
    "has_proxy_of_environment",
    "has_unread_bytes",
    "httpx",
    "load_ahead",
    "new_async_client",
    "new_client",
    "origin_of",
    "route_to",
    "secrets_of",
    "timeouts",
]

CONNECT_TIMEOUT = 5.0
LONGEST_WAIT: Final = 1_000_000.0
"""The longest time limit in seconds, 11 days: system calls accept no more than 24 days."""
API_KEY_HEADER: Final = "Api-Key"
KEEPALIVE: Final = 30.0
"""Seconds after which an idle connection is not reused."""

_HEADERS: Final = {
    "User-Agent": (
        f"vectorshift/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
    ),
    "Accept": "application/json",
    # Only the encodings that can be unpacked up to a limit, as the body of a failure is.
    "Accept-Encoding": "gzip, deflate",
}
_LIMITS = httpx.Limits(keepalive_expiry=KEEPALIVE)

AnyClient = httpx.Client | httpx.AsyncClient
Origin = tuple[str, str, int | None]
Timeouts = dict[str, float | None]
"""Seconds to connect, write, read and wait for a connection, under the names that httpx uses."""


class _NoCookies(httpx.Cookies):
    """Stores no cookies: one organisation's cookie must not go with another's call.

    A cookie jar whose policy allows no domain would cost 25 microseconds a call.
    """

    def extract_cookies(self, response: httpx.Response) -> None:
        """Ignore the cookies of a response."""


_NO_COOKIES: Final[Any] = _NoCookies()


class _Pooled:
    """The base of the httpx clients that this package makes. They keep no cookies, and connect
    directly to the hosts that `NO_PROXY` names.
    """

    no_proxy = ""
    _transport: Any
    _mounts: Any

    def _transport_for_url(self, url: httpx.URL) -> Any:
        if not self._mounts or is_direct(self.no_proxy, url.scheme, url.host, url.port):
            return self._transport
        chosen: Any = super()
        return chosen._transport_for_url(url)


class PooledClient(_Pooled, httpx.Client):
    """An httpx client that this package makes."""

    cookies = _NO_COOKIES  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


class AsyncPooledClient(_Pooled, httpx.AsyncClient):
    """An httpx client that this package makes, for one event loop."""

    cookies = _NO_COOKIES  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


substitute: Callable[[ssl.SSLContext], Any] | None = None
"""Makes the transport of new connections in place of httpx. Only the fixture `vectorshift_offline`
sets it.
"""


class ConnectionRoute(NamedTuple):
    """The destination of connections, and the way there. Clients with equal routes share them.

    Args:
        origin: the server. A redirect to another server opens a second connection.
        ca_bundle: the file of the CAs to trust, or None for those of the environment.
        environment: the variables that name proxies and CAs, as JSON. The URL of a proxy may hold
            a password.
    """

    origin: Origin
    ca_bundle: str | None
    environment: Secret


def route_to(url: str, ca_bundle: str | None) -> ConnectionRoute:
    """Return the route to a URL in the environment as it is now.

    Raises:
        CredentialConfigurationError: the CAs that are named cannot be used.
    """
    named = {name: os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    environment = Secret(json.dumps({**getproxies(), **named}, sort_keys=True))
    route = ConnectionRoute(origin_of(httpx.URL(url)), ca_bundle, environment)
    _tls(route)
    return route


def _tls(route: ConnectionRoute) -> ssl.SSLContext:
    """Return the TLS context of connections. Loading certificates takes 20 ms, so plain HTTP gets a
    context without any.
    """
    if route.origin[0] == "https" or _proxies(route):
        return tls(route.ca_bundle)
    return apart_from_forks(_without_certificates)


def _proxies(route: ConnectionRoute) -> dict[str, str]:
    """Return the URL of the proxy for each scheme. Keep it out of locals: tracebacks show them."""
    return proxies_in(json.loads(route.environment.reveal()))


@lru_cache(maxsize=1)
def _without_certificates() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def load_ahead() -> None:
    """Import what httpx would otherwise import on the event loop, with the first connection, in up
    to 80 ms. Call this in a thread.
    """
    names = ["httpcore", "httpcore._backends.anyio", "anyio._backends._asyncio"]
    if "trio" in sys.modules:
        names += ["httpcore._backends.trio", "anyio._backends._trio"]
    for name in names:
        with contextlib.suppress(ImportError):  # if it is needed, the first connection fails
            load(name)


def new_client(route: ConnectionRoute) -> httpx.Client:
    """Return a new httpx client: proxies from the environment; no redirects, cookies or netrc."""
    return _without_lock(_new(PooledClient, httpx.HTTPTransport, route))


def new_async_client(route: ConnectionRoute) -> httpx.AsyncClient:
    """Return a new httpx client for one event loop."""
    client: AsyncPooledClient = _new(AsyncPooledClient, httpx.AsyncHTTPTransport, route)
    return client


def _new(kind: Callable[..., Any], transport: Callable[..., Any], route: ConnectionRoute) -> Any:
    verify = _tls(route)
    schemes = [] if substitute is not None else list(_proxies(route))
    client = kind(
        verify=verify,
        limits=_LIMITS,
        headers=_HEADERS,
        # httpx raises for an entry of NO_PROXY that it cannot parse, and does not know networks.
        trust_env=False,
        mounts={f"{scheme}://": _through(transport, scheme, route, verify) for scheme in schemes},
        transport=None if substitute is None else substitute(verify),
    )
    client.no_proxy = json.loads(route.environment.reveal()).get("no", "")
    return client


def _through(
    transport: Callable[..., Any], scheme: str, route: ConnectionRoute, verify: Any
) -> Any:
    try:
        return transport(
            verify=verify, limits=_LIMITS, trust_env=False, proxy=_proxies(route)[scheme]
        )
    except (ValueError, httpx.InvalidURL):  # the text has the URL, which may hold a password
        flaw = "is not the URL of a proxy, such as http://proxy.internal:3128"
    except ImportError as error:
        if "socksio" not in str(error):
            raise
        flaw = "names a SOCKS proxy, which needs the package socksio: pip install 'httpx[socks]'"
    raise CredentialConfigurationError(
        f"The variable {variable_of(scheme)} of the environment {flaw}."
    )


@lru_cache(maxsize=64)
def timeouts(seconds: float) -> Timeouts:
    """Return the time limits of a call that waits so many seconds for its answer. The dict is
    shared: copy it for a request.
    """
    seconds = min(seconds, LONGEST_WAIT)
    return {
        "connect": min(CONNECT_TIMEOUT, seconds),
        "read": seconds,
        "write": seconds,
        "pool": seconds,
    }


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host and port. A key is bound to them."""
    return (url.scheme, url.host, url.port or PORTS.get(url.scheme))


def secrets_of(request: httpx.Request) -> list[Secret]:
    """Return the keys in `Authorization`, without the word `Bearer`, and in `Api-Key`."""
    sent = (request.headers.get(name, "") for name in ("Authorization", API_KEY_HEADER))
    return [Secret(header.removeprefix("Bearer ").strip()) for header in sent if header]


# --- May a connection be reused? Only private names of httpx, httpcore, h11, anyio, trio tell ---
#
# httpcore drops a connection whose socket has unread bytes. Bytes that were read along with the
# last answer wait in h11, in the TLS layer or in the event loop's protocol. The next request would
# take them for its answer.


def _without_lock(http: httpx.Client) -> httpx.Client:
    """Return this httpx client without the locks of its pools: only one request at a time uses it.

    If a signal arrived just after httpcore took the lock, the lock stayed taken. httpcore then
    waited for itself for ever.
    """
    for transport in _transports(http):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_optional_thread_lock"):
            pool._optional_thread_lock = contextlib.nullcontext()
    return http


def has_unread_bytes(http: httpx.Client | httpx.AsyncClient) -> bool | None:
    """Return whether an idle connection of this httpx client holds bytes after its last answer.

    Returns None if this is unknown: a transport of another library, HTTP/2, or a private
    name that a later version has changed.
    """
    try:
        client: Any = http  # `_transports`, inlined to save each request a call
        for transport in (client._transport, *client._mounts.values()):
            if transport is not None and any(map(_has_unread, transport._pool.connections)):
                return True
    except AttributeError:
        return None
    return False


def has_connections(http: httpx.Client | httpx.AsyncClient) -> bool:
    """Return whether this httpx client has a connection, as far as its transports tell."""
    pools = (getattr(each, "_pool", None) for each in _transports(http))
    return any(getattr(pool, "connections", ()) for pool in pools)


def has_proxy_of_environment(http: AnyClient) -> bool:
    """Return whether this httpx client takes proxies from the environment: httpx does so unless it
    got `trust_env=False`, a transport or a proxy. Where `ALL_PROXY` is set alone, return False for
    an httpx client of the caller: it looks like one with a proxy.
    """
    client: Any = http
    if isinstance(http, _Pooled):
        return bool(client._mounts)
    return http.trust_env and any(each.pattern != "all://" for each in client._mounts)


def abandon(http: httpx.Client) -> None:
    """Close the sockets of an interrupted httpx client without taking its locks."""
    for transport in _transports(http):
        for connection in getattr(getattr(transport, "_pool", None), "connections", ()):
            while hasattr(connection, "_connection"):
                connection = connection._connection
            stream = getattr(connection, "_network_stream", None)
            if stream is not None:
                stream.close()


def _transports(http: Any) -> tuple[Any, ...]:
    return (http._transport, *http._mounts.values())


def _has_unread(connection: Any) -> bool:
    while hasattr(connection, "_connection"):  # a connection through a proxy wraps another
        connection = connection._connection
    if connection is None:  # it never connected
        return False
    if connection._h11_state.trailing_data[0]:
        return True
    layer = connection._network_stream
    while layer is not None:  # from TLS down to the socket
        if _has_buffered(layer):
            return True
        layer = getattr(layer, "_stream", None) or getattr(layer, "transport_stream", None)
    return False


_UNBUFFERED: Final = ("_stream", "_sock", "socket")
"""Attributes that only layers without a buffer have, in httpcore and in trio."""


def _has_buffered(layer: Any) -> bool:
    """Return whether a layer has buffered bytes. Raises AttributeError for an unknown layer."""
    for bio in ("_read_bio", "_incoming"):  # of anyio; of trio, and of TLS inside a TLS proxy
        if hasattr(layer, bio):
            return bool(getattr(layer, bio).pending)
    if any(hasattr(layer, name) for name in _UNBUFFERED):
        return False
    return bool(layer._protocol.read_queue)  # of anyio on asyncio
