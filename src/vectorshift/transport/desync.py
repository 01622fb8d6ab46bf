"""Detect unread bytes on a pooled connection, which must not be reused: the next request would take
them for its answer.

httpcore drops a connection whose socket has unread bytes. Bytes that were read along with the last
answer wait in h11, in the TLS layer or in the event loop's protocol. No public interface tells of
them, so private names of httpcore, anyio and trio are read here, and nowhere else.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vectorshift.transport.http import httpx

__all__ = ["abandon", "has_connections", "has_unread_bytes", "without_lock"]


def without_lock(http: httpx.Client) -> httpx.Client:
    """Return this httpx client without the lock of its pools: one request at a time uses it.

    A signal between taking the lock and noting that left it locked, and httpcore then waited for
    itself, for ever.
    """
    for transport in _transports(http):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_optional_thread_lock"):
            pool._optional_thread_lock = contextlib.nullcontext()
    return http


def has_unread_bytes(http: httpx.Client | httpx.AsyncClient) -> bool | None:
    """Return whether an idle connection of this httpx client holds bytes behind its last answer.

    Returns None where this cannot be told: a transport of another library, HTTP/2, or a private
    name that a later version has changed.
    """
    try:
        client: Any = http  # as `_transports`, and without a call for each request
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


def abandon(http: httpx.Client) -> None:
    """Close the sockets of an httpx client that was interrupted, without its locks."""
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
    while hasattr(connection, "_connection"):  # one through a proxy has another inside
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
"""The names by which layers without a buffer are known: of httpcore, and of trio."""


def _has_buffered(layer: Any) -> bool:
    """Raises AttributeError for a layer that is not known."""
    for tls in ("_read_bio", "_incoming"):  # of anyio; of trio, and of httpcore within a proxy
        if hasattr(layer, tls):
            return bool(getattr(layer, tls).pending)
    if any(hasattr(layer, name) for name in _UNBUFFERED):
        return False
    return bool(layer._protocol.read_queue)  # of anyio on asyncio
