"""The table of failures in the documentation is what happens."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.providers.patience import skipping
from tests.providers.vault.table import KEY, rows, table

from vectorshift import errors

PAGE = Path(__file__).parents[3] / "docs" / "vault" / "failures.md"


def test_each_failure_gives_what_the_page_says_and_its_message_names_place_and_method() -> None:
    with skipping():
        asked = rows()
    page = PAGE.read_text("utf-8").splitlines()
    missing = [line for line in table(asked).splitlines() if line not in page]
    assert not missing, "run: python -m tests.providers.vault.table"
    for done, answer in asked:
        said = str(answer)
        assert isinstance(answer, errors.CredentialError), done
        assert said.startswith("vault:")
        assert ", auth method " in said
        assert "://" in said or "no scheme" in done
        assert KEY not in said
    assert len({done for done, _ in asked}) == len(asked)
    assert len(Counter(type(answer) for _, answer in asked)) == 5, "all five kinds occur"
