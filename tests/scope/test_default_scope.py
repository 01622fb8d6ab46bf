"""Whose key and which client a call uses that names none: `using`, `configure`, `reset`, `warm_up`,
`close`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tests.call_styles import ASYNC, SYNC, CallStyle
from tests.fakes import Nothing, Rotating
from tests.organisations import process

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CredentialConfigurationError,
    MissingCredentialError,
    Pipeline,
    Settings,
    VectorShift,
    get_credential,
    using,
)
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with process(monkeypatch, "acme") as running:
        yield running


class Asker:
    """Says as whom an ambient call sync or async acts."""

    def __init__(self, style: CallStyle, api: FakeVectorShift) -> None:
        self.style, self.api = style, api

    async def __call__(self, client: Any = None) -> str:
        answer = await self.style.call(Pipeline, "list", verbose=True, client=client)
        return str(answer[0].raw["org_name"])

    def client(self, credentials: Any = DEFAULT_SCOPE) -> Any:
        return self.style.kind(credentials, base_url=self.api.base_url)

    async def close(self, client: Any) -> None:
        await self.style.call(client, "close")


@pytest.fixture
def org(style: CallStyle, api: FakeVectorShift) -> Asker:
    return Asker(style, api)


# --- using ---


async def test_a_block_has_its_key_and_the_process_has_its_own_again_afterwards(
    org: Asker, api: FakeVectorShift
) -> None:
    assert await org() == "acme"
    with using(api.create_key(org="globex")):
        assert await org() == "globex"
        assert vectorshift.get_credential().source == "explicit:api_key"
    assert await org() == "acme"


async def test_blocks_nest(org: Asker, api: FakeVectorShift) -> None:
    with using(api.create_key(org="outer")):
        with using(api.create_key(org="inner")):
            assert await org() == "inner"
        assert await org() == "outer"


async def test_a_block_that_ends_with_an_error_gives_the_process_its_key_back(
    org: Asker, api: FakeVectorShift
) -> None:
    with pytest.raises(ZeroDivisionError), using(api.create_key(org="globex")):
        _ = 1 / 0
    assert await org() == "acme"


async def test_a_block_wins_over_the_assigned_key(
    org: Asker, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectorshift, "api_key", api.create_key(org="assigned"))
    assert await org() == "assigned"
    with using(api.create_key(org="globex")):
        assert await org() == "globex"


async def test_a_block_is_seen_by_the_tasks_that_are_started_in_it_and_by_no_others(
    api: FakeVectorShift,
) -> None:
    seen: Counter[str] = Counter()
    ask = Asker(ASYNC, api)

    async def call(expected: str) -> None:
        await anyio.sleep(0)
        assert await ask() == expected
        seen[expected] += 1

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            name = f"org{number}"
            with using(api.create_key(org=name)):
                tasks.start_soon(call, name)
            tasks.start_soon(call, "acme")
    assert seen["acme"] == 20
    assert len(seen) == 21


def test_a_new_thread_does_not_see_the_block_unless_its_context_is_copied(
    api: FakeVectorShift,
) -> None:
    ask = Asker(SYNC, api)
    seen: list[str] = []

    def call() -> None:
        seen.append(asyncio.run(ask()))

    with using(api.create_key(org="globex")):
        copied = contextvars.copy_context()
        for target in (call, lambda: copied.run(call)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == ["acme", "globex"]


@pytest.mark.parametrize(
    "nothing", [Nothing, vectorshift.EnvProvider], ids=["a provider", "the environment"]
)
async def test_a_block_that_finds_nothing_never_reaches_the_key_of_the_process(
    org: Asker, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch, nothing: Any
) -> None:
    monkeypatch.setattr(vectorshift, "api_key", api.create_key(org="assigned"))
    assert await org() == "assigned"
    monkeypatch.delenv("VECTORSHIFT_API_KEY")
    api.clear_requests()
    with using(nothing()), pytest.raises(MissingCredentialError):
        await org()
    assert api.requests == []


async def test_a_callable_of_a_block_that_returns_none_never_reaches_the_key_of_the_process(
    org: Asker, api: FakeVectorShift
) -> None:
    with using(lambda: None), pytest.raises(CredentialConfigurationError):
        await org()
    assert api.requests == []


async def test_credentials_of_a_client_win_over_the_block(org: Asker, api: FakeVectorShift) -> None:
    client = org.client(api.create_key(org="mine"))
    with using(api.create_key(org="globex")):
        assert await org(client) == "mine"
    await org.close(client)


async def test_a_client_without_credentials_follows_the_block(
    org: Asker, api: FakeVectorShift
) -> None:
    client = org.client()
    with using(api.create_key(org="globex")):
        assert await org(client) == "globex"
    assert await org(client) == "acme"
    await org.close(client)


async def test_a_401_in_a_block_is_answered_from_the_block(
    org: Asker, api: FakeVectorShift
) -> None:
    old, new = api.create_key(org="globex"), api.create_key(org="globex")
    api.revoke_key(old)
    with using(Rotating(old, new)):
        assert await org() == "globex"
    assert [request.status for request in api.requests] == [401, 200]


async def test_a_block_takes_no_other_types() -> None:
    with pytest.raises(TypeError, match="int"), using(42):
        pass


async def test_tenants_at_once_never_get_one_anothers_pipelines(api: FakeVectorShift) -> None:
    """200 tasks, each with a key of its own, over one pool of connections."""
    keys = {f"org{number}": api.create_key(org=f"org{number}") for number in range(200)}
    ask = Asker(ASYNC, api)

    async def call(name: str) -> None:
        with using(keys[name]):
            assert await ask() == name

    async with anyio.create_task_group() as tasks:
        for name in keys:
            tasks.start_soon(call, name)
    assert Counter(request.org for request in api.requests) == Counter(list(keys))


# --- configure and reset ---


async def test_configured_credentials_stand_in_for_the_chain(
    org: Asker, api: FakeVectorShift
) -> None:
    vectorshift.configure(credentials=api.create_key(org="configured"))
    assert await org() == "configured"
    vectorshift.reset()
    assert await org() == "acme"


async def test_a_configured_client_is_used_by_its_kind(org: Asker, api: FakeVectorShift) -> None:
    client = org.client(api.create_key(org="mine"))
    vectorshift.configure(client=client)
    assert await org() == "mine"
    other = Asker(org.style.other, api)
    assert await other() == "acme"
    await org.close(client)


async def test_configured_settings_say_where_calls_go(org: Asker, api: FakeVectorShift) -> None:
    with FakeVectorShift() as elsewhere:
        key = elsewhere.create_key(org="elsewhere")
        assert await org() == "acme"
        await (
            vectorshift.aclose()
        )  # what is dropped unclosed in a running loop is the collector's, which warns
        vectorshift.configure(settings=Settings(base_url=elsewhere.base_url), credentials=key)
        assert await org() == "elsewhere"
        await vectorshift.aclose()
        vectorshift.reset()
        assert await org() == "acme"


async def test_reset_reads_the_environment_anew(
    org: Asker, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await org() == "acme"
    await vectorshift.aclose()
    with FakeVectorShift() as elsewhere:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", elsewhere.base_url)
        monkeypatch.setenv("VECTORSHIFT_API_KEY", elsewhere.create_key(org="elsewhere"))
        vectorshift.reset()
        assert await org() == "elsewhere"


async def test_reset_keeps_the_assigned_key(
    org: Asker, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectorshift, "api_key", api.create_key(org="assigned"))
    vectorshift.reset()
    assert await org() == "assigned"


def test_after_a_reset_a_frequent_event_is_logged_again(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    """A service whose tests call `reset()` finds the record in each of them."""
    caplog.set_level(logging.DEBUG, "vectorshift")

    def levels(clients: int) -> list[str]:
        caplog.clear()
        for _ in range(clients):
            with VectorShift(api.create_key()) as client:
                client.request("GET", "/pipelines")
        return [each.levelname for each in caplog.records if vars(each)["event"] == "resolved"]

    assert levels(clients=4) == ["INFO", "INFO", "INFO", "DEBUG"]
    vectorshift.reset()
    assert levels(clients=1) == ["INFO"]


def test_configure_takes_no_other_types(api: FakeVectorShift) -> None:
    wrong: Any = 42
    with pytest.raises(TypeError, match="int"):
        vectorshift.configure(client=wrong)
    with pytest.raises(TypeError, match="int"):
        vectorshift.configure(credentials=wrong)
    assert Pipeline.list().raw["status"] == "success"


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_client_of_the_process_that_is_replaced_is_closed(api: FakeVectorShift) -> None:
    import weakref

    Pipeline.list()
    (seat,) = vectorshift.client.default.sync_client()._connections._seats.values()
    http = weakref.ref(seat.pool.idle[0][1])
    del seat
    mine = VectorShift(api.create_key())
    vectorshift.configure(client=mine)
    found = http()
    try:
        assert found is None or found.is_closed
    finally:
        if found is not None:
            found.close()
        mine.close()


# --- warm_up and close ---


def test_warm_up_resolves_the_key_and_sends_nothing(api: FakeVectorShift) -> None:
    store = Rotating(api.create_key(), remote=True)
    vectorshift.configure(credentials=store)
    vectorshift.warm_up()
    assert (store.asked, api.requests) == (1, [])
    Pipeline.list()
    assert store.asked == 1


async def test_awarm_up_resolves_the_key_and_sends_nothing(api: FakeVectorShift) -> None:
    store = Rotating(api.create_key(), remote=True)
    vectorshift.configure(credentials=store)
    await vectorshift.awarm_up()
    assert (store.asked, api.requests) == (1, [])
    await Pipeline.alist()
    assert store.asked == 1


async def test_warming_up_says_that_there_is_no_key(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VECTORSHIFT_API_KEY")
    with pytest.raises(MissingCredentialError):
        vectorshift.warm_up()
    with pytest.raises(MissingCredentialError):
        await vectorshift.awarm_up()


async def test_calls_go_on_after_close(org: Asker) -> None:
    for _ in range(2):
        assert await org() == "acme"
        vectorshift.close()
        await vectorshift.aclose()


async def test_closing_what_was_never_used_is_harmless(api: FakeVectorShift) -> None:
    vectorshift.close()
    await vectorshift.aclose()


# --- The credential itself ---


async def test_the_credential_of_the_moment_can_be_had_sync_and_async(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("one", "two"):
        monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
        for credential in (vectorshift.get_credential(), await vectorshift.aget_credential()):
            assert (credential.secret.reveal(), credential.source) == (
                key,
                "env:VECTORSHIFT_API_KEY",
            )
        assert vectorshift.api_key == key


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_many_threads_and_resets_at_once_find_their_key(
    api: FakeVectorShift, anyio_backend: str
) -> None:
    failures: list[BaseException] = []
    ceased = threading.Event()

    def read() -> None:
        try:
            while not ceased.is_set():
                vectorshift.get_credential()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        vectorshift.reset()
        await anyio.sleep(0.002)
    ceased.set()
    for thread in threads:
        thread.join()
    assert failures == []


A, B = "vs-organisation-a", "vs-organisation-b"


def key() -> str:
    return get_credential().secret.reveal()


@pytest.mark.usefixtures("forgotten")
def test_settings_that_are_configured_later_leave_the_credentials_that_were_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", B)
    vectorshift.configure(credentials=A)
    vectorshift.configure(settings=Settings(timeout=30))
    assert key() == A


@pytest.mark.usefixtures("forgotten")
def test_the_event_loop_is_not_blocked_by_reading_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    threads: list[threading.Thread] = []
    load = Settings.load.__func__  # type: ignore[attr-defined]

    def seen(cls: type[Settings], environ: Any = None) -> Settings:
        threads.append(threading.current_thread())
        return load(cls, environ)  # type: ignore[no-any-return]

    monkeypatch.setattr(Settings, "load", classmethod(seen))

    async def main(api: FakeVectorShift) -> None:
        async with httpx.AsyncClient() as http:
            await AsyncVectorShift(api.create_key(), http_client=http).request("GET", "/pipelines")
            vectorshift.reset()
            await Pipeline.alist()

    with FakeVectorShift() as api:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", api.base_url)
        monkeypatch.setenv("VECTORSHIFT_API_KEY", api.create_key())
        monkeypatch.setenv("VECTORSHIFT_TIMEOUT", "30")  # plain texts alone need no such work
        asyncio.run(main(api))
    assert threads
    assert threading.main_thread() not in threads
