from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from tests.interpreter import printed
from tests.providers.asking import KEY, failure

import vectorshift
from vectorshift import EnvProvider, ExplicitProvider, ProviderChain, Secret, Settings, errors
from vectorshift.providers import DotenvProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    """The `.env` of the working directory, with a key in it."""
    path = tmp_path / ".env"
    path.write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    return path


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
    assert type(error) is errors.CredentialNotFoundError
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
        f"VECTORSHIFT_API_KEY=\nVECTORSHIFT_API_KEY={KEY}\n",
        f"\ufeffVECTORSHIFT_API_KEY={KEY}\n",
        f"=broken\nVECTORSHIFT_API_KEY={KEY}\n",
    ],
    ids=["bare", "export", "quotes", "crlf", "comments", "duplicate", "mark", "broken line"],
)
def test_the_usual_spellings_are_read(dotenv: Path, text: str) -> None:
    dotenv.write_bytes(text.encode())
    assert key_of(DotenvProvider()) == KEY


@pytest.mark.parametrize("value", ["ab${HOME}cd", "vs-$HOME", "'ab${HOME}cd'", '"ab${HOME}cd"'])
def test_nothing_is_interpolated(dotenv: Path, value: str) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={value}\n")
    assert key_of(DotenvProvider()) == value.strip("'\"")


@pytest.mark.parametrize("value", ["${HOME}", "$HOME", "'${HOME}'", '"${HOME}"'])
def test_a_value_that_is_nothing_but_a_variable_is_refused(dotenv: Path, value: str) -> None:
    """Other tools put the variable's value in its place, so that the text itself is never meant."""
    dotenv.write_text(f"VECTORSHIFT_API_KEY={value}\n")
    error = failure(DotenvProvider())
    assert type(error) is errors.CredentialConfigurationError
    assert "refers to a variable" in str(error)


@pytest.mark.parametrize("text", ["", "OTHER=1\n", "# VECTORSHIFT_API_KEY=x\n"])
def test_a_file_without_the_key_is_not_found(dotenv: Path, text: str) -> None:
    dotenv.write_text(text)
    for provider in (DotenvProvider(), DotenvProvider(dotenv)):
        error = failure(provider)
        assert type(error) is errors.CredentialNotFoundError
        assert "has no VECTORSHIFT_API_KEY" in str(error)


def test_a_bare_name_is_not_found_and_told_apart(dotenv: Path) -> None:
    dotenv.write_text("VECTORSHIFT_API_KEY\n")
    error = failure(DotenvProvider())
    assert type(error) is errors.CredentialNotFoundError
    assert str(error) == f"{dotenv} names VECTORSHIFT_API_KEY without a value."


@pytest.mark.parametrize("value", ["", '""', "''", '"  "'])
def test_a_blank_key_is_not_found_and_said_to_be_empty(dotenv: Path, value: str) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={value}\n")
    error = failure(DotenvProvider())
    assert type(error) is errors.CredentialNotFoundError
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
    assert type(error) is errors.CredentialConfigurationError
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
        assert type(error) is errors.CredentialConfigurationError
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
        except (errors.CredentialNotFoundError, errors.CredentialConfigurationError) as error:
            said = shown(error).replace(folder, "")
            text = raw.decode("utf-8", "replace").strip()
            assert len(text) < 4 or text not in said
        else:
            assert all("!" <= character <= "~" for character in key)


# --- Found or named -------------------------------------------------------------------------------


def test_a_found_directory_is_not_found_and_a_named_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    provider = DotenvProvider()
    found = failure(provider)
    assert type(found) is errors.CredentialNotFoundError
    assert str(found) == f"{tmp_path / '.env'} is a directory."
    assert provider.describe().configured is False
    error = failure(DotenvProvider(tmp_path / ".env"))
    assert type(error) is errors.CredentialConfigurationError
    assert "is a directory" in str(error)


def test_a_missing_file_is_not_found_unless_it_is_named(tmp_path: Path) -> None:
    assert type(failure(DotenvProvider())) is errors.CredentialNotFoundError
    error = failure(DotenvProvider(tmp_path / "prod.env"))
    assert type(error) is errors.CredentialConfigurationError
    assert f"dotenv:{tmp_path / 'prod.env'} cannot be read: no such file" in str(error)


@pytest.mark.parametrize("blank", ["", "''", '"  "'])
def test_a_setting_of_a_found_file_that_is_set_to_nothing_says_nothing(
    dotenv: Path, blank: str, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv.write_text(
        f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_BASE_URL={blank}\nVECTORSHIFT_TIMEOUT={blank}\n"
    )
    provider = DotenvProvider()
    assert ProviderChain([provider]).get_credential().secret.reveal() == KEY
    assert (caplog.records, "ignored" in provider.describe().detail) == ([], False)


def test_a_found_file_may_not_say_where_its_key_is_sent(dotenv: Path) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_BASE_URL=https://evil.example/v1\n")
    by_settings = DotenvProvider.from_settings(Settings())
    assert by_settings is not None
    named = f"VECTORSHIFT_ENV_FILE={dotenv}"
    for provider, fix in (by_settings, named), (DotenvProvider(), f"DotenvProvider('{dotenv}')"):
        error = failure(provider)
        assert type(error) is errors.CredentialConfigurationError
        assert "VECTORSHIFT_BASE_URL" in str(error)
        assert str(error).endswith(f"name it: {fix}")
        assert "evil.example" not in str(error)
    assert key_of(DotenvProvider(str(dotenv))) == KEY


def test_the_other_settings_of_a_found_file_are_named_in_a_warning_and_ignored(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv.write_text(
        f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_VAULT_PATH=x\nVECTORSHIFT_TIMEOUT=5\nOTHER=1\n"
    )
    chain = ProviderChain([DotenvProvider()])
    with caplog.at_level(logging.DEBUG):
        assert [chain.get_credential().secret.reveal() for _ in range(3)] == [KEY] * 3
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert len(warnings) == 1
    assert "VECTORSHIFT_TIMEOUT, VECTORSHIFT_VAULT_PATH" in warnings[0]
    assert f"dotenv:{dotenv}" in warnings[0]
    assert KEY not in caplog.text
    assert (Settings.load({}).timeout, Settings.load({}).vault_path) == (60.0, None)


def test_settings_of_a_found_file_without_a_key_are_named_in_the_reason(dotenv: Path) -> None:
    dotenv.write_text("VECTORSHIFT_VAULT_PATH=x\nVECTORSHIFT_BASE_URL=https://evil.example\n")
    error = failure(DotenvProvider())
    assert type(error) is errors.CredentialNotFoundError
    assert "ignored: VECTORSHIFT_BASE_URL, VECTORSHIFT_VAULT_PATH" in str(error)


def test_a_named_file_may_say_everything_without_a_warning(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_BASE_URL=https://own.example/v1\n")
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": str(dotenv)})
    assert settings.base_url == "https://own.example/v1"
    provider = DotenvProvider.from_settings(settings)
    assert provider is not None
    assert key_of(provider) == KEY
    assert provider.describe().detail.startswith("named")
    assert caplog.records == []


def test_set_to_nothing_it_is_turned_off(dotenv: Path) -> None:
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": ""})
    assert dotenv.exists()
    assert DotenvProvider.from_settings(settings) is None
    with pytest.raises(
        errors.CredentialNotFoundError, match="VECTORSHIFT_ENV_FILE is set to nothing"
    ):
        ProviderChain.from_settings(settings).get_credential()


def test_a_found_file_that_wins_over_a_configured_store_is_a_warning(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(vault_path="vs", vault_addr="http://127.0.0.1:9", aws_secret_id="prod/vs")
    chain = ProviderChain.from_settings(settings)
    assert [chain.get_credential().source for _ in range(2)] == [f"dotenv:{dotenv}"] * 2
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert len(warnings) == 1
    assert "found, not named" in warnings[0]
    assert "vault:secret/vs#api_key" in warnings[0]
    assert "aws:prod/vs" in warnings[0]


def test_a_named_file_that_wins_over_a_configured_store_is_none(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(env_file=dotenv.name, vault_path="vs", vault_addr="http://127.0.0.1:9")
    assert ProviderChain.from_settings(settings).get_credential().source == f"dotenv:{dotenv}"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_it_describes_itself_without_reading(tmp_path: Path) -> None:
    description = DotenvProvider().describe()
    assert (description.source, description.detail) == (f"dotenv:{tmp_path / '.env'}", "not named")
    assert description.locator is False


# --- Odd files ------------------------------------------------------------------------------------


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _huge(path: Path) -> None:
    path.write_bytes(b"#" * (1 << 20) + f"\nVECTORSHIFT_API_KEY={KEY}\n".encode())


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_loop, "too many levels of symbolic links"),
        (_huge, "too large for a file with a key"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files of POSIX")
def test_what_is_there_and_cannot_be_read_is_an_error_and_no_skip(
    tmp_path: Path, make: Callable[[Path], None], why: str, named: bool, asks: str
) -> None:
    path = tmp_path / ".env"
    make(path)
    error = failure(DotenvProvider(path) if named else DotenvProvider(), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert str(error).startswith(f"dotenv:{path} cannot be read: {why}")
    fix = (
        "Name a file that this process may read." if named else "or skip it: VECTORSHIFT_ENV_FILE="
    )
    assert str(error).endswith(fix)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
def test_a_found_file_that_may_not_be_read_is_an_error_and_no_skip(dotenv: Path) -> None:
    provider, me = DotenvProvider(), os.geteuid()
    dotenv.chmod(0)
    if me == 0:
        os.seteuid(65_534)  # root may read everything
    try:
        error = failure(provider)
    finally:
        os.seteuid(me)
    assert type(error) is errors.CredentialConfigurationError
    assert "permission denied" in str(error)


def test_a_found_link_that_leads_nowhere_is_not_found(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "gone")
    assert type(failure(DotenvProvider())) is errors.CredentialNotFoundError


def test_a_name_that_no_file_can_have_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="path should be the name of a file") as caught:
        DotenvProvider("never-to-be-seen\0b")
    assert "never-to-be-seen" not in str(caught.value)


# --- In the course of time ------------------------------------------------------------------------


def test_the_file_is_looked_at_once_a_second_and_a_rewrite_is_waited_for(dotenv: Path) -> None:
    clock, paused = ManualClock(), list[float]()

    def the_editor_goes_on(seconds: float) -> None:
        paused.append(seconds)
        dotenv.write_text("VECTORSHIFT_API_KEY=vs-new")

    provider = DotenvProvider(clock=clock, pause=the_editor_goes_on)
    assert key_of(provider) == KEY
    dotenv.write_text("")
    clock.advance(0.99)
    assert key_of(provider) == KEY
    clock.advance(0.01)
    assert key_of(provider) == "vs-new"
    assert paused == [0.05]


@pytest.mark.parametrize(
    "left", ["OTHER=1\n", "VECTORSHIFT_API_KEY=\n", None], ids=["without", "blank", "gone"]
)
def test_a_file_that_lost_its_key_is_unavailable_and_never_not_found(
    dotenv: Path, left: str | None
) -> None:
    clock = ManualClock()
    provider = DotenvProvider(clock=clock, pause=lambda _: None)
    key_of(provider)
    dotenv.unlink() if left is None else dotenv.write_text(left)
    clock.advance(1)
    assert type(failure(provider)) is errors.CredentialStoreUnavailableError


def test_ignored_settings_are_told_once_and_not_at_every_change_of_the_file(
    dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    provider = DotenvProvider(clock=clock)
    chain = ProviderChain([provider])
    for number in range(4):
        dotenv.write_text(f"VECTORSHIFT_API_KEY=vs-{number}\nVECTORSHIFT_TIMEOUT={number}\n")
        clock.advance(1)
        assert chain.get_credential().secret.reveal() == f"vs-{number}"
    assert [record.getMessage() for record in caplog.records] == [
        f"The API key comes from dotenv:{dotenv}, a file that was found, not named. Its other "
        f"settings are ignored: VECTORSHIFT_TIMEOUT. Name it with DotenvProvider('{dotenv}') if "
        "you mean it."
    ]
    assert provider.describe().detail.startswith(
        "not named; its settings are ignored: VECTORSHIFT_TIMEOUT"
    )


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_of_the_settings_of_a_found_file_nothing_is_told_while_another_source_has_a_key(
    dotenv: Path, asks: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_TIMEOUT=5\n")
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-first")
    vectorshift.reset()
    try:
        report = vectorshift.explain() if asks == "sync" else asyncio.run(vectorshift.aexplain())
        assert "its settings are ignored: VECTORSHIFT_TIMEOUT" in str(report)
        vectorshift.get_credential()
        assert "VECTORSHIFT_TIMEOUT" not in caplog.text
    finally:
        vectorshift.reset()


def test_a_found_file_counts_as_configured_once_it_was_found(dotenv: Path) -> None:
    provider = DotenvProvider()
    assert provider.describe().configured is False
    provider.get_credential()
    assert provider.describe().configured is True
    assert DotenvProvider(dotenv).describe().configured is True


# --- A found file comes, and goes -----------------------------------------------------------------


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    """A clock that the test moves, and a process in which no source has answered yet."""
    vectorshift.reset()
    yield ManualClock()
    vectorshift.reset()


def a_key_in(path: Path, key: str = KEY) -> None:
    path.write_text(f"VECTORSHIFT_API_KEY={key}\n")


async def asked(chain: ProviderChain, asks: str) -> str:
    credential = chain.get_credential() if asks == "sync" else await chain.aget_credential()
    return credential.secret.reveal()


def said_by_explain() -> str:
    return " ".join(str(vectorshift.explain()).split())


FOUND = pytest.mark.parametrize("asks", ["sync", "async"])


@FOUND
@pytest.mark.anyio
async def test_until_a_source_has_answered_a_found_file_may_appear_and_counts(
    tmp_path: Path, asks: str, clock: ManualClock
) -> None:
    chain = ProviderChain([EnvProvider(), DotenvProvider(clock=clock)])
    with pytest.raises(errors.MissingCredentialError):
        await asked(chain, asks)
    a_key_in(tmp_path / ".env")
    clock.advance(1)
    assert await asked(chain, asks) == KEY


@FOUND
@pytest.mark.parametrize("had", [None, "OTHER=1\n", "VECTORSHIFT_API_KEY=\n"])
@pytest.mark.parametrize("answers", ["above", "below"])
@pytest.mark.anyio
async def test_once_a_source_has_answered_a_file_that_had_no_key_does_not_count_until_a_reset(
    tmp_path: Path, asks: str, had: str | None, answers: str, clock: ManualClock
) -> None:
    path, held = tmp_path / ".env", {"api_key": Secret("vs-acme")}
    if had is not None:
        path.write_text(had)
    other, dotenv = ExplicitProvider(held=held), DotenvProvider(clock=clock)
    chain = ProviderChain([other, dotenv] if answers == "above" else [dotenv, other])
    assert await asked(chain, asks) == "vs-acme"
    a_key_in(path)
    clock.advance(1)
    assert await asked(chain, asks) == "vs-acme"
    del held["api_key"]
    with pytest.raises(errors.MissingCredentialError) as caught:
        await asked(chain, asks)
    assert (
        f"{path} appeared, or got its key, after a source had answered, so it is not used. To "
        "use it, call vectorshift.reset() or restart." in str(caught.value)
    )
    vectorshift.reset()
    assert await asked(chain, asks) == KEY


@FOUND
@pytest.mark.parametrize("there", ["unreadable", "mistyped", "two keys"])
@pytest.mark.anyio
async def test_a_file_that_comes_too_late_fails_no_call_whatever_is_in_it(
    tmp_path: Path, asks: str, there: str, clock: ManualClock
) -> None:
    chain = ProviderChain([DotenvProvider(clock=clock), ExplicitProvider("vs-acme")])
    await asked(chain, asks)
    path = tmp_path / ".env"
    path.write_bytes(
        {
            "unreadable": b"\xff\xfe",
            "mistyped": b"VECTORSHIFT_API_KEY: x\n",
            "two keys": b"VECTORSHIFT_API_KEY=1\nVECTORSHIFT_API_KEY=2\n",
        }[there]
    )
    clock.advance(1)
    assert await asked(chain, asks) == "vs-acme"


@FOUND
@pytest.mark.anyio
async def test_a_file_that_was_there_before_another_source_answered_counts_when_that_one_is_empty(
    dotenv: Path, asks: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    held = {"api_key": Secret("vs-acme")}
    chain = ProviderChain([ExplicitProvider(held=held), DotenvProvider(clock=clock)])
    with caplog.at_level(logging.INFO):
        assert await asked(chain, asks) == "vs-acme"
    assert str(dotenv) not in caplog.text  # nobody asked it
    del held["api_key"]
    assert await asked(chain, asks) == KEY


def test_a_file_in_a_nested_chain_is_closed_by_a_source_of_the_outer_one(
    tmp_path: Path, clock: ManualClock
) -> None:
    held = {"api_key": Secret("vs-acme")}
    inner = ProviderChain([DotenvProvider(clock=clock)])
    chain = ProviderChain([ExplicitProvider(held=held), inner])
    chain.get_credential()
    a_key_in(tmp_path / ".env")
    clock.advance(1)
    del held["api_key"]
    with pytest.raises(errors.MissingCredentialError, match="after a source had answered"):
        chain.get_credential()


def test_a_chain_that_is_made_later_in_the_process_does_not_take_the_file_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    """As a client with settings of its own makes one, or `configure(settings=...)`."""
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-acme")
    vectorshift.get_credential()
    monkeypatch.delenv("VECTORSHIFT_API_KEY")
    a_key_in(tmp_path / ".env")
    with pytest.raises(errors.MissingCredentialError, match="after a source had answered"):
        ProviderChain.from_settings(Settings()).get_credential()
    vectorshift.configure(settings=Settings(timeout=5))
    with pytest.raises(errors.MissingCredentialError, match="after a source had answered"):
        vectorshift.get_credential()
    assert "after a source had answered" in said_by_explain()
    vectorshift.reset()
    assert vectorshift.get_credential().secret.reveal() == KEY
    assert "after a source had answered" not in said_by_explain()


def test_a_chain_that_meets_the_late_file_below_another_source_does_not_take_it_either(
    tmp_path: Path, clock: ManualClock
) -> None:
    ProviderChain([DotenvProvider(clock=clock), ExplicitProvider("vs-acme")]).get_credential()
    a_key_in(tmp_path / ".env")
    held = {"api_key": Secret("vs-umbrella")}
    chain = ProviderChain([ExplicitProvider(held=held), DotenvProvider(clock=clock)])
    chain.get_credential()
    del held["api_key"]
    with pytest.raises(errors.MissingCredentialError, match="after a source had answered"):
        chain.get_credential()


@FOUND
@pytest.mark.anyio
async def test_after_a_reset_a_file_is_late_once_a_source_above_it_has_answered_again(
    tmp_path: Path, asks: str, clock: ManualClock
) -> None:
    held = {"api_key": Secret("vs-acme")}
    chain = ProviderChain([ExplicitProvider(held=held), DotenvProvider(clock=clock)])
    await asked(chain, asks)
    vectorshift.reset()
    assert await asked(chain, asks) == "vs-acme"
    a_key_in(tmp_path / ".env")
    clock.advance(1)
    del held["api_key"]
    with pytest.raises(errors.MissingCredentialError, match="after a source had answered"):
        await asked(chain, asks)


def test_explain_tells_of_a_file_that_appeared_and_of_its_absence_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-acme")
    vectorshift.get_credential()
    assert f"{tmp_path / '.env'} does not exist." in said_by_explain()
    a_key_in(tmp_path / ".env")
    report = vectorshift.explain()
    (source,) = [each for each in report.sources if each.provider == "dotenv"]
    assert source.outcome == "not found"
    assert "after a source had answered" in source.reason
    assert report.winner is not None
    assert (report.winner.provider, KEY in str(report)) == ("env", False)


@FOUND
@pytest.mark.anyio
async def test_a_found_file_that_supplied_the_key_and_goes_is_unavailable_until_it_is_back(
    dotenv: Path, asks: str, clock: ManualClock
) -> None:
    provider = DotenvProvider(clock=clock, pause=lambda _: None)
    chain = ProviderChain([provider, ExplicitProvider("vs-umbrella")])
    assert await asked(chain, asks) == KEY
    for gone in (dotenv.unlink, lambda: dotenv.write_text("OTHER=1\n")):
        gone()
        clock.advance(1)
        with pytest.raises(errors.CredentialStoreUnavailableError) as caught:
            await asked(chain, asks)
        assert str(caught.value).endswith(
            "Put the key back, or call vectorshift.reset() to go on without this file."
        )
        a_key_in(dotenv, "vs-again")
        clock.advance(1)
        assert await asked(chain, asks) == "vs-again"
    dotenv.unlink()
    vectorshift.reset()
    assert await asked(chain, asks) == "vs-umbrella"


def test_a_named_file_that_loses_its_key_names_no_reset_as_that_would_not_help(
    dotenv: Path, clock: ManualClock
) -> None:
    provider = DotenvProvider(dotenv, clock=clock, pause=lambda _: None)
    key_of(provider)
    dotenv.unlink()
    clock.advance(1)
    assert "reset" not in str(failure(provider))


def test_a_named_file_may_appear_at_any_time(tmp_path: Path, clock: ManualClock) -> None:
    path, held = tmp_path / "prod.env", {"api_key": Secret("vs-acme")}
    path.write_text("OTHER=1\n")
    chain = ProviderChain([ExplicitProvider(held=held), DotenvProvider(path, clock=clock)])
    chain.get_credential()
    a_key_in(path)
    clock.advance(1)
    del held["api_key"]
    assert chain.get_credential().secret.reveal() == KEY


def test_a_file_that_one_chain_names_may_still_be_found_by_another(
    tmp_path: Path, clock: ManualClock
) -> None:
    """That it had no key when it was named says nothing of the chain that has not answered yet."""
    path = tmp_path / ".env"
    path.write_text("OTHER=1\n")
    ProviderChain([ExplicitProvider("vs-acme"), DotenvProvider(path)]).get_credential()
    a_key_in(path)
    assert key_of(DotenvProvider()) == KEY


_OPENED = """
import os, sys
opened = []
sys.addaudithook(lambda event, about: event == "open" and opened.append(str(about[0])))
from vectorshift import DotenvProvider, ExplicitProvider, ProviderChain, explain
ProviderChain([ExplicitProvider("vs-acme"), DotenvProvider()]).get_credential()
print(explain().sources[2].reason, [each for each in opened if each.endswith(".env")])
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files of POSIX")
def test_a_pipe_is_not_opened_to_be_looked_at(tmp_path: Path) -> None:
    """Its writer would be told to go on by that, and what it writes would be lost."""
    os.mkfifo(tmp_path / ".env")
    said = printed(_OPENED)
    assert "a named pipe, which the first call that needs it reads once" in said
    assert said.strip().endswith("[]")
