"""Type-check what the documentation shows, as its readers would: `python -m
tests.docs.block_types`.

`make check` runs this. Each `python` block is a file of its own, also where no test runs it, and
keeps the numbers of its lines. Readers need no annotations, so this is not strict; what stands in
their functions is checked all the same.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.blocks import ROOT, blocks

MYPY = [
    "mypy",
    "--config-file=",
    f"--cache-dir={ROOT / '.mypy_cache' / 'docs'}",
    "--python-version=3.10",
]
READERS = ["--check-untyped-defs", "--ignore-missing-imports"]


def main() -> int:
    with TemporaryDirectory() as folder:
        pages: dict[str, str] = {}
        for block in blocks("python"):
            name = re.sub(r"\W", "_", str(block)) + ".py"
            Path(folder, name).write_text("\n" * block.line + block.code, "utf-8")
            pages[name] = block.page
        done = subprocess.run(
            [sys.executable, "-m", *MYPY, *READERS, *pages],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    said = re.sub(r"^\w+\.py(?=:)", lambda found: pages[found[0]], done.stdout, flags=re.MULTILINE)
    print(said + done.stderr, end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
