"""docs/commands.md is what the program prints."""

from __future__ import annotations

import os

import pytest
from tests.cli.commands import PAGE, page


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_the_page_of_all_commands_is_what_they_print() -> None:
    assert page() == PAGE.read_text("utf-8"), "run: python -m tests.cli.commands"
