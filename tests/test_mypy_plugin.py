"""A `mypy.ini` from the official SDK's pages goes on working."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".mypy_cache" / "docs"


def test_a_project_that_names_the_plugin_is_checked(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = vectorshift.mypy_plugin\n")
    (tmp_path / "job.py").write_text(
        "from vectorshift import Pipeline\nPipeline.list()\nPipeline.lits()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={CACHE}", "job.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert 'job.py:3: error: "type[Pipeline]" has no attribute "lits"' in done.stdout
    assert "Found 1 error" in done.stdout
