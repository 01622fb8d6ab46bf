"""`providers list`: what a chain can be made of, and what it is made of now."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import environment, on_terminal, piped

from vectorshift import registry
from vectorshift.cli.catalogue import BUILT_IN
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from vectorshift.testing import OpenBaoServer


def listed(**variables: str) -> list[dict[str, Any]]:
    done = piped("providers", "list", "--json", **variables)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["providers"]
    return found


def test_every_built_in_provider_is_listed_in_the_order_of_the_chain() -> None:
    entries = listed()
    assert [entry["name"] for entry in entries if entry["position"]] == list(registry.DEFAULT_ORDER)
    assert [entry["position"] for entry in entries][:5] == [1, 2, 3, 4, 5]
    assert {entry["name"] for entry in entries} == set(BUILT_IN)
    assert all(entry["configured_by"] for entry in entries)


def test_the_words_are_those_of_every_provider_there_is() -> None:
    for name in BUILT_IN:
        registry.providers_of(Settings(providers=(name,)))
    assert set(BUILT_IN) == set(registry._BUILT_IN)  # pyright: ignore[reportPrivateUsage]


def test_it_says_what_is_configured_and_contacts_nothing(
    in_vault: dict[str, str], path: str, openbao: OpenBaoServer
) -> None:
    entries = {entry["name"]: entry for entry in listed(**in_vault)}
    assert entries["vault"]["configured"]
    assert entries["vault"]["source"] == f"vault:secret/{path}#api_key"
    assert not entries["aws"]["configured"]
    assert openbao.reads(path) == 0


def test_what_the_settings_leave_out_is_listed_below_the_chain_without_a_place(in_vault: dict[str, str]) -> None:
    entries = listed(VECTORSHIFT_PROVIDERS="aws,env", **in_vault)
    assert [(entry["name"], entry["position"]) for entry in entries][:3] == [("explicit", 1), ("aws", 2), ("env", 3)]
    vault = next(entry for entry in entries if entry["name"] == "vault")
    assert vault["position"] is None
    assert vault["configured"]


def test_a_provider_that_there_is_not_ends_it_with_3_and_a_message() -> None:
    done = piped("providers", "list", VECTORSHIFT_PROVIDERS="valt")
    assert done.returncode == 3
    assert done.stdout == ""
    assert "Did you mean vault?" in done.stderr
    assert "Traceback" not in done.stderr


def test_plain_text_has_one_fact_a_line() -> None:
    lines = piped("providers", "list").stdout.splitlines()
    assert "vault.configured_by: VECTORSHIFT_VAULT_PATH" in lines
    assert "vault.position: 4" in lines


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_on_a_terminal_it_is_a_table() -> None:
    text, code = on_terminal(["providers", "list"], environment(TERM="dumb"))
    assert code == 0
    assert "5   aws        no" in text
    assert max(map(len, text.splitlines())) <= 80
