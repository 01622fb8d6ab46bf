from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

import pytest
from tests.interpreter import printed
from tests.providers.asking import KEY, answer, failure

from vectorshift import ProviderChain, Secret, Settings, VectorShift, errors
from vectorshift.providers.login import LoginProvider
from vectorshift.providers.profiles import write_profile
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The file that the official tool writes, in the home directory of the test."""
    path = tmp_path / ".vectorshift" / "config.toml"
    path.parent.mkdir()
    path.write_text(f'[auth]\napi_key = "{KEY}"\n')
    return path


def test_it_reads_what_the_official_tool_stored(config: Path) -> None:
    provider = LoginProvider()
    assert answer(provider) == (KEY, f"login:{config}", "login")


@pytest.mark.anyio
async def test_it_answers_under_every_event_loop(config: Path) -> None:
    assert (await LoginProvider().aget_credential()).source == f"login:{config}"


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff[auth]\r\napi_key = '{KEY}'\r\n",
        f'auth.api_key = "{KEY}"\n[other]\napi_key = "vs-other"\n',
        f'auth = {{ api_key = """{KEY}""", user = 1 }} # mine\n',
    ],
    ids=["mark and crlf", "dotted", "inline"],
)
def test_every_spelling_of_toml_is_read(config: Path, text: str) -> None:
    config.write_bytes(text.encode())
    assert LoginProvider().get_credential().secret.reveal() == KEY


def test_a_login_and_a_logout_are_seen_within_a_second(config: Path) -> None:
    clock, paused = ManualClock(), list[float]()
    config.unlink()
    provider = LoginProvider(clock=clock, pause=paused.append)
    assert type(failure(provider)) is errors.CredentialNotFoundError
    config.write_text('[auth]\napi_key = "vs-one"\n')
    clock.advance(0.99)
    assert type(failure(provider)) is errors.CredentialNotFoundError
    clock.advance(0.01)
    assert provider.get_credential().secret.reveal() == "vs-one"
    config.unlink()
    clock.advance(1)
    assert (
        type(failure(provider)) is errors.CredentialStoreUnavailableError
    )  # no slip to another organisation's key
    assert paused == [0.05]


# --- Membership -----------------------------------------------------------------------------------


def test_it_is_no_member_of_the_default_chain_and_is_named_as_lying_near(config: Path) -> None:
    with pytest.raises(errors.MissingCredentialError) as caught:
        ProviderChain.from_settings(Settings()).get_credential()
    assert str(caught.value).endswith(
        "Nearby: ~/.vectorshift/config.toml, where the official CLI keeps a key. "
        "VECTORSHIFT_PROVIDERS=default,login reads it."
    )
    assert "login" not in [attempt.provider for attempt in caught.value.attempts]


def test_what_the_hint_says_works(config: Path) -> None:
    settings = Settings.load({"VECTORSHIFT_PROVIDERS": "default,login"})
    assert ProviderChain.from_settings(settings).get_credential().source == f"login:{config}"


def test_where_it_is_a_member_it_is_not_said_to_lie_near(config: Path) -> None:
    config.write_text("[auth]\n")
    with pytest.raises(errors.MissingCredentialError) as caught:
        ProviderChain.from_settings(Settings(providers=("default", "login"))).get_credential()
    assert "Nearby" not in str(caught.value)
    assert (
        caught.value.attempts[-1].reason == f"{config} has no [auth] api_key: nobody is logged in."
    )


def test_the_default_sources_come_before_it(
    config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    with caplog.at_level(logging.INFO):
        chain = ProviderChain.from_settings(Settings(providers=("default", "login")))
        assert chain.get_credential().source == "env:VECTORSHIFT_API_KEY"
    hidden = f"Configured but not asked while env:VECTORSHIFT_API_KEY has a key: login:{config}."
    assert [record.levelname for record in caplog.records if record.getMessage() == hidden] == [
        "INFO"
    ]


# --- What is wrong with the file ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "# none\n", "[auth]\n", "[auth]\nuser = 'x'\n", "api_key = 'vs-top'\n"]
)
def test_a_file_without_a_login_is_not_found(config: Path, text: str) -> None:
    config.write_text(text)
    error = failure(LoginProvider())
    assert type(error) is errors.CredentialNotFoundError
    assert str(error) == f"{config} has no [auth] api_key: nobody is logged in."


def test_an_empty_key_is_not_found_and_said_to_be_empty(config: Path) -> None:
    config.write_text('[auth]\napi_key = " "\n')
    error = failure(LoginProvider())
    assert type(error) is errors.CredentialNotFoundError
    assert "set but empty" in str(error)


def test_where_the_folder_is_a_plain_file_it_is_not_configured_after_a_look_either(
    config: Path,
) -> None:
    config.unlink(missing_ok=True)
    config.parent.rmdir()
    config.parent.write_text("x")
    provider = LoginProvider()
    assert type(failure(provider)) is errors.CredentialNotFoundError
    assert not provider.describe().configured


def test_no_file_and_no_folder_is_not_found(config: Path) -> None:
    config.unlink()
    assert str(failure(LoginProvider())) == f"{config} does not exist: nobody is logged in."
    config.parent.rmdir()
    assert type(failure(LoginProvider())) is errors.CredentialNotFoundError
    config.parent.write_text("a file")
    assert type(failure(LoginProvider())) is errors.CredentialNotFoundError


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'[auth]\napi_key = "{KEY}\n', "is not TOML (line 2)"),
        (f"[auth]\napi_key = {KEY}\n", "is not TOML (line 2)"),
        (f'[auth]\napi_key = "{KEY}"\napi_key = "{KEY}"\n', "is not TOML (line 3)"),
        (f'[auth]\nx = 1{KEY}\n[auth]\napi_key="{KEY}"', "is not TOML (line 2)"),
        (f'auth = "{KEY}"\n', "auth is of type str, not a table"),
        (f'[[auth]]\napi_key = "{KEY}"\n', "auth is of type list, not a table"),
        (f'[auth]\napi_key = ["{KEY}"]\n', "[auth] api_key is of type list, not a string"),
        ("[auth]\napi_key = 12345\n", "[auth] api_key is of type int, not a string"),
        ("[auth]\napi_key = " + "[" * 5000 + "]" * 5000, "not"),
        (f'[auth]\napi_key = "Bearer {KEY}"\n', "begins with 'Bearer '"),
        (f'[auth]\napi_key = "{KEY}\\n{KEY}"\n', "line break"),
        (f'[auth]\napi_key = """{json.dumps({"token": KEY})}"""\n', "fields: token"),
    ],
)
def test_what_is_malformed_is_a_configuration_error_that_does_not_show_the_key(
    config: Path, text: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    config.write_text(text)
    error = failure(LoginProvider(), asks)
    assert type(error) is errors.CredentialConfigurationError
    assert str(error).startswith(f"login:{config}")
    assert why in str(error)
    assert (error.source, error.provider) == (f"login:{config}", "login")
    assert KEY not in shown(error)


@pytest.mark.parametrize(
    "content", [f'[auth]\napi_key="{KEY}"'.encode("utf-16"), b"\xff", b'[auth]\n"\0"=1']
)
def test_a_file_that_is_no_utf_8_is_a_configuration_error(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    error = failure(LoginProvider())
    assert type(error) is errors.CredentialConfigurationError
    assert "is not UTF-8 text" in str(error)


def test_a_file_that_cannot_be_read_is_a_configuration_error_and_no_skip(config: Path) -> None:
    config.unlink()
    config.symlink_to(config)
    error = failure(LoginProvider())
    assert type(error) is errors.CredentialConfigurationError
    assert "cannot be read: too many levels of symbolic links" in str(error)
    assert "leave login out of VECTORSHIFT_PROVIDERS" in str(error)
    config.unlink()
    config.mkdir()
    assert "is a directory" in str(failure(LoginProvider()))


# --- Where home is --------------------------------------------------------------------------------


def test_without_home_the_user_s_own_directory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    home = os.path.expanduser("~")  # noqa: PTH111  # as the provider does
    assert str(LoginProvider().path) == os.path.join(home, ".vectorshift", "config.toml")  # noqa: PTH118


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="homes of POSIX")
def test_a_user_without_any_home_has_no_login_and_no_folder_named_tilde_is_read(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = config.parent.parent / "~" / ".vectorshift"
    trap.mkdir(parents=True)
    (trap / "config.toml").write_text('[auth]\napi_key = "vs-trap"\n')
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_123_456)  # nobody has this number
    provider = LoginProvider()
    for asks in ("sync", "async"):
        error = failure(provider, asks)
        assert type(error) is errors.CredentialNotFoundError
        assert str(error) == "HOME is not set, and this user has no home directory."
    assert provider.describe().source == "login:~/.vectorshift/config.toml"


def test_another_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(f'[auth]\napi_key = "{KEY}"\n')
    assert LoginProvider("other.toml").get_credential().source == f"login:{tmp_path / 'other.toml'}"
    assert (
        LoginProvider("~/other.toml").get_credential().source == f"login:{tmp_path / 'other.toml'}"
    )


def test_it_describes_itself_without_reading_and_shows_nothing(config: Path) -> None:
    provider = LoginProvider()
    described = provider.describe()
    assert (described.configured, described.source, described.detail) == (
        True,
        f"login:{config}",
        "",
    )
    config.chmod(0o644)
    provider.get_credential()
    assert provider.describe().detail == "others can read it (mode 0644)"
    assert KEY not in repr(provider) + repr(provider.describe())


# --- Profiles -------------------------------------------------------------------------------------

API = "https://api.vectorshift.ai"


def store(key: str = KEY, origin: str = API) -> None:
    write_profile("acme", Secret(key), origin=origin, in_file=True)


@pytest.mark.anyio
async def test_a_profile_is_a_credential_that_is_bound_to_its_api() -> None:
    store()
    provider = LoginProvider(profile="acme")
    for credential in (provider.get_credential(), await provider.aget_credential()):
        assert credential.secret == Secret(KEY)
        assert (credential.source, credential.provider) == ("login:acme", "login")
        assert credential.origin == API
    assert provider.describe().source == "login:acme"


def test_a_profile_is_cached_as_a_store_is_and_read_again_when_the_api_refuses_it() -> None:
    with FakeVectorShift() as api:
        old, new = api.create_key(), api.create_key()
        store(old, api.base_url.removesuffix("/v1"))
        settings = Settings(profile="acme", base_url=api.base_url)
        with VectorShift(settings=settings) as client:
            assert client.request("GET", "/pipelines")["status"] == "success"
            store(new, api.base_url.removesuffix("/v1"))
            client.request("GET", "/pipelines")
            api.revoke_key(old)
            client.request("GET", "/pipelines")
        sent = [request.key for request in api.requests]
    assert sent == [Secret(each) for each in (old, old, old, new)]


def test_a_profile_in_settings_is_the_whole_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    store()
    chain = ProviderChain.from_settings(Settings(profile="acme", providers=("env", "vault")))
    assert [each.name for each in chain.providers] == ["explicit", "login"]
    assert chain.get_credential().source == "login:acme"


def test_an_absent_profile_lets_no_other_source_answer() -> None:
    with pytest.raises(errors.CredentialConfigurationError, match="has no such profile"):
        ProviderChain.from_settings(Settings(profile="acme")).get_credential()


@pytest.mark.parametrize("name", ["", "Acme", "a b", "a.b", f"{KEY}", "sk_abc", "a" * 25, "-a"])
def test_a_name_that_no_profile_has_is_a_value_error_that_does_not_show_it(
    name: str, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(ValueError, match="should be the name of a profile") as caught:
        LoginProvider(profile=name)
    assert len(name) < 4 or name not in shown(caught.value)


def test_a_file_and_a_profile_are_two_places() -> None:
    with pytest.raises(ValueError, match="name two places"):
        LoginProvider("config.toml", profile="acme")


def test_the_provider_alone_reads_the_default_profile_before_the_official_file(
    config: Path,
) -> None:
    settings = Settings(providers=("login",))
    assert ProviderChain.from_settings(settings).get_credential().source == f"login:{config}"
    write_profile("default", Secret("vs-mine"), origin=API, in_file=True)
    assert ProviderChain.from_settings(settings).get_credential().source == "login:default"


def test_a_damaged_list_of_profiles_does_not_lead_to_the_official_file(config: Path) -> None:
    config.with_name("credentials.toml").write_text("x")
    config.with_name("credentials.toml").chmod(0o600)
    with pytest.raises(errors.CredentialConfigurationError, match="is not TOML"):
        ProviderChain.from_settings(Settings(providers=("login",))).get_credential()


def test_profiles_are_named_where_no_source_has_a_key() -> None:
    store()
    with pytest.raises(errors.MissingCredentialError) as caught:
        ProviderChain.from_settings(Settings()).get_credential()
    assert "`vectorshift auth login` stored acme. VECTORSHIFT_PROFILE=acme uses it." in str(
        caught.value
    )


def test_who_has_no_profile_pays_nothing() -> None:
    code = (
        "import sys\n"
        "seen = []\n"
        "add = lambda event, args: seen.append(str(args)) if event == 'open' else None\n"
        "sys.addaudithook(add)\n"
        "import vectorshift\n"
        "vectorshift.get_credential()\n"
        "print([each for each in seen if '.vectorshift' in each], end=' ')\n"
        "names = {'keyring', 'vectorshift.providers.profiles', 'vectorshift.providers.login'}\n"
        "print(sorted(names & set(sys.modules)))"
    )
    assert printed(code, VECTORSHIFT_API_KEY="vs-x") == "[] []\n"
