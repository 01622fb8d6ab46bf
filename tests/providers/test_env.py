from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vectorshift import Settings
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
)
from vectorshift.providers import EnvProvider

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-Xq7fL0nevertobeseen"
NAME = "VECTORSHIFT_API_KEY"

BAD = [
    (f"{KEY}\n{KEY}", "line break"),
    (f"{KEY}é", "outside ASCII"),
    (f'"{KEY}"', "quotation marks"),
    (f"'{KEY}'", "quotation marks"),
    (f"Bearer {KEY}", "Bearer"),
    (json.dumps({"api_key": KEY}), "fields: api_key"),
    (json.dumps([KEY]), "JSON array"),
    ("x" * 8193, "longer than 8,192"),
]


def failure(provider: EnvProvider, asks: str = "sync") -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        provider.get_credential() if asks == "sync" else asyncio.run(provider.aget_credential())
    return caught.value


# --- The variable ---------------------------------------------------------------------------------


def test_the_variable_is_read_on_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = EnvProvider()
    for key in ("vs-one", "vs-two"):
        monkeypatch.setenv(NAME, f" {key}\n")
        credential = provider.get_credential()
        assert (credential.secret.reveal(), credential.source, credential.provider) == (key, f"env:{NAME}", "env")
        assert asyncio.run(provider.aget_credential()) is credential
    monkeypatch.delenv(NAME)
    assert isinstance(failure(provider), CredentialNotFoundError)


@pytest.mark.anyio
async def test_the_variable_answers_under_every_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, KEY)
    assert (await EnvProvider().aget_credential()).secret.reveal() == KEY


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_unset_and_blank_are_not_found_and_told_apart(monkeypatch: pytest.MonkeyPatch, asks: str) -> None:
    unset = failure(EnvProvider(), asks)
    assert type(unset) is CredentialNotFoundError
    assert (str(unset), unset.source, unset.provider) == (f"{NAME} is not set.", f"env:{NAME}", "env")
    for blank in ("", " ", "\n\t"):
        monkeypatch.setenv(NAME, blank)
        error = failure(EnvProvider(), asks)
        assert type(error) is CredentialNotFoundError
        assert "set but empty" in str(error)


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_could_not_be_a_key_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, text: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    monkeypatch.setenv(NAME, text)
    error = failure(EnvProvider(), asks)
    assert type(error) is CredentialConfigurationError
    assert str(error).startswith(f"env:{NAME} ")
    assert why in str(error)
    assert KEY not in shown(error)


def test_bytes_that_are_no_utf_8_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, os.fsdecode(b"vs-\xff\xfe"))
    assert "outside ASCII" in str(failure(EnvProvider()))


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_any_variable_is_a_key_or_an_error_that_does_not_show_it(
    shown: Callable[[BaseException], str], text: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, text)
        check(EnvProvider(), text, shown)


def check(provider: EnvProvider, text: str, shown: Callable[[BaseException], str]) -> None:
    try:
        key = provider.get_credential().secret.reveal()
    except CredentialError as error:
        kind, said = type(error), shown(error)
        assert kind is (CredentialConfigurationError if text.strip() else CredentialNotFoundError)
    else:
        assert key == text.strip()
        assert all("!" <= character <= "~" for character in key)
        return
    assume(len(text.strip()) >= 4)
    assert text.strip() not in said


def test_another_variable_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", KEY)
    assert EnvProvider("TEAM_KEY").get_credential().source == "env:TEAM_KEY"
    assert str(failure(EnvProvider("OTHER_KEY"))) == "OTHER_KEY is not set."


# --- The key file ---------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return path


def test_the_key_file_answers_and_names_itself(file: Path) -> None:
    provider = EnvProvider.from_settings(Settings.load({"VECTORSHIFT_API_KEY_FILE": str(file)}))
    credential = provider.get_credential()
    assert (credential.secret.reveal(), credential.source, credential.provider) == (KEY, f"file:{file}", "env")
    assert asyncio.run(provider.aget_credential()) is credential


@pytest.mark.anyio
async def test_the_key_file_answers_under_every_event_loop(file: Path) -> None:
    assert (await EnvProvider(file=file).aget_credential()).secret.reveal() == KEY


def test_a_key_file_may_begin_with_a_byte_order_mark(file: Path) -> None:
    file.write_text(f"{KEY}\r\n", "utf-8-sig")
    assert EnvProvider(file=file).get_credential().secret.reveal() == KEY


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_variable_and_file_at_once_are_an_error_that_names_both(
    monkeypatch: pytest.MonkeyPatch, file: Path, asks: str, shown: Callable[[BaseException], str]
) -> None:
    for text in ("vs-in-the-environment", "two words"):
        monkeypatch.setenv(NAME, text)
        error = failure(EnvProvider(file=file), asks)
        assert type(error) is CredentialConfigurationError
        assert f"{NAME} is set, and so is the file file:{file} ({NAME}_FILE)" in str(error)
        assert text not in shown(error)
        assert KEY not in shown(error)


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_variable_beside_a_file_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch, file: Path, blank: str
) -> None:
    monkeypatch.setenv(NAME, blank)
    provider = EnvProvider(file=file)
    assert provider.get_credential().secret.reveal() == KEY
    assert asyncio.run(provider.aget_credential()).source == f"file:{file}"


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(("text", "why"), [*BAD, ("", "set but empty"), (" \n", "set but empty")])
def test_a_file_without_a_key_in_it_is_a_configuration_error_that_names_the_file(
    file: Path, text: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    file.write_text(text, "utf-8")
    error = failure(EnvProvider(file=file), asks)
    assert type(error) is CredentialConfigurationError
    assert str(error).startswith(f"file:{file} ")
    assert why in str(error)
    assert KEY not in shown(error)


@pytest.mark.parametrize("content", [KEY.encode("utf-16"), b"\xff\xfe\xfa", KEY.encode() + b"\0", b"\0" * 9])
def test_a_file_that_is_no_text_is_a_configuration_error(
    file: Path, content: bytes, shown: Callable[[BaseException], str]
) -> None:
    file.write_bytes(content)
    error = failure(EnvProvider(file=file))
    assert type(error) is CredentialConfigurationError
    assert KEY not in shown(error)


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    error = failure(EnvProvider(file=tmp_path / "none"))
    assert type(error) is CredentialConfigurationError
    assert f"file:{tmp_path / 'none'} cannot be read: no such file or directory" in str(error)
    error = failure(EnvProvider(file=tmp_path))
    assert type(error) is CredentialConfigurationError
    assert "is a directory" in str(error)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_configuration_error(file: Path) -> None:
    file.chmod(0)
    assert "permission denied" in str(failure(EnvProvider(file=file)))


def test_a_relative_file_stays_the_same_file_when_the_process_changes_its_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    provider = EnvProvider(file="key")
    monkeypatch.chdir("/")
    assert provider.get_credential().source == f"file:{file}"


@given(st.text() | st.binary())
def test_any_key_file_is_a_key_or_an_error_that_does_not_show_it(
    shown: Callable[[BaseException], str], content: str | bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        text = path.read_bytes().decode("utf-8-sig", "replace").strip()
        try:
            key = EnvProvider(file=path).get_credential().secret.reveal()
        except CredentialConfigurationError as error:
            said = shown(error).replace(folder, "")
            assert len(text) < 4 or text not in said
        else:
            assert key == text
            assert all("!" <= character <= "~" for character in key)


def test_it_describes_itself_without_reading_or_showing(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    unset = EnvProvider().describe()
    monkeypatch.setenv(NAME, KEY)
    described = EnvProvider().describe()
    assert (unset.configured, described.configured) == (False, True)
    assert (described.source, described.locator) == (f"env:{NAME}", False)
    assert EnvProvider(file=file).describe().source == f"file:{file}"
    assert KEY not in repr(EnvProvider()) + repr(described)
