"""The page about rotation shows what its commands print on the sandbox."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.cli.program import PROGRAM, environment, started
from tests.docs.blocks import ROOT, blocks_of


def plain(text: str) -> str:
    """Return a screen without what differs from run to run."""
    return re.sub(r"#[0-9a-f]{8}", "#", re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text))


def screens() -> list[tuple[str, str]]:
    """Return the commands of the page that the sandbox can run, and what they print there."""
    found = []
    for block in blocks_of(ROOT / "docs" / "rotate.md"):
        if block.language == "console" and re.search("rotate --source|export ", block.code):
            command, _, shown = block.code.partition("\n")
            found.append((command.removeprefix("$ "), shown.partition("$ echo")[0]))
    return found


def test_the_screens_of_the_page_are_real() -> None:
    with started(*PROGRAM, "sandbox", "--serve") as sandbox:
        assert sandbox.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("# cd ")):
            lines.append(sandbox.stdout.readline())
            assert lines[-1], "the sandbox ended"
        folder = Path(lines[-1].removeprefix("# cd ").strip())
        text = "".join(lines).partition("# Secrets Manager")[0]  # those of Vault are commented out
        variables = dict[str, str](re.findall(r"export (VECTORSHIFT_(?:BASE|VAULT)\w+)=(.*)", text))
        assert len(screens()) == 6
        for command, shown in screens():
            if command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                variables[name] = value
                continue
            done = subprocess.run(
                command.replace("vectorshift", " ".join(PROGRAM), 1),
                shell=True,
                cwd=folder,
                env=environment(**variables),
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert plain(done.stdout + done.stderr) == plain(shown), command
