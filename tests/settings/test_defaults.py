"""A process that sets nothing takes the defaults, and does without pydantic."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import typing

import pytest

from vectorshift import Settings
from vectorshift.settings import model
from vectorshift.settings.defaults import DefaultSettings, is_default

FIELDS = {each.name: each for each in dataclasses.fields(DefaultSettings)}
HINTS = typing.get_type_hints(DefaultSettings, vars(model))
MODEL_HINTS = typing.get_type_hints(Settings)


def test_the_fields_are_those_of_the_model_in_their_order() -> None:
    assert list(FIELDS) == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_field_has_the_default_and_the_type_of_the_model(name: str) -> None:
    ours, theirs = getattr(DefaultSettings(), name), getattr(Settings(), name)
    assert ours == theirs
    assert type(ours) is type(theirs) or name == "plugins"
    assert HINTS[name] == MODEL_HINTS[name] or name == "plugins"


def test_they_are_what_an_empty_environment_gives() -> None:
    loaded = Settings.load({})
    assert not loaded.model_fields_set - {"env_file"}
    assert all(getattr(loaded, name) == getattr(DefaultSettings(), name) for name in FIELDS)
    assert not DefaultSettings().model_fields_set


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("VECTORSHIFT_API_KEY", True),
        ("VAULT_ADDR", True),
        ("vectorshift_timeout", True),
        ("VECTORSHIFT_TIMEOUT", False),
        ("VECTORSHIFT_TIMOUT", False),
        ("VECTORSHIFT_API_KEY_FILE", False),
        ("VECTORSHIFT_ENV_FILE", False),
        ("CREDENTIALS_DIRECTORY", False),
    ],
)
def test_any_name_of_ours_but_that_of_the_key_takes_the_full_path(name: str, default: bool) -> None:
    assert is_default({"PATH": "/bin", name: ""}) == default


@pytest.mark.parametrize(
    "use",
    [
        "assert vectorshift.get_credential().source == 'env:VECTORSHIFT_API_KEY'",
        "assert vectorshift.api_key == 'vs-k'",
        "vectorshift.warm_up()",
        "import asyncio; asyncio.run(vectorshift.awarm_up())",
        "assert vectorshift.VectorShift().base_url",
        "with vectorshift.using('vs-tenant'): assert vectorshift.get_credential()",
        "vectorshift.configure(credentials='vs-k'); assert vectorshift.get_credential()",
    ],
)
def test_pydantic_is_not_imported_where_nothing_but_the_key_is_set(use: str) -> None:
    code = f"import sys, vectorshift\n{use}\nassert 'pydantic' not in sys.modules, 'imported'"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"VECTORSHIFT_API_KEY": "vs-k"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
