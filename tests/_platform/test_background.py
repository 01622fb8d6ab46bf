"""Work in threads of their own: who shares it, what it sees, and what is left when nobody waits any
more.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import TYPE_CHECKING

import pytest
from tests.forks import succeeds_in_a_child

import vectorshift
from vectorshift import AsyncVectorShift, ProviderChain, VectorShift, get_credential
from vectorshift._platform.background import BackgroundTask, SharedWork, arun_blocking
from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials import Credential
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialStoreUnavailableError,
    VectorshiftError,
)
from vectorshift.providers import ExplicitProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "vs-2c7e09b4f1"
WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    vectorshift.reset()
    yield
    vectorshift.reset()


def depth_of(error: BaseException) -> int:
    depth, trace = 0, error.__traceback__
    while trace is not None:
        depth, trace = depth + 1, trace.tb_next
    return depth


# --- What is shared ---


@pytest.mark.parametrize("ask", ["aget_credential", "alist"])
def test_each_task_that_waits_for_the_settings_gets_an_error_of_its_own(
    ask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_TIMEOUT", "soon")
    call: Callable[[], object] = (
        vectorshift.aget_credential if ask == "aget_credential" else vectorshift.Pipeline.alist
    )

    async def main() -> list[object]:
        return list(await asyncio.gather(*(call() for _ in range(20)), return_exceptions=True))  # type: ignore[call-overload]

    errors = [
        each for each in asyncio.run(main()) if isinstance(each, CredentialConfigurationError)
    ]
    assert len({id(each) for each in errors}) == 20
    assert max(map(depth_of, errors)) < 30


@pytest.mark.anyio
async def test_what_the_work_raises_stays_as_it_was_however_many_callers_raise_it() -> None:
    held = CredentialDeniedError("no")
    work: BackgroundTask[None] = BackgroundTask(lambda: _raise(held)).start()
    await work.wait_async(None)
    before = depth_of(held)
    for _ in range(5):
        with pytest.raises(CredentialDeniedError):
            work.result()
    assert depth_of(held) == before


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_wait_for_the_work_of_its_parent() -> None:
    """Observation to fail without the look at the process: the child waits for a thread that it
    does not have.
    """
    arrived, gate = threading.Semaphore(0), threading.Event()

    def work() -> int:
        arrived.release()
        gate.wait(30)
        return os.getpid()

    shared = SharedWork[int]()
    parent = threading.Thread(target=lambda: asyncio.run(shared.ajoin(work)))
    parent.start()
    assert arrived.acquire(timeout=10)

    def in_the_child() -> bool:
        gate.set()
        return asyncio.run(shared.ajoin(work)) == os.getpid()

    try:
        assert succeeds_in_a_child(in_the_child)
    finally:
        gate.set()
        parent.join()


# --- What is seen, and what is left ---


def test_a_load_sees_none_of_the_variables_of_whoever_began_it() -> None:
    WHO.set("the first caller")
    work = BackgroundTask(WHO.get).start()
    assert work.wait(10)
    assert work.result() == "nobody"


@pytest.mark.anyio
async def test_what_is_run_for_one_caller_sees_its_variables() -> None:
    WHO.set("the caller")
    assert await arun_blocking(WHO.get) == "the caller"


def test_a_waiter_that_is_cancelled_leaves_nothing_behind() -> None:
    gate = threading.Event()
    work = BackgroundTask(lambda: gate.wait(30)).start()

    async def main() -> None:
        tasks = [asyncio.create_task(work.wait_async(None)) for _ in range(10)]
        while len(work._wakers) < 10:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert work._wakers == []
    gate.set()


# --- No thread can be started ---


class AsyncOnly(CredentialProvider):
    """A local source of an author who knows only async."""

    name = "asynconly"
    remote = False

    async def aget_credential(self) -> Credential:
        return Credential(secret=KEY, source="mine:x", provider=self.name)


async def key() -> str:
    return KEY


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", too_many)


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(
    "provider", [AsyncOnly(), ProviderChain([AsyncOnly()])], ids=["alone", "in a chain"]
)
def test_an_async_only_source_without_a_thread_is_unavailable(provider: CredentialProvider) -> None:
    client = VectorShift(provider)
    with pytest.raises(CredentialStoreUnavailableError, match="no thread can be started") as caught:
        client.auth.provider.get_credential()
    assert caught.value.provider == "asynconly"


@pytest.mark.usefixtures("no_threads")
def test_a_callable_without_a_thread_is_unavailable() -> None:
    with pytest.raises(CredentialStoreUnavailableError, match="Cannot start a thread") as caught:
        asyncio.run(ExplicitProvider(lambda: KEY).aget_credential())
    assert caught.value.source == "explicit:api_key"


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(
    "call",
    [
        vectorshift.aget_credential,
        vectorshift.Pipeline.alist,
        lambda: AsyncVectorShift(KEY).request("GET", "/pipelines"),
    ],
    ids=["aget_credential", "alist", "a client"],
)
def test_settings_that_no_thread_can_read_are_an_error_of_this_package(
    call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)

    async def main() -> None:
        await call()  # type: ignore[misc]

    with pytest.raises(VectorshiftError, match="Cannot start a thread"):
        asyncio.run(main())


A, B = "vs-organisation-a", "vs-organisation-b"


class Tenant(CredentialProvider):
    """A remote source that counts how often it is read."""

    def __init__(self, key_in_use: str) -> None:
        self.key_in_use = key_in_use
        self.reads = 0

    def get_credential(self) -> Credential:
        self.reads += 1
        return Credential(secret=self.key_in_use, source="tenant:x", provider="tenant")


def key_in_use() -> str:
    return get_credential().secret.reveal()


@pytest.mark.usefixtures("forgotten")
def test_a_thread_that_could_not_be_started_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_many(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    clock = ManualClock()
    provider = CachingProvider(Tenant(A), load_timeout=0.5, clock=clock)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", too_many)
        with pytest.raises(CredentialStoreUnavailableError, match="no thread can be started"):
            provider.get_credential()
        assert not provider._refreshes
        task = BackgroundTask(lambda: 7)
        with pytest.raises(CredentialStoreUnavailableError, match="Cannot start a thread"):
            task.start()
    clock.advance(1.1)  # it counts as a failed contact: the next one is a second later
    assert provider.get_credential().secret.reveal() == A
    assert task.start().wait(5)


@pytest.mark.usefixtures("forgotten")
def test_an_event_loop_in_trouble_keeps_no_other_waiting() -> None:
    woken = threading.Event()
    task = BackgroundTask(lambda: None)
    task._wakers = [lambda: 1 / 0, woken.set]  # type: ignore[list-item]
    assert task.start().wait(5)
    assert woken.wait(5)
