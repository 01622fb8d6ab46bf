"""`config`: what is set, and where."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import on_terminal, piped

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "hvs.never-to-be-seen"


def listed(**variables: str) -> dict[str, tuple[str | None, str]]:
    done = piped("config", "--json", **variables)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["settings"]
    return {row["setting"]: (row["value"], row["origin"]) for row in rows}


def test_each_setting_is_listed_with_its_value_and_where_it_is_set(tmp_path: Path) -> None:
    file = tmp_path / "app.env"
    file.write_text("# ours\nVECTORSHIFT_TIMEOUT=7\nVECTORSHIFT_MAX_RETRIES=5\n")
    rows = listed(
        VECTORSHIFT_ENV_FILE=str(file),
        VECTORSHIFT_MAX_RETRIES="0",
        VECTORSHIFT_PROVIDERS="env,vault",
        VECTORSHIFT_VAULT_PATH="app",
        VAULT_ADDR="http://127.0.0.1:8200",
    )
    assert rows["VECTORSHIFT_TIMEOUT"] == ("7", f"{file}, line 2")
    assert rows["VECTORSHIFT_MAX_RETRIES"] == ("0", "variable VECTORSHIFT_MAX_RETRIES")
    assert rows["VECTORSHIFT_PROVIDERS"] == ("env,vault", "variable VECTORSHIFT_PROVIDERS")
    assert rows["VECTORSHIFT_VAULT_ADDR"] == ("http://127.0.0.1:8200", "variable VAULT_ADDR")
    assert rows["VECTORSHIFT_ENV_FILE"] == (str(file), "variable VECTORSHIFT_ENV_FILE")
    assert rows["VECTORSHIFT_CACHE_TTL"] == ("300", "default")
    assert rows["VECTORSHIFT_CA_BUNDLE"] == (None, "default")


def test_no_secret_is_printed() -> None:
    given = {
        "VECTORSHIFT_API_KEY": "vs-never-to-be-seen",
        "VECTORSHIFT_VAULT_PATH": "app",
        "VAULT_TOKEN": TOKEN,
        "VECTORSHIFT_VAULT_SECRET_ID": "s-never-to-be-seen",
    }
    assert listed(**given)["VECTORSHIFT_VAULT_TOKEN"] == ("(withheld)", "variable VAULT_TOKEN")
    for shown in (
        piped("config", "--json", **given).stdout,
        piped("config", "--all", **given).stdout,
        on_terminal(["config"], given)[0],
    ):
        assert "never-to-be-seen" not in shown


@pytest.mark.parametrize("key", ["vs-seen", "VS-SEEN", "acme:vs-seen", "seen" * 7])
def test_a_key_in_place_of_a_provider_is_withheld(key: str) -> None:
    given = {"VECTORSHIFT_PROVIDERS": f"default,onepassword:production-eu,{key}"}
    withheld = "default,onepassword:production-eu,(withheld)"
    assert listed(**given)["VECTORSHIFT_PROVIDERS"][0] == withheld
    assert "seen" not in piped("auth", "status", **given).stdout


def test_defaults_are_left_out_unless_asked_for() -> None:
    assert piped("config").stdout == "settings: all have their defaults\n"
    done = piped("config", VECTORSHIFT_TIMEOUT="9")
    assert done.stdout == "VECTORSHIFT_TIMEOUT: 9 (variable VECTORSHIFT_TIMEOUT)\n"
    assert "VECTORSHIFT_CACHE_TTL: 300 (default)" in piped("config", "--all").stdout


def test_a_wrong_setting_is_told_and_ends_with_3() -> None:
    done = piped("config", VECTORSHIFT_TIMEOUT="20s")
    assert done.returncode == 3
    assert "VECTORSHIFT_TIMEOUT" in done.stderr
    as_json = piped("config", "--json", VECTORSHIFT_TIMEOUT="20s")
    assert (as_json.returncode, json.loads(as_json.stdout)["settings"]) == (3, [])


def test_it_fits_a_narrow_terminal() -> None:
    text, code = on_terminal(["config"], {"VECTORSHIFT_TIMEOUT": "9"}, columns=60)
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 60
    assert "vectorshift config --all" in text
