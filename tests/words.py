"""Hold names and prose to the field's words: `python -m tests.words`, a part of `make check`."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

PRIVATE = """
    Answer Ask anew peek lookup alookup settle answering AnsweringProvider AdaptedProvider ambient
    AMBIENT at_hand Kept Flight depart flying _fly await_ Load _board _depart _land Moment Verdict
    landed owed dice refusals OneCall stamp unasked Failure Repeat lost surplus lend Loan keeper
    _inherited masks hushed on_its_way Excerpt exchange Exchange findings Seen Ending judged
    Neighbours successor official Elsewhere Exposure keeping calling Place Line Grant Trouble care
    Brisk nap _hasten say _tell colour room house
"""
"""Words that only this project used for what the field has a name for."""

PLAIN_LOCALLY = """
    given refused here within turns bare bodies opening sending elsewhere running passing tell told
    said shown
"""
"""Words that are plain English as local names, arguments and fields, but not for a class."""

PLAIN = {
    "Answer": ("src/vectorshift/pipeline/results.py",),  # a public name
    "lookup": ("src/vectorshift/transport/auth.py", "src/vectorshift/explanation/explain.py"),
    "ambient": ("src/vectorshift/explanation/explain.py", "src/vectorshift/__init__.py"),
    "refusals": ("src/vectorshift/testing/openbao.py",),  # HTTP refusals, as a script of the server
    "Failure": ("tests/providers/",),
    "Place": ("tests/test_matrix.py", "tests/transport/test_leaks.py"),
}
"""Where one of these words is plain English, or public."""

PROSE = re.compile(r"\b(colours?|rooms?|house)\b", re.IGNORECASE)
PLAIN_PROSE = {
    "docs/cli-exits.md": "colour",  # of a terminal
    "tests/e2e/test_tenants.py": "Room",
    "tests/words.py": "",
}


def definitions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each name that a module defines, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def private_names() -> Iterator[str]:
    """Yield the definitions in src, tests and benchmarks that use a private word."""
    private, titles = set(PRIVATE.split()), {word.title() for word in PLAIN_LOCALLY.split()}
    for folder in ("src", "tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            found = [(1, path.stem), *definitions(ast.parse(path.read_text("utf-8")))]
            for line, word in found:
                if word in private | titles and not name.startswith(PLAIN.get(word, ("-",))):
                    yield f"{name}:{line}: {word}"


def private_prose() -> Iterator[str]:
    """Yield the lines of code and documentation that use a word of the old prose."""
    for pattern in ("src/**/*.py", "tests/**/*.py", "docs/**/*.md", "*.md", "*.toml"):
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
                found = PROSE.search(text)
                if found and not (name in PLAIN_PROSE and PLAIN_PROSE[name] in text):
                    yield f"{name}:{line}: {found[0]}"


def same_names() -> Iterator[str]:
    """Yield the classes of src that share a name: one name has one meaning."""
    homes: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                home = f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
                if node.name in homes:
                    yield f"{home}: {node.name} is also the class of {homes[node.name]}"
                homes[node.name] = home


def main() -> int:
    """Print what is found; return 1 if anything is."""
    found = [*private_names(), *private_prose(), *same_names()]
    print("\n".join(found) or "The words are the field's.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
