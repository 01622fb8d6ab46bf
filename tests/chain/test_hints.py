"""What a chain says of sources that it did not ask, hides or cannot find."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import Echo, Nothing, Received, Result, Rotating, accepting

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    Credential,
    Pipeline,
    ProviderChain,
    Settings,
    VectorShift,
    errors,
)
from vectorshift.credentials.values import fingerprint
from vectorshift.providers import (
    AwsSecretsManagerProvider,
    CredentialProvider,
    Description,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    LoginProvider,
    VaultProvider,
)
from vectorshift.providers.static import UnconfiguredProvider
from vectorshift.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# --- What is advised where no source has a key ---


KEY = "vs-the-key"


def advice(provider: ProviderChain | EnvProvider) -> str:
    """Return what a call says, having seen that `explain` says the same."""
    client = VectorShift(provider)
    with pytest.raises(errors.MissingCredentialError) as caught:
        Pipeline.list(client=client)
    said = str(caught.value).partition("Make a key ")[2]
    told = vectorshift.explain(client=client).verdict.partition("Make a key ")[2]
    assert told.split() == said.split()
    return " ".join(said.split())


def of(**settings: object) -> str:
    return advice(ProviderChain.from_settings(Settings(**settings)))  # type: ignore[arg-type]


def test_the_variable_and_the_code_are_named_where_both_are_looked_at() -> None:
    assert (
        of()
        == "under Account > API Keys and set VECTORSHIFT_API_KEY, or in code: vectorshift.api_key"
        " = ..."
    )


def test_a_variable_that_the_chain_does_not_read_is_not_advised() -> None:
    assert (
        of(providers=("vault", "aws"))
        == "under Account > API Keys and put it into one of these sources, or in code:"
        " vectorshift.api_key = ..."
    )


def test_a_source_of_ones_own_is_left_to_itself() -> None:
    assert (
        advice(EnvProvider("ACME_KEY"))
        == "under Account > API Keys and put it into one of these sources."
    )
    with (
        vectorshift.using(EnvProvider("ACME_KEY")),
        pytest.raises(errors.MissingCredentialError) as caught,
    ):
        vectorshift.get_credential()
    assert "VECTORSHIFT_API_KEY" not in str(caught.value)


def test_a_key_in_a_variable_that_the_chain_does_not_read_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    said = of(providers=("vault", "aws"))
    assert (
        "VECTORSHIFT_API_KEY is set, but VECTORSHIFT_PROVIDERS does not name env, which reads it."
        in said
    )
    assert KEY not in said


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("env_file", "./prod.env", "dotenv"),
        ("vault_path", "web", "vault"),
        ("aws_secret_id", "web", "aws"),
    ],
)
def test_a_locator_of_a_provider_that_the_chain_lacks_is_named(
    field: str, value: str, name: str
) -> None:
    said = of(providers=("env",), **{field: value})
    assert (
        f"VECTORSHIFT_{field.upper()} is set, but VECTORSHIFT_PROVIDERS does not name {name}, which"
        in said
    )


def test_a_locator_of_a_provider_that_was_asked_is_not_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.env"
    empty.touch()
    assert "does not name" not in of(env_file=str(empty))


def test_the_login_is_added_to_the_providers_that_are_named(tmp_path: Path) -> None:
    (tmp_path / ".vectorshift").mkdir()
    (tmp_path / ".vectorshift/config.toml").touch()
    assert "VECTORSHIFT_PROVIDERS=vault,login reads it." in of(providers=("vault",))


# --- A refused key does not hide the store that holds the right one ---


pytestmark = pytest.mark.anyio


HELD = "vs-of-last-year"


class Store(Rotating):
    """A store that is configured."""

    def describe(self) -> Description:
        return Description(configured=True, source=self._turns.source, locator=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    """An API that takes no key but `good`; another one stands in the environment."""
    monkeypatch.setenv("VECTORSHIFT_API_KEY", HELD)
    with Echo(accepting("good")) as running:
        yield running


@pytest.fixture(params=["sync", "async"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def refused(style: str, server: Echo, credentials: Any) -> str:
    if style == "sync":
        with (
            VectorShift(credentials, base_url=server.origin) as client,
            pytest.raises(errors.AuthenticationError) as caught,
        ):
            client.request("GET", "/x")
        return str(caught.value)
    async with AsyncVectorShift(credentials, base_url=server.origin) as aclient:
        with pytest.raises(errors.AuthenticationError) as acaught:
            await aclient.request("GET", "/x")
    return str(acaught.value)


async def test_the_stores_below_the_refused_key_are_named_and_not_asked(
    style: str, server: Echo
) -> None:
    vault, aws = (
        Store("good", source="vault:x", remote=True),
        Store("good", source="aws:y", remote=True),
    )
    said = await refused(style, server, ProviderChain([EnvProvider(), vault, aws]))
    assert (
        "Configured but not asked, because this source comes first: vault:x, aws:y. "
        "If the key should come from there, remove it from this source." in said
    )
    assert vault.asked == aws.asked == 0


async def test_what_is_above_or_not_configured_is_not_named(
    style: str, server: Echo, tmp_path: Path
) -> None:
    (tmp_path / "named.env").write_text("NAME=value")
    above = [Nothing(), DotenvProvider(tmp_path / "named.env")]
    below = [UnconfiguredProvider("vault", "VECTORSHIFT_VAULT_PATH is not set"), Rotating("good")]
    assert "not asked" not in await refused(
        style, server, ProviderChain([*above, EnvProvider(), *below])
    )


async def test_the_store_below_a_store_is_named_too(style: str, server: Echo) -> None:
    chain = ProviderChain([Store(HELD, source="vault:x"), Store("good", source="aws:y")])
    assert "not asked, because this source comes first: aws:y." in await refused(
        style, server, chain
    )


async def test_the_stores_below_in_a_nested_chain_and_below_it_are_named(
    style: str, server: Echo
) -> None:
    inner = ProviderChain([EnvProvider(), Store("good", source="vault:x")])
    chain = ProviderChain([inner, Store("good", source="aws:y")])
    assert "comes first: vault:x, aws:y." in await refused(style, server, chain)


async def test_a_store_that_answers_once_the_refused_key_is_gone_is_not_called_unasked(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(request: Received) -> Result:
        monkeypatch.delenv("VECTORSHIFT_API_KEY")
        return accepting("good")(request)

    monkeypatch.setenv("VECTORSHIFT_API_KEY", HELD)
    stores = Store("good", source="vault:x"), Store("good", source="aws:y")
    with Echo(answers) as server:
        said = await refused(style, server, ProviderChain([EnvProvider(), *stores]))
    assert "will use another source, vault:x" in said
    assert "not asked" not in said


async def test_a_store_that_fails_when_it_is_read_again_still_names_the_ones_below(
    style: str, server: Echo
) -> None:
    vault = Store(
        HELD, errors.CredentialStoreUnavailableError("vault:x is away."), source="vault:x"
    )
    said = await refused(style, server, ProviderChain([vault, Store("good", source="aws:y")]))
    assert (
        "vault:x is away. Configured but not asked, because this source comes first: aws:y." in said
    )


async def test_it_is_told_for_the_credentials_of_the_process_and_of_a_block(
    server: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_BASE_URL", server.origin)
    monkeypatch.setenv("VECTORSHIFT_VAULT_PATH", "vectorshift")
    vectorshift.reset()
    try:
        with pytest.raises(
            errors.AuthenticationError, match="comes first: vault:secret/vectorshift#api_key"
        ):
            Pipeline.list()
        chain = ProviderChain([EnvProvider(), Store("good", source="vault:x")])
        with (
            vectorshift.using(chain),
            pytest.raises(errors.AuthenticationError, match="comes first: vault:x"),
        ):
            Pipeline.list()
    finally:
        vectorshift.reset()


def test_a_store_that_another_source_hides_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", HELD)
    chain = ProviderChain([EnvProvider(), Store("good", source="vault:x")])
    with caplog.at_level(logging.INFO):
        for key in (HELD, HELD, "vs-another"):
            monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
            chain.get_credential()
    told = [record for record in caplog.records if "not asked" in record.message]
    assert [record.message for record in told] == [
        "Configured but not asked while env:VECTORSHIFT_API_KEY has a key: vault:x."
    ]
    assert told[0].levelname == "INFO"


def test_a_login_that_is_not_there_is_not_called_configured(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", HELD)
    login = LoginProvider(tmp_path / "config.toml")
    chain = ProviderChain([EnvProvider(), login])
    with caplog.at_level(logging.INFO):
        chain.get_credential()
    assert "not asked" not in caplog.text
    assert not login.describe().configured
    login.path.write_text('[auth]\napi_key = "vs-of-the-cli"\n')
    login.get_credential()
    assert login.describe().configured


@pytest.mark.parametrize("odd", ["vs-...", "***", "/run/secrets/vs", "ab${HOME}cd"])
async def test_of_a_refused_key_that_looks_odd_this_is_told_and_not_the_key(
    style: str, odd: str, server: Echo
) -> None:
    said = await refused(style, server, odd)
    assert " looks like " in said
    assert odd not in said
    assert " looks like " not in await refused(style, server, HELD)


@pytest.mark.parametrize("given", ["a key", "a callable", "a provider", "a store", "a credential"])
async def test_a_reference_that_nothing_resolved_is_sent_nowhere_whoever_hands_it_in(
    style: str, given: str, server: Echo
) -> None:
    text = "op://dev/vectorshift/key"
    credentials: dict[str, Any] = {
        "a key": text,
        "a callable": lambda: text,
        "a provider": Rotating(text),
        "a store": Store(text, source="vault:x", remote=True),
        "a credential": ProviderChain([Nothing(), Rotating(text), Rotating("good")]),
    }
    with (
        VectorShift(credentials[given], base_url=server.origin) as client,
        pytest.raises(errors.CredentialConfigurationError, match="1Password") as caught,
    ):
        client.request("GET", "/x")
    assert text not in str(caught.value)
    assert server.received == []


# --- A key that is assigned and has no effect is told of ---


KEY, OTHER = "vs-assigned", "vs-configured"


@pytest.fixture(autouse=True)
def _fresh(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO, "vectorshift")
    vectorshift.reset()
    yield
    vectorshift.api_key = None
    vectorshift.reset()


def test_assigning_a_key_after_credentials_were_configured_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vectorshift.configure(credentials=OTHER)
    vectorshift.api_key = KEY
    (warning,) = caplog.messages
    assert "vectorshift.api_key is set and has no effect" in warning
    assert KEY not in warning
    assert vectorshift.get_credential().fingerprint == fingerprint(OTHER)


def test_configuring_credentials_over_an_assigned_key_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vectorshift.api_key = KEY
    vectorshift.configure(credentials=OTHER)
    assert "has no effect" in caplog.text


def test_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    vectorshift.configure(credentials=OTHER)
    vectorshift.api_key = KEY
    vectorshift.api_key = "vs-a-third"
    vectorshift.configure(settings=vectorshift.Settings())
    assert len(caplog.messages) == 1


def test_an_assigned_key_that_is_used_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    vectorshift.api_key = KEY
    vectorshift.get_credential()
    vectorshift.api_key = OTHER
    vectorshift.configure(settings=vectorshift.Settings())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_unsetting_the_key_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    vectorshift.configure(credentials=OTHER)
    vectorshift.api_key = None
    del vectorshift.api_key
    assert caplog.messages == []


# --- A source that another one hides is told once, when the first key is found ---


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
                "Configured but not asked while env:VECTORSHIFT_API_KEY has a key: "
                "vault:secret/vs#api_key, aws:prod/vs."
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
        ("INFO", f"Configured but not asked while explicit:api_key has a key: {hidden}.")
    ]


def test_a_key_file_below_an_assignment_is_told(caplog: pytest.LogCaptureFixture) -> None:
    chain = ProviderChain([ExplicitProvider("vs-code"), EnvProvider(file="/run/secrets/vs")])
    assert told(chain, caplog) == [
        (
            "INFO",
            "Configured but not asked while explicit:api_key has a key: file:/run/secrets/vs.",
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


def test_a_found_file_over_other_sources_is_one_warning_that_names_them_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-found")
    order = ("dotenv", "env", "vault", "aws")
    settings = STORES.model_copy(update={"providers": order, "api_key_file": str(tmp_path / "key")})
    lines = told(ProviderChain.from_settings(settings), caplog)
    assert [level for level, _ in lines] == ["WARNING"]
    below = f"file:{tmp_path / 'key'} and vault:secret/vs#api_key and aws:prod/vs"
    assert f"although {below} are configured" in lines[0][1]


def found(folder: Path) -> None:
    (folder / ".env").write_text("VECTORSHIFT_API_KEY=vs-found")


def log_in(folder: Path, text: str = '[auth]\napi_key = "vs-login"\n') -> None:
    (folder / ".vectorshift").mkdir()
    (folder / ".vectorshift" / "config.toml").write_text(text)


class Cupboard(CredentialProvider):
    """An author's source that says no more of itself than it has to."""

    def get_credential(self) -> Credential:
        raise errors.CredentialNotFoundError("nothing is here.")


class Drawer(Cupboard):
    """The same, without contact."""

    name = "drawer"
    remote = False


BELOW: dict[str, Callable[[], CredentialProvider]] = {
    "a plugin": Cupboard,
    "a local plugin": Drawer,
    "a cached local plugin": lambda: CachingProvider(Drawer()),
    "a plugin in a chain": lambda: ProviderChain([EnvProvider(), Cupboard()]),
    "a key file": lambda: EnvProvider(file="/run/secrets/vs"),
    "a key in code": lambda: ExplicitProvider("vs-code"),
    "vault": lambda: VaultProvider("vs", addr="http://127.0.0.1:9", token="t"),
    "aws": lambda: AwsSecretsManagerProvider("prod/vs"),
}


ABOVE: dict[str, Callable[[], CredentialProvider]] = {
    "as it is": DotenvProvider,
    "in a chain": lambda: ProviderChain([EnvProvider(), DotenvProvider()]),
    "cached": lambda: CachingProvider(DotenvProvider()),
}


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize("below", BELOW)
def test_a_found_file_over_any_configured_source_is_a_warning(
    below: str, above: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(tmp_path)
    lower = BELOW[below]()
    lines = told(ProviderChain([ABOVE[above](), lower]), caplog)
    assert [level for level, _ in lines] == ["WARNING"]
    assert f"although {lower.describe().source} is configured" in lines[0][1]


def test_a_found_file_over_a_login_that_was_named_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(tmp_path)
    log_in(tmp_path)
    chain = ProviderChain.from_settings(Settings(providers=("default", "login")))
    ((level, line),) = told(chain, caplog)
    assert level == "WARNING"
    assert f"although login:{tmp_path}/.vectorshift/config.toml is configured" in line


def test_so_is_one_over_sources_that_were_named_and_are_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(tmp_path)
    chain = ProviderChain.from_settings(Settings(providers=("dotenv", "Vault", "login")))
    ((level, line),) = told(chain, caplog)
    assert level == "WARNING"
    assert "although VECTORSHIFT_PROVIDERS names vault and login." in line


def test_of_the_sources_that_were_named_those_above_and_those_that_are_there_are_not_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(tmp_path)
    order = ("vault", "dotenv", "login", "aws")
    chain = ProviderChain.from_settings(Settings(providers=order, aws_secret_id="prod/vs"))
    ((_, line),) = told(chain, caplog)
    assert "although aws:prod/vs is configured and VECTORSHIFT_PROVIDERS names login." in line


def test_a_found_file_with_settings_in_a_chain_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-found\nVECTORSHIFT_TIMEOUT=3")
    lines = told(ProviderChain([ProviderChain([DotenvProvider()])]), caplog)
    assert [level for level, _ in lines] == ["WARNING"]
    assert "Its other settings are ignored: VECTORSHIFT_TIMEOUT." in lines[0][1]


def test_a_found_file_over_what_only_the_default_order_names_is_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(tmp_path)
    assert told(ProviderChain.from_settings(Settings()), caplog) == []
    assert told(ProviderChain([DotenvProvider(), EnvProvider()]), caplog) == []


def test_a_file_that_is_named_is_no_warning_whatever_lies_below(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(tmp_path)
    log_in(tmp_path)
    chain = ProviderChain.from_settings(Settings(providers=("default", "login"), env_file=".env"))
    assert [level for level, _ in told(chain, caplog)] == ["INFO"]


PASSED: dict[str, Callable[[], CredentialProvider]] = {
    "a plugin": Cupboard,
    "a cached plugin": lambda: CachingProvider(Cupboard()),
    "a plugin in a chain": lambda: ProviderChain([EnvProvider(), Cupboard()]),
    "a plugin two chains down": lambda: ProviderChain([ProviderChain([Drawer(), Cupboard()])]),
    "a plugin behind an empty chain": lambda: ProviderChain([ProviderChain([]), Cupboard()]),
    "a plugin that says it is no store": lambda: Saying(locator=False),
    "a store in memory": lambda: MemoryStore(None).provider("cupboard"),
}


class Saying(Cupboard):
    """It says what the test wants of itself."""

    name = "cupboard"

    def __init__(self, *, configured: bool = True, locator: bool = False) -> None:
        self.said = Description(configured=configured, source=self.name, locator=locator)

    def describe(self) -> Description:
        return self.said


@pytest.mark.parametrize("source", PASSED)
def test_a_configured_remote_source_that_is_passed_over_is_a_warning(
    source: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = told(ProviderChain([PASSED[source](), ExplicitProvider("vs-code")]), caplog)
    warnings = [line for level, line in lines if level == "WARNING"]
    assert len(warnings) == 1
    assert re.match(r"(cupboard|memory:store) was passed over for explicit:api_key", warnings[0])


def test_what_is_local_or_not_configured_is_passed_over_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    above = [Drawer(), Saying(configured=False), EnvProvider(), ProviderChain([Drawer()])]
    assert told(ProviderChain([*above, ExplicitProvider("vs-code")]), caplog) == []


def test_a_login_without_a_key_is_passed_over_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(tmp_path, "[auth]\n")
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    chain = ProviderChain.from_settings(Settings(providers=("login", "env")))
    ((level, line),) = told(chain, caplog)
    assert level == "WARNING"
    assert line.startswith(f"login:{tmp_path}/.vectorshift/config.toml was passed over for env:")


# --- Near misses of people at a terminal ---


HAS_KEY = f"VECTORSHIFT_API_KEY={KEY}\n"
_READS = "has a key but is not read: only .env in the working directory is. VECTORSHIFT_ENV_FILE="
_OF_THE_FILE = "which is not read: the name is VECTORSHIFT_API_KEY."
_CANNOT = "cannot be read: no such file or directory."

NEAR_MISSES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "in small letters": ({"vectorshift_api_key": KEY}, {}, "Nearby: vectorshift_api_key is set"),
    "two words": ({"VECTOR_SHIFT_API_KEY": KEY}, {}, "Nearby: VECTOR_SHIFT_API_KEY is set"),
    "a letter short": ({"VECTORSHFT_API_KEY": KEY}, {}, "The name is VECTORSHIFT_API_KEY."),
    "a file in small letters": (
        {},
        {"app/.env": f"vectorshift_api_key={KEY}\n"},
        f"It has vectorshift_api_key, {_OF_THE_FILE}",
    ),
    "a file with a typo": (
        {},
        {"app/.env": f"VECTORSHIFT_APIKEY={KEY}\n"},
        f"It has VECTORSHIFT_APIKEY, {_OF_THE_FILE}",
    ),
    "a file with mixed letters": (
        {},
        {"app/.env": f"VECTORSHIFT_api_key={KEY}\n"},
        "but its name is not in capitals. Write it in capitals, or comment it out.",
    ),
    "a found file with settings": (
        {},
        {"app/.env": "VECTORSHIFT_VAULT_PATH=x\n"},
        "To use them, name the file: VECTORSHIFT_ENV_FILE=@/app/.env",
    ),
    "the parent folder": ({}, {".env": HAS_KEY}, f"Nearby: @/.env {_READS}@/.env"),
    ".env.local": ({}, {"app/.env.local": HAS_KEY}, f"Nearby: @/app/.env.local {_READS}"),
    ".env.txt": ({}, {"app/.env.txt": HAS_KEY}, f"Nearby: @/app/.env.txt {_READS}"),
    "a tilde": ({"VECTORSHIFT_API_KEY_FILE": "~/key"}, {}, f"{_CANNOT} Write the whole path: ~"),
    "a variable": (
        {"VECTORSHIFT_API_KEY_FILE": "$HOME/key"},
        {},
        "Write the whole path: ~ and variables are not expanded here.",
    ),
    "a variable of Windows": (
        {"VECTORSHIFT_ENV_FILE": "%HOME%/key"},
        {},
        "Write the whole path: ~ and variables are not expanded here.",
    ),
    "a tilde in a dotenv's name": (
        {"VECTORSHIFT_ENV_FILE": "~/a.env"},
        {},
        "Write the whole path: ~",
    ),
    "quotation marks": (
        {"VECTORSHIFT_API_KEY_FILE": '"/run/secrets/vs"'},
        {},
        "Remove the quotation marks: here they are part of the name.",
    ),
    "a URL": (
        {"VECTORSHIFT_API_KEY_FILE": "file:///run/vs"},
        {},
        "Write the path alone, not a URL.",
    ),
    "an address of a bucket": (
        {"VECTORSHIFT_API_KEY_FILE": "s3://bucket/key"},
        {},
        "Write the path alone, not a URL.",
    ),
    "semicolons": (
        {"VECTORSHIFT_PROVIDERS": "env;vault"},
        {},
        "Separate names with commas, such as env,vault.",
    ),
    "a list in JSON": (
        {"VECTORSHIFT_PROVIDERS": '["env", "vault"]'},
        {},
        "Separate names with commas, such as env,vault.",
    ),
    "two dotenv files": (
        {"VECTORSHIFT_ENV_FILE": "a.env,b.env"},
        {"app/a.env": HAS_KEY, "app/b.env": HAS_KEY},
        "Name one file: this looks like a list.",
    ),
    "two dotenv files as in a PATH": (
        {"VECTORSHIFT_ENV_FILE": "/run/a.env:/run/b.env"},
        {},
        "Name one file: this looks like a list.",
    ),
    "systemd's credential": (
        {"CREDENTIALS_DIRECTORY": "@/cd"},
        {"cd/vectorshift-api-key": KEY},
        "There is vectorshift-api-key: call the credential vectorshift_api_key.",
    ),
}


@pytest.mark.parametrize("case", list(NEAR_MISSES))
def test_a_near_miss_is_told_with_what_to_do(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, files, told = NEAR_MISSES[case]
    (tmp_path / "app").mkdir()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, text in variables.items():
        monkeypatch.setenv(name, text.replace("@", str(tmp_path)))
    monkeypatch.chdir(tmp_path / "app")
    vectorshift.reset()
    with pytest.raises(errors.CredentialError) as caught:
        vectorshift.get_credential()
    assert told.replace("@", str(tmp_path)) in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_file_beside_the_script_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app/.env").write_text(HAS_KEY)
    script = tmp_path / "app/main.py"
    script.write_text("import vectorshift\nvectorshift.get_credential()\n")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"Nearby: {tmp_path}/app/.env {_READS}{tmp_path}/app/.env reads it." in done.stderr


def test_a_near_file_of_another_user_is_not_recommended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("takes root, to give a file away")
    (tmp_path / ".env").write_text(HAS_KEY)
    os.chown(tmp_path / ".env", 12345, 12345)
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")
    vectorshift.reset()
    with pytest.raises(errors.MissingCredentialError) as caught:
        vectorshift.get_credential()
    assert "Nearby" not in str(caught.value)


@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
def test_a_401_mentions_a_dotenv_file_that_the_variable_hides(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-the-newer-one\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    if named:
        monkeypatch.setenv("VECTORSHIFT_ENV_FILE", ".env")
    with Echo(accepting("vs-the-newer-one")) as api:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", api.origin)
        vectorshift.reset()
        with pytest.raises(errors.AuthenticationError) as caught:
            Pipeline.list()
    vectorshift.reset()
    told = f"not asked, because this source comes first: dotenv:{tmp_path}"
    assert told in " ".join(str(caught.value).split())


@pytest.mark.usefixtures("forgotten")
def test_a_setting_that_came_after_the_settings_were_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.MissingCredentialError):
        vectorshift.get_credential()
    (tmp_path / "key").write_text("vs-of-the-file")
    monkeypatch.setenv("VECTORSHIFT_API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(errors.MissingCredentialError) as caught:
        vectorshift.get_credential()
    assert (
        "Nearby: VECTORSHIFT_API_KEY_FILE is set, but the settings in use were made without it"
        in str(caught.value)
    )
    vectorshift.reset()  # as it says
    assert vectorshift.get_credential().secret.reveal() == "vs-of-the-file"
