"""Good providers pass the kit whole: a minimal one sync or async, and the store in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.contract.faults import InMemory

from vectorshift import (
    Credential,
    CredentialNotFoundError,
    CredentialProvider,
    Description,
)
from vectorshift.testing import MemoryStore, ProviderContract

if TYPE_CHECKING:
    from pathlib import Path


class TestMemoryProvider(InMemory):
    @pytest.fixture(autouse=True)
    def source(self) -> None:
        self.store = MemoryStore()

    def make(self) -> CredentialProvider:
        return self.store.provider()

    def make_second(self, key: str) -> CredentialProvider:
        return MemoryStore(key).provider()


class FileProvider(CredentialProvider):
    """What the shortest page of documentation would show."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self.path = path

    def describe(self) -> Description:
        return Description(configured=True, source=f"file:{self.path}")

    def get_credential(self) -> Credential:
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            raise CredentialNotFoundError(f"{self.path} is not there.") from None
        return Credential(secret=text, source=f"file:{self.path}", provider=self.name)


class TestMinimalFileProvider(ProviderContract):
    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path) -> None:
        self.path = tmp_path / "key"

    def make(self) -> CredentialProvider:
        return FileProvider(self.path)

    def put(self, key: str) -> None:
        self.path.write_text(key)

    def remove(self) -> None:
        self.path.unlink()

    def break_source(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.mkdir()


class AsyncProvider(CredentialProvider):
    """Async only, as over a client that knows nothing else."""

    name = "async"

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def describe(self) -> Description:
        return Description(configured=True, source=self.store.source)

    async def aget_credential(self) -> Credential:
        await asyncio.sleep(0.001)
        return self.store.read(self.name)


class TestAsyncProvider(TestMemoryProvider):
    def make(self) -> CredentialProvider:
        return AsyncProvider(self.store)

    def make_second(self, key: str) -> CredentialProvider:
        return AsyncProvider(MemoryStore(key))
