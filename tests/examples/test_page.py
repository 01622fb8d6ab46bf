"""`docs/plugins.md` as it stands: its files are written, its commands run, and its provider answers
a real call.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.examples.conftest import VENV

from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text("utf-8")


READERS = f"""#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then shift 2; exec {VENV} "$@"; fi
exec {sys.executable} "$@"
"""
"""The `python` that a reader has."""


def files() -> dict[str, str]:
    """Return the files that the page shows, by the path that it gives them."""
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE))


def commands() -> str:
    """Return what the page says to type, in its order."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return "".join(
        line.removeprefix("$ ") for block in blocks for line in block.splitlines(keepends=True)
    )


def test_the_page_leads_from_an_empty_folder_to_a_package_that_answers_a_real_call(
    shell: Callable[..., str], tmp_path: Path
) -> None:
    for name, text in files().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert len(files()) == 4
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "python").write_text(READERS)
    (bin / "python").chmod(0o755)
    with FakeVectorShift() as api:
        api.create_key(org="acme", key="vs-...")
        said = shell(
            f'PATH="{bin}:$PATH"\n{commands()}', tmp_path, VECTORSHIFT_BASE_URL=api.base_url
        )
        answered = [(each.path, each.org, each.status) for each in api.requests]
    assert int(re.findall(r"(\d+) passed", said)[0]) > 35, said
    assert "failed" not in said
    assert [(org, status) for path, org, status in answered if "pipeline" in path] == [
        ("acme", 200)
    ]


def test_the_provider_of_the_page_has_forty_lines_of_code() -> None:
    text = files()["src/vectorshift_cupboard/__init__.py"]
    code = text.partition("class CupboardSettings")[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
