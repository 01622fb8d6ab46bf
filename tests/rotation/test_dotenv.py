"""The line of the key is changed in a dotenv file, and no other character of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from tests.rotation.stage import rotated

from vectorshift import Secret
from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift.rotation.dotenv import with_value
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


def test_a_file_that_is_named_is_rotated(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "app.env"
    file.write_text(f"PORT=1\nVECTORSHIFT_API_KEY={keys.old}\n")
    file.chmod(0o600)
    done = rotated(keys.settings(env_file=str(file)), keys.new, "dotenv")
    assert file.read_text() == f"PORT=1\nVECTORSHIFT_API_KEY={keys.new}\n"
    assert done.chain == f"A call uses the new key, from dotenv:{file}."


def test_a_file_that_is_merely_found_is_refused(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / ".env").write_text(f"VECTORSHIFT_API_KEY={keys.old}\n")
    with pytest.raises(RotationError, match="only found is not written to"):
        rotated(keys.settings(), keys.new, "dotenv")


def test_two_keys_in_one_file_are_refused(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "app.env"
    file.write_text(f"VECTORSHIFT_API_KEY=vs-a\nVECTORSHIFT_API_KEY={keys.old}\n")
    with pytest.raises(RotationError, match="lines 1 and 2"):
        rotated(keys.settings(env_file=str(file)), keys.new, "dotenv")
