"""The servers of the sandbox, and an environment of which every source of a key is a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import vectorshift
from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["SECRET", "Stage", "set_stage"]

SECRET = "vectorshift"  # its name in both stores
_OURS = ("VECTORSHIFT_", "VAULT_", "BAO_", "AWS_")


@dataclass(frozen=True, slots=True)
class Stage:
    """Three servers on loopback, and a folder for what lives in files."""

    api: FakeVectorShift
    bao: OpenBaoServer
    moto: MotoServer
    folder: Path

    def vault_variables(self) -> dict[str, str]:
        """Return what configures Vault: the locator, the address, and the file with a token that
        may read only.
        """
        self.bao.policy("sandbox", f'path "secret/data/{SECRET}" {{ capabilities = ["read"] }}')
        token = self.folder / "vault-token"
        token.write_text(self.bao.token(["sandbox"]))
        return {
            "VECTORSHIFT_VAULT_PATH": SECRET,
            "VECTORSHIFT_VAULT_ADDR": self.bao.address,
            "VECTORSHIFT_VAULT_TOKEN_FILE": str(token),
        }

    def aws_variables(self) -> dict[str, str]:
        """Return what configures Secrets Manager: the locator, and AWS's own variables."""
        return {"VECTORSHIFT_AWS_SECRET_ID": SECRET, **self.moto.environment()}


@contextlib.contextmanager
def set_stage() -> Generator[Stage, None, None]:
    """Start the servers, and clear the environment of everything that would name another."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vs-")))
        stack.enter_context(_cleared_environment())
        with ThreadPoolExecutor(3) as side_by_side:
            api = side_by_side.submit(stack.enter_context, FakeVectorShift())
            bao = side_by_side.submit(stack.enter_context, OpenBaoServer())
            moto = side_by_side.submit(stack.enter_context, MotoServer())
        os.environ["VECTORSHIFT_BASE_URL"] = api.result().base_url
        vectorshift.reset()
        stack.callback(vectorshift.reset)
        yield Stage(api.result(), bao.result(), moto.result(), folder)


@contextlib.contextmanager
def _cleared_environment() -> Generator[None, None, None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith(_OURS) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
