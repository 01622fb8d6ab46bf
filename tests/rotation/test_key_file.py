"""The key in a file is replaced, and what is around it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.stage import rotated

from vectorshift import CredentialError
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rotation.stage import Keys


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


def test_there_has_to_be_a_file_and_a_key_in_it(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(RotationError, match="VECTORSHIFT_API_KEY_FILE is not set"):
        rotated(keys.settings(), keys.new, "file")
    with pytest.raises(RotationError, match="cannot be read: No such file"):
        rotated(keys.settings(api_key_file=str(tmp_path / "key.txt")), keys.new, "file")
    (tmp_path / "key.txt").write_text("two lines\nof text\n")
    with pytest.raises(CredentialError, match="line break"):
        rotated(keys.settings(api_key_file=str(tmp_path / "key.txt")), keys.new, "file")
