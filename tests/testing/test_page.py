"""Run the examples of the pages about testing as a reader would: by pytest, in their own folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_fixtures_and_the_kit_on_the_page_work_as_they_stand(tmp_path: Path) -> None:
    pages = "".join(
        (DOCS / name).read_text("utf-8") for name in ("testing.md", "provider-tests.md")
    )
    blocks = re.findall(r"^```python\n(.*?)^```", pages, re.DOTALL | re.MULTILINE)
    plugin, service, offline, kit = (b for b in blocks if "pytest" in b)
    (tmp_path / "conftest.py").write_text(plugin + offline)
    (tmp_path / "test_service.py").write_text(service)
    (tmp_path / "test_kit.py").write_text(kit)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert int(re.findall(r"(\d+) passed", said.stdout)[0]) > 35
