"""The connections of clients: shared by no fork, closed in time, never read past an answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import threading
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import pytest
import trio
from tests.call_styles import CallStyle
from tests.e2e.stage import wait_until
from tests.faults import FaultServer, StillClock, answer
from tests.forks import succeeds_in_a_child

from vectorshift import AsyncVectorShift, Pipeline, VectorShift, using
from vectorshift._platform.clock import SYSTEM_CLOCK
from vectorshift.testing import FakeVectorShift, ManualClock
from vectorshift.testing.offline import cut_off
from vectorshift.transport.http import has_unread_bytes, new_async_client, new_client, route_to
from vectorshift.transport.pool import IN_FLIGHT, ClientConnections

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator

    from vectorshift.transport.pool import Pool


# --- Connections ---


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


@pytest.fixture
def client(api: FakeVectorShift) -> Iterator[VectorShift]:
    with VectorShift(api.create_key(), base_url=api.base_url) as made:
        yield made


@pytest.fixture
def aclient(api: FakeVectorShift) -> AsyncVectorShift:
    """A handle that nobody closes: each event loop does."""
    return AsyncVectorShift(api.create_key(), base_url=api.base_url)


def run_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        return await main()

    return asyncio.run(call())


run = pytest.mark.parametrize("run", [run_asyncio, trio.run], ids=["asyncio", "trio"])


def pool_of(client: VectorShift | AsyncVectorShift) -> Pool:
    """The pool of a client that has called in one way, so far."""
    (seat,) = client._connections._seats.values()
    return seat.pool


def collected() -> None:
    """Collect: a connection that was left open warns now, and a warning fails the test."""
    gc.collect()
    gc.collect()


@run
def test_one_client_serves_one_event_loop_after_the_other(
    run: Callable[..., Any], aclient: AsyncVectorShift
) -> None:
    async def main() -> str:
        return str((await Pipeline.alist(client=aclient)).raw["status"])

    assert [run(main) for _ in range(5)] == ["success"] * 5
    collected()


def test_one_client_serves_asyncio_and_trio_in_turns(aclient: AsyncVectorShift) -> None:
    async def main() -> str:
        return str((await Pipeline.alist(client=aclient)).raw["status"])

    assert [run(main) for run in (run_asyncio, trio.run) * 3] == ["success"] * 6
    collected()


def test_one_client_serves_event_loops_in_parallel_threads(aclient: AsyncVectorShift) -> None:
    async def main() -> list[str]:
        return [str((await Pipeline.alist(client=aclient)).raw["status"]) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        for lists in pool.map(lambda number: (run_asyncio, trio.run)[number % 2](main), range(16)):
            assert lists == ["success"] * 5
    collected()


def test_an_event_loop_that_has_ended_is_not_kept(aclient: AsyncVectorShift) -> None:
    loops: list[weakref.ref[Any]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await Pipeline.alist(client=aclient)

    for _ in range(3):
        asyncio.run(main())
    collected()
    assert [loop() for loop in loops] == [None] * 3


@run
def test_a_client_that_was_closed_opens_new_connections(
    run: Callable[..., Any], aclient: AsyncVectorShift
) -> None:
    async def main() -> None:
        for _ in range(2):
            async with aclient:
                await Pipeline.alist(client=aclient)
        await aclient.aclose()
        await aclient.aclose()

    run(main)
    collected()


@run
def test_a_client_that_is_dropped_in_a_running_loop_is_closed_by_it(
    run: Callable[..., Any], api: FakeVectorShift
) -> None:
    key, https = api.create_key(), []

    async def main() -> None:
        client = AsyncVectorShift(key, base_url=api.base_url)
        await Pipeline.alist(client=client)
        https.append(pool_of(client).idle[0][1])
        del client
        collected()
        with anyio.fail_after(5):
            while not https[0].is_closed:
                await anyio.sleep(0.001)

    run(main)
    collected()


@run
def test_a_cancelled_call_leaves_its_client_usable(
    run: Callable[..., Any], api: FakeVectorShift, aclient: AsyncVectorShift
) -> None:
    async def main() -> None:
        api.latency = 30
        with anyio.move_on_after(0.1) as scope:
            await Pipeline.alist(client=aclient)
        assert scope.cancelled_caught
        api.latency = 0
        assert (await Pipeline.alist(client=aclient)).raw["status"] == "success"

    run(main)
    collected()


@run
def test_200_tasks_at_once_all_get_their_answer(
    run: Callable[..., Any], api: FakeVectorShift, aclient: AsyncVectorShift
) -> None:
    seen: Counter[str] = Counter()

    async def call() -> None:
        seen[(await Pipeline.alist(client=aclient)).raw["status"]] += 1

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(call)

    run(main)
    assert seen == {"success": 200}
    assert len(api.requests) == 200


def test_32_threads_share_one_client(api: FakeVectorShift, client: VectorShift) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: Pipeline.list(client=client).raw["status"], range(200)))
    assert answers == ["success"] * 200


def test_closing_under_fire_lets_no_call_find_half_a_client(
    api: FakeVectorShift, client: VectorShift
) -> None:
    """A call may lose its connection to `close`; it never meets a client that is not there."""
    ceased = threading.Event()

    def close() -> None:
        while not ceased.is_set():
            client.close()

    closer = threading.Thread(target=close)
    closer.start()
    try:
        for _ in range(300):
            client.prepare()
    finally:
        ceased.set()
        closer.join()


class CountingServer(FakeVectorShift):
    """Counts the connections that requests came on."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: set[int] = set()

    async def _handle(self, scope: Any, receive: Any, send: Any) -> None:
        self.ports.add(scope["client"][1])
        await super()._handle(scope, receive, send)


def test_calls_share_a_connection() -> None:
    with CountingServer() as api:
        key = api.create_key()
        with VectorShift(key, base_url=api.base_url) as client:
            for _ in range(5):
                Pipeline.list(client=client)
        assert len(api.ports) == 1


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


warns = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def in_child(work: Callable[[], bool]) -> bool:
    """Run `work` in a forked child; say whether it answered True."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@forks
@warns
def test_a_forked_child_uses_connections_of_its_own(api: FakeVectorShift) -> None:
    current = {"key": api.create_key(org="parent")}
    client = VectorShift(lambda: current["key"], base_url=api.base_url)
    child_key = api.create_key(org="child")

    def orgs() -> set[str]:
        return {each.raw["org_name"] for _ in range(20) for each in Pipeline.list(client=client)}

    def child() -> bool:
        current["key"] = child_key
        return orgs() == {"child"}

    assert orgs() == {"parent"}
    answers: list[bool] = []
    forking = threading.Thread(target=lambda: answers.append(in_child(child)))
    forking.start()
    while forking.is_alive():  # on the warm connection, while the child calls on its own
        assert orgs() == {"parent"}
    forking.join()
    assert answers == [True]
    assert orgs() == {"parent"}
    client.close()


@forks
@warns
def test_a_child_that_is_forked_between_two_runs_of_a_loop_runs_one_of_its_own(
    api: FakeVectorShift, aclient: AsyncVectorShift
) -> None:
    async def call() -> bool:
        return bool((await Pipeline.alist(client=aclient)).raw["status"] == "success")

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(call())
        assert in_child(lambda: asyncio.run(call()))
        assert loop.run_until_complete(call())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    collected()


@forks
@warns
def test_a_fork_while_another_thread_holds_a_lock_does_not_hang_the_child(
    api: FakeVectorShift,
) -> None:
    key, ceased = api.create_key(), threading.Event()
    client = VectorShift(key, base_url=api.base_url)

    def churn() -> None:
        while not ceased.is_set():
            client.close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert all(
            in_child(lambda: Pipeline.list(client=client).raw["status"] == "success")
            for _ in range(5)
        )
    finally:
        ceased.set()
        thread.join()
        client.close()


# --- ClientConnections that were idle for too long to be used again are closed, in whatever poo ---


class OpenServer(FakeVectorShift):
    """Tells how many connections to it are open."""

    @property
    def open(self) -> int:
        assert self._server._uvicorn is not None
        return len(self._server._uvicorn.server_state.connections)


def hold(clients: list[VectorShift]) -> None:
    """Have each client hold a connection at the same time, and give it back."""
    together = threading.Barrier(len(clients))

    def call(client: VectorShift) -> None:
        with client.stream("GET", "/pipelines") as stream:
            b"".join(stream.iter_bytes())
            together.wait(30)

    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(call, clients))


async def ahold(clients: list[AsyncVectorShift]) -> None:
    opened = [client.stream("GET", "/pipelines") for client in clients]
    async with contextlib.AsyncExitStack() as stack:
        for each in opened:
            stream = await stack.enter_async_context(each)
            b"".join([piece async for piece in stream.aiter_bytes()])


def idle_in(client: VectorShift | AsyncVectorShift) -> int:
    return sum(len(seat.pool.idle) for seat in client._connections._seats.values())


def test_connections_that_nobody_will_use_again_are_closed_by_those_who_open_others() -> None:
    clock = ManualClock()
    with OpenServer() as api, OpenServer() as other, contextlib.ExitStack() as clients:

        def new(server: OpenServer, count: int) -> list[VectorShift]:
            key = server.create_key()
            made = [VectorShift(key, base_url=server.base_url, clock=clock) for _ in range(count)]
            return [clients.enter_context(each) for each in made]

        old = new(api, 20)
        hold(old)
        clock.advance(29)
        wait_until(lambda: api.open == idle_in(old[0]))
        assert api.open > 0, "what may be used again stays"
        (elsewhere,) = new(other, 1)
        hold([elsewhere])
        assert idle_in(old[0]) == api.open
        clock.advance(2)
        hold([elsewhere])  # its own may be used again, and nobody needs a look at the others
        assert idle_in(old[0]) == api.open
        hold([elsewhere] * 2)
        wait_until(lambda: api.open == idle_in(old[0]) == 0)
        assert all(Pipeline.list(client=each).raw["status"] == "success" for each in old)


@run
def test_an_event_loop_closes_the_connections_that_nobody_in_it_will_use_again(
    run: Callable[..., Any],
) -> None:
    clock = ManualClock()
    with OpenServer() as api:
        key = api.create_key()

        def new(count: int) -> list[AsyncVectorShift]:
            return [AsyncVectorShift(key, base_url=api.base_url, clock=clock) for _ in range(count)]

        async def elsewhere() -> None:
            made = new(16)
            await ahold(made)
            assert idle_in(made[0]) > 0
            clock.advance(31)
            await anyio.to_thread.run_sync(run, here)
            assert idle_in(made[0]) > 0, "those of another loop are left to it"
            for each in made:
                assert (await Pipeline.alist(client=each)).raw["status"] == "success"
            assert idle_in(made[0]) == 1

        async def here() -> None:
            made = new(50)
            await ahold(made)
            assert idle_in(made[0]) > 0
            clock.advance(31)
            for each in made:
                assert (await Pipeline.alist(client=each)).raw["status"] == "success"
            assert idle_in(made[0]) == 1

        run(elsewhere)


@run
def test_a_call_whose_turn_comes_as_the_client_is_closed_gets_an_open_connection(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        pools, turn = ClientConnections(SYSTEM_CLOCK), anyio.Event()
        route = route_to("http://127.0.0.1:1", None)

        async def last() -> None:
            async with pools.aacquire(route) as http:
                await turn.wait()
                assert not http.is_closed

        async with contextlib.AsyncExitStack() as others, anyio.create_task_group() as group:
            for _ in range(IN_FLIGHT - 1):
                await others.enter_async_context(pools.aacquire(route))
            async with pools.aacquire(route):
                group.start_soon(last)
                await anyio.wait_all_tasks_blocked()
            await pools.aclose()
            turn.set()

    run(main)


# --- What a server sends behind its answer is no answer to the next call ---


pytestmark = pytest.mark.anyio


FOREIGN = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"of": "somebody"}'


EMPTY = b"HTTP/1.1 204 X\r\nContent-Length: %d\r\n\r\n"


BRACES = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}"


FIRST = {
    "a 204 with a body": ("DELETE", [EMPTY % 2 + b"{}"]),
    "a HEAD with a body": ("HEAD", [BRACES]),
    "a 304 with a body": ("GET", [b"HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n{}"]),
    "a 204 with an answer in it": ("DELETE", [EMPTY % len(FOREIGN) + FOREIGN]),
    "a second answer": ("GET", [BRACES + FOREIGN]),
    "a body that is longer than it says": ("GET", [BRACES + b"\n"]),
    "a second answer, apart": ("GET", [BRACES, FOREIGN]),
    "a second answer behind a long one": (
        "GET",
        [b'HTTP/1.1 200 X\r\nContent-Length: 65495\r\n\r\n"' + b"a" * 65_493 + b'"' + FOREIGN],
    ),
}
"""What is sent for the first call; the pieces are TLS records of their own, and arrive together."""


class Sends:
    """Sends these pieces, together where the system can.

    Attributes:
        sent: set when they lie at the client's: what comes later than the next request nobody can
            tell from its answer.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.sent = pieces, threading.Event()

    def __call__(self, connection: socket.socket, _: threading.Event) -> None:
        cork = getattr(socket, "TCP_CORK", None)
        for on in (1, 0):
            if cork is not None:
                connection.setsockopt(socket.IPPROTO_TCP, cork, on)
            for piece in self.pieces if on else ():
                connection.sendall(piece)
        self.sent.set()


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
async def test_the_next_call_has_an_answer_of_its_own(
    style: CallStyle, tls: ssl.SSLContext | None, first: tuple[str, list[bytes]]
) -> None:
    method, pieces = first
    extra = Sends(*pieces)
    with FaultServer(extra, answer(200, b'{"of": "me"}'), tls=tls) as server:
        assert await call_twice(style, server, method, extra.sent) == {"of": "me"}
    assert server.connections == 2
    assert [sent.authorization for sent in server.received] == [
        "Bearer vs-acme-0000",
        "Bearer vs-umbrella-0000",
    ]


async def call_twice(
    style: CallStyle, server: FaultServer, method: str, between: threading.Event
) -> Any:
    """Return what the second call gives, of another organisation on the same client."""
    made: dict[str, Any] = {"base_url": server.origin, "clock": StillClock(), "max_retries": 0}
    async with style.open(**made) as client:
        with using("vs-acme-0000"), contextlib.suppress(Exception):
            await style.request(client, method, "/x")
        await anyio.to_thread.run_sync(between.wait, 30)
        with using("vs-umbrella-0000"):
            return await style.request(client, "POST", "/y", json={})


async def test_a_stream_that_was_read_whole_gives_no_such_connection_back_either(
    style: CallStyle,
) -> None:
    with FaultServer(Sends(BRACES + FOREIGN), answer(200, b'{"of": "me"}')) as server:
        async with style.open("k", base_url=server.origin) as client:
            async with style.stream(client, "GET", "/x") as stream:
                assert b"".join(await style.all(style.iterator(stream, "iter_bytes"))) == b"{}"
            assert await style.request(client, "POST", "/y", json={}) == {"of": "me"}
    assert server.connections == 2


async def test_a_connection_without_a_surplus_is_used_again(
    style: CallStyle, tls: ssl.SSLContext | None
) -> None:
    body = json.dumps("a" * 200_000).encode()
    with FaultServer(answer(200, body), answer(), tls=tls) as server:
        nothing = threading.Event()
        nothing.set()
        assert await call_twice(style, server, "GET", nothing) == {"status": "success"}
    assert server.connections == 1


@pytest.mark.parametrize("through", ["nothing", "a proxy"])
async def test_a_surplus_is_found(
    style: CallStyle, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    with FaultServer(Sends(BRACES + FOREIGN), answer()) as server:
        url = server.origin
        if through == "a proxy":
            monkeypatch.setenv("HTTP_PROXY", server.origin)
            url = "http://api.example.test/"
        if not style.prefix:
            with new_client(route_to(url, None)) as http:
                http.get(url)
                assert has_unread_bytes(http)
        else:
            async with new_async_client(route_to(url, None)) as ahttp:
                await ahttp.get(url)
                assert has_unread_bytes(ahttp)


async def test_a_transport_that_is_not_known_is_told_apart(style: CallStyle) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    if not style.prefix:
        with httpx.Client(transport=transport) as http:
            http.get("http://127.0.0.1/")
            assert has_unread_bytes(http) is None
    else:
        async with httpx.AsyncClient(transport=transport) as ahttp:
            await ahttp.get("http://127.0.0.1/")
            assert has_unread_bytes(ahttp) is None


# --- Clients share connections, and nothing else ---


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


# --- What a signal leaves behind ---


def test_an_httpx_client_of_a_sync_pool_has_no_lock_that_a_signal_could_leave_locked(
    api: FakeVectorShift,
) -> None:
    """Tells if a later httpcore has another name for it."""
    http = new_client(route_to(api.base_url, None))
    pool = http._transport._pool  # type: ignore[attr-defined]
    assert type(pool._optional_thread_lock) is contextlib.nullcontext
    http.close()


async def test_a_client_whose_response_was_interrupted_in_its_end_is_not_lent_again(
    api: FakeVectorShift, style: CallStyle, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = "aclose" if style.prefix else "close"
    async with style.client(api) as client:
        await style.call(Pipeline, "list", client=client)
        used: list[Any] = []
        kind = httpx.AsyncClient if style.prefix else httpx.Client
        send = kind.send

        def noted(http: Any, *args: Any, **given: Any) -> Any:
            used.append(http)
            return send(http, *args, **given)

        def interrupted(*_: object) -> Any:
            raise SystemExit

        monkeypatch.setattr(kind, "send", noted)
        with monkeypatch.context() as once, contextlib.suppress(SystemExit):
            once.setattr(httpx.Response, closing, interrupted)
            await style.call(Pipeline, "list", client=client)
        await style.call(Pipeline, "list", client=client)
    assert len({id(each) for each in used}) == 2
