"""A source that another one hides is told once, when the first key is found."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

import pytest

from vectorshift import (
    AwsSecretsManagerProvider,
    CachingProvider,
    Credential,
    CredentialNotFoundError,
    CredentialProvider,
    Description,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    ProviderChain,
    Settings,
    VaultProvider,
)
from vectorshift.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        raise CredentialNotFoundError("nothing is here.")


class Drawer(Cupboard):
    """The same, without contact."""

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


# --- Passed over ---


PASSED: dict[str, Callable[[], CredentialProvider]] = {
    "a plugin": Cupboard,
    "a cached plugin": lambda: CachingProvider(Cupboard()),
    "a plugin in a chain": lambda: ProviderChain([EnvProvider(), Cupboard()]),
    "a plugin two chains down": lambda: ProviderChain([ProviderChain([Drawer(), Cupboard()])]),
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
