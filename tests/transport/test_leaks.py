"""For each way to fail: no key in the log at any level, in the error, in its chain, in traceback
locals, in pickles.
"""

from __future__ import annotations

import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import rich
from rich.console import Console
from sentry_sdk.serializer import serialize
from tests.call_styles import CallStyle
from tests.fakes import Echo, RawServer, Received, Rotating
from tests.faults import StillClock

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    Credential,
    CredentialAuth,
    ProviderChain,
    Secret,
    Settings,
    VectorShift,
    errors,
)
from vectorshift.providers import EnvProvider, ExplicitProvider, VaultProvider
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]

MARK = "3f9c2e71d8a04b56"
"""Stands in every key of this file, and nowhere else."""
KEY = f"vs-{MARK}"
VAULT = "https://vault.example.com"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", running.base_url)
        vectorshift.reset()
        yield running
        vectorshift.reset()


async def failure(
    style: CallStyle, credentials: Any = DEFAULT_SCOPE, **given: Any
) -> errors.VectorshiftError:
    """Return what a call raises. It does not wait before it is tried again."""
    given["clock"] = StillClock()
    try:
        async with style.open(credentials, **given) as client:
            await style.request(client, "GET", "/pipelines", query={"limit": 1})
    except errors.VectorshiftError as error:
        return error
    raise AssertionError("the call did not fail")


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """Every error that can be reached, also those whose printing is suppressed."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]


def frames_of_the_package(error: BaseException) -> list[str]:
    """What a crash reporter would show: the locals of each frame but those of this test's own
    files.
    """
    shown: list[str] = []
    for each in chain_of(error):
        summary = traceback.TracebackException.from_exception(each, capture_locals=True)
        shown += [
            f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"
            for frame in summary.stack
            if "/tests/" not in frame.filename
        ]
    return shown


def assert_silent(
    error: errors.VectorshiftError, caplog: pytest.LogCaptureFixture, mark: str = MARK
) -> None:
    for each in chain_of(error):
        for text in (str(each), repr(each), repr(each.args), repr(vars(each))):
            assert mark not in text
    for shown in frames_of_the_package(error):
        assert mark not in shown
    assert mark not in "".join(traceback.format_exception(error))
    assert mark.encode() not in pickle.dumps(error)
    assert mark not in repr(vars(pickle.loads(pickle.dumps(error)))) + repr(vars(copy.copy(error)))
    for record in caplog.records:
        assert mark not in record.getMessage() + repr(record.args) + repr(record.exc_info)


@pytest.fixture(autouse=True)
def _every_logger_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    names = [
        *logging.Logger.manager.loggerDict,
        "httpx",
        "httpcore.http11",
        "httpcore.connection",
        "asyncio",
    ]
    for name in names:
        caplog.set_level(logging.DEBUG, logger=name)
    caplog.set_level(logging.DEBUG)


# --- The API fails ---


async def test_refused(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    error = await failure(style, KEY)
    assert Secret(KEY).fingerprint in str(error)
    assert_silent(error, caplog)
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"httpx", "httpcore"}


async def test_refused_with_a_newer_key(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    assert_silent(await failure(style, Rotating(KEY, KEY + "-2")), caplog)


async def test_refused_while_the_store_fails(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    assert_silent(
        await failure(style, Rotating(KEY, errors.CredentialStoreUnavailableError("away."))), caplog
    )


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 500])
async def test_answered_with_a_failure(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    api.fail_next(status)
    assert_silent(await failure(style, KEY), caplog)


async def test_lacking_the_scope(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    api.create_key(key=KEY, scopes=())
    assert_silent(await failure(style, KEY), caplog)


@pytest.mark.parametrize(
    ("status", "body"), [(401, "you sent {}"), (200, '{{"status":"failed","error":"{}"}}')]
)
async def test_a_server_that_echoes_the_key(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture, status: int, body: str
) -> None:
    def answers(request: Received) -> tuple[int, dict[str, str], bytes]:
        return status, {}, body.format(request.authorization).encode()

    with Echo(answers) as server:
        assert_silent(await failure(style, KEY, base_url=server.origin), caplog)


async def test_a_connection_that_is_refused(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    api.close()
    assert_silent(await failure(style, KEY), caplog)


async def test_a_connection_that_is_dropped(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    api.drop_next(times=2)
    assert_silent(await failure(style, KEY), caplog)


async def test_an_answer_that_does_not_come(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    api.latency = 30
    assert_silent(await failure(style, KEY, timeout=0.2), caplog)


async def test_an_answer_that_is_cut_off(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut") as server:
        assert_silent(await failure(style, KEY, base_url=server.origin), caplog)


async def test_plain_http_to_another_machine(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    assert_silent(await failure(style, KEY, base_url="http://api.example.com/v1"), caplog)


# --- There is no key, or one that is none ---

MALFORMED = {
    "a line break": f"vs-\n{MARK}",
    "no ascii": f"vs-ä{MARK}",
    "a space": f"vs- {MARK}",
    "quotation marks": f'"vs-{MARK}"',
    "Bearer": f"Bearer vs-{MARK}",
    "json": f'{{"api_key": "vs-{MARK}"}}',
    "a json array": f'["vs-{MARK}"]',
    "a printed map": f"map[api_key:vs-{MARK}]",
    "too long": MARK * 600,
    "a control character": f"vs-\x01{MARK}",
}


def _in_the_environment(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", text)
    return "env:VECTORSHIFT_API_KEY"


def _in_a_key_file(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "key").write_text(text, encoding="utf-8")
    monkeypatch.setenv("VECTORSHIFT_API_KEY_FILE", str(folder / "key"))
    return f"file:{folder / 'key'}"


def _in_a_dotenv_file(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    (folder / ".env").write_text(f"VECTORSHIFT_API_KEY='{escaped}'\n", encoding="utf-8")
    return "dotenv:"


def _assigned(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(vectorshift, "api_key", text)
    return "explicit:api_key"


def _returned(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(vectorshift, "api_key", lambda: text)
    return "explicit:api_key"


Place = Callable[[str, "Path", pytest.MonkeyPatch], str]
PLACES: list[Place] = [_in_the_environment, _in_a_key_file, _in_a_dotenv_file, _assigned, _returned]


@pytest.mark.parametrize("flaw", list(MALFORMED))
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__.strip("_"))
async def test_a_malformed_key_is_refused_where_it_is_found(
    style: CallStyle,
    api: FakeVectorShift,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: Place,
    flaw: str,
) -> None:
    source = place(MALFORMED[flaw], tmp_path, monkeypatch)
    vectorshift.reset()
    error = await failure(style)
    assert isinstance(error, vectorshift.CredentialConfigurationError)
    assert source in str(error)
    assert_silent(error, caplog)
    assert api.requests == []


async def test_a_missing_key_beside_a_key_of_something_else(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"OTHER_SECRET={KEY}\n")
    assert_silent(await failure(style), caplog)


async def test_a_callable_that_raises_with_the_key_in_its_text(
    style: CallStyle, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        key = KEY
        raise KeyError(key)

    assert_silent(await failure(style, broken), caplog)


# --- What holds a key and is printed ---


def _holders() -> dict[str, Callable[[], object]]:
    credential = Credential(secret=Secret(KEY), source="fake:here", provider="fake", version="3")
    explicit = ExplicitProvider(KEY)
    chain = ProviderChain([CachingProvider(explicit)])
    return {
        "Secret": lambda: Secret(KEY),
        "Credential": lambda: credential,
        "ExplicitProvider": lambda: explicit,
        "EnvProvider": EnvProvider,
        "ProviderChain": lambda: chain,
        "CachingProvider": lambda: CachingProvider(explicit),
        "a description": explicit.describe,
        "CredentialAuth": lambda: CredentialAuth(KEY, origin="https://api.example.com"),
        "VectorShift": lambda: VectorShift(KEY),
        "AsyncVectorShift": lambda: AsyncVectorShift(KEY),
        "VaultProvider": lambda: VaultProvider("x", addr=VAULT, token=KEY),
        "an AppRole": lambda: VaultProvider(
            "x", addr=VAULT, auth="approle", role_id="r", secret_id=KEY
        ),
        "Settings": lambda: Settings(vault_path="x", vault_addr=VAULT, vault_token=Secret(KEY)),
        "the module": lambda: vectorshift,
    }


@pytest.mark.parametrize("name", list(_holders()))
def test_what_holds_a_key_prints_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    held = _holders()[name]()
    if isinstance(held, EnvProvider | ExplicitProvider | ProviderChain | CachingProvider):
        assert held.get_credential().secret.reveal() == KEY
    for text in (repr(held), str(held), f"{held}", repr([held]), repr({"a": held})):
        assert MARK not in text


@pytest.mark.parametrize("name", [name for name in _holders() if name != "the module"])
def test_what_walks_through_its_attributes_finds_no_key(name: str) -> None:
    """As debuggers and serialisers do: rich, jsonpickle, ddtrace, Sentry."""
    held = _holders()[name]()
    if isinstance(held, ExplicitProvider | ProviderChain | CachingProvider):
        held.get_credential()
    console = Console(file=io.StringIO(), width=200)
    rich.inspect(held, all=True, private=True, console=console)
    assert isinstance(console.file, io.StringIO)
    walked = repr([list(_within(held)), serialize({"held": held})])
    if not isinstance(held, Settings):  # its deprecated members warn
        names = [name for name in dir(held) if name != "__weakref__"]  # 3.10 raises for it
        walked += repr([getattr(held, name, None) for name in names])
    assert MARK not in walked + console.file.getvalue()


def _within(value: object, depth: int = 6) -> Iterator[object]:
    """Yield a value, and what its attributes, slots and items hold."""
    yield value
    if not depth:
        return
    slots = [name for each in type(value).__mro__ for name in getattr(each, "__slots__", ())]
    inner: list[object] = [getattr(value, name, None) for name in slots]
    inner += vars(value).values() if hasattr(value, "__dict__") else ()
    inner += value.values() if isinstance(value, dict) else ()
    inner += value if isinstance(value, list | tuple | set | frozenset) else ()
    for each in inner:
        yield from _within(each, depth - 1)


def test_the_module_attribute_prints_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectorshift, "api_key", KEY)
    assert vectorshift.api_key == KEY
    assert MARK not in repr(vectorshift.api_key) + repr([vectorshift.api_key])
    assert MARK.encode() not in pickle.dumps(vectorshift.api_key)


@pytest.mark.parametrize("name", ["Secret", "Credential"])
def test_what_holds_a_key_pickles_without_it(name: str) -> None:
    assert MARK.encode() not in pickle.dumps(_holders()[name]())


def test_a_request_prints_without_the_key_that_is_stamped_on_it() -> None:
    import httpx

    request = httpx.Request("GET", "https://api.example.com/x")
    next(CredentialAuth(KEY, origin="https://api.example.com").sync_auth_flow(request))
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert MARK not in repr(request) + repr(request.headers) + repr(request.extensions)


def test_events_hold_no_key(caplog: pytest.LogCaptureFixture) -> None:
    events: list[vectorshift.CredentialEvent] = []
    stop = vectorshift.on_event(events.append)
    try:
        chain = ProviderChain([Rotating(KEY, KEY + "-2")])
        chain.get_credential()
        chain.get_credential()
    finally:
        stop()
    assert [event.kind for event in events] == ["resolved", "rotated"]
    for event in events:
        assert MARK not in repr(event) + str(event)
        assert MARK.encode() not in pickle.dumps(event)
    assert MARK not in caplog.text


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_the_frames_of_a_client_that_could_not_be_made_hold_no_key(shown: Any) -> None:
    for make in (VectorShift, AsyncVectorShift):
        with pytest.raises(ValueError, match="should be a URL") as caught:
            make(A, base_url="nonsense")
        assert A not in shown(caught.value)
    with pytest.raises(TypeError) as wrong:
        vectorshift.configure(credentials=A, client="oops")  # type: ignore[arg-type]
    assert A not in shown(wrong.value)
    with pytest.raises(errors.CredentialError) as bytes_given:
        Credential(secret=A.encode(), source="x", provider="y")  # type: ignore[arg-type]
    assert A not in shown(bytes_given.value)
