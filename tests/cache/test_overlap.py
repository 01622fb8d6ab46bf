"""A key that reaches its store before the API knows it: calls go back to the key before, which the
API still takes.

When that may be is told by the scenarios `overlap-*`; here is what calls, chains and events make of
it.
"""

from __future__ import annotations

import contextlib
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from tests.call_styles import CallStyle
from tests.fakes import Rotating, Turn

from vectorshift import (
    AsyncVectorShift,
    AuthenticationError,
    CachingProvider,
    CredentialAuth,
    CredentialEvent,
    CredentialStoreUnavailableError,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    LoginProvider,
    Pipeline,
    ProviderChain,
    Report,
    Secret,
    VectorShift,
    aexplain,
    explain,
    on_event,
)
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NEW = "vs-new"


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


@pytest.fixture
def events() -> Iterator[list[CredentialEvent]]:
    seen: list[CredentialEvent] = []
    stop = on_event(seen.append)
    yield seen
    stop()


class Stage:
    """A store whose key was replaced by one that the API does not know, and was read since."""

    def __init__(self, api: FakeVectorShift) -> None:
        self.api, self.clock = api, ManualClock()
        self.old = api.create_key()
        self.store = Rotating(self.old, remote=True)
        self.cache = CachingProvider(self.store, clock=self.clock, random=lambda: 0.0)
        self.chain = ProviderChain([self.cache])

    async def rotate(self, key: Turn = NEW) -> None:
        """Put a new key into the store, and let the cache read it in the background."""
        self.chain.get_credential()
        self.store.put(key)
        self.clock.advance(300)
        self.chain.get_credential()
        with anyio.fail_after(10):
            while self.chain.get_credential().secret.reveal() != NEW:
                await anyio.sleep(0.001)

    def sent(self) -> list[str]:
        """Return the keys of the requests that came since this was last asked."""
        new, self._told = self.api.requests[self._told :], len(self.api.requests)
        return [
            "old" if each.key == Secret(self.old) else each.key.reveal()[3:]
            for each in new
            if each.key is not None
        ]

    _told = 0


@pytest.fixture
async def stage(api: FakeVectorShift) -> Stage:
    stage = Stage(api)
    await stage.rotate()
    return stage


async def call(stage: Stage, style: CallStyle) -> str:
    """Make a call; return what came of it."""
    async with style.client(stage.api, credentials=stage.chain) as client:
        try:
            await style.call(Pipeline, "list", client=client)
        except AuthenticationError as error:
            return str(error)
    return "success"


# --- What calls are sent with ---


async def test_a_call_with_a_key_that_the_api_does_not_know_yet_is_sent_again_with_the_one_before(
    stage: Stage, style: CallStyle
) -> None:
    assert await call(stage, style) == "success"
    assert stage.sent() == ["new", "old"]


async def test_the_next_calls_use_the_key_before_and_try_the_new_one_again_after_a_pause(
    stage: Stage, style: CallStyle
) -> None:
    outcomes = [await call(stage, style) for _ in range(3)]
    assert stage.sent() == ["new", "old", "old", "old"]
    stage.clock.advance(1)
    outcomes += [await call(stage, style) for _ in range(2)]
    assert stage.sent() == ["new", "old", "old"]
    assert outcomes == ["success"] * 5


async def test_once_the_api_knows_the_new_key_it_is_used(stage: Stage, style: CallStyle) -> None:
    await call(stage, style)
    stage.api.create_key(key=NEW)
    stage.api.revoke_key(stage.old)  # the very next call has the old key once more
    stage.sent()
    assert [await call(stage, style) for _ in range(3)] == ["success"] * 3
    assert stage.sent() == ["old", "new", "new", "new"]


async def test_the_key_before_is_not_used_once_the_new_one_was_first_seen_120_seconds_ago(
    stage: Stage, style: CallStyle
) -> None:
    stage.clock.advance(120)
    assert "had it at the last read" in await call(stage, style)
    assert stage.sent() == ["new"]


async def test_a_key_before_that_is_refused_as_well_is_not_used_again(
    stage: Stage, style: CallStyle
) -> None:
    stage.api.revoke_key(stage.old)
    assert (
        f"It may not know the key yet. The key before it, {Secret(stage.old)}, was rejected, too."
        in await call(stage, style)
    )
    assert stage.sent() == ["new", "old"]
    for _ in range(3):
        await call(stage, style)
        stage.clock.advance(1)
    assert stage.sent() == ["new"] * 3


async def test_a_body_that_cannot_be_sent_twice_is_not_sent_again_and_the_next_one_succeeds(
    stage: Stage,
) -> None:
    url = f"{stage.api.base_url}/pipelines"
    auth = CredentialAuth(stage.chain, origin=stage.api.base_url)
    with httpx.Client(auth=auth, trust_env=False) as http:
        first = http.request("GET", url, content=iter([b"{}"]))
        assert (first.status_code, stage.sent()) == (401, ["new"])
        told = str(first.request.extensions["vectorshift.refusal"])
        assert f"{Secret(stage.old)}, was not tried: the body of this request cannot be" in told
        http.request("GET", url, content=iter([b"{}"]))
    assert stage.sent() == ["old"]


async def test_a_hundred_calls_at_once_cause_one_read_and_all_succeed(
    stage: Stage, style: CallStyle, events: list[CredentialEvent]
) -> None:
    stage.api.latency = 0.2
    reads = stage.store.asked
    outcomes: list[str] = []

    def one(client: VectorShift) -> None:
        Pipeline.list(client=client)
        outcomes.append("success")

    async def aone(client: AsyncVectorShift) -> None:
        await Pipeline.alist(client=client)
        outcomes.append("success")

    async with style.client(stage.api, credentials=stage.chain) as client:
        if style.prefix:
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(aone, client)
        else:
            with ThreadPoolExecutor(100) as pool:
                list(pool.map(one, [client] * 100))
    assert outcomes == ["success"] * 100
    assert stage.store.asked == reads + 1
    assert [event.kind for event in events] == ["rejected"]


# --- Never another's key ---


async def test_another_source_of_the_same_provider_is_not_gone_back_to(
    api: FakeVectorShift, style: CallStyle
) -> None:
    stage = Stage(api)
    await stage.rotate((NEW, "fake:elsewhere"))
    for _ in range(3):
        assert "The API refuses the key" in await call(stage, style)
    assert stage.sent() == ["new"] * 3


@pytest.mark.parametrize("how", ["code", "environment", "callable"])
async def test_a_key_that_code_or_the_environment_replaced_is_not_gone_back_to(
    api: FakeVectorShift, style: CallStyle, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"api_key": api.create_key(org="acme")}
    given: Any = {
        "code": ExplicitProvider(held=held),
        "environment": EnvProvider(),
        "callable": lambda: held["api_key"],
    }[how]
    monkeypatch.setenv("VECTORSHIFT_API_KEY", held["api_key"])
    async with style.client(api, credentials=given) as client:
        await style.call(Pipeline, "list", client=client)
        held["api_key"] = NEW  # umbrella's
        monkeypatch.setenv("VECTORSHIFT_API_KEY", NEW)
        with pytest.raises(AuthenticationError):
            await style.call(Pipeline, "list", client=client)
    assert [each.status for each in api.requests] == [200, 401]


@pytest.mark.parametrize("provider", [DotenvProvider, LoginProvider])
async def test_a_key_that_a_person_replaced_in_a_file_is_not_gone_back_to(
    api: FakeVectorShift, style: CallStyle, provider: Any, tmp_path: Path
) -> None:
    file, clock = tmp_path / "file", ManualClock()
    form = "VECTORSHIFT_API_KEY={}" if provider is DotenvProvider else '[auth]\napi_key = "{}"'
    file.write_text(form.format(api.create_key()))
    async with style.client(api, credentials=provider(file, clock=clock)) as client:
        await style.call(Pipeline, "list", client=client)
        file.write_text(form.format(NEW))
        clock.advance(1)
        with pytest.raises(AuthenticationError):
            await style.call(Pipeline, "list", client=client)
    assert [each.status for each in api.requests] == [200, 401]


# --- Key files, which agents and orchestrators replace ---


class FileStage(Stage):
    """The same with a key file, which no cache stands before."""

    def __init__(self, api: FakeVectorShift, file: Path) -> None:
        super().__init__(api)
        self.file = file
        self.file.write_text(self.old)
        provider = EnvProvider(file=file, clock=self.clock)
        self.chain = ProviderChain([provider], clock=self.clock)

    def write(self, key: str) -> None:
        self.file.write_text(key)
        self.clock.advance(1)


@pytest.fixture
def files(api: FakeVectorShift, tmp_path: Path) -> FileStage:
    stage = FileStage(api, tmp_path / "key")
    stage.chain.get_credential()
    stage.write(NEW)
    stage.chain.get_credential()
    return stage


async def test_a_file_is_gone_back_from_like_a_store(
    files: FileStage, style: CallStyle, events: list[CredentialEvent]
) -> None:
    for _ in range(3):
        assert await call(files, style) == "success"
    assert files.sent() == ["new", "old", "old", "old"]
    files.clock.advance(1)
    assert await call(files, style) == "success"
    assert files.sent() == ["new", "old"]
    files.api.create_key(key=NEW)
    files.clock.advance(2)
    assert await call(files, style) == "success"
    assert files.sent() == ["new"]
    assert [(each.kind, each.previous_fingerprint) for each in events] == [
        ("rejected", Secret(files.old).fingerprint),
        ("accepted", None),
    ]


async def test_a_file_is_not_gone_back_from_after_120_seconds(
    files: FileStage, style: CallStyle, events: list[CredentialEvent]
) -> None:
    assert await call(files, style) == "success"
    files.clock.advance(120)
    for _ in range(3):
        assert "The API refuses the key" in await call(files, style)
    assert files.sent() == ["new", "old", "new", "new", "new"]
    assert [(each.kind, each.previous_fingerprint is None) for each in events] == [
        ("rejected", False),
        ("rejected", True),
    ]


async def test_a_file_is_not_gone_back_from_to_a_key_that_was_refused(
    api: FakeVectorShift, style: CallStyle, tmp_path: Path
) -> None:
    stage = FileStage(api, tmp_path / "key")
    api.revoke_key(stage.old)
    assert "The API refuses the key" in await call(stage, style)
    stage.write(NEW)
    for _ in range(2):
        assert "The API refuses the key" in await call(stage, style)
    assert stage.sent() == ["old", "new", "new"]


async def test_a_key_before_in_a_file_that_is_refused_too_is_not_used_again(
    files: FileStage, style: CallStyle
) -> None:
    files.api.revoke_key(files.old)
    for _ in range(3):
        assert "The API refuses the key" in await call(files, style)
    assert files.sent() == ["new", "old", "new", "new"]


async def test_a_file_that_was_removed_is_not_gone_back_from(
    files: FileStage, style: CallStyle
) -> None:
    files.file.unlink()
    files.clock.advance(1)
    with pytest.raises(CredentialStoreUnavailableError):
        files.chain.get_credential()
    files.write(NEW)
    assert "The API refuses the key" in await call(files, style)
    assert files.sent() == ["new"]


async def test_a_variable_beside_a_credential_of_systemd_is_not_gone_back_from(
    api: FakeVectorShift, style: CallStyle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vectorshift_api_key").write_text(api.create_key())
    chain = ProviderChain([EnvProvider(credentials_directory=tmp_path)])
    async with style.client(api, credentials=chain) as client:
        for key in (api.create_key(), NEW):
            monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
            with contextlib.suppress(AuthenticationError):
                await style.call(Pipeline, "list", client=client)
    assert [each.status for each in api.requests] == [200, 401]


# --- What is told ---


async def test_one_event_and_one_line_say_that_the_key_before_is_used(
    stage: Stage,
    style: CallStyle,
    events: list[CredentialEvent],
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = len(events)
    caplog.set_level(logging.INFO)
    for _ in range(20):
        assert await call(stage, style) == "success"
        stage.clock.advance(1)
    assert [event.kind for event in events[told:]] == ["rejected"]
    event = events[-1]
    old, new = Secret(stage.old).fingerprint, Secret(NEW).fingerprint
    assert (event.fingerprint, event.previous_fingerprint) == (new, old)
    line = (
        f"The API refused fake:store {new}. It may not know this new key yet. For at most 2 "
        f"minutes, calls use the key before it, {old}."
    )
    lines = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "vectorshift"]
    assert lines[-1:] == [("WARNING", line)]
    assert sum("refused" in text or "changed" in text for _, text in lines) == 1


async def test_it_is_told_once_also_while_the_store_is_down(
    stage: Stage, style: CallStyle, events: list[CredentialEvent]
) -> None:
    stage.store.put(CredentialStoreUnavailableError("Down."))
    for _ in range(5):
        assert await call(stage, style) == "success"
        stage.clock.advance(5)
    assert [event.kind for event in events] == ["rejected", "refresh_failed"]


async def test_the_end_of_the_two_minutes_is_told_if_the_new_key_is_still_refused(
    stage: Stage, style: CallStyle, events: list[CredentialEvent]
) -> None:
    await call(stage, style)
    stage.clock.advance(120)
    told = len(events)
    for _ in range(5):
        assert "The API refuses the key" in await call(stage, style)
        stage.clock.advance(1)
    new = Secret(NEW).fingerprint
    assert [(each.kind, each.fingerprint, each.previous_fingerprint) for each in events[told:]] == [
        ("rejected", new, None)
    ]


async def test_the_next_rotation_is_told_as_one_of_the_new_key(
    stage: Stage, style: CallStyle, events: list[CredentialEvent]
) -> None:
    await call(stage, style)
    third = stage.api.create_key()
    stage.store.put(third)
    stage.clock.advance(1)
    assert await call(stage, style) == "success"
    assert stage.sent()[-2:] == ["new", third[3:]]
    last = events[-1]
    assert (last.kind, last.previous_fingerprint, last.fingerprint) == (
        "rotated",
        Secret(NEW).fingerprint,
        Secret(third).fingerprint,
    )


async def test_the_key_before_is_forgotten_when_its_time_is_over(stage: Stage) -> None:
    stage.chain.get_credential()
    assert stage.cache.known()[0].overlap.previous is not None
    stage.clock.advance(120)
    stage.chain.get_credential()
    assert stage.cache.known()[0].overlap.previous is None


async def test_explain_says_which_of_the_two_a_call_uses(stage: Stage, style: CallStyle) -> None:
    await call(stage, style)
    async with style.client(stage.api, credentials=stage.chain) as client:
        report = await (aexplain if style.prefix else _explain)(client=client)
    old, new = Secret(stage.old).fingerprint, Secret(NEW).fingerprint
    assert f"A call uses fake:store {old}" in report.verdict
    assert re.sub(r" since .* UTC", "", report.sources[0].reason) == (
        f"The API has refused {new}.\nIt may not know this new key yet. Calls use the key before"
        f" it, {old}, for at most 120 s."
    )


async def test_explain_says_which_of_the_two_keys_of_a_file_a_call_uses(
    files: FileStage, style: CallStyle
) -> None:
    await call(files, style)
    async with style.client(files.api, credentials=files.chain) as client:
        report = await (aexplain if style.prefix else _explain)(client=client)
    assert Secret(files.old).fingerprint in report.verdict


async def _explain(**given: Any) -> Report:
    return explain(**given)


async def test_the_key_before_of_a_file_is_forgotten_when_its_time_is_over(
    files: FileStage, style: CallStyle
) -> None:
    await call(files, style)
    old = files.chain.get_credential()
    assert old.secret == Secret(files.old)
    assert files.chain.is_previous(old)
    files.clock.advance(120)
    files.chain.get_credential()
    assert not files.chain.is_previous(old)
