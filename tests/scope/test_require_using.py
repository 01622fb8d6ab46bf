"""A process that has no key of its own: `require_using` makes every call outside a `using` block
fail.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import logging
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from tests.call_styles import CALL_STYLES, CallStyle
from tests.organisations import aseen, seen

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CredentialAuth,
    CredentialConfigurationError,
    CredentialNotFoundError,
    EnvProvider,
    ExplicitProvider,
    Pipeline,
    ProviderChain,
    Settings,
    VectorShift,
    using,
)
from vectorshift.pipeline import RunHandler
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.crossed
VARIABLE = "VECTORSHIFT_REQUIRE_USING"
REFUSED = "outside every using block"


@pytest.fixture(params=["configure", "environment", "Settings", "named file", "set in use"])
def required(
    request: pytest.FixtureRequest,
    api: FakeVectorShift,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> FakeVectorShift:
    """The same process where every call needs a block, as each way of saying so has it."""
    if request.param == "configure":
        vectorshift.configure(require_using=True)
    elif request.param == "environment":
        monkeypatch.setenv(VARIABLE, "1")
    elif request.param == "Settings":
        vectorshift.configure(settings=Settings(base_url=api.base_url, require_using=True))
    elif request.param == "named file":
        (tmp_path / "named.env").write_text(f"{VARIABLE}=true\n")
        monkeypatch.setenv("VECTORSHIFT_ENV_FILE", str(tmp_path / "named.env"))
    else:
        assert seen() == "process"
        vectorshift.configure(require_using=True)
    api.clear_requests()
    return api


def refused() -> Any:
    return pytest.raises(CredentialConfigurationError, match=REFUSED)


# --- Outside a block ---

SYNC: dict[str, Callable[[], object]] = {
    "a call": Pipeline.list,
    "get_credential": vectorshift.get_credential,
    "warm_up": vectorshift.warm_up,
    "a client without credentials": lambda: VectorShift().request("GET", "/pipelines"),
    "a handler": lambda: RunHandler("p-1", "t-1").run_status(),
    "an iterator": lambda: list(Pipeline.iterate()),
    "a stream": lambda: list(Pipeline("p-1").stream({})),
    "a block of the default scope": lambda: using(DEFAULT_SCOPE).__enter__().get_credential(),
    "a chain around the default scope": lambda: ProviderChain(
        [DEFAULT_SCOPE, EnvProvider()]
    ).get_credential(),
    "a client with settings alone": lambda: VectorShift(settings=Settings.load()).request(
        "GET", "/pipelines"
    ),
    "a client with settings in code": lambda: VectorShift(
        settings=Settings(), base_url=vectorshift.client.default.sync_client().base_url
    ).request("GET", "/pipelines"),
}


@pytest.mark.parametrize("way", SYNC)
def test_a_sync_call_outside_every_block_fails_and_sends_nothing(
    required: FakeVectorShift, way: str
) -> None:
    for _ in range(2):
        with refused() as caught:
            contextvars.copy_context().run(SYNC[way])
        assert not isinstance(caught.value, CredentialNotFoundError)
    assert required.requests == []


async def _ahandler() -> None:
    await RunHandler("p-1", "t-1").arun_status()


async def _aclient(**given: Any) -> None:
    async with AsyncVectorShift(**given) as client:
        await client.request("GET", "/pipelines")


ASYNC: dict[str, Callable[[], Any]] = {
    "a call": Pipeline.alist,
    "aget_credential": vectorshift.aget_credential,
    "awarm_up": vectorshift.awarm_up,
    "a client without credentials": _aclient,
    "a client with settings alone": lambda: _aclient(settings=Settings.load()),
    "a handler": _ahandler,
}


@pytest.mark.anyio
@pytest.mark.parametrize("way", ASYNC)
async def test_an_async_call_outside_every_block_fails_and_sends_nothing(
    required: FakeVectorShift, way: str
) -> None:
    for _ in range(2):
        with refused():
            await ASYNC[way]()
    assert required.requests == []


@pytest.mark.anyio
async def test_a_block_ends_where_it_ends(required: FakeVectorShift) -> None:
    with using(required.create_key(org="tenant")):
        assert (seen(), await aseen()) == ("tenant", "tenant")
        vectorshift.warm_up()
        await vectorshift.awarm_up()
    with refused():
        seen()
    with refused():
        await aseen()
    await vectorshift.aclose()


def test_threads_executors_and_timers_that_lost_the_block_fail(required: FakeVectorShift) -> None:
    failures: list[BaseException] = []

    def call() -> None:
        try:
            seen()
        except CredentialConfigurationError as error:
            failures.append(error)

    with using(required.create_key(org="tenant")):
        for thread in (threading.Thread(target=call), threading.Timer(0, call)):
            thread.start()
            thread.join()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(call).result()
            assert pool.submit(contextvars.copy_context().run, seen).result() == "tenant"

        async def main() -> str:
            await asyncio.get_running_loop().run_in_executor(None, call)
            task = asyncio.create_task(asyncio.to_thread(seen))
            return await task

        assert asyncio.run(main()) == "tenant"
    assert len(failures) == 4
    assert {request.org for request in required.requests} == {"tenant"}


@pytest.mark.anyio
async def test_a_handler_that_was_made_outside_fails_in_a_block_as_well(
    required: FakeVectorShift,
) -> None:
    handler = RunHandler("p-1", "t-1")
    with using(required.create_key(org="tenant")):
        with refused():
            handler.run_status()
        with refused():
            await handler.arun_status()
    assert required.requests == []


@pytest.mark.anyio
async def test_explain_says_that_a_call_fails_and_why(required: FakeVectorShift) -> None:
    for report in (
        vectorshift.explain(),
        vectorshift.explain(probe=True),
        await vectorshift.aexplain(),
    ):
        assert report.outcome == "failed"
        assert REFUSED in report.verdict
        assert report.winner is None
    with using(required.create_key()):
        assert vectorshift.explain().outcome == "found"
        assert (await vectorshift.aexplain()).outcome == "found"
    own = vectorshift.explain(client=VectorShift(required.create_key()))
    assert own.outcome == "found"


# --- What goes on ---


@pytest.mark.anyio
async def test_clients_auths_and_chains_with_credentials_of_their_own_go_on(
    required: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = required.create_key(org="own")
    monkeypatch.setenv("OWN_KEY", key)
    with VectorShift(key, base_url=required.base_url) as client:
        assert seen(client) == "own"
        vectorshift.configure(client=VectorShift(base_url=required.base_url))
        assert seen(client) == "own"
    async with AsyncVectorShift(EnvProvider("OWN_KEY"), base_url=required.base_url) as aclient:
        assert await aseen(aclient) == "own"
    with httpx.Client(auth=CredentialAuth(key, origin=required.base_url)) as http:
        assert http.get(f"{required.base_url}/pipelines").status_code == 200
    chain = ProviderChain([ExplicitProvider(), EnvProvider("OWN_KEY")])
    assert chain.get_credential().secret.reveal() == key
    assert (await chain.aget_credential()).secret.reveal() == key
    assert {request.org for request in required.requests} == {"own"}


def test_a_handler_of_a_client_of_its_own_goes_on_outside(required: FakeVectorShift) -> None:
    with (
        VectorShift(required.create_key(org="own"), base_url=required.base_url) as client,
        pytest.raises(vectorshift.NotFoundError),
    ):
        RunHandler("p-1", "t-1", client=client).run_status()
    assert [request.org for request in required.requests] == ["own"]


# --- A key of the process ---


@pytest.mark.parametrize("value", ["vs-a", lambda: "vs-a", vectorshift.Secret("vs-a")])
def test_assigning_a_key_of_the_process_is_refused(
    required: FakeVectorShift, value: Any, shown: Callable[[BaseException], str]
) -> None:
    for _ in range(2):
        with pytest.raises(CredentialConfigurationError, match="api_key cannot be set") as caught:
            vectorshift.api_key = value
        assert "vs-a" not in shown(caught.value)
        assert vars(vectorshift)["api_key"] is None
        with refused():
            seen()  # settings are read by now, whichever way says so
    with (
        using(required.create_key(org="tenant")),
        pytest.raises(CredentialConfigurationError, match="cannot be set"),
    ):
        vectorshift.api_key = value


@pytest.mark.parametrize(
    ("value", "refuses"), [("1", True), ("0", False), ("", False), (None, False)]
)
def test_the_first_line_of_a_program_is_refused_too(value: str | None, refuses: bool) -> None:
    program = "import vectorshift; vectorshift.api_key = 'vs-a'"
    environ = {**os.environ, **({} if value is None else {VARIABLE: value})}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    said = done.stderr.strip().rpartition("\n")[2]
    assert ("api_key cannot be set" in said) is refuses, done.stderr
    assert (done.returncode != 0) is refuses


def test_reading_the_key_of_the_process_gives_none(required: FakeVectorShift) -> None:
    assert getattr(vectorshift, "api_key") is None  # noqa: B009
    assert hasattr(vectorshift, "api_key")
    key = required.create_key()
    with using(key):
        assert vectorshift.api_key == key
    vectorshift.api_key = None
    del vectorshift.api_key


def test_a_patched_key_fails_and_leaves_no_trace(required: FakeVectorShift) -> None:
    with pytest.raises(CredentialConfigurationError), pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectorshift, "api_key", "vs-a")
    assert vars(vectorshift)["api_key"] is None


def test_a_key_that_was_set_before_is_not_used_and_that_is_said(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.api_key = api.create_key(org="assigned")
    vectorshift.configure(credentials=api.create_key(org="configured"))
    caplog.clear()
    vectorshift.configure(require_using=True)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "vectorshift.api_key and configure(credentials=...) set a key" in record.getMessage()
    with refused():
        seen()
    caplog.clear()
    vectorshift.configure(credentials=api.create_key(org="configured"))
    assert "is not used" in caplog.text
    with refused():
        seen()
    assert api.requests == []
    vectorshift.configure(require_using=False)
    assert seen() == "configured"


@pytest.mark.anyio
@pytest.mark.parametrize("style", CALL_STYLES, ids=repr)
async def test_a_configured_client_with_credentials_is_a_key_of_the_process(
    required: FakeVectorShift, style: CallStyle
) -> None:
    get, call = (
        (vectorshift.aget_credential, aseen) if style.prefix else (vectorshift.get_credential, seen)
    )
    async with style.client(required, "own") as client:
        vectorshift.configure(client=client)
        for ask in (get, call):
            for block in (contextvars.copy_context().run, _in_a_block):
                with pytest.raises(CredentialConfigurationError, match=r"configure\(client="):
                    await _awaited(partial(block, ask))
        explained = vectorshift.explain if not style.prefix else vectorshift.aexplain
        report: Any = explained()
        report = await report if style.prefix else report
        assert "configure(client=" in report.verdict
        report = vectorshift.explain(client=client)
        assert report.outcome == "found"
    assert required.requests == []


async def _awaited(call: Callable[[], Any]) -> Any:
    outcome = call()
    return await outcome if inspect.isawaitable(outcome) else outcome


def _in_a_block(ask: Callable[[], Any]) -> Any:
    with using("vs-tenant"):
        return ask()


# --- Its end ---


@pytest.mark.parametrize("end", ["configure", "reset"])
def test_it_ends_by_configure_and_by_reset(api: FakeVectorShift, end: str) -> None:
    vectorshift.configure(require_using=True)
    with refused():
        seen()
    vectorshift.configure(require_using=False) if end == "configure" else vectorshift.reset()
    assert seen() == "process"
    vectorshift.api_key = api.create_key(org="assigned")
    assert seen() == "assigned"


def test_configure_wins_over_the_variable_and_reset_reads_it_anew(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    vectorshift.configure(require_using=False)
    assert seen() == "process"
    with VectorShift(settings=Settings(), base_url=api.base_url) as client:
        assert seen(client) == "process"
    vectorshift.reset()
    with refused():
        seen()
    monkeypatch.setenv(VARIABLE, "0")
    vectorshift.reset()
    assert seen() == "process"


def test_other_things_that_are_configured_leave_it_in_force(api: FakeVectorShift) -> None:
    vectorshift.configure(require_using=True)
    vectorshift.configure(settings=Settings(base_url=api.base_url))
    vectorshift.configure(credentials=api.create_key())
    with VectorShift() as client:
        vectorshift.configure(client=client)
        with refused():
            seen()
    assert api.requests == []


def test_settings_in_code_that_do_not_mention_it_leave_the_variable_in_force(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    vectorshift.configure(settings=Settings(base_url=api.base_url))
    with refused() as caught:
        seen()
    assert VARIABLE in str(caught.value)
    vectorshift.configure(settings=Settings(base_url=api.base_url, require_using=False))
    assert seen() == "process"


def test_a_client_that_has_called_before_fails_from_then_on(api: FakeVectorShift) -> None:
    clients = [VectorShift(), VectorShift(settings=Settings(), base_url=api.base_url)]
    for client in clients:
        assert seen(client) == "process"
    vectorshift.configure(require_using=True)
    for client in clients:
        with refused():
            seen(client)
        with using(api.create_key(org="tenant")):
            assert seen(client) == "tenant"
    vectorshift.configure(require_using=False)
    for client in clients:
        assert seen(client) == "process"
        client.close()


def test_a_wrong_value_of_the_variable_fails_the_call(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "yess")
    vectorshift.configure(credentials=api.create_key())
    with pytest.raises(CredentialConfigurationError, match=VARIABLE):
        vectorshift.get_credential()


@pytest.mark.parametrize("value", [None, 1, "1", "false"])
def test_it_is_true_or_false(api: FakeVectorShift, value: Any) -> None:
    with pytest.raises(TypeError, match=f"True or False, not {type(value).__name__}"):
        vectorshift.configure(require_using=value)


@pytest.mark.anyio
async def test_threads_and_tasks_at_once_keep_their_organisation(required: FakeVectorShift) -> None:
    def thread(number: int) -> str:
        with using(required.create_key(org=f"thread{number}")):
            return seen()

    async def task(number: int) -> None:
        with using(required.create_key(org=f"task{number}")):
            assert await aseen() == f"task{number}"
        with refused():
            await aseen()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(thread, range(16))) == [f"thread{number}" for number in range(16)]
    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(task, number)
    await vectorshift.aclose()


# --- A file that is merely found ---


@pytest.mark.parametrize("supplies", ["dotenv", "configured below"])
def test_a_found_file_does_not_count_and_that_is_said(
    api: FakeVectorShift,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    supplies: str,
) -> None:
    key = api.create_key(org="found")
    monkeypatch.delenv("VECTORSHIFT_API_KEY")
    lines = [f"{VARIABLE}=1", "VECTORSHIFT_TIMEOUT=5"]
    if supplies == "dotenv":
        lines.append(f"VECTORSHIFT_API_KEY={key}")
    else:
        monkeypatch.setenv("VECTORSHIFT_PROVIDERS", "dotenv,login")
        login = Path(vectorshift.LoginProvider().path)
        login.parent.mkdir()
        login.write_text(f'[auth]\napi_key = "{key}"\n')
        login.chmod(0o600)
    (tmp_path / ".env").write_text("\n".join(lines))
    (tmp_path / ".env").chmod(0o600)
    vectorshift.reset()
    for _ in range(3):
        assert seen() == "found"
    warnings = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    named = [each for each in warnings if f"{VARIABLE}, VECTORSHIFT_TIMEOUT" in each]
    assert len(named) == 1, warnings
