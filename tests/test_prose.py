"""`tests.prose` sees each fault that it names, and leaves plain English alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.prose import faults, of_module, of_page

if TYPE_CHECKING:
    from pathlib import Path

LONG = " ".join(["word"] * 29) + "."
WALL = " ".join(["One, two and three."] * 21)

PAGES = {
    "a long sentence": (f"# Title\n\n{LONG}\n", ["p:3: 29 words"]),
    "over several lines": (f"Short.\n{LONG[:70]}\n{LONG[70:]}\n", ["p:1: 29 words"]),
    "in a list": (f"- One.\n- {LONG}\n", ["p:2: 29 words"]),
    "in a cell": (f"| a | b |\n| --- | --- |\n| x | {LONG} |\n", ["p:3: 29 words"]),
    "a wall": (WALL, ["p:1: a paragraph of 84 words"]),
    "an old word": ("Ask the store anew.", ["p:1: 'anew'"]),
    "two paragraphs": (f"{WALL[:380]}\n\n{WALL[380:]}", []),
    "code": (f"Short.\n\n```text\n{LONG}\n```\n", []),
    "code within a sentence": (f"See `{LONG}` and [this page]({LONG.replace(' ', '-')}).", []),
    "a comment": (f"<!-- {LONG} -->\nShort.", []),
    "28 words": (LONG.replace("word ", "", 1), []),
}

MODULES = {
    "a message": (f'def f():\n    raise OSError("the {LONG}")\n', ["m:2: 30 words: the word"]),
    "with values": (f'def f(x):\n    return f"the {{x}} {LONG}"\n', ["m:2: 31 words"]),
    "on several lines": (f'x = "the " \\\n    "{LONG}"\n', ["m:1: 30 words: the word"]),
    "two lines of a message": ('x = "The first is short.\\nSo is the second of these."\n', []),
    "a clause": ('def f():\n    """What is sent."""\n', ["m:2: name the thing"]),
    "of a constant": ('X = 1\n"""Who asks."""\n', ["m:2: name the thing"]),
    "a private one": ('def _f():\n    """What is sent."""\n', []),
    "an argument": (
        f'def f():\n    """Do it.\n\n    Args:\n        x: {LONG}\n    """\n',
        ["m:3: 30 words"],
    ),
    "names": (f'X = "{LONG}"\n', []),
    "a tree": (f'"""Short.\n\n├── {LONG}\n"""\n', []),
}


@pytest.mark.parametrize(("page", "expected"), PAGES.values(), ids=PAGES)
def test_the_faults_of_a_page_are_seen(page: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(page, "utf-8")
    found = [fault for text in of_page(tmp_path / "p.md", "p") for fault in faults(text)]
    assert [fault[: len(start)] for fault, start in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize(("module", "expected"), MODULES.values(), ids=MODULES)
def test_the_faults_of_a_module_are_seen(module: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(module, "utf-8")
    found = [fault for text in of_module(tmp_path / "m.py", "m") for fault in faults(text)]
    assert [fault[: len(start)] for fault, start in zip(found, expected, strict=True)] == expected
