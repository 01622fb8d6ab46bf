"""The providers of this package pass the kit that authors of others inherit, on real stores where
there are any.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.stage import Gate
from tests.providers.patience import skipping

from vectorshift import CachingProvider, CredentialDeniedError, ProviderChain, Secret, Settings
from vectorshift.providers import (
    AwsSecretsManagerProvider,
    CredentialProvider,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    VaultProvider,
)
from vectorshift.testing import FakeSecretsManagerAgent, ManualClock, MemoryStore, ProviderContract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vectorshift.testing import MotoServer, OpenBaoServer


class TestExplicitProvider(ProviderContract):
    """A callable stands in for what can fail."""

    @pytest.fixture(autouse=True)
    def source(self) -> None:
        self.held: dict[str, Any] = {"api_key": None}

    def make(self) -> CredentialProvider:
        return ExplicitProvider(held=self.held)

    def make_second(self, key: str) -> CredentialProvider:
        return ExplicitProvider(key)

    def put(self, key: str) -> None:
        self.held["api_key"] = self.kept = Secret(key)

    def remove(self) -> None:
        self.held["api_key"] = None

    def break_source(self) -> None:
        self.held["api_key"] = raising(OSError("away"))

    def restore(self) -> None:
        self.held["api_key"] = self.kept

    def deny(self) -> None:
        self.held["api_key"] = raising(CredentialDeniedError("refused"))


def raising(error: Exception) -> Any:
    def look_up() -> str:
        raise error

    return look_up


class TestEnvProvider(ProviderContract):
    @pytest.fixture(autouse=True)
    def source(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environment = monkeypatch

    def make(self) -> CredentialProvider:
        return EnvProvider()

    def put(self, key: str) -> None:
        self.environment.setenv("VECTORSHIFT_API_KEY", key)
        self.kept = key

    def remove(self) -> None:
        self.environment.delenv("VECTORSHIFT_API_KEY")

    def break_source(self) -> None:
        self.environment.setenv("VECTORSHIFT_API_KEY", "not a key")

    def restore(self) -> None:
        self.put(self.kept)


class TestKeyFile(ProviderContract):
    """The place is `VECTORSHIFT_API_KEY_FILE` and the file together: a file that is named has to be
    there.
    """

    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path) -> None:
        self.path = tmp_path / "key"

    def make(self) -> CredentialProvider:
        return EnvProvider(file=self.path) if self.path.exists() else EnvProvider()

    def second(self, key: str) -> Path:
        path = self.path.with_name("another key")
        path.write_text(key)
        return path

    def make_second(self, key: str) -> CredentialProvider:
        return EnvProvider(file=self.second(key))

    def settings(self) -> Settings:
        return Settings(api_key_file=str(self.path))

    def second_settings(self, key: str) -> Settings:
        return Settings(api_key_file=str(self.second(key)))

    def put(self, key: str) -> None:
        self.path.write_text(key)
        self.kept = key

    def remove(self) -> None:
        self.path.unlink()

    def break_source(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.mkdir()

    def restore(self) -> None:
        self.path.rmdir()
        self.put(self.kept)


class TestDotenvProvider(ProviderContract):
    """A `.env` that is merely found."""

    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path) -> None:
        self.path = tmp_path / ".env"

    def make(self) -> CredentialProvider:
        return DotenvProvider()

    def put(self, key: str) -> None:
        self.path.write_text(f"OTHER=1\nVECTORSHIFT_API_KEY='{key}'\n")
        self.kept = key

    def remove(self) -> None:
        self.path.write_text("OTHER=1\n")

    def break_source(self) -> None:
        self.path.write_bytes(b"\xff\xfe")

    def restore(self) -> None:
        self.put(self.kept)


class TestNamedDotenvFile(TestDotenvProvider):
    """A dotenv file that `VECTORSHIFT_ENV_FILE` names, and that has to be there."""

    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path) -> None:
        self.path = tmp_path / "service.env"
        self.path.touch()

    def make(self) -> CredentialProvider:
        return DotenvProvider(self.path)

    def settings(self) -> Settings:
        return Settings(env_file=str(self.path))

    def second(self, key: str) -> Path:
        path = self.path.with_name("another.env")
        path.write_text(f"VECTORSHIFT_API_KEY={key}\n")
        return path

    def make_second(self, key: str) -> CredentialProvider:
        return DotenvProvider(self.second(key))

    def second_settings(self, key: str) -> Settings:
        return Settings(env_file=str(self.second(key)))


class TestVaultProvider(ProviderContract):
    """OpenBao, behind a gate that can be shut."""

    @pytest.fixture(autouse=True)
    def source(self, openbao: OpenBaoServer, request: pytest.FixtureRequest) -> Iterator[None]:
        self.bao, self.path = openbao, f"contract/{uuid.uuid4().hex}"
        self.token = openbao.token(["root"])
        # the pauses before it asks a shut gate again count as time, and take none
        is_cancelled = "cancelled" in request.node.name
        pauses = contextlib.nullcontext() if is_cancelled else skipping()
        with Gate(openbao.address) as self.gate, pauses:
            yield

    def make(self) -> CredentialProvider:
        return VaultProvider(self.path, addr=self.gate.address, token=self.token)

    def settings(self) -> Settings:
        return Settings(
            vault_path=self.path, vault_addr=self.gate.address, vault_token=Secret(self.token)
        )

    def make_second(self, key: str) -> CredentialProvider:
        self.bao.write(f"{self.path}/second", {"api_key": key})
        return VaultProvider(f"{self.path}/second", addr=self.gate.address, token=self.token)

    def second_settings(self, key: str) -> Settings:
        self.bao.write(f"{self.path}/second", {"api_key": key})
        return self.settings().model_copy(update={"vault_path": f"{self.path}/second"})

    def put(self, key: str) -> None:
        self.bao.write(self.path, {"api_key": key})

    def remove(self) -> None:
        self.bao.forget(self.path)

    def break_source(self) -> None:
        self.gate.lead(None)
        self.gate.hang_up()

    def restore(self) -> None:
        self.gate.lead(self.bao.address)

    def deny(self) -> None:
        self.bao.revoke(self.token)

    def reads(self) -> int:
        return self.bao.reads(self.path)

    def secrets(self) -> list[str]:
        return [self.token]


class TestAwsSecretsManagerProvider(ProviderContract):
    """moto's server."""

    @pytest.fixture(autouse=True)
    def source(self, moto: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.moto, self.name = moto, f"contract/{uuid.uuid4().hex}"
        for name, value in {
            **moto.environment(),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
        }.items():
            monkeypatch.setenv(name, value)

    def make(self) -> CredentialProvider:
        return AwsSecretsManagerProvider(self.name)

    def settings(self) -> Settings:
        return Settings(aws_secret_id=self.name)

    def make_second(self, key: str) -> CredentialProvider:
        self.moto.put(f"{self.name}/second", key)
        return AwsSecretsManagerProvider(f"{self.name}/second")

    def second_settings(self, key: str) -> Settings:
        self.moto.put(f"{self.name}/second", key)
        return Settings(aws_secret_id=f"{self.name}/second")

    def put(self, key: str) -> None:
        self.moto.put(self.name, key)
        self.kept = key

    def remove(self) -> None:
        self.moto.delete(self.name, force=True)

    def break_source(self) -> None:
        self.moto.put(self.name, '{"a_field": 1}')

    def restore(self) -> None:
        self.put(self.kept)

    def reads(self) -> int:
        return self.moto.reads(self.name)


class TestSecretsManagerAgent(ProviderContract):
    """The stand-in for the Agent, with a cache of no time."""

    @pytest.fixture(autouse=True)
    def source(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with FakeSecretsManagerAgent(ttl=0) as self.agent:
            self.token = self.agent.token
            for name, value in self.agent.environment().items():
                monkeypatch.setenv(name, value)
            yield

    def make(self) -> CredentialProvider:
        return AwsSecretsManagerProvider("prod/vs", agent_url=self.agent.url)

    def make_second(self, key: str) -> CredentialProvider:
        self.agent.put("prod/second", key)
        return AwsSecretsManagerProvider("prod/second", agent_url=self.agent.url)

    def put(self, key: str) -> None:
        self.agent.put("prod/vs", key)

    def remove(self) -> None:
        self.agent.fail(
            400, json.dumps({"__type": "ResourceNotFoundException", "message": "none"}), times=1000
        )

    def break_source(self) -> None:
        self.agent.fail(500, "out of order", times=1000)

    def restore(self) -> None:
        self.agent.recover()

    def deny(self) -> None:
        self.agent.token = "another"

    def reads(self) -> int:
        return self.agent.reads

    def secrets(self) -> list[str]:
        return [self.token]


class OverMemory(ProviderContract):
    """The store in memory, under what wraps a provider."""

    @pytest.fixture(autouse=True)
    def source(self) -> None:
        self.store, self.clock = MemoryStore(), ManualClock()

    def put(self, key: str) -> None:
        self.store.put(key)
        self.clock.advance(1000)

    def remove(self) -> None:
        self.store.remove()
        self.clock.advance(1000)

    def break_source(self) -> None:
        self.store.fail()
        self.clock.advance(1000)

    def restore(self) -> None:
        self.store.recover()
        self.clock.advance(1000)

    def deny(self) -> None:
        self.store.deny()
        self.clock.advance(1000)

    def reads(self) -> int:
        return self.store.reads


class TestProviderChain(OverMemory):
    """A chain is a provider, so that chains nest."""

    def make(self) -> CredentialProvider:
        return self.over(self.store)

    def make_second(self, key: str) -> CredentialProvider:
        return self.over(MemoryStore(key))

    def over(self, store: MemoryStore) -> CredentialProvider:
        return ProviderChain(
            [ExplicitProvider(), store.provider()], max_stale=900, clock=self.clock
        )


class TestCachingProvider(OverMemory):
    """A cache is a provider. What it serves from memory by design is over when its clock has
    moved.
    """

    def make(self) -> CredentialProvider:
        return CachingProvider(self.store.provider(), max_stale=900, clock=self.clock)

    def make_second(self, key: str) -> CredentialProvider:
        return CachingProvider(MemoryStore(key).provider(), max_stale=900, clock=self.clock)
