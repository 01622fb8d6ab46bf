"""A rotation that is killed at any point leaves the old key or the new one, and never half of it.

`tests.rotation.killing` kills it with SIGKILL before one line of the package after another. Some
lines are tried here, and each of them with the marker `soak`.

Observation to fail: with a file that is opened and written in its place, a kill between the two
leaves it empty.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.program import environment

if TYPE_CHECKING:
    from tests.rotation.stage import Keys

    from vectorshift.testing import MotoServer, OpenBaoServer

ROOT = Path(__file__).parents[2]
KINDS = ["vault", "aws", "parameter", "file", "dotenv", "login"]
OFTEN = {"vault", "aws", "file"}


def variables(kind: str, path: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    if kind == "vault":
        bao: OpenBaoServer = request.getfixturevalue("openbao")
        return {"VECTORSHIFT_VAULT_PATH": path, **bao.environment()}
    if kind in ("aws", "parameter"):
        moto: MotoServer = request.getfixturevalue("moto")
        if kind == "aws":
            given = {"VECTORSHIFT_AWS_SECRET_ID": path, "VECTORSHIFT_AWS_FIELD": "api_key"}
        else:
            given = {"VECTORSHIFT_AWS_PARAMETER": f"/{path}"}
        return {**given, **moto.environment()}
    if kind == "login":
        return {"VECTORSHIFT_PROFILE": "acme", "HOME": str(folder)}
    name = {"file": "VECTORSHIFT_API_KEY_FILE", "dotenv": "VECTORSHIFT_ENV_FILE"}[kind]
    return {name: str(folder / "kept.env")}


def kill(keys: Keys, kind: str, first: int, step: int, given: dict[str, str]) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.rotation.killing", kind, str(first), str(step)],
        cwd=ROOT,
        env=environment(
            OLD_KEY=keys.old, NEW_KEY=keys.new, VECTORSHIFT_BASE_URL=keys.api.base_url, **given
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert keys.new not in done.stderr
    return [int(each) for each in done.stdout.split()]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in OFTEN else pytest.mark.soak) for kind in KINDS]
)
def test_a_rotation_that_is_killed_leaves_the_old_or_the_new_key(
    kind: str, keys: Keys, path: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    given = variables(kind, path, tmp_path, request)
    lines, old, new = kill(keys, kind, 5, 0, given)
    assert lines > 50
    assert old > 0
    assert new > 0
    if kind in ("file", "dotenv"):
        assert [each.name for each in tmp_path.iterdir()] == ["kept.env"]


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_line_it_leaves_the_old_or_the_new_key(
    kind: str, keys: Keys, path: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lines, old, new = kill(keys, kind, 1, 1, variables(kind, path, tmp_path, request))
    assert old + new == lines
