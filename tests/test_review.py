"""Ways in which another key could slip in, or a store be asked too often, each of which was once
open.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import pickle
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CredentialAuth,
    Pipeline,
    ProviderChain,
    Settings,
    VectorShift,
    get_credential,
    using,
)
from vectorshift._platform.background import BackgroundTask
from vectorshift.cache.policy import Policy, State, after_refresh
from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials import Credential, Secret
from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    fresh_copy,
)
from vectorshift.events import CredentialEvent, on_event
from vectorshift.providers.env import EnvProvider
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.testing import FakeVectorShift, ManualClock
from vectorshift.transport.rejection import REJECTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A, B = "vs-organisation-a", "vs-organisation-b"


class Tenant(CredentialProvider):
    """A remote source that counts how often it is read."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.reads = 0

    def get_credential(self) -> Credential:
        self.reads += 1
        return Credential(secret=self.key, source="tenant:x", provider="tenant")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    vectorshift.reset()
    yield
    vectorshift.reset()


def key() -> str:
    return get_credential().secret.reveal()


def test_settings_that_are_configured_later_leave_the_credentials_that_were_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", B)
    vectorshift.configure(credentials=A)
    vectorshift.configure(settings=Settings(timeout=30))
    assert key() == A


def test_a_copy_of_a_provider_has_a_cache_of_its_own() -> None:
    first = Tenant(A)
    with using(first):
        assert key() == A
    for second in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        second.key = B
        with using(second):
            assert key() == B


def test_a_block_for_each_request_does_not_read_the_store_each_time() -> None:
    tenant = Tenant(A)
    for _ in range(5):
        with using(tenant):
            assert key() == A
    assert tenant.reads == 1


def test_a_request_is_not_sent_again_with_what_was_configured_meanwhile() -> None:
    with FakeVectorShift() as api:
        mine, other = api.create_key(org="a"), api.create_key(org="b")
        api.revoke_key(mine)

        def meanwhile() -> str:
            return mine

        vectorshift.configure(settings=Settings(base_url=api.base_url), credentials=meanwhile)
        auth = vectorshift.client.default.sync_client().auth
        import httpx

        with httpx.Client() as http:
            request = http.build_request("GET", f"{api.base_url}/pipelines")
        flow = auth.sync_auth_flow(request)
        next(flow)
        vectorshift.configure(credentials=other)  # between the 401 and the second look
        with pytest.raises(StopIteration):
            flow.send(httpx.Response(401, request=request))


def test_using_is_no_decorator() -> None:
    with pytest.raises(TypeError):

        @using(A)  # type: ignore[operator]
        async def work() -> None: ...


def test_a_chain_that_is_falsy_is_still_the_one_of_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Falsy(ProviderChain):
        def __len__(self) -> int:
            return 0

    monkeypatch.setenv("VECTORSHIFT_API_KEY", B)
    with using(Falsy([ExplicitProvider(A)])):
        assert key() == A


@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
def test_none_is_not_the_key_of_the_process(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", B)
    tenants: dict[str, str] = {}
    with pytest.raises(TypeError, match="not NoneType"):
        kind(tenants.get("key"))


def test_classes_and_keys_where_providers_belong_are_named() -> None:
    with pytest.raises(TypeError, match="not the class EnvProvider"), using(EnvProvider):
        pass
    with pytest.raises(TypeError, match=r"takes providers, not str.*ExplicitProvider"):
        ProviderChain([A])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="An async call takes an instance of AsyncVectorShift"):
        asyncio.run(Pipeline.alist(client=VectorShift(A)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="settings should be Settings"):
        vectorshift.configure(settings={"timeout": 3})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="begins with one slash"):
        VectorShift(A).request("GET", "pipelines")
    with pytest.raises(ValueError, match="above 0"):
        VectorShift(A, timeout=0)


def test_an_outage_under_many_threads_is_contacted_as_often_as_the_backoff_says() -> None:
    clock = ManualClock()
    down = False
    contacts = 0

    class Store(CredentialProvider):
        def get_credential(self) -> Credential:
            nonlocal contacts
            contacts += 1
            if down:
                raise CredentialStoreUnavailableError("down")
            return Credential(secret=A, source="store:x", provider="store")

    provider = CachingProvider(Store(), clock=clock, random=lambda: 0.0)
    provider.get_credential()
    down = True
    clock.advance(300)
    with ThreadPoolExecutor(32) as pool:
        for pause in (0, 1, 2, 4, 8):
            clock.advance(pause)
            before = contacts
            assert {
                each.result() for each in [pool.submit(provider.get_credential) for _ in range(200)]
            }
            for load in list(provider._loads):
                assert load.task.wait(5)
            assert contacts == before + 1


def test_loads_that_hung_are_given_up_after_a_minute() -> None:
    clock = ManualClock()
    gate = threading.Event()

    class Hangs(CredentialProvider):
        def get_credential(self) -> Credential:
            assert gate.wait(20)
            return Credential(secret=A, source="store:x", provider="store")

    provider = CachingProvider(Hangs(), load_timeout=0.02, clock=clock)
    for _ in range(3):
        with pytest.raises(CredentialStoreUnavailableError):
            provider.get_credential()
        clock.advance(0.02)
    hung, gate = gate, threading.Event()
    gate.set()
    with pytest.raises(CredentialStoreUnavailableError, match="not asked a third time so soon"):
        provider.get_credential()
    clock.advance(60)
    assert provider.get_credential().secret.reveal() == A
    hung.set()


def test_a_source_that_was_left_no_time_is_not_blamed_alone() -> None:
    class Slow(CredentialProvider):
        def get_credential(self) -> Credential:
            assert hold.wait(20)
            raise AssertionError

    class Good(Slow):
        name = "good"

    hold = threading.Event()
    hung, good = Slow(), Good()
    hung.on_error = "continue"
    with pytest.raises(CredentialStoreUnavailableError, match="did not answer within"):
        ProviderChain([hung, good], load_timeout=0.05).get_credential()
    hold.set()


@pytest.mark.parametrize("moment", [datetime(2030, 1, 1), 1_900_000_000.0, "2030-01-01"])
def test_an_end_that_is_no_aware_time_is_a_configuration_error_and_no_storm(moment: Any) -> None:
    reads = 0

    class Author(CredentialProvider):
        def get_credential(self) -> Credential:
            nonlocal reads
            reads += 1
            return Credential(secret=A, source="author:x", provider="author", expires_at=moment)

    provider = CachingProvider(Author())
    for _ in range(5):
        with pytest.raises(
            CredentialConfigurationError, match="expires_at of a Credential is an aware datetime"
        ):
            provider.get_credential()
    assert reads == 1


def test_what_an_author_raises_while_describing_or_being_told_stays_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Bad(CredentialProvider):
        name = "bad"

        def describe(self) -> Description:
            raise RuntimeError(A)

        def invalidate(self, rejected: Credential) -> None:
            raise RuntimeError(A)

        def get_credential(self) -> Credential:
            raise ValueError(A)

    provider = ProviderChain([Bad()])
    with pytest.raises(CredentialConfigurationError, match="bad raised ValueError") as caught:
        provider.get_credential()
    provider.invalidate(Credential(secret=A, source="", provider=""))
    assert A not in str(caught.value) + caplog.text


def test_an_async_getter_with_the_sync_name_is_told_its_name() -> None:
    class Wrong(CredentialProvider):
        async def get_credential(self) -> Credential:  # type: ignore[override]
            raise AssertionError

    with pytest.raises(
        CredentialConfigurationError, match="An async getter is named aget_credential"
    ):
        ProviderChain([Wrong()]).get_credential()


def test_trivial_answers_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", A)
    started: list[str] = []
    begin = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        started.append(thread.name)
        begin(thread)

    chain = ProviderChain([ExplicitProvider(), EnvProvider()])
    monkeypatch.setattr(threading.Thread, "start", counted)

    async def many() -> None:
        await asyncio.gather(*(chain.aget_credential() for _ in range(100)))

    asyncio.run(many())
    assert started == []


@pytest.mark.parametrize("make", [lambda: ExplicitProvider(A), EnvProvider])
def test_a_pickled_provider_holds_no_key(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", A)
    provider = make()
    provider.get_credential()
    assert A.encode() not in pickle.dumps(provider)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_refused_as_a_key_file_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(CredentialConfigurationError, match="not a plain file"):
        EnvProvider(file=pipe).get_credential()


def test_closing_while_calls_are_under_way_breaks_none_of_them() -> None:
    with (
        FakeVectorShift(latency=0.01) as api,
        VectorShift(api.create_key(), base_url=api.base_url) as client,
    ):
        stop = threading.Event()
        errors: list[BaseException] = []

        def calls() -> None:
            while not stop.is_set():
                try:
                    client.request("GET", "/pipelines")
                except BaseException as error:
                    errors.append(error)

        threads = [threading.Thread(target=calls) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            client.close()
            threading.Event().wait(0.005)
        stop.set()
        for thread in threads:
            thread.join()
        assert errors == []


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
        asyncio.run(main(api))
    assert threads
    assert threading.main_thread() not in threads


def test_a_permission_for_plain_http_ends_with_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    client = VectorShift(A, base_url="http://vectorshift.example/v1", timeout=0.2)
    monkeypatch.setenv("VECTORSHIFT_ALLOW_HTTP", "1")
    assert not client.auth._refuses
    monkeypatch.delenv("VECTORSHIFT_ALLOW_HTTP")
    vectorshift.reset()
    with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_ALLOW_HTTP=1"):
        client.request("GET", "/x")


def test_the_frames_of_a_client_that_could_not_be_made_hold_no_key(shown: Any) -> None:
    for make in (VectorShift, AsyncVectorShift):
        with pytest.raises(ValueError, match="should be a URL") as caught:
            make(A, base_url="nonsense")
        assert A not in shown(caught.value)
    with pytest.raises(TypeError) as wrong:
        vectorshift.configure(credentials=A, client="oops")  # type: ignore[arg-type]
    assert A not in shown(wrong.value)
    with pytest.raises(CredentialError) as bytes_given:
        Credential(secret=A.encode(), source="x", provider="y")  # type: ignore[arg-type]
    assert A not in shown(bytes_given.value)


class Meanwhile:
    """A lock that does something of another thread's the first time somebody gets it."""

    def __init__(self, happens: Any) -> None:
        self._happens = happens
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_load_that_landed_while_a_caller_waited_for_the_lock_is_not_followed_by_another() -> None:
    clock, tenant = ManualClock(), Tenant(A)
    provider = CachingProvider(tenant, clock=clock)
    provider.get_credential()
    fresh = provider._state
    clock.advance(300)
    landed_now = replace(fresh, fresh_until=(clock.time() + 300, clock.monotonic() + 300))

    def lands() -> None:
        provider._state = landed_now

    provider._lock = Meanwhile(lands)  # type: ignore[assignment]
    provider.get_credential()
    assert not provider._loads
    assert tenant.reads == 1


def test_a_thread_that_could_not_be_started_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_many(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    provider = CachingProvider(Tenant(A), load_timeout=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", too_many)
        with pytest.raises(CredentialStoreUnavailableError, match="no thread can be started"):
            provider.get_credential()
        assert not provider._loads
        task = BackgroundTask(lambda: 7)
        with pytest.raises(RuntimeError):
            task.start()
    assert provider.get_credential().secret.reveal() == A
    assert task.start().wait(5)


def test_a_signal_handler_may_ask_while_its_thread_holds_the_lock() -> None:
    clock = ManualClock()
    provider = CachingProvider(Tenant(A), clock=clock)
    provider.get_credential()
    clock.advance(300)
    done = threading.Event()

    def interrupted() -> None:
        with provider._lock:
            provider.get_credential()
        done.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert done.wait(5)


def test_an_event_loop_in_trouble_keeps_no_other_waiting() -> None:
    woken = threading.Event()
    task = BackgroundTask(lambda: None)
    task._wakers = [lambda: 1 / 0, woken.set]  # type: ignore[list-item]
    assert task.start().wait(5)
    assert woken.wait(5)


def test_those_who_wait_for_a_look_at_a_key_file_share_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(A)
    provider = EnvProvider(file=path)
    provider.get_credential()
    file = provider._file
    assert file is not None
    path.write_text(B)

    def another_looked() -> None:
        file._looked = time.monotonic() + 1

    file._lock = Meanwhile(another_looked)  # type: ignore[assignment]
    shared = file.look()
    assert isinstance(shared, Credential)
    assert shared.secret.reveal() == A  # what the other one saw: it was not read again


def test_a_read_from_before_a_refusal_is_told_by_the_clock_that_is_never_set_back() -> None:
    held = Credential(secret=A, source="x", provider="y")
    state = State(credential=held, rejected_at=(100.0, 10.0))
    after = after_refresh(
        state,
        held,
        began=(200.0, 5.0),
        now=(101.0, 11.0),
        policy=Policy(ttl=1, max_stale=2),
        jitter=0,
    )
    assert after.rejected_at == (100.0, 10.0)


def test_a_path_that_begins_with_two_slashes_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with one slash"):
        VectorShift(A).request("GET", "//elsewhere/x")


def test_a_variable_in_lower_case_is_another_variable() -> None:
    assert Settings.load({"VECTORSHIFT_TIMEOUT": "5", "vectorshift_timeout": "7"}).timeout == 5


def test_a_callback_that_ends_itself_keeps_the_event_from_nobody() -> None:
    seen: list[str] = []

    def once(event: CredentialEvent) -> None:
        stop_once()

    stop_once = on_event(once)
    stop = on_event(lambda event: seen.append(event.kind))
    try:
        ProviderChain([ExplicitProvider(A)]).get_credential()
    finally:
        stop()
    assert seen == ["resolved"]


def test_chains_in_chains_tell_once() -> None:
    seen: list[str] = []
    stop = on_event(lambda event: seen.append(event.kind))
    try:
        ProviderChain([ProviderChain([ExplicitProvider(A)])]).get_credential()
    finally:
        stop()
    assert seen == ["resolved"]


# --- What was found later: who is told, and what is left behind ---


class Empty(CredentialProvider):
    """A local source that may not be passed over, and has a key once it is given one."""

    name, remote, on_missing = "empty", False, "stop"
    key: str | None = None

    def get_credential(self) -> Credential:
        if self.key is None:
            raise CredentialNotFoundError("nothing is here.", source="empty:x")
        return Credential(secret=self.key, source="empty:x", provider=self.name)


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_on_missing_stop_says_once_which_sources_are_not_asked(
    asks: str, caplog: pytest.LogCaptureFixture
) -> None:
    empty = Empty()
    chain = ProviderChain([empty, ExplicitProvider(), ExplicitProvider(B)])

    def fails() -> None:
        with pytest.raises(CredentialConfigurationError, match="on_missing of empty is 'stop'"):
            chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())

    def told() -> list[tuple[str, str]]:
        return [
            (each.levelname, each.message)
            for each in caplog.records
            if "may not answer" in each.message
        ]

    line = (
        "empty:x has no key, and explicit:api_key may not answer in its place, as on_missing of"
        " empty is 'stop'."
    )
    fails()
    fails()
    assert told() == [("WARNING", line)]
    empty.key = A
    chain.get_credential()
    empty.key = None
    fails()
    assert told() == [("WARNING", line)] * 2


def test_on_missing_stop_says_nothing_where_nobody_else_could_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(CredentialConfigurationError):
        ProviderChain([Empty(), ExplicitProvider()]).get_credential()
    assert "may not answer" not in caplog.text


def test_of_two_walks_that_end_at_once_the_second_tells_of_what_has_changed_since_the_first() -> (
    None
):
    keys = iter([A, B])
    seen: list[tuple[str, str | None]] = []
    chain = ProviderChain([Handing(lambda: next(keys))])
    chain._lock = Meanwhile(chain.get_credential)  # type: ignore[assignment]
    stop = on_event(lambda event: seen.append((event.kind, event.fingerprint)))
    try:
        chain.get_credential()
    finally:
        stop()
    assert seen == [("resolved", Secret(B).fingerprint), ("rotated", Secret(A).fingerprint)]


class Handing(CredentialProvider):
    """A local source whose key somebody else hands out."""

    remote = False

    def __init__(self, hand: Any) -> None:
        self.hand = hand

    def get_credential(self) -> Credential:
        return Credential(secret=self.hand(), source="hand:x", provider=self.name)


def test_the_coroutine_of_an_async_getter_with_the_sync_name_is_closed() -> None:
    made: list[Any] = []

    class Wrong(CredentialProvider):
        def get_credential(self) -> Credential:
            made.append(self.aget_credential())
            return made[-1]  # type: ignore[no-any-return]

    with pytest.raises(
        CredentialConfigurationError, match="An async getter is named aget_credential"
    ):
        ProviderChain([Wrong()]).get_credential()
    assert inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED


def _raise(error: Exception, *, because_of: Exception | None = None) -> None:
    if because_of is None:
        raise error  # and no word of a cause, which would hide what is handled just then
    try:
        raise because_of
    except Exception as cause:
        raise error from cause


def test_an_error_that_is_raised_while_another_is_handled_shows_nothing_of_that() -> None:
    try:
        raise ValueError(A)
    except ValueError:
        with pytest.raises(CredentialStoreUnavailableError) as caught:
            _raise(fresh_copy(CredentialStoreUnavailableError("down")))
    shown = "".join(traceback.format_exception(caught.value))
    assert "During handling" not in shown
    assert A not in shown


@pytest.mark.skipif(not hasattr(BaseException, "add_note"), reason="notes came with Python 3.11")
def test_a_note_that_one_caller_adds_is_not_in_the_error_of_another() -> None:
    shared: Any = CredentialStoreUnavailableError("down")
    shared.add_note("of the store")
    first, second = fresh_copy(shared), fresh_copy(shared)
    first.add_note("of the first caller")
    assert second.__notes__ == shared.__notes__ == ["of the store"]


def test_the_cause_of_a_connection_error_has_none_of_the_frames_and_errors_below_it() -> None:
    import httpx

    from vectorshift.transport.failures import connection_error

    request = httpx.Request(
        "GET", "https://api.example.com/x", headers={"Authorization": f"Bearer {A}"}
    )
    with pytest.raises(httpx.ConnectError) as caught:
        _raise(httpx.ConnectError(f"refused {A}", request=request), because_of=OSError(A))
    assert caught.value.__traceback__ is not None
    cause = connection_error(caught.value, request, "GET", "/x").error.__cause__
    assert cause is not None
    assert (cause.__traceback__, cause.__context__, cause.__cause__) == (None, None, None)
    assert A not in str(cause)


@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_request_object_that_is_sent_again_does_not_bring_along_the_refusal_of_before(
    style: str,
) -> None:
    import httpx

    with FakeVectorShift() as api:
        good, bad = api.create_key(), "vs-nobody"
        held = {"api_key": bad}
        auth = CredentialAuth(ExplicitProvider(held=held), origin=api.base_url)
        request = httpx.Request("GET", f"{api.base_url}/pipelines")

        async def send() -> int:
            if style == "sync":
                with httpx.Client(trust_env=False) as http:
                    return http.send(request, auth=auth).status_code
            async with httpx.AsyncClient(trust_env=False) as ahttp:
                return (await ahttp.send(request, auth=auth)).status_code

        assert asyncio.run(send()) == 401
        assert REJECTION in request.extensions
        held["api_key"] = good
        assert asyncio.run(send()) == 200
        assert REJECTION not in request.extensions
