from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorshift import ProviderChain, Settings
from vectorshift.errors import CredentialConfigurationError, CredentialError, CredentialNotFoundError
from vectorshift.providers import DotenvProvider

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-Xq7fL0nevertobeseen"


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    """The `.env` of the working directory, with a key in it."""
    path = tmp_path / ".env"
    path.write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    return path


def failure(provider: DotenvProvider, asks: str = "sync") -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        provider.get_credential() if asks == "sync" else asyncio.run(provider.aget_credential())
    return caught.value


def key_of(provider: DotenvProvider) -> str:
    return provider.get_credential().secret.reveal()


def test_a_found_file_supplies_the_key_and_the_environment_is_not_written(dotenv: Path) -> None:
    before = dict(os.environ)
    provider = DotenvProvider()
    credential = provider.get_credential()
    assert (credential.secret.reveal(), credential.source) == (KEY, f"dotenv:{dotenv}")
    assert (credential.provider, credential.version) == ("dotenv", None)
    assert asyncio.run(provider.aget_credential()) is credential
    assert dict(os.environ) == before


@pytest.mark.anyio
async def test_it_answers_under_every_event_loop(dotenv: Path) -> None:
    assert (await DotenvProvider().aget_credential()).source == f"dotenv:{dotenv}"


def test_no_parent_is_searched(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = dotenv.parent / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    error = failure(DotenvProvider())
    assert type(error) is CredentialNotFoundError
    assert f"{below / '.env'} does not exist" in str(error)


def test_the_directory_is_that_of_first_use(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = DotenvProvider()
    monkeypatch.chdir("/")
    assert provider.get_credential().source == f"dotenv:{dotenv}"


# --- What the file may look like ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"VECTORSHIFT_API_KEY={KEY}",
        f"export VECTORSHIFT_API_KEY={KEY}\n",
        f'VECTORSHIFT_API_KEY="{KEY}"  # a comment\n',
        f"VECTORSHIFT_API_KEY='{KEY}'\r\nOTHER=1\r\n",
        f"# first\n\nOTHER=1\nVECTORSHIFT_API_KEY = {KEY}\n",
        f"VECTORSHIFT_API_KEY=vs-first\nVECTORSHIFT_API_KEY={KEY}\n",
        f"\ufeffVECTORSHIFT_API_KEY={KEY}\n",
        f"=broken\nVECTORSHIFT_API_KEY={KEY}\n",
    ],
    ids=["bare", "export", "quotes", "crlf", "comments", "duplicate", "mark", "broken line"],
)
def test_the_usual_spellings_are_read(dotenv: Path, text: str) -> None:
    dotenv.write_bytes(text.encode())
    assert key_of(DotenvProvider()) == KEY


@pytest.mark.parametrize("value", ["${HOME}", "$HOME", "vs-${PATH}-x", "'${HOME}'", '"${HOME}"'])
def test_nothing_is_interpolated(dotenv: Path, value: str) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={value}\n")
    assert key_of(DotenvProvider()) == value.strip("'\"")


@pytest.mark.parametrize("text", ["", "OTHER=1\n", "VECTORSHIFT_API_KEY\n", "# VECTORSHIFT_API_KEY=x\n"])
def test_a_file_without_the_key_is_not_found(dotenv: Path, text: str) -> None:
    dotenv.write_text(text)
    for provider in (DotenvProvider(), DotenvProvider(dotenv)):
        error = failure(provider)
        assert type(error) is CredentialNotFoundError
        assert "has no VECTORSHIFT_API_KEY" in str(error)


@pytest.mark.parametrize("value", ["", '""', "''", '"  "'])
def test_a_blank_key_is_not_found_and_said_to_be_empty(dotenv: Path, value: str) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={value}\n")
    error = failure(DotenvProvider())
    assert type(error) is CredentialNotFoundError
    assert "set but empty" in str(error)


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (f'"{KEY}\\n{KEY}"', "line break"),
        (f'"{KEY}\n{KEY}"', "line break"),
        (f"{KEY}é", "outside ASCII"),
        (f"\"'{KEY}'\"", "quotation marks"),
        (f'"Bearer {KEY}"', "Bearer"),
        ("'" + json.dumps({"api_key": KEY}) + "'", "fields: api_key"),
    ],
)
def test_what_could_not_be_a_key_is_refused_without_showing_it(
    dotenv: Path, value: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    dotenv.write_bytes(f"VECTORSHIFT_API_KEY={value}\n".encode())
    error = failure(DotenvProvider(), asks)
    assert type(error) is CredentialConfigurationError
    assert str(error).startswith(f"dotenv:{dotenv} ")
    assert why in str(error)
    assert KEY not in shown(error)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_that_is_no_utf_8_is_a_configuration_error_that_says_so(
    dotenv: Path, codec: str, shown: Callable[[BaseException], str]
) -> None:
    dotenv.write_bytes(f"VECTORSHIFT_API_KEY={KEY}\n".encode(codec))
    for provider in (DotenvProvider(), DotenvProvider(dotenv)):
        error = failure(provider)
        assert type(error) is CredentialConfigurationError
        assert "is not UTF-8 text" in str(error)
        assert "N\\x00e\\x00v" not in shown(error)


def test_a_nul_is_no_text(dotenv: Path) -> None:
    dotenv.write_bytes(f"VECTORSHIFT_API_KEY={KEY}\0\n".encode())
    assert "is not UTF-8 text" in str(failure(DotenvProvider()))


@given(st.text() | st.binary())
def test_any_file_is_a_key_or_an_error_that_does_not_show_it(
    shown: Callable[[BaseException], str], content: str | bytes
) -> None:
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "named.env")
        path.write_bytes(b"VECTORSHIFT_API_KEY='" + raw + b"'\n")
        try:
            key = key_of(DotenvProvider(path))
        except (CredentialNotFoundError, CredentialConfigurationError) as error:
            said = shown(error).replace(folder, "")
            text = raw.decode("utf-8", "replace").strip()
            assert len(text) < 4 or text not in said
        else:
            assert all("!" <= character <= "~" for character in key)


# --- Found or named -------------------------------------------------------------------------------


def test_a_found_directory_is_not_found_and_a_named_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert type(failure(DotenvProvider())) is CredentialNotFoundError
    error = failure(DotenvProvider(tmp_path / ".env"))
    assert type(error) is CredentialConfigurationError
    assert "is a directory" in str(error)


def test_a_missing_file_is_not_found_unless_it_is_named(tmp_path: Path) -> None:
    assert type(failure(DotenvProvider())) is CredentialNotFoundError
    error = failure(DotenvProvider(tmp_path / "prod.env"))
    assert type(error) is CredentialConfigurationError
    assert f"dotenv:{tmp_path / 'prod.env'} cannot be read: no such file" in str(error)


@pytest.mark.parametrize("url", ["https://evil.example/v1", ""])
def test_a_found_file_may_not_say_where_its_key_is_sent(dotenv: Path, url: str) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_BASE_URL={url}\n")
    error = failure(DotenvProvider())
    assert type(error) is CredentialConfigurationError
    assert "VECTORSHIFT_BASE_URL" in str(error)
    assert f"VECTORSHIFT_ENV_FILE={dotenv}" in str(error)
    assert "evil.example" not in str(error)


def test_the_other_settings_of_a_found_file_are_named_in_a_warning_and_ignored(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_VAULT_PATH=x\nVECTORSHIFT_TIMEOUT=5\nOTHER=1\n")
    provider = DotenvProvider()
    with caplog.at_level(logging.DEBUG):
        assert [key_of(provider) for _ in range(3)] == [KEY] * 3
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "VECTORSHIFT_TIMEOUT, VECTORSHIFT_VAULT_PATH" in warnings[0]
    assert f"dotenv:{dotenv}" in warnings[0]
    assert KEY not in caplog.text
    assert (Settings.load({}).timeout, Settings.load({}).vault_path) == (60.0, None)


def test_settings_of_a_found_file_without_a_key_are_named_in_the_reason(dotenv: Path) -> None:
    dotenv.write_text("VECTORSHIFT_VAULT_PATH=x\nVECTORSHIFT_BASE_URL=https://evil.example\n")
    error = failure(DotenvProvider())
    assert type(error) is CredentialNotFoundError
    assert "ignored: VECTORSHIFT_BASE_URL, VECTORSHIFT_VAULT_PATH" in str(error)


def test_a_named_file_may_say_everything_without_a_warning(dotenv: Path, caplog: pytest.LogCaptureFixture) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_BASE_URL=https://own.example/v1\n")
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": str(dotenv)})
    assert settings.base_url == "https://own.example/v1"
    provider = DotenvProvider.from_settings(settings)
    assert provider is not None
    assert key_of(provider) == KEY
    assert provider.describe().detail == "named"
    assert caplog.records == []


def test_set_to_nothing_it_is_turned_off(dotenv: Path) -> None:
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": ""})
    assert dotenv.exists()
    assert DotenvProvider.from_settings(settings) is None
    with pytest.raises(CredentialNotFoundError, match="VECTORSHIFT_ENV_FILE is set to nothing"):
        ProviderChain.from_settings(settings).get_credential()


def test_a_found_file_that_wins_over_a_configured_store_is_a_warning(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(vault_path="vs", vault_addr="http://127.0.0.1:9", aws_secret_id="prod/vs")
    chain = ProviderChain.from_settings(settings)
    assert [chain.get_credential().source for _ in range(2)] == [f"dotenv:{dotenv}"] * 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "merely found" in warnings[0]
    assert "vault:secret/vs#api_key" in warnings[0]
    assert "aws:prod/vs" in warnings[0]


def test_a_named_file_that_wins_over_a_configured_store_is_none(dotenv: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(env_file=dotenv.name, vault_path="vs", vault_addr="http://127.0.0.1:9")
    assert ProviderChain.from_settings(settings).get_credential().source == f"dotenv:{dotenv}"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_it_describes_itself_without_reading(tmp_path: Path) -> None:
    description = DotenvProvider().describe()
    assert (description.source, description.detail) == (f"dotenv:{tmp_path / '.env'}", "found")
    assert description.locator is False
