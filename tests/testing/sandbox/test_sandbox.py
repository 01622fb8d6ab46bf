"""The sandbox, as a newcomer runs it: a process of its own, on real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from tests.interpreter import printed

from vectorshift.testing.sandbox.rotation import Rotation
from vectorshift.version import __version__

SANDBOX = [sys.executable, "-m", "vectorshift", "sandbox"]
LIST = (
    "from vectorshift import Pipeline, get_credential; print(len(Pipeline.list()),"
    " get_credential())"
)


def test_it_shows_each_source_in_turn_and_both_rotations_and_exits_with_0() -> None:
    done = subprocess.run(
        SANDBOX, capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "140"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if " 200 " in line]
    sources = [
        "explicit:api_key",
        "env:VECTORSHIFT_API_KEY",
        "dotenv:",
        "vault:secret/vectorshift#api_key",
        "aws:",
    ]
    organisations = ["amber", "birch", "cedar", "delta", "ember"]
    assert len(rows) == 5
    for row, source, organisation in zip(rows, sources, organisations, strict=True):
        assert source in row
        assert organisation in row
    assert "none: AuthenticationError" in done.stdout
    for store in ("Vault", "AWS"):
        assert f"{store}: rotated from" in done.stdout
    assert done.stdout.count(" 0 failed") == 2
    assert "vs-" not in done.stdout.replace("/vs-", "")
    assert "Traceback" not in done.stderr


def test_what_does_not_happen_as_it_should_is_a_flaw() -> None:
    good = Rotation("Vault", "#1", "#2", calls=500, seconds=0.01)
    assert not good.flaws
    assert Rotation("Vault", "#1", "#2", calls=500).flaws == [
        "Vault: no call used the new key within 20 s"
    ]
    failed = Rotation("Vault", "#1", "#2", calls=500, errors=["401"], seconds=0.01)
    assert failed.flaws == ["Vault: 1 calls failed, the first with: 401"]


def _exports(stream: IO[str]) -> dict[str, dict[str, str]]:
    """Read what the sandbox prints: a heading for each source, and its variables."""
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] = {}
    for line in stream:
        if line.startswith("# ") and "export " not in line:
            group = groups.setdefault(line.strip(), {})
        else:
            assert line.startswith("# ") == (len(groups) > 2), "one source is exported"
            name, _, value = line.partition("export ")[2].strip().partition("=")
            group[name] = value
        if len(groups) == 4 and "AWS_DEFAULT_REGION" in group:
            return groups
    raise AssertionError(f"the sandbox ended after {groups}")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_serve_prints_what_points_other_code_at_each_source_and_ends_cleanly_when_told_to() -> None:
    serving = subprocess.Popen(
        [*SANDBOX, "--serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert serving.stdout is not None
        groups = _exports(serving.stdout)
        api, *sources = groups.values()
        found = [printed(LIST, **api, **each).split()[1].partition(":")[0] for each in sources]
        folder = Path(sources[0]["VECTORSHIFT_API_KEY_FILE"]).parent
        assert {each.stat().st_mode & 0o77 for each in folder.iterdir() if each.is_file()} == {0}
        assert found == ["file", "vault", "aws"]
    finally:
        serving.send_signal(signal.SIGTERM)
        _, errors = serving.communicate(timeout=30)
    assert serving.returncode == 0
    assert errors == ""


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_which_one_to_install(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = ['sandbox']\n"
        "from vectorshift.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "pip install 'vectorshift[cli]>=2'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_it_gives_one_command() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None; sys.argv[1:] = ['sandbox']\n"
        "from vectorshift.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        "The sandbox lacks the package starlette: pip install 'vectorshift[sandbox]>=2'\n"
    )


def test_version_and_help_work() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vectorshift", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == f"vectorshift {__version__}"
    done = subprocess.run(
        [sys.executable, "-m", "vectorshift", "--help"], capture_output=True, text=True, timeout=60
    )
    assert "sandbox" in done.stdout
