"""Editors complete what is loaded at first use. `mistyped_names.py` is for type checkers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import jedi
import pytest

if TYPE_CHECKING:
    from jedi.api.environment import Environment

FOUND = [
    ("import vectorshift\nvectorshift.Pip", "Pipeline"),
    ("import vectorshift\nvectorshift.get_c", "get_credential"),
    ("import vectorshift\nvectorshift.api_k", "api_key"),
    ("from vectorshift import Asy", "AsyncVectorShift"),
    ("from vectorshift import Pipeline\nPipeline.fet", "fetch"),
    ("from vectorshift import Pipeline\nPipeline.afet", "afetch"),
    ("from vectorshift import Pipeline\nPipeline('x').ru", "run"),
    ("from vectorshift import VectorShift\nVectorShift().req", "request"),
    ("from vectorshift.testing import Fake", "FakeVectorShift"),
    ("from vectorshift.providers import Vau", "VaultProvider"),
    ("from vectorshift.credentials import Sec", "Secret"),
]


@pytest.fixture(scope="module")
def environment() -> Environment:
    return jedi.create_environment(sys.executable, safe=False)


@pytest.mark.parametrize(("code", "name"), FOUND, ids=[code.splitlines()[-1] for code, _ in FOUND])
def test_editors_complete_what_is_loaded_at_first_use(
    environment: Environment, code: str, name: str
) -> None:
    lines = code.splitlines()
    found = jedi.Script(code, environment=environment).complete(len(lines), len(lines[-1]))
    assert name in {each.name for each in found}
