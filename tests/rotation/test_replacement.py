"""A file is replaced as a whole, by one rotation at a time."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from vectorshift import Secret
from vectorshift.rotation.replacement import read_to_replace, replace_file
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(b"old\n")
    path.chmod(0o640)
    return path


def test_the_mode_stays_and_nothing_is_left_beside_it(file: Path) -> None:
    replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert file.read_bytes() == b"new\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in file.parent.iterdir()] == ["key"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, 1234, 2345)
    replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 2345)


def test_a_change_of_somebody_else_is_not_overwritten(file: Path) -> None:
    file.write_bytes(b"theirs\n")
    with pytest.raises(RotationError, match="somebody else changed it meanwhile"):
        replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert file.read_bytes() == b"theirs\n"
    assert [each.name for each in file.parent.iterdir()] == ["key"]


def test_what_a_killed_rotation_left_is_removed(file: Path) -> None:
    left = file.with_name(".key.vectorshift-rotate")
    left.write_bytes(b"half of a ke")
    replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert file.read_bytes() == b"new\n"
    assert not left.exists()


def test_a_rotation_that_still_runs_is_not_disturbed(file: Path) -> None:
    beside = file.with_name(".key.vectorshift-rotate")
    beside.write_bytes(b"theirs")
    with beside.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(RotationError, match="another rotation of this file is running"):
            replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert beside.read_bytes() == b"theirs"
    assert file.read_bytes() == b"old\n"


def test_a_rotation_whose_file_was_taken_for_a_left_over_writes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, lock = file.with_name(".key.vectorshift-rotate"), fcntl.flock

    def after_another(descriptor: int, operation: int) -> None:
        beside.unlink()
        beside.write_bytes(b"half of th")
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", after_another)
    with pytest.raises(RotationError, match="another rotation of this file is running"):
        replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert beside.read_bytes() == b"half of th"
    assert file.read_bytes() == b"old\n"


def test_a_link_in_the_place_of_the_file_beside_is_not_followed(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"kept")
    file.with_name(".key.vectorshift-rotate").symlink_to(elsewhere)
    with pytest.raises(RotationError, match="was not changed"):
        replace_file(file, Secret("new\n"), expected=Secret("old\n"))
    assert elsewhere.read_bytes() == b"kept"
    assert file.read_bytes() == b"old\n"


def test_a_link_of_kubernetes_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "key").write_bytes(b"old\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "key").symlink_to("..data/key")
    with pytest.raises(RotationError, match="it is a Kubernetes link to a mounted Secret"):
        read_to_replace(tmp_path / "key")


def test_any_other_link_is_refused_and_its_target_named(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    with pytest.raises(RotationError, match=f"a link to {file}. Name that file itself"):
        read_to_replace(link)


def test_a_pipe_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RotationError, match="cannot be read"):
        read_to_replace(tmp_path / "pipe")


def test_a_name_that_is_too_long_is_no_matter_of_docker(tmp_path: Path) -> None:
    path = tmp_path / ("k" * 250)
    path.write_bytes(b"old\n")
    with pytest.raises(RotationError, match=r"file name too long\.$"):
        replace_file(path, Secret("new\n"), expected=Secret("old\n"))
