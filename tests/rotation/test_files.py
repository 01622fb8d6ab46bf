"""The key in a file is replaced, and nothing around it. The file is replaced as a whole, by one
rotation at a time.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from tests.rotation.stage import rotated

from vectorshift import CredentialError, Secret
from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift.rotation.files import read_to_replace, replace_file, with_value
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rotation.stage import Keys

LINES = [
    "VECTORSHIFT_API_KEY={}",
    "export VECTORSHIFT_API_KEY={}  # of the web team",
    "VECTORSHIFT_API_KEY='{}'",
    'VECTORSHIFT_API_KEY = "{}" # quoted',
    "A=1\r\nVECTORSHIFT_API_KEY={}\r\nB='two\r\nlines'\r\n",
    "\ufeff# first\n\n  VECTORSHIFT_API_KEY={}\nnot an assignment at all\n",
    "VECTORSHIFT_API_KEY={}\nB=${{VECTORSHIFT_API_KEY}}\n",
    "VECTORSHIFT_API_KEY={}\nVECTORSHIFT_API_KEY={}\n",
]


# --- A key file ---


@pytest.mark.parametrize("form", ["{}", "{}\n", "  {}\r\n", "\ufeff{}\n"])
def test_the_white_space_around_the_key_stays(tmp_path: Path, keys: Keys, form: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(form.format(keys.old).encode())
    done = rotated(keys.settings(api_key_file=str(file)), keys.new, "file")
    assert file.read_bytes() == form.format(keys.new).encode()
    assert done.chain == f"A call uses the new key, from file:{file}."
    assert "within a second" in done.wait


@pytest.mark.usefixtures("no_folder_is_synced")
def test_a_file_system_that_cannot_sync_folders_keeps_the_new_key(
    tmp_path: Path, keys: Keys
) -> None:
    path = tmp_path / "key"
    path.write_text(keys.old)
    rotated(keys.settings(api_key_file=str(path)), keys.new, "file")
    assert path.read_text() == keys.new


def test_there_has_to_be_a_key_file_and_a_key_in_it(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(RotationError, match="VECTORSHIFT_API_KEY_FILE is not set"):
        rotated(keys.settings(), keys.new, "file")
    with pytest.raises(RotationError, match="cannot be read: No such file"):
        rotated(keys.settings(api_key_file=str(tmp_path / "key.txt")), keys.new, "file")
    (tmp_path / "key.txt").write_text("two lines\nof text\n")
    with pytest.raises(CredentialError, match="line break"):
        rotated(keys.settings(api_key_file=str(tmp_path / "key.txt")), keys.new, "file")


# --- A dotenv file ---


@pytest.mark.parametrize("form", LINES)
def test_the_value_is_replaced_and_the_rest_stays(form: str) -> None:
    old, new = "vs-the-old-one", "vs-the-new-one"
    before, after = (Secret(form.format(each, each)) for each in (old, new))
    assert with_value(before, Secret(new)) == after


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30))
def test_any_key_is_read_as_it_was_written(new: str) -> None:
    for form in LINES[:4]:
        changed = with_value(Secret(form.format("vs-old")), Secret(new))
        if changed is not None:
            assert assignments_in(changed.reveal()).values == {"VECTORSHIFT_API_KEY": new}
        else:  # such as a key that looks like another setting
            assert "VECTORSHIFT" in new


def test_a_dotenv_file_that_is_named_is_rotated(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "app.env"
    file.write_text(f"PORT=1\nVECTORSHIFT_API_KEY={keys.old}\n")
    file.chmod(0o600)
    done = rotated(keys.settings(env_file=str(file)), keys.new, "dotenv")
    assert file.read_text() == f"PORT=1\nVECTORSHIFT_API_KEY={keys.new}\n"
    assert done.chain == f"A call uses the new key, from dotenv:{file}."


def test_a_dotenv_file_that_is_merely_found_is_refused(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / ".env").write_text(f"VECTORSHIFT_API_KEY={keys.old}\n")
    with pytest.raises(RotationError, match="only found is not written to"):
        rotated(keys.settings(), keys.new, "dotenv")


def test_two_keys_in_one_dotenv_file_are_refused(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "app.env"
    file.write_text(f"VECTORSHIFT_API_KEY=vs-a\nVECTORSHIFT_API_KEY={keys.old}\n")
    with pytest.raises(RotationError, match="lines 1 and 2"):
        rotated(keys.settings(env_file=str(file)), keys.new, "dotenv")


# --- Replacing a file ---


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
