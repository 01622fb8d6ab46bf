"""A key file that is rewritten, replaced, swapped, emptied and taken away under a running process."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vectorshift.credentials import Credential, Secret, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.files import Content, KeyFile, unreadable
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Credential | CredentialError


class Watched:
    """A key file with a clock that the test moves, which counts how often its content was parsed."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        self.parsed = 0
        self.paused: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.file = KeyFile(
            path, self._read, source=f"file:{path}", provider="env", clock=self.clock, pause=self._pause
        )

    def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.meanwhile()

    def _read(self, content: Content) -> Answer:
        self.parsed += 1
        if isinstance(content, OSError):
            return CredentialNotFoundError("no file")
        secret = parse_key(content.decode(), source=f"file:{self.path}", provider="env", blank="not found")
        if isinstance(secret, CredentialError):
            return secret
        return Credential(secret=secret, source=f"file:{self.path}", provider="env")

    def answer(self) -> Answer:
        seen = self.file.peek()
        return self.file.look() if seen is None else seen

    def key(self) -> str:
        answer = self.answer()
        assert isinstance(answer, Credential), answer
        return answer.secret.reveal()

    def key_in_a_second(self) -> str:
        self.clock.advance(1)
        return self.key()

    def failure_in_a_second(self) -> CredentialError:
        self.clock.advance(1)
        answer = self.answer()
        assert isinstance(answer, CredentialError), answer
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
    assert Watched(tmp_path / "none").file.peek() is None


def test_an_unchanged_file_is_not_parsed_again_and_answers_with_the_same_object(watched: Watched) -> None:
    first = watched.answer()
    for _ in range(3):
        watched.clock.advance(1)
        assert watched.answer() is first
    assert watched.parsed == 1


def test_a_file_replaced_by_rename_is_read_even_if_its_time_and_size_are_the_same(watched: Watched) -> None:
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
        assert isinstance(failure, CredentialStoreUnavailableError)
        assert f"file:{watched.path} held a key before" in str(failure)
        assert "vs-one" not in str(failure)
    watched.path.write_text("vs-two")
    assert watched.key_in_a_second() == "vs-two"
    watched.path.write_text("vs-one")
    assert watched.key_in_a_second() == "vs-one"


def test_a_file_whose_key_alone_was_taken_out_is_unavailable_too(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("KEY=vs-one")

    def read(content: Content) -> Answer:
        if isinstance(content, bytes) and content.startswith(b"KEY=vs"):
            return Credential(secret=Secret("vs-one"), source="dotenv:x", provider="dotenv")
        return CredentialNotFoundError("no key")

    clock = ManualClock()
    file = KeyFile(path, read, source="dotenv:x", provider="dotenv", clock=clock, pause=lambda _: None)
    assert isinstance(file.look(), Credential)
    path.write_text("# KEY=vs-one")
    assert isinstance(file.look(), CredentialStoreUnavailableError)


def test_what_a_good_file_turns_into_is_told_and_does_not_answer_with_the_old_key(watched: Watched) -> None:
    assert watched.key() == "vs-one"
    watched.path.write_text("two words")
    for _ in range(3):
        assert isinstance(watched.failure_in_a_second(), CredentialConfigurationError)


def test_a_file_that_never_held_a_key_is_what_its_reader_says_without_a_pause(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "none")
    assert isinstance(watched.answer(), CredentialNotFoundError)
    assert isinstance(watched.failure_in_a_second(), CredentialNotFoundError)
    assert watched.paused == []
    watched.path.write_text("vs-one")
    assert watched.key_in_a_second() == "vs-one"


def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there() -> None:
    assert isinstance(Watched(Path("a\0b")).answer(), CredentialNotFoundError)


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
    answers: list[Answer] = []
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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(2, "No such file or directory"), CredentialConfigurationError),
        (PermissionError(13, "Permission denied"), CredentialConfigurationError),
        (IsADirectoryError(21, "Is a directory"), CredentialConfigurationError),
        (NotADirectoryError(20, "Not a directory"), CredentialConfigurationError),
        (OSError(5, "Input/output error"), CredentialStoreUnavailableError),
        (TimeoutError(110, "Connection timed out"), CredentialStoreUnavailableError),
        (OSError(), CredentialStoreUnavailableError),
    ],
    ids=repr,
)
def test_why_a_file_cannot_be_read_is_told_in_words(error: OSError, kind: type[CredentialError]) -> None:
    flaw = unreadable(error, source="file:/k", provider="env")
    assert type(flaw) is kind
    assert (flaw.source, flaw.provider) == ("file:/k", "env")
    assert f"file:/k cannot be read: {(error.strerror or 'OSError').lower()}." in str(flaw)
