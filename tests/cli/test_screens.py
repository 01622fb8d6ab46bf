"""The pictures in the documentation are what the program prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.screens import COLUMNS, FOLDER, screens

if TYPE_CHECKING:
    from vectorshift.testing import MotoServer, OpenBaoServer

ROOT = FOLDER.parents[1]


@pytest.mark.skipif(
    os.name != "posix" or not Path("/opt").is_dir(),
    reason="terminals, and a folder that is anywhere",
)
def test_the_pictures_are_what_the_program_prints(openbao: OpenBaoServer, moto: MotoServer) -> None:
    """`python -m tests.cli.screens` makes them anew."""
    taken = screens(openbao, moto)
    assert [(screen.name, screen.code) for screen in taken] == [
        ("env-wins", 0),
        ("vault-wins", 0),
        ("vault-refused", 3),
    ]
    for screen in taken:
        assert (FOLDER / f"{screen.name}.svg").read_text("utf-8") == screen.svg, screen.text
        assert "vs-the-key" not in screen.text + screen.svg
        assert max(map(len, screen.text.splitlines())) <= COLUMNS


@pytest.mark.skipif(
    os.name != "posix" or not Path("/opt").is_dir(),
    reason="terminals, and a folder that is anywhere",
)
@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("README.md", ["vault-wins"]),
        ("docs/cli.md", ["env-wins", "vault-wins", "vault-refused"]),
    ],
)
def test_the_pages_show_the_pictures_and_the_text_of_one(
    page: str, shown: list[str], openbao: OpenBaoServer, moto: MotoServer
) -> None:
    text = (ROOT / page).read_text("utf-8")
    taken = {screen.name: screen for screen in screens(openbao, moto)}
    assert all(f"screens/{name}.svg)" in text for name in shown)
    assert f"$ vectorshift auth status\n{taken['vault-wins'].text}```" in text
