from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, strategies as st
from tests.providers.asking import KEY, answer, failure

from vectorshift import Settings, errors
from vectorshift.providers import EnvProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


# --- The variable ---------------------------------------------------------------------------------


class _OwnEnviron(dict[str, str]):
    """What some put in the place of `os.environ`: it has no private names."""


@pytest.mark.parametrize(
    "environ", [None, _OwnEnviron(), {}], ids=["the process's", "a class", "a dict"]
)
def test_the_variable_is_read_wherever_the_environment_is(
    environ: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if environ is not None:
        monkeypatch.setattr(os, "environ", environ)
    provider = EnvProvider()
    assert isinstance(failure(provider), errors.CredentialNotFoundError)
    os.environ[NAME] = "vs-é".encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")
    assert isinstance(failure(provider), errors.CredentialConfigurationError)
    os.environ[NAME] = KEY
    assert provider.get_credential().secret.reveal() == KEY
    del os.environ[NAME]
    assert isinstance(failure(provider), errors.CredentialNotFoundError)


def test_the_private_name_that_makes_it_fast_is_there() -> None:
    assert os.environ.encodekey("PATH") in os.environ._data  # type: ignore[attr-defined]


def test_the_variable_is_read_on_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = EnvProvider()
    for key in ("vs-one", "vs-two"):
        monkeypatch.setenv(NAME, f" {key}\n")
        assert answer(provider) == (key, f"env:{NAME}", "env")
    monkeypatch.delenv(NAME)
    assert isinstance(failure(provider), errors.CredentialNotFoundError)


@pytest.mark.anyio
async def test_the_variable_answers_under_every_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, KEY)
    assert (await EnvProvider().aget_credential()).secret.reveal() == KEY


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_unset_and_blank_are_not_found_and_told_apart(
    monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    unset = failure(EnvProvider(), asks)
    assert type(unset) is errors.CredentialNotFoundError
    assert (str(unset), unset.source, unset.provider) == (
        f"{NAME} is not set.",
        f"env:{NAME}",
        "env",
    )
    for blank in ("", " ", "\n\t"):
        monkeypatch.setenv(NAME, blank)
        error = failure(EnvProvider(), asks)
        assert type(error) is errors.CredentialNotFoundError
        assert "set but empty" in str(error)


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_could_not_be_a_key_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    why: str,
    asks: str,
    shown: Callable[[BaseException], str],
) -> None:
    monkeypatch.setenv(NAME, text)
    error = failure(EnvProvider(), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert str(error).startswith(f"env:{NAME} ")
    assert why in str(error)
    assert KEY not in shown(error)


def test_bytes_that_are_no_utf_8_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, os.fsdecode(b"vs-\xff\xfe"))
    assert "outside ASCII" in str(failure(EnvProvider()))


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
@example(text="\ufeff")
@example(text="\ufeffvs-key")
def test_any_variable_is_a_key_or_an_error_that_does_not_show_it(
    shown: Callable[[BaseException], str], text: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, text)
        check(EnvProvider(), text, shown)


def check(provider: EnvProvider, text: str, shown: Callable[[BaseException], str]) -> None:
    text = text.strip().removeprefix("\ufeff").strip()
    try:
        key = provider.get_credential().secret.reveal()
    except errors.CredentialError as error:
        kind, said = type(error), shown(error)
        assert kind is (
            errors.CredentialConfigurationError if text else errors.CredentialNotFoundError
        )
    else:
        assert key == text
        assert all("!" <= character <= "~" for character in key)
        return
    assume(len(text) >= 4)
    assert text not in said


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
    assert answer(provider) == (KEY, f"file:{file}", "env")


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
        assert type(error) is errors.CredentialConfigurationError
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
@pytest.mark.parametrize(
    ("text", "why"), [*BAD, ("", "is empty. Write the key"), (" \n", "is empty. Write the key")]
)
def test_a_file_without_a_key_in_it_is_a_configuration_error_that_names_the_file(
    file: Path, text: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    file.write_text(text, "utf-8")
    error = failure(EnvProvider(file=file), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert str(error).startswith(f"file:{file} ")
    assert why in str(error)
    assert KEY not in shown(error)


@pytest.mark.parametrize(
    "content", [KEY.encode("utf-16"), b"\xff\xfe\xfa", KEY.encode() + b"\0", b"\0" * 9]
)
def test_a_file_that_is_no_text_is_a_configuration_error(
    file: Path, content: bytes, shown: Callable[[BaseException], str]
) -> None:
    file.write_bytes(content)
    error = failure(EnvProvider(file=file))
    assert type(error) is errors.CredentialConfigurationError
    assert KEY not in shown(error)


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    error = failure(EnvProvider(file=tmp_path / "none"))
    assert type(error) is errors.CredentialConfigurationError
    assert f"file:{tmp_path / 'none'} cannot be read: no such file or directory" in str(error)
    error = failure(EnvProvider(file=tmp_path))
    assert type(error) is errors.CredentialConfigurationError
    assert "is a directory" in str(error)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may read everything, so that tests of root are somebody else for a while."""
    if not hasattr(os, "geteuid"):
        pytest.skip("rights of POSIX")
    before = os.geteuid()
    if before == 0:
        os.seteuid(65_534)
    yield
    os.seteuid(before)


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_file_that_may_not_be_read_is_a_configuration_error(
    file: Path, nobody: None, asks: str
) -> None:
    if os.getuid():
        file.chmod(0)
    error = failure(EnvProvider(file=file), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert (
        str(error)
        == f"file:{file} cannot be read: permission denied. Name a file that this process may read."
    )


def test_a_relative_file_stays_the_same_file_when_the_process_changes_its_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    provider = EnvProvider(file="key")
    monkeypatch.chdir("/")
    assert provider.get_credential().source == f"file:{file}"


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            f"{KEY}\n{KEY}\n",
            "it has 2 lines, but a key has no line break. Put only the key into it",
        ),
        (f"# the key\r\n\r\n{KEY}\r\n", "it has 3 lines"),
        (
            f"data: map[api_key:{KEY}]\nmetadata: map[created_time:2026-01-01T00:00:00Z]\n",
            "Vault Agent",
        ),
        (f"map[api_key:{KEY}]", "Vault Agent"),
        (f"api_key: {KEY}\n", "it has a name before its value, as YAML has"),
        (f"api_key: {KEY}\n", "If Vault Agent writes it, give the agent a template"),
        (f"Authorization: Bearer {KEY}\n", "it is a whole header"),
        (f"-----BEGIN AGE ENCRYPTED FILE-----\n{KEY}\n-----END", "in PEM"),
        (f"$ANSIBLE_VAULT;1.1;AES256\n{KEY}\n", "it is encrypted"),
        (f"age-encryption.org/v1\n-> X25519 {KEY}\n", "it is encrypted"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "git lfs pull"),
        (f"<html>\n{KEY}\n</html>", "HTML"),
        (f"VECTORSHIFT_API_KEY={KEY}\n", "it is a dotenv file"),
        (f"export VECTORSHIFT_API_KEY = '{KEY}'\nOTHER=1\n", "it is a dotenv file"),
        (
            json.dumps({"api_key": KEY}, indent=2),
            "it is a JSON object with the fields: api_key. Give the key alone.",
        ),
        (json.dumps([KEY], indent=2), "JSON array"),
    ],
)
def test_a_file_with_more_than_a_key_says_what_it_looks_like_and_what_to_do(
    file: Path, text: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    file.write_bytes(text.encode())
    error = failure(EnvProvider(file=file), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert str(error).startswith(f"file:{file} does not hold an API key: ")
    assert why in str(error)
    assert KEY not in shown(error)


def test_the_hint_about_vault_agent_has_a_template(file: Path) -> None:
    file.write_text("data: map[api_key:x]\nmetadata: map[]\n")
    assert str(failure(EnvProvider(file=file))).endswith(
        'Give the agent one, such as {{ with secret "secret/data/vectorshift" }}{{'
        " .Data.data.api_key }}{{ end }}"
    )


def test_a_key_may_have_every_character_that_a_header_takes(file: Path) -> None:
    key = "a:b=c#d;e{f}[g]'h\"i\\j"
    file.write_text(key)
    assert EnvProvider(file=file).get_credential().secret.reveal() == key


# --- As orchestrators hand it over ----------------------------------------------------------------


def test_a_secret_of_kubernetes_is_followed_through_its_swaps(tmp_path: Path) -> None:
    clock = ManualClock()
    for number in (1, 2, 3):
        (tmp_path / f"..v{number}").mkdir()
        (tmp_path / f"..v{number}" / "key").write_text(f"vs-{number}")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "key").symlink_to("..data/key")
    provider = EnvProvider(file=tmp_path / "key", clock=clock)
    for number in (1, 2, 3):
        (tmp_path / "..tmp").symlink_to(f"..v{number}")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        clock.advance(1)
        credential = provider.get_credential()
        assert (credential.secret.reveal(), credential.source) == (
            f"vs-{number}",
            f"file:{tmp_path / 'key'}",
        )


def test_a_swap_to_a_volume_without_the_key_is_unavailable_and_heals(tmp_path: Path) -> None:
    clock = ManualClock()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "key").write_text(KEY)
    (tmp_path / "empty").mkdir()
    (tmp_path / "..data").symlink_to("full")
    (tmp_path / "key").symlink_to("..data/key")
    provider = EnvProvider(file=tmp_path / "key", clock=clock, pause=lambda _: None)
    provider.get_credential()
    for target, kind in (("empty", errors.CredentialStoreUnavailableError), ("full", None)):
        (tmp_path / "..tmp").symlink_to(target)
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        clock.advance(1)
        if kind is None:
            assert provider.get_credential().secret.reveal() == KEY
        else:
            assert type(failure(provider)) is kind


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_rewrite_in_place_is_waited_for_and_never_answers_with_half_of_it(
    file: Path, asks: str
) -> None:
    clock = ManualClock()
    paused: list[float] = []

    def the_writer_goes_on(seconds: float) -> None:
        paused.append(seconds)
        file.write_text("vs-new")

    provider = EnvProvider(file=file, clock=clock, pause=the_writer_goes_on)
    provider.get_credential()
    with file.open("w"):  # truncated, and not yet written
        clock.advance(1)
        answer = (
            provider.get_credential() if asks == "sync" else asyncio.run(provider.aget_credential())
        )
    assert answer.secret.reveal() == "vs-new"
    assert paused == [0.05]


# --- What systemd hands over ----------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The folder that systemd names with CREDENTIALS_DIRECTORY, with a key in it."""
    folder = tmp_path / "app.service"
    folder.mkdir()
    (folder / "vectorshift_api_key").write_text(f"{KEY}\n")
    return folder


def handed(unit: Path, **more: str) -> EnvProvider:
    return EnvProvider.from_settings(Settings.load({"CREDENTIALS_DIRECTORY": str(unit), **more}))


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_credential_of_systemd_answers_and_names_itself(unit: Path, asks: str) -> None:
    provider = handed(unit)
    credential = (
        provider.get_credential() if asks == "sync" else asyncio.run(provider.aget_credential())
    )
    source = f"file:{unit / 'vectorshift_api_key'}"
    assert (credential.secret.reveal(), credential.source, credential.provider) == (
        KEY,
        source,
        "env",
    )
    described = provider.describe()
    assert (described.configured, described.source, described.detail) == (
        True,
        source,
        "credentials of systemd",
    )


@pytest.mark.anyio
async def test_a_credential_of_systemd_answers_under_every_event_loop(unit: Path) -> None:
    assert (await handed(unit).aget_credential()).secret.reveal() == KEY


def test_the_folder_is_named_once_and_in_code_nothing_is_read(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(unit))
    assert type(failure(EnvProvider())) is errors.CredentialNotFoundError
    assert type(failure(EnvProvider.from_settings(Settings()))) is errors.CredentialNotFoundError
    provider = EnvProvider.from_settings(Settings.load())
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert provider.get_credential().secret.reveal() == KEY


def test_the_folder_may_be_named_by_a_variable_of_ours_which_comes_first(unit: Path) -> None:
    own = {"VECTORSHIFT_CREDENTIALS_DIRECTORY": str(unit)}
    assert (
        handed(unit.parent, **own).get_credential().source == f"file:{unit / 'vectorshift_api_key'}"
    )


def test_an_empty_name_is_no_folder_and_not_the_working_directory(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(unit)
    assert type(failure(EnvProvider(credentials_directory=""))) is errors.CredentialNotFoundError
    assert type(failure(handed(Path(" ")))) is errors.CredentialNotFoundError


def test_the_file_has_the_name_of_the_variable(unit: Path) -> None:
    (unit / "acme_key").write_text("vs-acme")
    provider = EnvProvider("ACME_KEY", credentials_directory=unit)
    assert provider.get_credential().source == f"file:{unit / 'acme_key'}"


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("there", ["folder", "nothing"])
def test_credentials_of_other_things_are_no_configuration_of_this_one(
    tmp_path: Path, there: str, asks: str
) -> None:
    provider = handed(tmp_path if there == "folder" else tmp_path / "none")
    error = failure(provider, asks)
    assert type(error) is errors.CredentialNotFoundError
    assert str(error).startswith(f"{NAME} is not set, and ")
    assert str(error).endswith("vectorshift_api_key does not exist.")
    assert provider.describe().configured is False


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_blank_variable_without_a_credential_of_systemd_is_said_to_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    monkeypatch.setenv(NAME, " ")
    provider = handed(tmp_path)
    for _ in range(2):
        assert str(failure(provider, asks)) == f"{NAME} is set but empty."


def test_the_variable_wins_over_a_credential_of_systemd_and_what_is_hidden_is_told_once(
    unit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(NAME, "vs-mine")
    provider = handed(unit)
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            assert provider.get_credential().source == f"env:{NAME}"
            assert asyncio.run(provider.aget_credential()).source == f"env:{NAME}"
    told = [
        f"file:{unit / 'vectorshift_api_key'} is there too but not read while env:{NAME} has a key."
    ]
    assert [
        record.getMessage() for record in caplog.records if record.name == "vectorshift"
    ] == told
    described = provider.describe()
    assert (described.source, described.detail) == (
        f"env:{NAME}",
        f"comes before file:{unit / 'vectorshift_api_key'}",
    )
    monkeypatch.delenv(NAME)
    provider.get_credential()
    assert provider.describe().detail == "credentials of systemd"


def test_a_variable_that_is_set_later_is_said_to_come_before_the_credential_of_systemd(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = handed(unit)
    provider.get_credential()
    monkeypatch.setenv(NAME, "vs-mine")
    assert provider.describe().detail == f"comes before file:{unit / 'vectorshift_api_key'}"


def test_a_variable_that_is_malformed_does_not_slip_to_a_credential_of_systemd(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "two words")
    error = failure(handed(unit))
    assert type(error) is errors.CredentialConfigurationError
    assert error.source == f"env:{NAME}"


def test_a_named_file_wins_over_a_credential_of_systemd(
    unit: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        provider = handed(unit, VECTORSHIFT_API_KEY_FILE=str(file))
        assert provider.get_credential().source == f"file:{file}"
    assert provider.describe().detail.endswith(
        f"; comes before file:{unit / 'vectorshift_api_key'}"
    )
    told = (
        f"file:{unit / 'vectorshift_api_key'} is there too but not read while file:{file} has a "
        "key."
    )
    assert [record.getMessage() for record in caplog.records if record.name == "vectorshift"] == [
        told
    ]
    file.unlink()
    assert (
        type(failure(handed(unit, VECTORSHIFT_API_KEY_FILE=str(file))))
        is errors.CredentialConfigurationError
    )


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_credential_of_systemd_that_cannot_be_read_is_an_error_and_no_skip(
    unit: Path, nobody: None, asks: str
) -> None:
    if os.getuid():
        unit.chmod(0)
    error = failure(handed(unit), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert (
        str(error) == f"file:{unit / 'vectorshift_api_key'} cannot be read: permission denied. "
        "Add it to the unit with LoadCredential= or SetCredential=, or unset "
        "CREDENTIALS_DIRECTORY."
    )


@pytest.mark.parametrize("text", ["", " \n", f"{KEY}\n{KEY}", "two words"])
def test_a_credential_of_systemd_without_a_key_in_it_is_a_configuration_error(
    unit: Path, text: str
) -> None:
    (unit / "vectorshift_api_key").write_text(text)
    assert type(failure(handed(unit))) is errors.CredentialConfigurationError


def test_a_credential_of_systemd_that_had_a_key_and_is_gone_is_unavailable(unit: Path) -> None:
    clock = ManualClock()
    provider = EnvProvider(credentials_directory=unit, clock=clock, pause=lambda _: None)
    provider.get_credential()
    (unit / "vectorshift_api_key").unlink()
    clock.advance(1)
    assert type(failure(provider)) is errors.CredentialStoreUnavailableError


def test_the_names_travel_in_a_pickle_and_the_key_does_not(unit: Path, file: Path) -> None:
    for provider in (
        EnvProvider(credentials_directory=unit),
        EnvProvider(file=file, credentials_directory=unit),
    ):
        source = provider.get_credential().source
        packed = pickle.dumps(provider)
        assert KEY.encode() not in packed
        assert pickle.loads(packed).get_credential().source == source


@given(st.text() | st.binary())
def test_any_key_file_is_a_key_or_an_error_that_does_not_show_it(
    shown: Callable[[BaseException], str], content: str | bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        path.write_bytes(
            content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        )
        text = (
            path.read_bytes().decode("utf-8-sig", "replace").strip().removeprefix("\ufeff").strip()
        )
        try:
            key = EnvProvider(file=path).get_credential().secret.reveal()
        except errors.CredentialConfigurationError as error:
            said = shown(error).replace(folder, "")
            assert len(text) < 4 or text not in said
        else:
            assert key == text
            assert all("!" <= character <= "~" for character in key)


def test_it_describes_itself_without_reading_or_showing(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    unset = EnvProvider().describe()
    monkeypatch.setenv(NAME, KEY)
    described = EnvProvider().describe()
    assert (unset.configured, described.configured) == (False, True)
    assert (described.source, described.locator) == (f"env:{NAME}", False)
    assert EnvProvider(file=file).describe().source == f"file:{file}"
    assert KEY not in repr(EnvProvider()) + repr(described)
