"""Wheels built of this tree, and fresh environments that they are installed in, without a package
registry.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
OURS = ("vectorshift", "_vectorshift", "__editable__")
VENV = f"{sys.executable} -m venv --without-pip"
"""Makes an environment. Its pip is that of `third_party`: one of its own takes 3 s."""


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is installed here, without this project: links, so that an editable one cannot be
    seen.
    """
    folder = tmp_path_factory.mktemp("third-party")
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for each in Path(place).iterdir():
            if not each.name.startswith(OURS) and each.suffix != ".pth":
                (folder / each.name).symlink_to(each)
    return folder


@pytest.fixture(scope="session")
def environ(third_party: Path, wheels: Path) -> dict[str, str]:
    """An environment in which pip finds what is installed here and our wheels, and asks nobody
    else.
    """
    return bare_environ(third_party) | {"PIP_FIND_LINKS": str(wheels)}


def bare_environ(third_party: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(third_party.parent),
        "PYTHONPATH": str(third_party),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option's value: off
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def wheels(third_party: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of this project and of its examples."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = [ROOT, *sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))]
    options = ["--quiet", "--no-deps", "--wheel-dir", folder, *sources]
    command = [sys.executable, "-m", "pip", "wheel", *map(str, options)]
    done = subprocess.run(
        command, env=bare_environ(third_party), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("*.whl"))) == len(sources)
    return folder


@pytest.fixture(scope="session")
def shell(environ: dict[str, str]) -> Callable[..., str]:
    """Run a script in a folder and return what it prints."""

    def run(script: str, folder: Path, **more: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environ | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run
