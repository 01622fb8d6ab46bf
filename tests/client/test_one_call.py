"""A call is one organisation's, with all of its attempts; so is a handler, and so are settings and
their chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import io
import subprocess
import threading
import weakref
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.e2e.stage import environment, script
from tests.fakes import Rotating
from tests.faults import FaultServer, answer
from tests.organisations import process

import vectorshift
import vectorshift.client.default
from vectorshift import (
    AsyncVectorShift,
    AuthenticationError,
    InternalServerError,
    Pipeline,
    RateLimitError,
    RunHandler,
    Settings,
    VectorShift,
)
from vectorshift._platform.frames import astrip_library_frames, strip_library_frames
from vectorshift.client.engine import CallState
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with process(monkeypatch, "environment") as running:
        yield running


class Meanwhile(ManualClock):
    """Does something in each pause between two attempts."""

    def __init__(self, does: Callable[[], object]) -> None:
        super().__init__()
        self._does = does

    def sleep(self, seconds: float) -> None:
        self._does()
        super().sleep(seconds)


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def call(method: str, path: str, *given: Any, **arguments: Any) -> Any:
        body = {
            name: arguments.pop(name) for name in ("files", "form", "json") if name in arguments
        }
        if request.param == "sync":
            with VectorShift(*given, **arguments) as client:
                return client.request(method, path, **body)

        async def main() -> Any:
            async with AsyncVectorShift(*given, **arguments) as aclient:
                return await aclient.request(method, path, **body)

        return asyncio.run(main())

    return call


def organisations(api: FakeVectorShift) -> list[str | None]:
    return [request.org for request in api.requests]


# --- The attempts of a call ---


def test_an_attempt_that_another_source_would_make_is_not_made(
    api: FakeVectorShift, send: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.api_key = api.create_key(org="explicit")
    api.fail_next(429, times=3)
    with pytest.raises(RateLimitError):
        send("POST", "/x", json={}, clock=Meanwhile(lambda: setattr(vectorshift, "api_key", None)))
    assert organisations(api) == ["explicit"]
    (warning,) = (
        each.getMessage() for each in caplog.records if "not sent again" in each.getMessage()
    )
    assert "explicit:api_key" in warning
    assert "env:VECTORSHIFT_API_KEY" in warning


def test_an_attempt_with_another_key_of_the_same_source_is_made(
    api: FakeVectorShift, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = api.create_key(org="environment")
    api.fail_next(503)
    clock = Meanwhile(lambda: monkeypatch.setenv("VECTORSHIFT_API_KEY", new))
    assert send("GET", "/pipelines", clock=clock)["status"] == "success"
    sent = [request.key.reveal() for request in api.requests if request.key]
    assert (len(set(sent)), sent[1]) == (2, new)


def test_what_is_configured_in_a_pause_is_for_the_next_call(
    api: FakeVectorShift, send: Any
) -> None:
    with FakeVectorShift() as other:
        key = other.create_key(org="other")

        def configure() -> None:
            vectorshift.configure(settings=Settings(base_url=other.base_url), credentials=key)

        api.fail_next(503)
        assert send("GET", "/pipelines", clock=Meanwhile(configure))["status"] == "success"
        assert organisations(api) == ["environment", "environment"]
        assert other.requests == []
        assert Pipeline.list().raw["status"] == "success"
        assert organisations(other) == ["other"]


def test_what_is_configured_while_files_are_read_is_for_the_next_call(
    api: FakeVectorShift, send: Any
) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            vectorshift.configure(
                settings=Settings(base_url="https://other.test/v1"),
                credentials="vs-of-another-organisation",
            )
            return super().read(size)

    with pytest.raises(vectorshift.VectorshiftApiError):
        send("POST", "/files", files={"file": ("name", Slow(b"x"))}, max_retries=0)
    assert organisations(api) == ["environment"]


class SlowSettings(Settings):
    """Settings that take long to read, as those on a busy disk do."""

    def __getattribute__(self, name: str) -> Any:
        if name == "allow_http":
            READING.set()
            assert GO_ON.wait(20)
        return super().__getattribute__(name)


READING, GO_ON = threading.Event(), threading.Event()


def test_an_async_call_after_configure_joins_nothing_that_began_before_it(
    api: FakeVectorShift,
) -> None:
    for event in (READING, GO_ON):
        event.clear()
    vectorshift.configure(
        settings=SlowSettings(base_url=api.base_url), credentials=api.create_key(org="old")
    )

    async def main() -> None:
        async with AsyncVectorShift() as client:
            before = asyncio.create_task(client.request("GET", "/pipelines"))
            assert await asyncio.to_thread(READING.wait, 20)
            vectorshift.configure(
                settings=Settings(base_url=api.base_url), credentials=api.create_key(org="new")
            )
            await client.request("GET", "/pipelines")
            assert organisations(api) == ["new"]
            GO_ON.set()
            await before

    asyncio.run(main())
    assert organisations(api) == ["new", "old"]


def test_a_failure_of_the_first_attempt_is_the_one_that_is_told(
    api: FakeVectorShift, send: Any
) -> None:
    store = Rotating(("vs-1", "store:a"), ("vs-2", "store:b"))
    for key in ("vs-1", "vs-2"):
        api.create_key(key=key)
    api.fail_next(500)
    with pytest.raises(InternalServerError) as caught:
        send("GET", "/pipelines", store, base_url=api.base_url, clock=ManualClock())
    assert (len(api.requests), caught.value.tries) == (1, 1)


def test_after_its_time_a_call_is_not_sent_again_with_a_newer_key(send: Any) -> None:
    clock = ManualClock()

    def late(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 401 X\r\nContent-Length: 2\r\n\r\n{")
        clock.advance(1_000)
        connection.sendall(b"}")

    with FaultServer(late, answer()) as server, pytest.raises(AuthenticationError) as caught:
        send(
            "POST",
            "/x",
            Rotating("vs-old", "vs-new"),
            base_url=server.origin,
            json={},
            clock=clock,
            max_retries=0,
        )
    assert len(server.received) == 1
    assert "the time limit of this call has passed. Call again." in str(caught.value)


@pytest.mark.parametrize("packed", [False, True], ids=["endless", "packed"])
def test_of_a_401_no_more_is_read_than_it_takes_before_the_newer_key_is_sent(
    send: Any, packed: bool
) -> None:
    def endless(connection: socket.socket, ended: threading.Event) -> None:
        coding = b"Content-Encoding: gzip\r\n" if packed else b""
        connection.sendall(b"HTTP/1.1 401 X\r\nContent-Length: 99999999999\r\n" + coding + b"\r\n")
        piece = gzip.compress(bytes(2**20)) * 20
        with contextlib.suppress(OSError):
            while not ended.is_set():
                connection.sendall(piece)

    with FaultServer(endless, answer()) as server:
        store = Rotating("vs-old", "vs-new")
        assert send("GET", "/x", store, base_url=server.origin)["status"] == "success"
    assert [got.authorization for got in server.received] == ["Bearer vs-old", "Bearer vs-new"]


def test_a_call_leaves_nothing_to_the_collector(api: FakeVectorShift, send: Any) -> None:
    """A cycle around the exchange would keep the files of a call, and its answer, for some time."""
    send("GET", "/pipelines")
    gc.collect()
    gc.disable()
    try:
        send("GET", "/pipelines")
        assert [each for each in gc.get_objects() if type(each) is CallState] == []
    finally:
        gc.enable()


def test_an_interrupt_leaves_nothing_to_the_collector() -> None:
    class Interrupt(BaseException):
        pass

    @strip_library_frames
    def work() -> None:
        raise Interrupt

    @astrip_library_frames
    async def awork() -> None:
        raise Interrupt

    def left_by(call: Callable[[], object]) -> object:
        try:
            call()
        except Interrupt as error:
            return weakref.ref(error)
        raise AssertionError

    gc.collect()
    gc.disable()
    try:
        for call in (work, lambda: cast("Any", awork()).send(None)):
            left: Any = left_by(call)
            assert left() is None
    finally:
        gc.enable()


def test_a_signal_handler_may_call_in_the_midst_of_a_call(api: FakeVectorShift) -> None:
    """It runs in the thread that holds the lock."""
    Pipeline.list()
    chain = DEFAULT_SCOPE.resolved()
    assert isinstance(chain, vectorshift.ProviderChain)

    def handler() -> None:
        vectorshift.client.default._clients.sync = None
        with chain._lock, vectorshift.client.default._clients.lock:
            chain._vet(chain.get_credential(), chain.providers[1], [])
            Pipeline.list()

    thread = threading.Thread(target=handler, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


# --- What is configured ---


@pytest.mark.parametrize("called", [False, True], ids=["before the first call", "after it"])
def test_a_handler_belongs_to_what_was_configured_when_it_was_made(
    api: FakeVectorShift, called: bool
) -> None:
    if called:
        Pipeline.list()
    handler, pages = RunHandler("p", "t"), Pipeline.iterate()
    vectorshift.configure(credentials=api.create_key(org="second"))
    with pytest.raises(vectorshift.NotFoundError):
        handler.run_status()
    next(pages, None)
    assert set(organisations(api)) == {"environment"}
    Pipeline.list()
    assert organisations(api)[-1] == "second"


def test_a_handler_follows_no_settings_of_later(api: FakeVectorShift) -> None:
    handler = RunHandler("p", "t")
    with FakeVectorShift() as other:
        vectorshift.configure(settings=Settings(base_url=other.base_url))
        with pytest.raises(vectorshift.NotFoundError):
            handler.run_status()
        assert (len(api.requests), other.requests) == (1, [])


BUILDING = """
    import importlib.abc, os, sys, threading
    import vectorshift, vectorshift.client.default
    from vectorshift import Settings

    class Slow(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "vectorshift.providers.env":
                begun.set()
                assert go_on.wait(60)

    begun, go_on = threading.Event(), threading.Event()
    sys.meta_path.insert(0, Slow())
    configure = vectorshift.configure  # while nobody holds the lock of imports
    new = Settings(providers=("dotenv",), env_file=sys.argv[1])
    thread = threading.Thread(target=vectorshift.get_credential)
    thread.start()
    assert begun.wait(60)
    configure(settings=new)
    go_on.set()
    thread.join()
    print(vectorshift.get_credential().secret.reveal())
"""


def test_a_chain_that_was_being_built_when_others_were_configured_is_not_kept(
    tmp_path: Path,
) -> None:
    file = tmp_path / "new.env"
    file.write_text("VECTORSHIFT_API_KEY=vs-of-the-new-settings")
    done = subprocess.run(
        [*script(tmp_path, BUILDING), str(file)],
        env=environment(VECTORSHIFT_API_KEY="vs-of-the-old-settings"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("vs-of-the-new-settings", 0), done.stderr
