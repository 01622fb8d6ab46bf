"""A short form of `make fuzz`: the same few hundred inputs a target in each run."""

from __future__ import annotations

import pytest
from tests.fuzz.__main__ import run
from tests.fuzz.targets import TARGETS

FEWER = {"settings": 150, "plugins": 300, "key_file": 300}


@pytest.mark.parametrize("name", TARGETS)
def test_no_text_makes_a_target_fail(name: str) -> None:
    found = run(name, seed=0, inputs=FEWER.get(name, 1_000)).found
    assert [(each.text, each.trace) for each in found.values()] == []
