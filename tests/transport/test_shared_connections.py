"""Clients share connections, and nothing else: no keys, no end, no queue."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import trio
from tests.call_styles import CALL_STYLES, CallStyle
from tests.faults import FaultServer, answer
from tests.forks import succeeds_in_a_child
from tests.transport.test_desync import BRACES, FOREIGN, Sends

from vectorshift import AsyncVectorShift, VectorShift
from vectorshift.testing.offline import cut_off
from vectorshift.transport.pool import IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio


@pytest.fixture(params=CALL_STYLES, ids=repr)
def style(request: pytest.FixtureRequest, anyio_backend: str) -> CallStyle:
    found: CallStyle = request.param
    if not found.prefix and anyio_backend == "trio":
        pytest.skip("sync code has no event loop")
    return found


class Tenant:
    """A client with a key of its own, sync or async."""

    def __init__(self, style: CallStyle, server: FaultServer, key: str) -> None:
        self.is_async = bool(style.prefix)
        kind: Any = AsyncVectorShift if self.is_async else VectorShift
        self.client = kind(key, base_url=server.origin, max_retries=0)

    async def call(self) -> Any:
        answer = self.client.request("GET", "/x")
        return await answer if self.is_async else answer

    async def close(self) -> None:
        await self.client.aclose() if self.is_async else self.client.close()


async def test_tenants_share_a_connection_and_send_keys_of_their_own(style: CallStyle) -> None:
    with FaultServer(answer()) as server:
        tenants = [Tenant(style, server, f"vs-{name}") for name in ("acme", "umbrella", "acme")]
        for each in tenants:
            await each.call()
        assert server.connections == 1
        for each in tenants:
            await each.close()
    assert [sent.authorization for sent in server.received] == [
        "Bearer vs-acme",
        "Bearer vs-umbrella",
        "Bearer vs-acme",
    ]


async def test_an_answer_behind_a_tenants_own_never_reaches_another_tenant(
    style: CallStyle,
) -> None:
    late = Sends(BRACES + FOREIGN)
    with FaultServer(late, answer(200, b'{"of": "other"}')) as server:
        one, other = Tenant(style, server, "vs-one"), Tenant(style, server, "vs-other")
        await one.call()
        await anyio.to_thread.run_sync(late.sent.wait, 30)
        assert await other.call() == {"of": "other"}
        assert server.connections == 2
        await one.close()
        await other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_shares_connections_of_its_own() -> None:
    with FaultServer(answer()) as server:
        one, other = (VectorShift(f"vs-{each}", base_url=server.origin) for each in "ab")
        one.request("GET", "/x")

        def in_the_child() -> bool:
            one.request("GET", "/x")
            other.request("GET", "/x")
            one.close()
            return bool(other.request("GET", "/x") == {"status": "success"})

        assert succeeds_in_a_child(in_the_child)
        assert server.connections == 2
        other.request("GET", "/x")
        assert server.connections == 2, "the parent goes on with its own"
        one.close()
        other.close()


async def test_closing_a_client_leaves_connections_that_others_use(style: CallStyle) -> None:
    with FaultServer(answer()) as server:
        one, other = Tenant(style, server, "vs-one"), Tenant(style, server, "vs-other")
        await one.call()
        await other.call()
        await one.close()
        await other.call()
        assert server.connections == 1
        await other.close()
        await one.call()
        assert server.connections == 2, "the last one closes them, and a later call opens new ones"
        await one.close()


async def test_a_client_that_is_dropped_leaves_connections_that_others_use(
    style: CallStyle,
) -> None:
    with FaultServer(answer()) as server:
        one, other = Tenant(style, server, "vs-one"), Tenant(style, server, "vs-other")
        await one.call()
        await other.call()
        del one
        gc.collect()
        await anyio.lowlevel.checkpoint()
        await other.call()
        assert server.connections == 1
        await other.close()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR"])
async def test_clients_that_connect_in_another_way_share_nothing(
    style: CallStyle, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(answer()) as server:
        one, other = Tenant(style, server, "vs-one"), Tenant(style, server, "vs-other")
        await one.call()
        monkeypatch.setenv(name, "/nowhere" if name == "SSL_CERT_DIR" else "http://127.0.0.1:1")
        await other.call()
        assert server.connections == 2
        await one.close()
        await other.close()


async def test_where_unread_bytes_cannot_be_seen_each_client_has_its_own_connections(
    style: CallStyle,
) -> None:
    """The transport of an offline test hides its connections, as another version might."""
    with FaultServer(answer()) as server, cut_off("https://api.example.com/v1"):
        one, other = Tenant(style, server, "vs-one"), Tenant(style, server, "vs-other")
        await one.call()  # nothing is known yet: its connection is closed
        for _ in range(3):
            await one.call()
            await other.call()
        assert server.connections == 3
        await one.close()
        await other.close()


def run_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        return await main()

    return asyncio.run(call())


@pytest.mark.parametrize("run", [run_asyncio, trio.run], ids=["asyncio", "trio"])
def test_a_tenant_with_all_its_requests_under_way_holds_nobody_else_up(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        with FaultServer(answer()) as server:
            busy = AsyncVectorShift("vs-busy", base_url=server.origin)
            other = AsyncVectorShift("vs-other", base_url=server.origin)
            route = busy._make().route
            async with anyio.create_task_group() as group:
                release = anyio.Event()

                async def hold() -> None:
                    async with busy._connections.aacquire(route):
                        await release.wait()

                for _ in range(IN_FLIGHT + 10):
                    group.start_soon(hold)
                await anyio.wait_all_tasks_blocked()
                assert await other.request("GET", "/x") == {"status": "success"}
                release.set()
            await busy.aclose()
            await other.aclose()

    run(main)
