"""The stand-in API, and a chain whose key is in OpenBao."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stage import Rotation, left_hanging

from vectorshift import ProviderChain, Secret, Settings
from vectorshift.testing import FakeVectorShift, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _before() -> None:
    left_hanging.clear()
    left_hanging.update(threading.enumerate())


@pytest.fixture
def path() -> str:
    """A path in the store that no other test uses."""
    return f"e2e/{uuid.uuid4().hex}"


@pytest.fixture
def rotation(api: FakeVectorShift, openbao: OpenBaoServer, path: str) -> Rotation:
    """A key of the API's in OpenBao."""
    return Rotation(api, lambda key: openbao.write(path, {"api_key": key}))


@pytest.fixture
def settings(openbao: OpenBaoServer, path: str, rotation: Rotation) -> Settings:
    """Settings that lead to that key."""
    token = Secret(openbao.root_token)
    return Settings(vault_path=path, vault_addr=openbao.address, vault_token=token, load_timeout=20)


@pytest.fixture
def chain(settings: Settings) -> Iterator[ProviderChain]:
    """The chain of those settings, with all five sources."""
    with ProviderChain.from_settings(settings) as made:
        assert isinstance(made, ProviderChain)
        yield made
