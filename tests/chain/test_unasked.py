"""A refused key does not hide the store that holds the right one: what was not asked is told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import Echo, Nothing, Received, Result, Rotating, accepting

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    AuthenticationError,
    CredentialConfigurationError,
    CredentialStoreUnavailableError,
    Description,
    EnvProvider,
    LoginProvider,
    Pipeline,
    ProviderChain,
    VectorShift,
)
from vectorshift.providers.static import UnconfiguredProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

KEY = "vs-of-last-year"


class Store(Rotating):
    """A store that is configured."""

    def describe(self) -> Description:
        return Description(configured=True, source=self._turns.source, locator=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    """An API that takes no key but `good`; another one stands in the environment."""
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    with Echo(accepting("good")) as running:
        yield running


@pytest.fixture(params=["sync", "async"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def refused(style: str, server: Echo, credentials: Any) -> str:
    if style == "sync":
        with (
            VectorShift(credentials, base_url=server.origin) as client,
            pytest.raises(AuthenticationError) as caught,
        ):
            client.request("GET", "/x")
        return str(caught.value)
    async with AsyncVectorShift(credentials, base_url=server.origin) as aclient:
        with pytest.raises(AuthenticationError) as acaught:
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
        "Configured, but not asked, as env:VECTORSHIFT_API_KEY comes first: vault:x, aws:y. "
        "If the key should come from there, take it out of env:VECTORSHIFT_API_KEY." in said
    )
    assert vault.asked == aws.asked == 0


async def test_what_is_above_or_not_configured_is_not_named(style: str, server: Echo) -> None:
    empty = Nothing()
    below = [UnconfiguredProvider("vault", "VECTORSHIFT_VAULT_PATH is not set"), Rotating("good")]
    assert "not asked" not in await refused(
        style, server, ProviderChain([empty, EnvProvider(), *below])
    )


async def test_the_store_below_a_store_is_named_too(style: str, server: Echo) -> None:
    chain = ProviderChain([Store(KEY, source="vault:x"), Store("good", source="aws:y")])
    assert "not asked, as vault:x comes first: aws:y." in await refused(style, server, chain)


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

    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    stores = Store("good", source="vault:x"), Store("good", source="aws:y")
    with Echo(answers) as server:
        said = await refused(style, server, ProviderChain([EnvProvider(), *stores]))
    assert "will use another source, vault:x" in said
    assert "not asked" not in said


async def test_a_store_that_fails_when_it_is_read_again_still_names_the_ones_below(
    style: str, server: Echo
) -> None:
    vault = Store(KEY, CredentialStoreUnavailableError("vault:x is away."), source="vault:x")
    said = await refused(style, server, ProviderChain([vault, Store("good", source="aws:y")]))
    assert "vault:x is away. Configured, but not asked, as vault:x comes first: aws:y." in said


async def test_it_is_told_for_the_credentials_of_the_process_and_of_a_block(
    server: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_BASE_URL", server.origin)
    monkeypatch.setenv("VECTORSHIFT_VAULT_PATH", "vectorshift")
    vectorshift.reset()
    try:
        with pytest.raises(
            AuthenticationError, match="comes first: vault:secret/vectorshift#api_key"
        ):
            Pipeline.list()
        chain = ProviderChain([EnvProvider(), Store("good", source="vault:x")])
        with (
            vectorshift.using(chain),
            pytest.raises(AuthenticationError, match="comes first: vault:x"),
        ):
            Pipeline.list()
    finally:
        vectorshift.reset()


def test_a_store_that_another_source_hides_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    chain = ProviderChain([EnvProvider(), Store("good", source="vault:x")])
    with caplog.at_level(logging.INFO):
        for key in (KEY, KEY, "vs-another"):
            monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
            chain.get_credential()
    told = [record for record in caplog.records if "not asked" in record.message]
    assert [record.message for record in told] == [
        "Configured, but not asked while env:VECTORSHIFT_API_KEY has a key: vault:x."
    ]
    assert told[0].levelname == "INFO"


def test_a_login_that_is_not_there_is_not_called_configured(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
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
    assert " looks like " not in await refused(style, server, KEY)


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
        pytest.raises(CredentialConfigurationError, match="1Password") as caught,
    ):
        client.request("GET", "/x")
    assert text not in str(caught.value)
    assert server.received == []
