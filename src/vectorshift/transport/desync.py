"""What a server sent behind its answer: on the same connection it would be read as the answer to
the next request.

Bytes that still lie in the socket make httpcore drop the connection. Those that were read along
with the answer wait in h11, in the TLS layer or in the event loop's protocol, and no public
interface tells of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectorshift.transport.http import httpx

__all__ = ["has_connections", "has_unread_bytes"]


def has_unread_bytes(http: httpx.Client | httpx.AsyncClient) -> bool:
    """Return whether a connection of this httpx client, which nobody uses now, holds bytes behind
    its last answer.

    What is private to httpcore and those below it is read here alone. An attribute that is not
    there, as under HTTP/2 or with another transport, holds nothing.
    """
    return any(map(_holds_more, _connections(http)))


def has_connections(http: httpx.Client | httpx.AsyncClient) -> bool:
    """Return whether this httpx client has a connection, as far as its transports tell."""
    return bool(_connections(http))


def _connections(http: httpx.Client | httpx.AsyncClient) -> list[Any]:
    transports: tuple[Any, ...] = (
        getattr(http, "_transport", None),
        *getattr(http, "_mounts", {}).values(),
    )
    pools = (getattr(transport, "_pool", None) for transport in transports)
    return [each for pool in pools for each in getattr(pool, "connections", ())]


def _holds_more(connection: Any) -> bool:
    """Look at h11, and at each layer of the stream below it, down to the socket."""
    while (inner := getattr(connection, "_connection", None)) is not None:  # within that to a proxy
        connection = inner
    if getattr(getattr(connection, "_h11_state", None), "trailing_data", _NOTHING)[0]:
        return True
    layer = getattr(connection, "_network_stream", None)
    while layer is not None:
        tls = getattr(layer, "_read_bio", None) or getattr(
            layer, "_incoming", None
        )  # of anyio, and of trio
        if getattr(tls, "pending", 0) or getattr(
            getattr(layer, "_protocol", None), "read_queue", None
        ):  # of asyncio
            return True
        layer = getattr(layer, "_stream", None) or getattr(layer, "transport_stream", None)
    return False


_NOTHING = (b"", False)
