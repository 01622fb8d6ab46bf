"""The blocks of code in the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


class Block(NamedTuple):
    page: str
    line: int
    language: str
    code: str
    skip: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language == language]


def blocks_of(page: Path) -> Iterator[Block]:
    language, start, skip, code, before = "", 0, "", [""], ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            if start:
                yield Block(name_of(page), start, language, "\n".join(code) + "\n", skip)
                start = 0
            else:
                found = re.fullmatch(r"<!-- test: skip (\S.*) -->", before)
                language, start, skip, code = line[3:], number, found[1] if found else "", []
        elif start:
            code.append(line)
        before = line
    assert not start, f"{name_of(page)}:{start} opens a block and does not close it"
