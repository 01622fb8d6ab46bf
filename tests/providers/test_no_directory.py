"""A process whose working directory was deleted, as by a deployment under it, goes on with what it
can reach.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import vectorshift
from vectorshift import (
    CredentialConfigurationError,
    CredentialNotFoundError,
    CredentialProvider,
    DotenvProvider,
    EnvProvider,
    LoginProvider,
    Pipeline,
)
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="a folder in use cannot be deleted there"
)


@pytest.fixture(autouse=True)
def _gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    vectorshift.reset()
    yield
    vectorshift.reset()


def test_calls_go_on_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeVectorShift() as api:
        key = api.create_key(org="acme")
        monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", api.base_url)
        assert Pipeline.list().raw["status"] == "success"
        assert vectorshift.get_credential().source == "env:VECTORSHIFT_API_KEY"
        assert asyncio.run(vectorshift.aget_credential()).source == "env:VECTORSHIFT_API_KEY"
        assert vectorshift.api_key == key
        report = vectorshift.explain()
        assert (report.outcome, report.winner and report.winner.source) == (
            "found",
            "env:VECTORSHIFT_API_KEY",
        )


def test_a_dotenv_file_is_then_not_found_and_never_that_of_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = DotenvProvider()
    (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-of-another-folder")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CredentialNotFoundError, match="no working directory"):
        provider.get_credential()


@pytest.mark.parametrize("kind", ["key file", "dotenv", "login"])
def test_a_file_that_is_named_without_its_folder_is_an_error_of_ours(kind: str) -> None:
    make: dict[str, Callable[[], CredentialProvider]] = {
        "key file": lambda: EnvProvider(file="key.txt"),
        "dotenv": lambda: DotenvProvider("prod.env"),
        "login": lambda: LoginProvider("config.toml"),
    }
    expected = CredentialNotFoundError if kind == "login" else CredentialConfigurationError
    with pytest.raises(expected, match="no working directory"):
        make[kind]().get_credential()


@pytest.mark.parametrize(
    ("command", "status"),
    [("auth status", 0), ("auth check", 0), ("exec -- true", 0), ("auth status --json", 0)],
)
def test_the_commands_work(tmp_path: Path, command: str, status: int) -> None:
    with FakeVectorShift() as api:
        folder = tmp_path / "gone"
        environ = {
            **os.environ,
            "VECTORSHIFT_API_KEY": api.create_key(org="acme"),
            "VECTORSHIFT_BASE_URL": api.base_url,
        }
        script = (
            f'mkdir {folder} && cd {folder} && rmdir {folder} && exec "{sys.executable}" -m'
            f" vectorshift {command}"
        )
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
