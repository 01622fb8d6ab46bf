"""When a call is sent again: how long it waits, when it stops, and what it says of it."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from tests.call_styles import CallStyle
from tests.certificates import Authority
from tests.fakes import Rotating
from tests.faults import FaultServer, StillClock, answer, drip, refusing, reset

from vectorshift import (
    ApiConnectionError,
    ApiTimeoutError,
    AsyncVectorShift,
    CredentialDeniedError,
    InternalServerError,
    RateLimitError,
    Settings,
    VectorShift,
    VectorshiftApiError,
)
from vectorshift.client.call import Call
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[FaultServer]:
    with FaultServer(answer(), tls=Authority(tmp_path).context) as server:
        yield server


BUSY = answer(503, b"{}")


class Caller:
    """Makes a call with a client of its own."""

    def __init__(self, style: CallStyle) -> None:
        self.style = style

    async def __call__(
        self, server: FaultServer, *made: Any, call: Call | None = None, **given: Any
    ) -> Any:
        call = call or Call(method="GET", path="/x")
        credentials = made or ("vs-key",)
        async with self.style.open(*credentials, base_url=server.origin, **given) as client:
            return await self.style.outcome(client.call(call))


@pytest.fixture
def caller(style: CallStyle) -> Caller:
    return Caller(style)


# --- How long it waits ---


async def test_the_waits_grow_from_half_a_second_to_eight_with_a_half_by_chance(
    caller: Caller,
) -> None:
    seen: list[list[float]] = []
    for _ in range(10):
        clock = StillClock()
        with FaultServer(BUSY) as server, pytest.raises(InternalServerError) as caught:
            await caller(server, clock=clock, max_retries=7)
        assert (len(server.received), caught.value.tries) == (8, 8)
        for wait, longest in zip(clock.waits, (0.5, 1, 2, 4, 8, 8, 8), strict=True):
            assert longest / 2 <= wait <= longest
        seen.append(clock.waits)
    assert len({waits[0] for waits in seen}) > 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_is_waited_for_and_then_the_call_goes_through(
    caller: Caller, status: int
) -> None:
    clock = ManualClock()
    with FaultServer(answer(status, b"{}", Retry_After="42"), answer()) as server:
        assert await caller(server, clock=clock) == {"status": "success"}
    assert clock.waits == [42.0]


async def test_a_retry_after_of_nothing_does_not_shorten_the_backoff(caller: Caller) -> None:
    clock = ManualClock()
    with FaultServer(answer(429, b"{}", Retry_After="0"), answer()) as server:
        await caller(server, clock=clock)
    assert 0.25 <= clock.waits[0] <= 0.5


async def test_a_retry_after_of_more_than_two_minutes_is_left_to_the_caller(caller: Caller) -> None:
    clock = ManualClock()
    with (
        FaultServer(answer(429, b"{}", Retry_After="121"), answer()) as server,
        pytest.raises(RateLimitError) as caught,
    ):
        await caller(server, clock=clock, timeout=1_000)
    assert (caught.value.retry_after, caught.value.tries, clock.waits) == (121.0, 1, [])


@pytest.mark.parametrize("header", ["inf", "1e400", "9" * 400])
async def test_a_retry_after_without_end_is_more_than_two_minutes(
    caller: Caller, header: str
) -> None:
    clock, post = StillClock(), Call(method="POST", path="/x")
    with (
        FaultServer(answer(429, b"{}", Retry_After=header)) as server,
        pytest.raises(RateLimitError),
    ):
        await caller(server, call=post, clock=clock)
    assert (len(server.received), clock.waits) == (1, [])


# --- The deadline ---


async def test_a_call_that_has_to_be_over_is_over_after_one_attempt_that_took_it_all(
    caller: Caller,
) -> None:
    clock = ManualClock()

    def late(connection: socket.socket, _: threading.Event) -> None:
        clock.advance(7.0)
        connection.close()

    with FaultServer(late) as server, pytest.raises(ApiConnectionError) as caught:
        await caller(server, call=Call(method="GET", path="/x", within=7.0), clock=clock)
    assert (len(server.received), caught.value.tries, clock.waits) == (1, 1, [])


class Watching(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Notes the time-outs of each request, and does with it what a test says."""

    def __init__(self, act: Callable[[httpx.Request], httpx.Response]) -> None:
        self.seen: list[dict[str, float]] = []
        self.act = act

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(dict(request.extensions["timeout"]))
        return self.act(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def client(self, caller: Caller) -> Any:
        return (httpx.AsyncClient if caller.style.prefix else httpx.Client)(transport=self)


async def test_a_call_that_has_to_be_over_waits_no_longer_for_its_answer(caller: Caller) -> None:
    clock, call = ManualClock(), Call(method="GET", path="/x", within=7.0)

    def hang(request: httpx.Request) -> httpx.Response:
        clock.advance(request.extensions["timeout"]["read"])
        raise httpx.ReadTimeout("", request=request)

    watching = Watching(hang)
    with FaultServer(answer()) as server, pytest.raises(ApiTimeoutError):
        await caller(server, call=call, clock=clock, http_client=watching.client(caller))
    assert watching.seen == [{"connect": 5.0, "read": 7.0, "write": 7.0, "pool": 7.0}]
    assert clock.waits == []


async def test_a_call_that_has_to_be_over_gives_up_a_body_that_drips(caller: Caller) -> None:
    clock = ManualClock()
    with (
        FaultServer(drip(clock, pieces=100, seconds=1.0)) as server,
        pytest.raises(ApiTimeoutError, match="was incomplete after 7 s"),
    ):
        await caller(server, call=Call(method="GET", path="/x", within=7.0), clock=clock)
    assert clock.monotonic() < 1_020


async def test_a_wait_that_would_end_behind_the_deadline_is_not_begun(caller: Caller) -> None:
    """A call of 20 s with two retries has 60 s in all."""
    clock = ManualClock()
    with (
        FaultServer(
            answer(429, b"{}", Retry_After="59"), answer(429, b"{}", Retry_After="59"), answer()
        ) as server,
        pytest.raises(RateLimitError) as caught,
    ):
        await caller(server, clock=clock, timeout=20)
    assert (clock.waits, len(server.received), caught.value.tries) == ([59.0], 2, 2)


async def test_a_body_that_drips_beyond_the_deadline_is_a_timeout(caller: Caller) -> None:
    clock = ManualClock()
    with (
        FaultServer(drip(clock, pieces=1_000, seconds=10)) as server,
        pytest.raises(ApiTimeoutError) as caught,
    ):
        await caller(server, clock=clock, timeout=20, max_retries=1)
    assert "the answer was incomplete after 40 s" in str(caught.value)
    assert (len(server.received), clock.waits) == (1, [])


async def test_a_failure_whose_body_drips_beyond_the_deadline_is_a_timeout_too(
    caller: Caller,
) -> None:
    clock = ManualClock()
    slow = drip(clock, pieces=1_000, seconds=10, status=500)
    with FaultServer(slow) as server, pytest.raises(ApiTimeoutError):
        await caller(server, clock=clock, timeout=20)


async def test_a_later_attempt_has_no_longer_timeouts_than_what_is_left(caller: Caller) -> None:
    watching = Watching(lambda _: httpx.Response(429, headers={"Retry-After": "25"}))
    with FaultServer(answer()) as server, pytest.raises(RateLimitError):
        await caller(server, clock=ManualClock(), timeout=20, http_client=watching.client(caller))
    assert watching.seen == [
        {"connect": 5.0, "read": 20, "write": 20, "pool": 20},
        {"connect": 5.0, "read": 20, "write": 20, "pool": 20},
        {"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0},
    ]


def test_the_queue_for_a_connection_does_not_count() -> None:
    """Ten thousand calls that are begun at once wait for each other, and none of them fails for
    it.
    """
    clock = ManualClock()
    with (
        FaultServer(answer()) as server,
        VectorShift("k", base_url=server.origin, clock=clock) as client,
    ):
        call_state = client._state(client._make(), Call(method="GET", path="/x"), streamed=False)
        clock.advance(1_000)
        with httpx.Client() as http:
            call_state.request(http)
        assert call_state.context.left() == 180


def test_a_stream_may_last_longer_than_the_deadline() -> None:
    clock = ManualClock()
    with (
        FaultServer(drip(clock, pieces=30, seconds=10)) as server,
        VectorShift("k", base_url=server.origin, clock=clock, timeout=20) as client,
        client.stream("GET", "/x") as stream,
    ):
        assert b"".join(stream.iter_bytes()) == b" " * 30
    assert clock.monotonic() >= 1_300


# --- How often ---


@pytest.mark.parametrize("retries", [0, 1, 4])
async def test_max_retries_is_the_number_of_attempts_after_the_first(
    caller: Caller, retries: int
) -> None:
    for given in ({"max_retries": retries}, {"settings": Settings(max_retries=retries)}):
        with FaultServer(BUSY) as server, pytest.raises(InternalServerError) as caught:
            await caller(server, clock=StillClock(), **given)
        assert len(server.received) == caught.value.tries == retries + 1


def test_the_environment_says_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_MAX_RETRIES", "5")
    assert Settings.load().max_retries == 5
    assert VectorShift("k", settings=Settings.load()).max_retries == 5
    assert VectorShift("k", settings=Settings.load(), max_retries=0).max_retries == 0
    assert Settings().max_retries == 2


@pytest.mark.parametrize("client", [VectorShift, AsyncVectorShift])
def test_less_than_no_retry_is_refused(client: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="max_retries should be 0 or more, not -1"):
        client("k", max_retries=-1)


# --- What is never tried again ---


async def test_a_key_that_cannot_be_had_is_not_asked_for_again(caller: Caller) -> None:
    store, clock = Rotating(CredentialDeniedError("no")), StillClock()
    with FaultServer(answer()) as server, pytest.raises(CredentialDeniedError):
        await caller(server, store, clock=clock)
    assert (store.asked, clock.waits, server.received) == (1, [], [])


@pytest.mark.parametrize(
    "headers", [{"X": "a\nb"}, {"X": "a "}, {"a b": "c"}, {"X": "ä€"}], ids=str
)
async def test_a_header_that_cannot_be_sent_is_not_tried_again(
    caller: Caller, headers: dict[str, str]
) -> None:
    clock = StillClock()
    with (
        FaultServer(answer()) as server,
        pytest.raises(TypeError, match=r"header.* holds a character that cannot"),
    ):
        await caller(server, call=Call(method="GET", path="/x", headers=headers), clock=clock)
    assert (clock.waits, server.received) == ([], [])


@pytest.mark.parametrize(
    "json",
    [{"a": object()}, {"a": float("nan")}, {"a": "\ud800"}, [[]]],
    ids=["object", "nan", "surrogate", "nested list"],
)
async def test_a_body_that_is_no_json_is_a_type_error_before_anything_is_sent(
    caller: Caller, json: Any
) -> None:
    if json == [[]]:
        json[0].append(json)
    with (
        FaultServer(answer()) as server,
        pytest.raises(TypeError, match="POST /x was not sent") as caught,
    ):
        await caller(server, call=Call(method="POST", path="/x", json=json), clock=StillClock())
    assert (server.received, caught.value.__context__, caught.value.__cause__) == ([], None, None)


async def test_an_untrusted_certificate_is_not_tried_again(caller: Caller, tls_server: Any) -> None:
    clock = StillClock()
    with pytest.raises(ApiConnectionError, match="certificate") as caught:
        await caller(tls_server, clock=clock)
    assert (clock.waits, caught.value.may_have_run, caught.value.tries) == ([], False, 1)


async def test_after_a_redirect_a_lost_connection_says_nothing_of_the_first_place(
    caller: Caller,
) -> None:
    """The POST was answered with 303 and so was carried out; that the GET behind it fails is no
    leave to repeat it.
    """
    post = Call(method="POST", path="/x")
    with (
        refusing() as nobody,
        FaultServer(answer(303, b"", Location=nobody.origin)) as server,
        pytest.raises(ApiConnectionError) as caught,
    ):
        await follow(caller, server, post)
    assert (len(server.received), caught.value.may_have_run) == (1, True)
    with (
        FaultServer(answer(429, b"{}")) as busy,
        FaultServer(answer(303, b"", Location=busy.origin)) as server,
        pytest.raises(RateLimitError),
    ):
        await follow(caller, server, post)
    assert len(server.received) == 1


async def follow(caller: Caller, server: FaultServer, call: Call) -> None:
    if not caller.style.prefix:
        with httpx.Client(follow_redirects=True, trust_env=False) as http:
            await caller(server, call=call, clock=StillClock(), http_client=http)
    else:
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as ahttp:
            await caller(server, call=call, clock=StillClock(), http_client=ahttp)


# --- With which key ---


async def test_each_attempt_has_the_key_of_its_moment(caller: Caller) -> None:
    keys = Rotating("k1", "k2", "k3")
    with FaultServer(BUSY, BUSY, answer()) as server:
        await caller(server, keys, clock=StillClock())
    assert [got.authorization for got in server.received] == ["Bearer k1", "Bearer k2", "Bearer k3"]


# --- What it says ---


async def test_each_retry_is_one_line_with_a_reason_and_without_a_secret(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "vectorshift")
    call = Call(method="GET", path="/x", query={"q": "private"}, headers={"X": "private"})
    with FaultServer(BUSY, reset(), answer()) as server:
        await caller(server, "vs-secret", call=call, clock=StillClock())
    lines = [r.getMessage() for r in caplog.records if "sent again" in r.getMessage()]
    assert lines[0].startswith("GET /x is sent again in 0.")
    assert lines[0].endswith("s (attempt 2 of 3): Internal Server Error (503)")
    assert lines[1].endswith("s (attempt 3 of 3): ReadError")
    assert len(lines) == 2
    assert "private" not in caplog.text
    assert "vs-secret" not in caplog.text


async def test_the_error_says_how_often_it_was_tried(caller: Caller) -> None:
    with (
        FaultServer(BUSY) as server,
        pytest.raises(VectorshiftApiError, match=r"Given up after 3 attempts\.") as caught,
    ):
        await caller(server, clock=StillClock())
    assert caught.value.tries == 3
    with FaultServer(answer(400, b"{}")) as server, pytest.raises(VectorshiftApiError) as caught:
        await caller(server, clock=StillClock())
    assert "Given up" not in str(caught.value)


def test_the_retry_library_is_imported_after_the_first_failure_alone() -> None:
    code = """
import sys
from tests.faults import FaultServer, StillClock, answer
from vectorshift import VectorShift
with FaultServer(answer(), answer(503, b"{}"), answer()) as server:
    with VectorShift("k", base_url=server.origin, clock=StillClock()) as client:
        client.request("GET", "/x")
        assert "tenacity" not in sys.modules
        client.request("GET", "/x")
        assert "tenacity" in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_process_without_file_descriptors_gets_the_error_of_the_connection(asks: str) -> None:
    """What waits between attempts could not be imported: the call raised a bare OSError."""
    code = """
import asyncio, resource, sys
import vectorshift
from vectorshift import ApiConnectionError, Pipeline

async def call():
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    await Pipeline.alist()

async def acalls():
    await vectorshift.awarm_up()
    await call()

vectorshift.api_key = "vs-1"
try:
    if sys.argv[1] == "async":
        asyncio.run(acalls())
    else:
        vectorshift.warm_up()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        Pipeline.list()
except ApiConnectionError as error:
    print(error, error.may_have_run)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, asks],
        env={**os.environ, "VECTORSHIFT_BASE_URL": "http://127.0.0.1:9/v1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith(" False\n"), done.stderr


# --- Cancelled while it waits ---


class Long(ManualClock):
    """A clock on which a wait lasts until somebody cancels it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = anyio.Event()

    async def asleep(self, seconds: float, /) -> None:
        self.waiting.set()
        await anyio.sleep_forever()


async def test_a_call_that_is_cancelled_while_it_waits_ends_at_once_and_holds_nothing() -> None:
    clock = Long()
    with FaultServer(BUSY, answer()) as server:
        async with AsyncVectorShift("k", base_url=server.origin, clock=clock) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.request, "GET", "/x")
                with anyio.fail_after(30):
                    await clock.waiting.wait()
                    (seat,) = client._connections._seats.values()
                    pool = seat.pool
                    assert len(pool.idle) == 1  # the connection serves others meanwhile
                    tasks.cancel_scope.cancel()
            assert (len(pool.idle), seat.limiter.value) == (1, 90)
            assert await client.request("GET", "/x") == {"status": "success"}
    assert len(server.received) == 2


def test_a_keyboard_interrupt_while_it_waits_ends_the_call() -> None:
    class Interrupted(ManualClock):
        def sleep(self, seconds: float, /) -> None:
            raise KeyboardInterrupt

    with (
        FaultServer(BUSY, answer()) as server,
        VectorShift("k", base_url=server.origin, clock=Interrupted()) as client,
    ):
        with pytest.raises(KeyboardInterrupt):
            client.request("GET", "/x")
        assert client.request("GET", "/x") == {"status": "success"}


def test_the_system_clock_waits_under_both_kinds_of_event_loop() -> None:
    from vectorshift._platform.clock import SYSTEM_CLOCK

    async def main() -> None:
        await SYSTEM_CLOCK.asleep(0)

    asyncio.run(main())
    anyio.run(main, backend="trio")
    SYSTEM_CLOCK.sleep(0)
