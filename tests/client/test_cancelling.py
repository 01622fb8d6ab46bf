"""Where a cancellation hits: in the TLS handshake, in the sending of a body, in the closing.
Nothing stays open.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import warnings
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from tests.e2e.stage import wait_until
from tests.faults import FaultServer, answer

from vectorshift import AsyncVectorShift
from vectorshift.client.call import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

POST = Call(method="POST", path="/x", json={"inputs": "x" * 20_000_000})


class Mute:
    """Takes a connection and what comes first, and says nothing."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> socket.socket:
        connection, _ = self.listener.accept()
        connection.settimeout(60)
        assert connection.recv(1)
        return connection


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute()
    with server.listener:
        yield server


def read_to_its_end(connection: socket.socket) -> None:
    """Read until the client has closed the connection; raise TimeoutError if it stays open."""
    with connection, contextlib.suppress(ConnectionResetError):
        while connection.recv(1_000_000):
            pass


async def send(client: AsyncVectorShift) -> None:
    await client.call(POST)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "scheme", ["https", "http"], ids=["in the TLS handshake", "in the sending of a body"]
)
async def test_a_call_that_is_cancelled_on_its_way_out_closes_its_connection(
    scheme: str, mute: Mute
) -> None:
    async with AsyncVectorShift("k", base_url=f"{scheme}://{mute.place}") as client:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send, client)
                connection = await anyio.to_thread.run_sync(mute.accept)
                tasks.cancel_scope.cancel()
            await anyio.to_thread.run_sync(read_to_its_end, connection)
            gc.collect()
    assert [str(each.message) for each in warned] == []


@pytest.mark.parametrize("turns", range(1, 12))
def test_a_closing_that_asyncio_cancels_closes_all(turns: int) -> None:
    async def main() -> None:
        client = AsyncVectorShift("k", base_url=server.origin)
        await asyncio.gather(*(client.request("GET", "/x") for _ in range(5)))
        closing = asyncio.create_task(client.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closing

    with FaultServer(answer()) as server:
        asyncio.run(main())
        assert server.connections > 1
        wait_until(lambda: server.open_connections == 0)
        gc.collect()
