"""Each failure of the table is acted out on real servers, and the docs show the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.providers.aws.failures import FAILURES, Failure, Stage, stage
from tests.versions import is_older

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.testing import MotoServer

PAGE = Path(__file__).parents[3] / "docs" / "aws" / "failures.md"
LONGEST = 6.0
"""Seconds for which the slowest failure waits for a peer that says nothing."""


@pytest.fixture(scope="module")
def acted(moto: MotoServer) -> Iterator[Stage]:
    with stage(moto) as servers:
        yield servers


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.done.replace(" ", "-"))
def test_the_caller_gets_what_the_table_says(failure: Failure, acted: Stage) -> None:
    if "'aws login'" in failure.done and is_older("botocore", "1.41"):
        pytest.skip("this botocore has no 'aws login'")
    got = failure.run(acted, skips=True)
    assert got.kind == failure.kind
    assert failure.words in got.message
    assert got.patience <= LONGEST
    rows = [line.rsplit("|", 2)[0] for line in PAGE.read_text("utf-8").splitlines()]
    assert got.row().rsplit("|", 2)[0] in rows


def test_the_docs_show_no_other_row() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(FAILURES)
