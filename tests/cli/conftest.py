"""The stand-in API, and places in the stores that no other test uses."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.testing import MotoServer, OpenBaoServer


@pytest.fixture
def path() -> str:
    return f"cli/{uuid.uuid4().hex}"


@pytest.fixture
def in_vault(openbao: OpenBaoServer, path: str) -> dict[str, str]:
    """A key in OpenBao, and the variables that lead to it."""
    openbao.write(path, {"api_key": "vs-the-key-in-vault"})
    return {"VECTORSHIFT_VAULT_PATH": path, **openbao.environment()}


@pytest.fixture
def in_aws(moto: MotoServer, path: str) -> dict[str, str]:
    """A key in Secrets Manager, and the variables that lead to it."""
    moto.put(path, "vs-the-key-in-aws")
    return {"VECTORSHIFT_AWS_SECRET_ID": path, **moto.environment()}


@pytest.fixture
def reads(openbao: OpenBaoServer, moto: MotoServer, path: str) -> Callable[[], tuple[int, int]]:
    """How often the key was read from OpenBao, and how often from Secrets Manager."""
    return lambda: (openbao.reads(path), moto.reads(path))


@pytest.fixture
def refused_by_vault(openbao: OpenBaoServer, in_vault: dict[str, str]) -> dict[str, str]:
    """The same secret with a token that may not read it."""
    return {**in_vault, "VAULT_TOKEN": openbao.token(["default"])}
