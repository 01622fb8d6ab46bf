"""An environment that names nothing, and real servers, started once a session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from vectorshift.testing.moto import MotoServer
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _scrubbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test starts in an empty folder that is its home, with no store and no proxy in the environment."""
    for name in list(os.environ):
        if name.startswith(("VECTORSHIFT_", "VAULT_", "BAO_", "AWS_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """Secrets Manager on loopback. Each test takes secret names of its own."""
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBaoServer]:
    """A Vault API on loopback. Each test takes paths and mounts of its own."""
    with OpenBaoServer() as server:
        yield server
