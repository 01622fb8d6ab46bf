from __future__ import annotations

import pytest

from vectorshift._platform import misspelt
from vectorshift._platform.misspelt import means_key, nearest
from vectorshift.settings import Settings
from vectorshift.settings.variables import variables_of

KNOWN = variables_of(Settings)


@pytest.mark.parametrize(
    "name",
    [
        "vectorshift_api_key",
        "VECTORSHIFT_APIKEY",
        "VECTORSHIFT_API-KEY",
        "VECTOR_SHIFT_API_KEY",
        "VECTORSHFT_API_KEY",
        "VECTORSIFT_API_KEY",
        "VECTORSHIFT_KEY",
        "VECTORSHIFT_TOKEN",
        "VECTORSHIFT_API_TOKEN",
    ],
)
def test_a_name_near_that_of_the_key_means_it(name: str) -> None:
    assert means_key(name)
    assert nearest(name, KNOWN) == "VECTORSHIFT_API_KEY"


@pytest.mark.parametrize(
    "name", ["VECTORSHIFT_API_KEY", "OPENAI_API_KEY", "API_KEY", "VECTORSHIFT_BASE_URL", "PATH"]
)
def test_another_name_does_not(name: str) -> None:
    assert not means_key(name)


def test_no_setting_of_ours_means_the_key() -> None:
    assert [name for name in KNOWN if means_key(name)] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("VECTORSHIFT_TIMOUT", "VECTORSHIFT_TIMEOUT"),
        ("VECTORSHIFT_VAULT_ADRESS", "VECTORSHIFT_VAULT_ADDR"),
        ("VECTORSHIFT_API_KEY_PATH", "VECTORSHIFT_API_KEY_FILE"),
        ("VECTORSHIFT_VAULT_URL", "VECTORSHIFT_VAULT_ADDR"),
        ("VECTORSHIFT_VAULT_TIMEOUT", "VECTORSHIFT_LOAD_TIMEOUT"),
        ("VECTORSHIFT_VAULT_KEY", "VECTORSHIFT_VAULT_FIELD"),
        ("VECTORSHIFT_VAULT_CAPATH", "VECTORSHIFT_VAULT_CACERT"),
        ("VECTORSHIFT_VAULT_SECRET_PATH", "VECTORSHIFT_VAULT_PATH"),
        ("VECTORSHIFT_VAULT_NAMESPCE", "VECTORSHIFT_VAULT_NAMESPACE"),
        ("VECTORSHIFT_VAULT_FORMAT", ""),
        ("VECTORSHIFT_AWS_SECRET_NAME", "VECTORSHIFT_AWS_SECRET_ID"),
        ("VECTORSHIFT_URL", "VECTORSHIFT_BASE_URL"),
        ("VECTORSHIFT_ACME_TOKEN", ""),
        ("VECTORSHIFT_ONEPASSWORD_TOKEN", ""),
        ("VECTORSHIFT_COLOUR", ""),
    ],
)
def test_what_stands_behind_the_prefix_is_compared(name: str, meant: str) -> None:
    assert nearest(name, KNOWN) == meant


def test_each_synonym_leads_to_a_setting_that_there_is() -> None:
    for name, meant in misspelt._SYNONYMS.items():
        assert f"VECTORSHIFT_{name}" not in KNOWN
        assert nearest(f"VECTORSHIFT_{name}", KNOWN) == f"VECTORSHIFT_{meant}"
