"""What the page about testing shows is run as a reader would run it: by pytest, in a folder of its
own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_fixtures_and_the_kit_on_the_page_work_as_they_stand(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
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
