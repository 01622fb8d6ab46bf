"""The contract, and what is particular to keyrings, on a keyring in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringError, KeyringLocked, NoKeyringError
from vectorshift_keyring import KeyringProvider

from vectorshift import (
    CredentialConfigurationError,
    CredentialNotFoundError,
    ProviderChain,
    Settings,
)
from vectorshift.testing import ProviderContract

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = ("vectorshift", "api_key")


class MemoryKeyring(KeyringBackend):
    """A keyring that fails when told to, and counts reads."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.failure: Exception | None = None
        self.reads = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture(autouse=True)
def backend() -> Iterator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


class TestKeyring(ProviderContract):
    strict = True
    contract = 1

    @pytest.fixture(autouse=True)
    def source(self, backend: MemoryKeyring) -> None:
        self.backend = backend

    def make(self) -> KeyringProvider:
        return KeyringProvider()

    def make_second(self, key: str) -> KeyringProvider:
        keyring.set_password("second", "me", key)
        return KeyringProvider("second", "me")

    def settings(self) -> Settings:
        return Settings(plugins={"keyring": {}})

    def second_settings(self, key: str) -> Settings:
        keyring.set_password("second", "me", key)
        return Settings(plugins={"keyring": {"service": "second", "username": "me"}})

    def put(self, key: str) -> None:
        keyring.set_password(*PLACE, key)

    def remove(self) -> None:
        self.backend.kept.clear()

    def break_source(self) -> None:
        self.backend.failure = KeyringError("the service went away")

    def restore(self) -> None:
        self.backend.failure = None

    def deny(self) -> None:
        self.backend.failure = KeyringLocked("locked")

    def reads(self) -> int:
        return self.backend.reads


def test_it_looks_where_the_settings_say() -> None:
    keyring.set_password("other", "me", "vs-1")
    own = {"keyring": {"service": "other", "username": "me"}}
    chain = ProviderChain.from_settings(Settings(providers=("keyring",), plugins=own))
    assert str(chain.get_credential()).startswith("keyring:other/me #")


def test_an_empty_keyring_says_how_to_put_the_key_there() -> None:
    with pytest.raises(CredentialNotFoundError, match="keyring set vectorshift api_key"):
        KeyringProvider().get_credential()


@pytest.mark.parametrize("error", [NoKeyringError("none"), InitError("no bus")])
def test_a_machine_without_a_keyring_is_a_configuration_error_that_says_what_to_do(
    backend: MemoryKeyring, error: Exception
) -> None:
    backend.failure = error
    with pytest.raises(CredentialConfigurationError, match="install a backend"):
        KeyringProvider().get_credential()
