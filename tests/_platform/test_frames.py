"""Whatever hits a call, and wherever, a crash reporter is shown no key, and the error stays what it
is.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import contextvars
import gc
import linecache
import re
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import sentry_sdk
from sentry_sdk.serializer import serialize
from sentry_sdk.utils import event_from_exception
from tests.call_styles import CallStyle
from tests.faults import FaultServer, answer, hang

from vectorshift import (
    AsyncVectorShift,
    AwsSecretsManagerProvider,
    CredentialProvider,
    VaultProvider,
    VectorShift,
)
from vectorshift._platform.arguments import UNSET
from vectorshift.testing.aws_agent import FakeSecretsManagerAgent

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Visible = Callable[[BaseException], str]

pytestmark = pytest.mark.anyio

MARK = "3f9c2e71d8a04b56"
"""Stands in every key of this file, and nowhere else."""
KEY = f"vs-{MARK}"
TURNS = 25
"""More than there are waits in a call."""


@pytest.fixture
def server(tls: ssl.SSLContext | None) -> Iterator[FaultServer]:
    """Repeats the key in its answers."""
    with FaultServer(answer(200, f'["{KEY}"]'.encode(), X_Echo=KEY), tls=tls) as running:
        yield running


async def ask(client: AsyncVectorShift, how: str) -> None:
    if how == "request":
        await client.request("POST", "/x", json={})
        return
    async with client.stream("POST", "/x", json={}) as stream:
        async for _ in stream.aiter_bytes():
            pass


@pytest.mark.parametrize("how", ["request", "stream"])
async def test_a_cancelled_call_shows_no_key(
    server: FaultServer, reported: Visible, how: str
) -> None:
    ends: list[str] = []

    async def call(client: AsyncVectorShift) -> None:
        try:
            await ask(client, how)
        except BaseException as error:
            ends.append(reported(error))
            raise

    async with AsyncVectorShift(KEY, base_url=server.origin) as client:
        for turns in range(TURNS):
            await client.request("GET", "/warm")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, client)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
    assert len(ends) > 3
    assert [text for text in ends if MARK in text] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("how", ["request", "stream"])
async def test_a_call_that_asyncio_cancels_twice_shows_no_key(
    server: FaultServer, reported: Visible, how: str
) -> None:
    ends: list[str] = []
    async with AsyncVectorShift(KEY, base_url=server.origin) as client:
        for turns in range(TURNS):
            await client.request("GET", "/warm")
            task = asyncio.create_task(ask(client, how))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                ends.append(reported(error))
    assert len(ends) > 3
    assert [text for text in ends if MARK in text] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_call_that_is_given_up_by_wait_for_shows_no_key(
    server: FaultServer, reported: Visible
) -> None:
    ends: list[str] = []
    async with AsyncVectorShift(KEY, base_url=server.origin) as client:
        for each in range(50):
            await client.request("GET", "/warm")
            try:
                await asyncio.wait_for(client.request("POST", "/x", json={}), 1e-5 * each)
            except asyncio.TimeoutError as error:
                ends.append(reported(error))
    assert ends
    assert [text for text in ends if MARK in text] == []


class SoftLimit(Exception):
    """As task queues raise it from a signal handler."""


INTERRUPTIONS: list[type[BaseException]] = [
    KeyboardInterrupt,
    SystemExit,
    SoftLimit,
    TimeoutError,
    MemoryError,
]


@pytest.mark.crossed
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", INTERRUPTIONS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # half-open sockets
@pytest.mark.parametrize("how", ["request", "stream"])
def test_what_a_signal_handler_raises_shows_no_key_wherever_it_hits(
    server: FaultServer,
    reported: Visible,
    how: str,
    kind: type[BaseException],
    anyio_backend: str,
) -> None:
    """A sample of 200 moments for what task queues raise, and of 28 for the others: not every
    moment can be promised.
    """
    ends: list[str] = []
    with VectorShift(KEY, base_url=server.origin) as client:
        for step in range(0, 2_000, 10 if kind is SoftLimit else 71):
            client.request("GET", "/warm")
            try:
                with interrupting(step, kind):
                    contextvars.copy_context().run(call, client, how)
            except kind as error:
                ends.append(reported(error))
    assert len(ends) > 15
    assert [text for text in ends if MARK in text] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # half-open sockets
def test_what_a_signal_handler_raises_in_an_event_loop_shows_no_key(
    server: FaultServer, reported: Visible, anyio_backend: str
) -> None:
    """What hits a callback of the loop is logged by asyncio, and the call goes on without what the
    callback had for it: until its time-out.
    """
    client = AsyncVectorShift(KEY, base_url=server.origin, timeout=0.5, max_retries=0)
    ends: list[str] = []
    for step in range(0, 2_000, 71):
        try:
            with interrupting(step, SoftLimit):
                asyncio.run(client.request("POST", "/x", json={}))
        except BaseException as error:  # a group of it too
            ends.append(reported(error))
    del client
    gc.collect()  # the sockets that were left open, while that is no error
    assert len([text for text in ends if "SoftLimit" in text]) > 15
    assert [text for text in ends if MARK in text] == []


def stores(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str
) -> tuple[CredentialProvider, str]:
    """Return a provider that is asked in the caller's thread, and what opens its store."""
    if name == "vault":
        bao = request.getfixturevalue("openbao")
        bao.write("frames", {"api_key": KEY})
        token = bao.token(["root"])
        vault = VaultProvider("frames", addr=bao.address, token=token, cacert=bao.cacert or UNSET)
        return vault, token
    if name == "agent":
        agent = request.getfixturevalue("agent")
        monkeypatch.setenv("AWS_TOKEN", agent.token)
        return AwsSecretsManagerProvider("frames", agent_url=agent.url), agent.token
    moto = request.getfixturevalue("moto")
    moto.put("frames", KEY)
    for variable, value in moto.environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-3f9c2e71d8a04b56")
    aws = AwsSecretsManagerProvider("frames", endpoint_url=moto.endpoint_url, region=moto.region)
    return aws, "session-3f9c2e71d8a04b56"


@pytest.fixture
def agent() -> Iterator[FakeSecretsManagerAgent]:
    with FakeSecretsManagerAgent() as running:
        running.put("frames", KEY)
        yield running


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SoftLimit, MemoryError])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # half-open sockets
@pytest.mark.parametrize("moments", [23, pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", ["vault", "aws", "agent"])
def test_a_direct_read_of_a_store_shows_neither_key_nor_token(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    reported: Visible,
    name: str,
    kind: type[BaseException],
    moments: int,
    anyio_backend: str,
) -> None:
    provider, token = stores(request, monkeypatch, name)
    provider.get_credential()
    ends: list[str] = []

    def interrupted(step: int) -> None:
        try:
            with interrupting(step, kind):
                provider.get_credential()
        except kind as error:
            ends.append(reported(error))

    for step in range(0, 6_000, 6_000 // moments):
        # Python 3.12.1 keeps the exception of an except block that ends so, for all of the thread.
        thread = threading.Thread(target=interrupted, args=(step,))
        thread.start()
        thread.join()
    assert len(ends) > 4
    assert [text for text in ends if MARK in text or token in text] == []


@contextlib.contextmanager
def interrupting(step: int, kind: type[BaseException]) -> Iterator[None]:
    """Raise in that line of a library or of this package, counted from the first.

    The line of a `with` is traced again at the end of its block, before the lock is released.
    Python runs no signal handler there, so nothing is raised there.
    """
    left = step

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if not str(frame.f_globals.get("__name__")).startswith(LIBRARIES):
            return trace
        if event == "line":
            left -= 1
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip()
            if left < 0 and not line.startswith("with "):
                sys.settrace(None)
                on_signal(kind, frame)
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def on_signal(kind: type[BaseException], _: Any) -> None:
    """Raise as a signal handler does, which gets the frame that it interrupts."""
    raise kind("the time is up")


LIBRARIES = (
    "httpcore", "h11", "httpx", "ssl", "socket", "vectorshift", "requests", "urllib3", "hvac",
    "botocore", "http.client",
)  # fmt: skip


# --- A full stack ---


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # anyio's
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_recursive_program_shows_no_key_at_any_of_its_last_depths(
    server: FaultServer, reported: Visible, style: CallStyle
) -> None:
    ends: list[BaseException] = []
    if style.prefix:
        async with AsyncVectorShift(KEY, base_url=server.origin) as aclient:
            await aclient.request("GET", "/warm")
            for spare in range(1, 90):
                try:
                    await adown(levels(spare), aclient)
                except Exception as error:
                    ends.append(error)
    else:
        with VectorShift(KEY, base_url=server.origin) as client:
            client.request("GET", "/warm")
            for spare in range(1, 90):
                try:
                    down(levels(spare), lambda: client.request("GET", "/x"))
                except Exception as error:
                    ends.append(error)
    assert len(ends) > 20
    assert [error for error in ends if MARK in reported(error)] == []
    others = [error for error in ends if not isinstance(error, RecursionError)]
    assert [error for error in others if isinstance(error, TypeError)] == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", ["vault", "aws", "agent"])
def test_a_recursive_program_that_reads_a_store_hears_of_its_recursion_alone(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    reported: Visible,
    name: str,
    anyio_backend: str,
) -> None:
    provider, token = stores(request, monkeypatch, name)
    provider.get_credential()
    ends: list[BaseException] = []
    for spare in range(1, 90):
        try:
            down(levels(spare), provider.get_credential)
        except Exception as error:
            ends.append(error)
    assert len(ends) > 10
    assert [error for error in ends if not isinstance(error, RecursionError)] == []
    assert [error for error in ends if MARK in reported(error) or token in reported(error)] == []


def levels(spare: int) -> int:
    """Return how many calls leave so much of the stack."""
    return sys.getrecursionlimit() - sum(1 for _ in traceback.walk_stack(None)) - spare


def down(left: int, work: Callable[[], object]) -> None:
    if left > 0:
        down(left - 1, work)
    else:
        work()


async def adown(left: int, client: AsyncVectorShift) -> None:
    if left > 0:
        await adown(left - 1, client)
    else:
        await client.request("GET", "/x")


def call(client: VectorShift, how: str) -> None:
    if how == "request":
        client.request("POST", "/x", json={})
        return
    with client.stream("POST", "/x", json={}) as stream:
        for _ in stream.iter_bytes():
            pass


# --- It stays what it is, and the caller's own frames stay in it ---


class Stop(BaseException):
    """What a library below may raise that is no `Exception`."""


class Stopping(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport of the caller's."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            raise ValueError("theirs")
        except ValueError:
            raise self.error  # noqa: B904

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


async def raised(style: CallStyle, error: BaseException) -> BaseException:
    """Return what a call raises whose transport raises this."""
    if not style.prefix:
        with httpx.Client(transport=Stopping(error)) as http, pytest.raises(type(error)) as caught:
            VectorShift(KEY, base_url="http://127.0.0.1", http_client=http).request("GET", "/x")
        return caught.value
    async with httpx.AsyncClient(transport=Stopping(error)) as ahttp:
        with pytest.raises(type(error)) as caught:
            await AsyncVectorShift(KEY, base_url="http://127.0.0.1", http_client=ahttp).request(
                "GET", "/x"
            )
        return caught.value


@pytest.mark.parametrize("kind", [Stop, LookupError])
async def test_it_is_the_same_object_with_the_frames_of_callers_and_transports(
    style: CallStyle, kind: type[BaseException]
) -> None:
    own = kind("now")
    error = await raised(style, own)
    assert error is own
    assert isinstance(error.__context__, ValueError)
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[:2] == ["raised", "request"]
    assert frames[-1] == "handle_request"
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    assert [name for name in files if "httpx" in name] == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no notes")
async def test_it_says_where_the_last_frame_was_that_is_gone(style: CallStyle) -> None:
    error = await raised(style, LookupError("theirs"))
    (note,) = error.__notes__  # type: ignore[attr-defined]
    assert re.search(r"vectorshift removed library frames.*httpx.*:\d+", note)


async def test_what_its_caller_was_handling_stays_as_it_is(style: CallStyle) -> None:
    try:
        httpx.URL("http://[::")
    except httpx.InvalidURL as error:
        mine, before = error, traceback.extract_tb(error.__traceback__)
        found = await raised(style, Stop())
    assert found.__context__ is not None
    assert found.__context__.__context__ is mine
    assert [frame.line for frame in traceback.extract_tb(mine.__traceback__)] == [
        frame.line for frame in before
    ]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups")
async def test_the_members_of_a_group_have_no_library_frames_either(style: CallStyle) -> None:
    try:
        httpx.URL("http://[::")
    except httpx.InvalidURL as invalid:
        member = invalid
    group: Any = vars(builtins)["BaseExceptionGroup"]
    error: Any = await raised(style, group("several", [member]))
    assert error.exceptions == (member,)
    files = [frame.filename for frame in traceback.extract_tb(member.__traceback__)]
    assert files == [__file__]


@pytest.fixture(scope="session")
def reported(shown: Visible) -> Visible:
    """Return all that an error shows, and what Sentry's own serialiser makes of it."""

    def text(error: BaseException) -> str:
        while (at := error.__traceback__) and at.tb_frame.f_code.co_filename == __file__:
            error.__traceback__ = at.tb_next  # a thousand of them in a full stack
        event, _ = event_from_exception(error, client_options=OPTIONS)
        for value in event["exception"]["values"]:
            frames = value.get("stacktrace", {"frames": []})["frames"]
            frames[:] = [frame for frame in frames if "tests" not in str(frame["module"])]
        return f"{shown(error)}\n{serialize(dict(event), max_value_length=100_000)}"

    return text


OPTIONS: dict[str, Any] = {
    **sentry_sdk.Client(default_integrations=False).options,
    "include_local_variables": True,
    "max_value_length": 100_000,
}


# --- A time limit of the caller's own ---


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", [TimeoutError, SoftLimit])
def test_an_alarm_of_the_callers_ends_the_call_and_is_no_time_out_of_the_api(
    kind: type[Exception], anyio_backend: str
) -> None:
    def ring(_: int, __: Any) -> None:
        raise kind("the time is up")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with FaultServer(hang()) as server, VectorShift(KEY, base_url=server.origin) as client:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(kind, match="the time is up"):
                client.request("GET", "/x")
            assert len(server.received) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
