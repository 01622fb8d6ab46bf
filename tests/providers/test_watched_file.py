"""A key file that is rewritten, replaced, swapped, emptied and taken away under a running
process.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from tests.fakes import Meanwhile

from vectorshift import errors
from vectorshift._platform.files import read_small
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import LOCAL_REQUEST, LookupRequest
from vectorshift.credentials.values import Credential, Secret, parse_key
from vectorshift.providers._watched_file import Content, KeyFile, unreadable
from vectorshift.providers.dotenv import DotenvProvider
from vectorshift.providers.env import EnvProvider
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.providers.login import LoginProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.credentials.resolving import BaseProvider

    Result = Credential | errors.CredentialError


class Watched:
    """A key file with a clock that the test moves, which counts how often its content was
    parsed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        self.parsed = 0
        self.paused: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.file = KeyFile(
            path,
            self._read,
            source=f"file:{path}",
            provider="env",
            clock=self.clock,
            pause=self._pause,
        )

    def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.meanwhile()

    def _read(self, content: Content) -> Result:
        self.parsed += 1
        if isinstance(content, OSError):
            return errors.CredentialNotFoundError("no file")
        secret = parse_key(
            content.decode(), source=f"file:{self.path}", provider="env", blank="not found"
        )
        if isinstance(secret, errors.CredentialError):
            return secret
        return Credential(secret=secret, source=f"file:{self.path}", provider="env")

    def answer(self) -> Result:
        seen = self.file.get_cached()
        return self.file.look() if seen is None else seen

    def key(self) -> str:
        answer = self.answer()
        assert isinstance(answer, Credential), answer
        return answer.secret.reveal()

    def key_in_a_second(self) -> str:
        self.clock.advance(1)
        return self.key()

    def failure_in_a_second(self) -> errors.CredentialError:
        self.clock.advance(1)
        answer = self.answer()
        assert isinstance(answer, errors.CredentialError), answer
        return answer


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    (tmp_path / "key").write_text("vs-one")
    return Watched(tmp_path / "key")


def test_the_file_is_looked_at_once_a_second_at_most(watched: Watched) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("vs-two")
    watched.clock.advance(0.99)
    assert watched.key() == "vs-one"
    watched.clock.advance(0.01)
    assert watched.key() == "vs-two"


def test_nothing_is_read_before_the_first_look(tmp_path: Path) -> None:
    assert Watched(tmp_path / "none").file.get_cached() is None


def test_an_unchanged_file_is_not_parsed_again_and_answers_with_the_same_object(
    watched: Watched,
) -> None:
    first = watched.answer()
    for _ in range(3):
        watched.clock.advance(1)
        assert watched.answer() is first
    assert watched.parsed == 1


def test_a_file_replaced_by_rename_is_read_even_if_its_time_and_size_are_the_same(
    watched: Watched,
) -> None:
    assert watched.key() == "vs-one"
    new = watched.path.with_name("new")
    new.write_text("vs-two")
    seen = watched.path.stat()
    os.utime(new, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    new.replace(watched.path)
    assert watched.key_in_a_second() == "vs-two"


def test_a_swapped_data_link_is_followed_as_kubernetes_swaps_it(tmp_path: Path) -> None:
    for number, key in enumerate(("vs-one", "vs-two")):
        (tmp_path / f"..v{number}").mkdir()
        (tmp_path / f"..v{number}" / "key").write_text(key)
    (tmp_path / "..data").symlink_to("..v0")
    (tmp_path / "key").symlink_to("..data/key")
    watched = Watched(tmp_path / "key")
    assert watched.key() == "vs-one"
    (tmp_path / "..tmp").symlink_to("..v1")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert watched.key_in_a_second() == "vs-two"


def test_a_rewrite_that_leaves_the_file_empty_for_a_moment_is_waited_for(watched: Watched) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("")
    watched.meanwhile = lambda: watched.path.write_text("vs-two")
    assert watched.key_in_a_second() == "vs-two"
    assert watched.paused == [0.05]


def test_a_rewrite_that_is_seen_half_done_is_waited_for(watched: Watched) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("vs-tw\nhalf")
    watched.meanwhile = lambda: watched.path.write_text("vs-two")
    assert watched.key_in_a_second() == "vs-two"


@pytest.mark.parametrize("left", [b"", b" \n", None], ids=["emptied", "blank", "gone"])
def test_a_file_that_held_a_key_and_holds_none_is_unavailable_and_never_not_found(
    watched: Watched, left: bytes | None
) -> None:
    assert watched.key() == "vs-one"
    watched.path.unlink() if left is None else watched.path.write_bytes(left)
    for _ in range(3):
        failure = watched.failure_in_a_second()
        assert isinstance(failure, errors.CredentialStoreUnavailableError)
        assert f"file:{watched.path} held a key before" in str(failure)
        assert "vs-one" not in str(failure)
    watched.path.write_text("vs-two")
    assert watched.key_in_a_second() == "vs-two"
    watched.path.write_text("vs-one")
    assert watched.key_in_a_second() == "vs-one"


def test_a_file_whose_key_alone_was_taken_out_is_unavailable_too(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("KEY=vs-one")

    def read(content: Content) -> Result:
        if isinstance(content, bytes) and content.startswith(b"KEY=vs"):
            return Credential(secret=Secret("vs-one"), source="dotenv:x", provider="dotenv")
        return errors.CredentialNotFoundError("no key")

    clock = ManualClock()
    file = KeyFile(
        path, read, source="dotenv:x", provider="dotenv", clock=clock, pause=lambda _: None
    )
    assert isinstance(file.look(), Credential)
    path.write_text("# KEY=vs-one")
    assert isinstance(file.look(), errors.CredentialStoreUnavailableError)


def test_a_local_request_sees_what_calls_see_and_no_later_key(watched: Watched) -> None:
    watched.path.unlink(missing_ok=True)
    assert isinstance(watched.answer(), errors.CredentialNotFoundError)
    watched.path.write_text("vs-late")
    assert isinstance(watched.file.look(LOCAL_REQUEST), errors.CredentialNotFoundError)
    assert watched.key_in_a_second() == "vs-late"


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("kind", ["env", "dotenv", "login"])
def test_a_file_that_only_cannot_be_opened_just_then_is_not_said_to_hold_no_key(
    tmp_path: Path, kind: str
) -> None:
    import resource

    path, clock = tmp_path / "key", ManualClock()
    path.write_text(
        {
            "env": "vs-one",
            "dotenv": "VECTORSHIFT_API_KEY=vs-one",
            "login": '[auth]\napi_key="vs-one"',
        }[kind]
    )
    make: dict[str, Callable[[], BaseProvider]] = {
        "env": lambda: EnvProvider(file=path, clock=clock, pause=lambda _: None),
        "dotenv": lambda: DotenvProvider(path, clock=clock, pause=lambda _: None),
        "login": lambda: LoginProvider(path, clock=clock, pause=lambda _: None),
    }
    provider = make[kind]()
    assert provider.get_credential().secret.reveal() == "vs-one"
    clock.advance(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        answer = provider.resolve(LookupRequest())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert type(answer) is errors.CredentialStoreUnavailableError
    assert answer.message.endswith("cannot be read: too many open files.")
    clock.advance(1)
    assert provider.get_credential().secret.reveal() == "vs-one"


def test_what_a_good_file_turns_into_is_told_and_does_not_answer_with_the_old_key(
    watched: Watched,
) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("two words")
    for _ in range(3):
        assert isinstance(watched.failure_in_a_second(), errors.CredentialConfigurationError)


def test_a_file_that_never_held_a_key_is_what_its_reader_says_without_a_pause(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path / "none")
    assert isinstance(watched.answer(), errors.CredentialNotFoundError)
    assert isinstance(watched.failure_in_a_second(), errors.CredentialNotFoundError)
    assert watched.paused == []
    watched.path.write_text("vs-one")
    assert watched.key_in_a_second() == "vs-one"


def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there() -> None:
    assert isinstance(Watched(Path("a\0b")).answer(), errors.CredentialNotFoundError)


def test_a_signal_handler_that_asks_in_the_midst_of_a_look_is_answered(watched: Watched) -> None:
    """It runs in the thread that holds the lock."""
    watched.path.write_text("")
    seen: list[str] = []
    assert watched.key() if watched.path.write_text("vs-one") else None
    watched.path.write_text("")
    watched.clock.advance(1)

    def handler() -> None:
        watched.path.write_text("vs-two")
        seen.append(str(watched.file.look()))

    watched.meanwhile = handler
    thread = threading.Thread(target=watched.answer, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert len(seen) == 1


def test_others_are_served_while_one_caller_looks(watched: Watched) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("")
    reached, go_on = threading.Event(), threading.Event()

    def meanwhile() -> None:
        reached.set()
        assert go_on.wait(10)
        watched.path.write_text("vs-two")

    watched.meanwhile = meanwhile
    watched.clock.advance(1)
    answers: list[Result] = []
    looker = threading.Thread(target=lambda: answers.append(watched.answer()))
    looker.start()
    try:
        assert reached.wait(10)
        assert watched.key() == "vs-one"
    finally:
        go_on.set()
        looker.join(10)
    assert [str(answer)[:5] for answer in answers] == ["file:"]
    assert watched.key() == "vs-two"


class Ticking(ManualClock):
    """A clock that goes on with every look at it, and lets a test wait until it was looked at so
    many times.
    """

    def __init__(self) -> None:
        super().__init__()
        self.looks = threading.Semaphore(0)

    def monotonic(self) -> float:
        self.advance(1e-6)
        now = super().monotonic()
        self.looks.release()
        return now


def test_threads_that_ask_while_one_is_reading_share_one_more_reading(tmp_path: Path) -> None:
    clock, go_on, readings, threads = Ticking(), threading.Event(), list[Content](), 8

    def read(
        content: Content,
    ) -> Result:  # a file that is not there is never the same twice, so each reading counts
        readings.append(content)
        assert go_on.wait(10)
        return errors.CredentialNotFoundError("no file")

    file = KeyFile(tmp_path / "none", read, source="file:none", provider="env", clock=clock)
    asking = [threading.Thread(target=file.look) for _ in range(threads)]
    for each in asking:
        each.start()
    for _ in range(threads + 1):  # each has asked, and one has begun to read
        assert clock.looks.acquire(timeout=10)
    go_on.set()
    for each in asking:
        each.join(10)
    assert len(readings) == 2


class Behind(CredentialProvider):
    """A source of the author's that has no key, or fails and lets another answer."""

    name = "behind"

    def __init__(self, error: type[errors.CredentialError], *, remote: bool) -> None:
        self.error, self.remote, self.on_error = error, remote, "continue"

    def get_credential(self) -> Credential:
        raise self.error("nothing here")


@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize(
    "first",
    [
        ExplicitProvider(),
        Behind(errors.CredentialNotFoundError, remote=False),
        Behind(errors.CredentialDeniedError, remote=True),
        ProviderChain([ExplicitProvider()]),
    ],
    ids=["nothing", "an author's source", "a store that fails", "a chain"],
)
def test_a_chain_looks_at_a_file_once_a_second_whatever_stands_before_it(
    tmp_path: Path, first: CredentialProvider, style: str
) -> None:
    path, clock = tmp_path / "key", ManualClock()
    chain = ProviderChain([first, DotenvProvider(path, clock=clock), EnvProvider()])

    def key() -> str:
        credential = (
            chain.get_credential() if style == "sync" else asyncio.run(chain.aget_credential())
        )
        return credential.secret.reveal()

    path.write_text("OTHER=1")
    with pytest.raises(errors.CredentialError):
        key()
    for number in range(3):
        path.write_text(f"VECTORSHIFT_API_KEY=vs-{number}")
        if number:
            assert key() == f"vs-{number - 1}"
        else:
            with pytest.raises(errors.CredentialError):
                key()
        clock.advance(1)
        assert key() == f"vs-{number}"


@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a chain"])
def test_who_asks_anew_has_the_file_read_now(tmp_path: Path, style: str, alone: bool) -> None:
    path = tmp_path / "key"
    path.write_text("vs-one")
    provider = EnvProvider(file=path, clock=ManualClock())
    asked = provider if alone else ProviderChain([provider])
    asked.get_credential()
    path.write_text("vs-two")
    ask = LookupRequest(bypass_cache=True)
    answer = asked.resolve(ask) if style == "sync" else asyncio.run(asked.aresolve(ask))
    assert isinstance(answer, Credential)
    assert answer.secret.reveal() == "vs-two"


@pytest.mark.parametrize("style", ["sync", "async"])
def test_while_the_file_is_gone_a_chain_waits_for_a_rewrite_once_a_second(
    tmp_path: Path, style: str
) -> None:
    path, clock, paused = tmp_path / "key", ManualClock(), list[float]()
    path.write_text("vs-one")
    chain = ProviderChain([EnvProvider(file=path, clock=clock, pause=paused.append)])
    chain.get_credential()
    path.unlink()
    for second in (1, 2):
        clock.advance(1)
        for _ in range(20):
            with pytest.raises(errors.CredentialStoreUnavailableError):
                chain.get_credential() if style == "sync" else asyncio.run(chain.aget_credential())
        assert paused == [0.05] * second


# Asked twice, the file once counted as looked at by him who had only asked, and an async process
# saw no rotation.
def test_asking_whether_it_is_time_to_look_is_not_looking(watched: Watched) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("vs-two")
    watched.clock.advance(1)
    assert [watched.file.get_cached() for _ in range(3)] == [None] * 3
    assert watched.key() == "vs-two"


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a chain"])
@pytest.mark.parametrize("kind", ["key file", "dotenv", "login"])
def test_an_async_caller_sees_a_rotated_file_within_a_second(
    tmp_path: Path, kind: str, alone: bool
) -> None:
    path, clock = tmp_path / "file", ManualClock()
    form = {
        "key file": "{}",
        "dotenv": "VECTORSHIFT_API_KEY={}",
        "login": '[auth]\napi_key = "{}"',
    }[kind]
    path.write_text(form.format("vs-0"))
    provider: CredentialProvider
    if kind == "key file":
        provider = EnvProvider(file=path, clock=clock)
    else:
        provider = (DotenvProvider if kind == "dotenv" else LoginProvider)(path, clock=clock)
    asked = provider if alone else ProviderChain([ExplicitProvider(), provider])

    async def rotate() -> list[str]:
        seen = [(await asked.aget_credential()).secret.reveal()]
        for number in (1, 2, 3):
            await asyncio.to_thread(path.write_text, form.format(f"vs-{number}"))
            clock.advance(1)
            seen.append((await asked.aget_credential()).secret.reveal())
        return seen

    with blockbuster_ctx("vectorshift"):  # what reads a file on the event loop fails here
        assert asyncio.run(rotate()) == ["vs-0", "vs-1", "vs-2", "vs-3"]


@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_refused_key_is_looked_for_again_within_the_second(tmp_path: Path, style: str) -> None:
    path = tmp_path / "file"
    path.write_text("vs-ol")  # as a reader may see a key that is half written
    provider = EnvProvider(file=path, clock=ManualClock())
    refused = provider.get_credential()
    path.write_text("vs-old")
    ask = LookupRequest(rejected=refused)
    answer = provider.resolve(ask) if style == "sync" else asyncio.run(provider.aresolve(ask))
    assert isinstance(answer, Credential)
    assert answer.secret.reveal() == "vs-old"


def test_a_fifo_a_device_and_what_is_larger_than_a_mebibyte_are_refused_at_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (1 << 20))
    assert len(read_small(path)[0]) == 1 << 20
    path.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(OSError, match="too large for a file with a key"):
        read_small(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        for each in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(OSError, match="not a plain file"):
                read_small(each)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(2, "No such file or directory"), errors.CredentialConfigurationError),
        (PermissionError(13, "Permission denied"), errors.CredentialConfigurationError),
        (IsADirectoryError(21, "Is a directory"), errors.CredentialConfigurationError),
        (NotADirectoryError(20, "Not a directory"), errors.CredentialConfigurationError),
        (OSError(5, "Input/output error"), errors.CredentialStoreUnavailableError),
        (TimeoutError(110, "Connection timed out"), errors.CredentialStoreUnavailableError),
        (OSError(), errors.CredentialStoreUnavailableError),
    ],
    ids=repr,
)
def test_why_a_file_cannot_be_read_is_told_in_words(
    error: OSError, kind: type[errors.CredentialError]
) -> None:
    flaw = unreadable(error, source="file:/k", provider="env")
    assert type(flaw) is kind
    assert (flaw.source, flaw.provider) == ("file:/k", "env")
    assert f"file:/k cannot be read: {(error.strerror or 'OSError').lower()}." in str(flaw)


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_those_who_wait_for_a_look_at_a_key_file_share_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(A)
    provider = EnvProvider(file=path)
    provider.get_credential()
    file = provider._file
    assert file is not None
    path.write_text(B)

    def another_looked() -> None:
        file._last_read = time.monotonic() + 1

    file._lock = Meanwhile(another_looked)  # type: ignore[assignment]
    shared = file.look()
    assert isinstance(shared, Credential)
    assert shared.secret.reveal() == A  # what the other one saw: it was not read again
