"""A source that another one hides is told once, when the first key is found."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

from vectorshift import EnvProvider, ExplicitProvider, ProviderChain, Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STORES = Settings(vault_path="vs", vault_addr="http://127.0.0.1:9", aws_secret_id="prod/vs")


def told(chain: ProviderChain, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Ask three times in each of sync and async; return what the log says of hidden sources."""
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            chain.get_credential()
            asyncio.run(chain.aget_credential())
    lines = [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "vectorshift"
    ]
    return [
        line for line in lines if not re.search(r" #[0-9a-f]{8}\.$", line[1])
    ]  # which key was found


def test_stores_below_a_variable_are_one_line_at_info(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    assert told(ProviderChain.from_settings(STORES), caplog) == [
        (
            "INFO",
            (
                "Configured, but not asked while env:VECTORSHIFT_API_KEY has a key:"
                " vault:secret/vs#api_key, aws:prod/vs."
            ),
        )
    ]


def test_a_new_key_does_not_tell_it_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chain = ProviderChain.from_settings(STORES)
    with caplog.at_level(logging.INFO):
        for number in range(3):
            monkeypatch.setenv("VECTORSHIFT_API_KEY", f"vs-{number}")
            chain.get_credential()
    assert [record.getMessage()[:10] for record in caplog.records] == [
        "Configured",
        *["The API ke"] * 3,
    ]


def test_a_variable_and_a_named_file_below_an_assignment_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    chain = ProviderChain.from_settings(
        Settings(env_file="named.env"), explicit=ExplicitProvider("vs-code")
    )
    hidden = f"env:VECTORSHIFT_API_KEY, dotenv:{tmp_path / 'named.env'}"
    assert told(chain, caplog) == [
        ("INFO", f"Configured, but not asked while explicit:api_key has a key: {hidden}.")
    ]


def test_a_key_file_below_an_assignment_is_told(caplog: pytest.LogCaptureFixture) -> None:
    chain = ProviderChain([ExplicitProvider("vs-code"), EnvProvider(file="/run/secrets/vs")])
    assert told(chain, caplog) == [
        (
            "INFO",
            "Configured, but not asked while explicit:api_key has a key: file:/run/secrets/vs.",
        )
    ]


def test_what_is_not_configured_is_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(
        "VECTORSHIFT_API_KEY=vs-found"
    )  # nobody named it, and nobody looked
    chain = ProviderChain.from_settings(Settings(), explicit=ExplicitProvider("vs-code"))
    assert told(chain, caplog) == []


def test_a_found_file_over_a_store_is_a_warning_and_the_rest_is_told_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-found")
    order = ("dotenv", "env", "vault", "aws")
    settings = STORES.model_copy(update={"providers": order, "api_key_file": str(tmp_path / "key")})
    lines = told(ProviderChain.from_settings(settings), caplog)
    assert [level for level, _ in lines] == ["WARNING", "INFO"]
    assert "although vault:secret/vs#api_key and aws:prod/vs are configured" in lines[0][1]
    assert lines[1][1].endswith(f"has a key: file:{tmp_path / 'key'}.")
