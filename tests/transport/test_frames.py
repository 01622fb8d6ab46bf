"""Wherever a cancellation or Ctrl-C hits, what a crash reporter shows of it has no key, and it
stays what it is.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import sys
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from tests.call_styles import CALL_STYLES, CallStyle
from tests.certificates import Authority
from tests.faults import FaultServer, answer

from vectorshift import AsyncVectorShift, VectorShift

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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["http", "https"])
def server(
    request: pytest.FixtureRequest, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultServer]:
    """Repeats the key in its answers."""
    tls: ssl.SSLContext | None = None
    if request.param == "https":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        tls = authority.context
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
async def test_a_cancelled_call_shows_no_key(server: FaultServer, shown: Visible, how: str) -> None:
    ends: list[str] = []

    async def call(client: AsyncVectorShift) -> None:
        try:
            await ask(client, how)
        except BaseException as error:
            ends.append(shown(error))
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
    server: FaultServer, shown: Visible, how: str
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
                ends.append(shown(error))
    assert len(ends) > 3
    assert [text for text in ends if MARK in text] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_call_that_is_given_up_by_wait_for_shows_no_key(
    server: FaultServer, shown: Visible
) -> None:
    ends: list[str] = []
    async with AsyncVectorShift(KEY, base_url=server.origin) as client:
        for each in range(50):
            await client.request("GET", "/warm")
            try:
                await asyncio.wait_for(client.request("POST", "/x", json={}), 1e-5 * each)
            except asyncio.TimeoutError as error:
                ends.append(shown(error))
    assert ends
    assert [text for text in ends if MARK in text] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("how", ["request", "stream"])
def test_ctrl_c_shows_no_key_wherever_it_hits(
    server: FaultServer, shown: Visible, how: str, anyio_backend: str
) -> None:
    ends: list[str] = []
    with VectorShift(KEY, base_url=server.origin) as client:
        for step in range(0, 400, 7):
            client.request("GET", "/warm")
            try:
                with interrupting(step):
                    call(client, how)
            except KeyboardInterrupt as error:
                ends.append(shown(error))
    assert len(ends) > 20
    assert [text for text in ends if MARK in text] == []


def call(client: VectorShift, how: str) -> None:
    if how == "request":
        client.request("POST", "/x", json={})
        return
    with client.stream("POST", "/x", json={}) as stream:
        for _ in stream.iter_bytes():
            pass


@contextlib.contextmanager
def interrupting(step: int) -> Iterator[None]:
    """Raise KeyboardInterrupt in that call of a function below httpx, counted from the first."""
    left = step

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal left
        if event == "call" and str(frame.f_globals.get("__name__")).startswith(("httpcore", "h11")):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


# --- It stays what it is ---


class Stop(BaseException):
    """What a library below may raise that is no `Exception`."""


class Stopping(httpx.BaseTransport, httpx.AsyncBaseTransport):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["Authorization"]
        try:
            raise ValueError(key)
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


@pytest.fixture(params=CALL_STYLES, ids=repr)
def style(request: pytest.FixtureRequest) -> CallStyle:
    found: CallStyle = request.param
    return found


async def test_it_is_the_same_object_and_has_the_frames_of_its_callers(style: CallStyle) -> None:
    stop = Stop("now")
    error = await raised(style, stop)
    assert error is stop
    assert error.__context__ is None
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[:2] == ["raised", "request"]
    assert "handle_request" not in frames


async def test_its_context_is_what_its_caller_was_handling(style: CallStyle) -> None:
    try:
        raise LookupError("the caller's own")
    except LookupError as error:
        mine, found = error, await raised(style, Stop())
    assert found.__context__ is mine
    assert mine.__traceback__ is not None


async def test_an_exception_of_a_transport_or_a_hook_keeps_all_its_frames(style: CallStyle) -> None:
    error = await raised(style, LookupError("theirs"))
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][
        -1
    ] == "handle_request"
    assert isinstance(error.__context__, ValueError)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups")
async def test_the_members_of_a_group_are_bare_as_well(style: CallStyle) -> None:
    member = Stop()
    try:
        raise member
    except Stop:
        assert member.__traceback__ is not None
    group: Any = vars(builtins)["BaseExceptionGroup"]
    error: Any = await raised(style, group("several", [member]))
    assert error.exceptions == (member,)
    assert member.__traceback__ is None
