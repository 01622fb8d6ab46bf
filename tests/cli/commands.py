"""Makes docs/commands.md: the help of each command, and what it prints in a real session.

`python -m tests.cli.commands` writes it; a test makes it again and compares.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main
from rich.text import Text
from tests.cli.program import environment, on_terminal

from vectorshift.cli.app import app
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
_COLUMNS = 80
_KEY = "vs-the-key-of-acme"
_PLACE = "/opt"  # there on every machine that has these tests, so that no path of this one is shown
_HEAD = """\
# All commands

The help of each command, and what it prints in a session with a profile.
[The command line](cli.md) explains them.
"""
_SESSION = (
    "auth login --profile acme --file",
    "auth list",
    "auth status --profile acme",
    "auth check --profile acme",
    "auth whoami --profile acme",
    "config --profile acme",
    "providers list --profile acme",
    "exec --profile acme -- sh -c 'echo the key has ${#VECTORSHIFT_API_KEY} characters'",
    "auth logout --profile acme",
)


def page() -> str:
    """Run every command, and return the page."""
    shown = dict(_runs())
    parts = [_HEAD]
    for name, said in helps(_COLUMNS).items():
        ran = next((line for line in shown if f"{line} ".startswith(f"{name} ")), None)
        parts.append(f"## vectorshift {name}".rstrip() + "\n")
        parts.append(f"```text\n{said}```\n")
        if ran is not None and name not in ("", "auth", "providers"):
            parts.append(f"```console\n$ vectorshift {ran}\n{shown[ran]}```\n")
    return "\n".join(parts)


def _names(group: Any, before: str = "") -> Iterator[str]:
    """Yield the program, its groups and their commands, in the order of the help."""
    yield before.strip()
    for name in group.list_commands(None):
        command = group.commands[name]
        if hasattr(command, "commands"):
            yield from _names(command, f"{before} {name}")
        elif not command.hidden:
            yield f"{before} {name}".strip()


def helps(columns: int) -> dict[str, str]:
    """Return the help of each command. One process prints all, as a start takes its time."""
    names = list(_names(typer.main.get_command(app)))
    code = (
        "import sys; from vectorshift.cli.app import run\n"
        "for line in sys.argv[1:]: run([*line.split(), '--help']); print(end='\\f')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        capture_output=True,
        text=True,
        check=True,
        env=environment(COLUMNS=str(columns)),
    )
    return dict(zip(names, done.stdout.split("\f"), strict=False))


def _runs() -> Iterator[tuple[str, str]]:
    with FakeVectorShift() as api, tempfile.TemporaryDirectory() as home:
        api.create_key(org="acme", key=_KEY)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "VECTORSHIFT_BASE_URL": api.base_url,
        }
        for line in _SESSION:
            words = re.findall(r"'[^']*'|\S+", line)
            shown, code = on_terminal(
                [word.strip("'") for word in words],
                variables,
                columns=_COLUMNS,
                cwd=_PLACE,
                answers={"API key (it is not shown): ": _KEY},
                fresh=True,
            )
            assert code == 0, (line, shown)
            assert _KEY not in shown
            plain = Text.from_ansi(shown).plain
            plain = plain.replace(api.base_url, "http://127.0.0.1:18080/v1")
            plain = plain.replace(api.base_url.removesuffix("/v1"), "http://127.0.0.1:18080")
            yield line, "".join(f"{each.rstrip()}\n" for each in plain.splitlines())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
