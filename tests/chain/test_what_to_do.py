"""What is advised where no source has a key: nothing that could not help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import vectorshift
from vectorshift import (
    EnvProvider,
    MissingCredentialError,
    Pipeline,
    ProviderChain,
    Settings,
    VectorShift,
)

if TYPE_CHECKING:
    from pathlib import Path

KEY = "vs-the-key"


def advice(provider: ProviderChain | EnvProvider) -> str:
    """Return what a call says, having seen that `explain` says the same."""
    client = VectorShift(provider)
    with pytest.raises(MissingCredentialError) as caught:
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
        == "under Account → API Keys and set VECTORSHIFT_API_KEY, or in code: vectorshift.api_key"
        " = ..."
    )


def test_a_variable_that_the_chain_does_not_read_is_not_advised() -> None:
    assert (
        of(providers=("vault", "aws"))
        == "under Account → API Keys and put it into one of these sources, or in code:"
        " vectorshift.api_key = ..."
    )


def test_a_source_of_ones_own_is_left_to_itself() -> None:
    assert (
        advice(EnvProvider("ACME_KEY"))
        == "under Account → API Keys and put it into one of these sources."
    )
    with (
        vectorshift.using(EnvProvider("ACME_KEY")),
        pytest.raises(MissingCredentialError) as caught,
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


def test_a_variable_in_small_letters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("vectorshift_api_key", KEY)
    said = of()
    assert (
        "vectorshift_api_key is set, and is not read, as it is not VECTORSHIFT_API_KEY in capitals."
        in said
    )
    assert KEY not in said


def test_the_login_is_added_to_the_providers_that_are_named(tmp_path: Path) -> None:
    (tmp_path / ".vectorshift").mkdir()
    (tmp_path / ".vectorshift/config.toml").touch()
    assert "VECTORSHIFT_PROVIDERS=vault,login reads it." in of(providers=("vault",))
