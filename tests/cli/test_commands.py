"""docs/commands.md is what the program prints."""

from __future__ import annotations

import os
import re

import pytest
from tests.cli.commands import PAGE, helps, page
from tests.versions import is_older

pytestmark = pytest.mark.skipif(
    is_older("typer", "0.29"), reason="prints the same help in another way"
)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_the_page_of_all_commands_is_what_they_print() -> None:
    assert page() == PAGE.read_text("utf-8"), "run: python -m tests.cli.commands"


def test_every_help_fits_60_columns_and_cuts_no_sentence() -> None:
    for name, said in helps(60).items():
        assert max(map(len, said.splitlines())) <= 60, name
        assert not re.search(r"\w\.\.\.$", said.partition("\n")[2], re.MULTILINE), name
