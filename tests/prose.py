"""Hold prose to plain English: `python -m tests.prose`, a part of `make check`.

It reads the pages, the public docstrings and the messages of the package.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "docs/**/*.md")
SENTENCE, PARAGRAPH = 28, 80

OLD_WORDS = re.compile(
    r"\b(anew|peek(s|ed)?|settle[sd]?|ambient|at hand|departs?|landed|owed|dice|unasked|surplus"
    r"|lends?|lent|loans?|keepers?|masks?|masked|hushed|on its way|neighbours?|lies near"
    r"|stamp(s|ed)?|brisk|naps?|surroundings|answers travel|merely"
    r"|(is|are) none of|has to be|have to be|tak(e|es|en) away)\b",
    re.IGNORECASE,
)
"""Words that only this project used. Those that are plain English in prose, such as "here",
"refused" and "running", are left to `tests.words`, which looks at names.
"""
CLAUSE = re.compile(r"(What|Who|Where|Whether|Whoever|Whatever)\b(?!.*\?$)")
ITEM = re.compile(r"^\s*([-*+]|\d+\.|#+|!!!|>) ")
ARGUMENT = re.compile(r"\s*((Args|Attributes|Returns|Raises|Yields):$|\*{0,2}\w+(, \w+)*: )")
DRAWN = re.compile(r"[│├└]|\S {2,}\S")
GRAMMAR = re.compile(r"\b(a|an|and|are|by|for|has|in|is|no|not|of|on|or|the|to|was|with)\b")
"""Words that tell a sentence from a list of names."""


class Text(NamedTuple):
    """A paragraph, a list item, a cell of a table or a line of a message, without its markup."""

    place: str
    text: str
    kind: str


def plain(text: str) -> str:
    """Return the text as a reader sees it: code is one word, a link its label."""
    text = re.sub(r"``.+?``|`[^`]+`", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(text.replace("**", "").split())


def words(text: str) -> int:
    return sum(bool(re.search(r"\w", each)) for each in text.split())


def sentences(text: str) -> list[str]:
    text = re.sub(r"\b(e\.g|i\.e|etc|vs|No)\. ", r"\1 ", text)
    return re.split(r"(?<=[.!?])[\"')*_]*\s+", text)


def paragraphs(text: str, name: str, line: int, kind: str) -> Iterator[Text]:
    block: list[str] = []
    for number, each in enumerate([*text.splitlines(), ""], line):
        drawn = kind != "page" and DRAWN.search(each)  # a tree, or a table in columns
        row = each.strip().startswith("|")
        item = ITEM.match(each) or (kind != "page" and ARGUMENT.match(each))
        if block and (drawn or row or item or not each.strip()):
            yield Text(f"{name}:{number - len(block)}", plain(" ".join(block)), kind)
            block = []
        if row:
            for cell in re.split(r"(?<!\\)\||<br>", each.strip().strip("|")):
                yield Text(f"{name}:{number}", plain(cell), kind)
        elif each.strip() and not drawn:
            block.append(ITEM.sub("", each).strip())


def of_page(path: Path, name: str) -> Iterator[Text]:
    """Yield the texts of a Markdown page outside its blocks of code."""
    text = re.sub(
        r"^( *)(```|~~~).*?^\1\2 *$|<!--.*?-->",
        lambda found: "\n" * found[0].count("\n"),
        path.read_text("utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    return paragraphs(text, name, 1, "page")


def of_module(path: Path, name: str) -> Iterator[Text]:
    """Yield the public docstrings of a module, and its messages: texts of several words."""
    tree = ast.parse(path.read_text("utf-8"))
    seen: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for each in body if isinstance(body, list) else []:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                seen.add(id(each.value))
                if not re.match("_(?!_)", getattr(node, "name", "")):
                    first, _, rest = str(each.value.value).partition("\n\n")
                    yield Text(f"{name}:{each.lineno}", plain(first), "first line")
                    yield from paragraphs(rest, name, each.lineno, "docstring")
    for node in ast.walk(tree):
        message = "" if id(node) in seen else _message(node, seen)
        for part in message.splitlines() if words(message) > 3 and GRAMMAR.search(message) else []:
            yield Text(f"{name}:{getattr(node, 'lineno', 0)}", plain(part), "message")


def _message(node: ast.AST, seen: set[int]) -> str:
    if isinstance(node, ast.JoinedStr):
        seen.update(id(each) for each in ast.walk(node))
        return "".join(
            str(getattr(each, "value", "")) if isinstance(each, ast.Constant) else "X"
            for each in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def texts(root: Path = ROOT) -> Iterator[Text]:
    for pattern in (*PAGES, "src/**/*.py"):
        for path in sorted(root.glob(pattern)):
            read = of_module if path.suffix == ".py" else of_page
            yield from read(path, path.relative_to(root).as_posix())


def faults(text: Text) -> Iterator[str]:
    """Yield what is wrong with a text."""
    for sentence in sentences(text.text):
        if words(sentence) > SENTENCE:
            yield f"{text.place}: {words(sentence)} words: {sentence}"
    if words(text.text) > PARAGRAPH:
        yield f"{text.place}: a paragraph of {words(text.text)} words: {text.text[:60]}"
    if text.kind == "first line" and CLAUSE.match(text.text):
        yield f"{text.place}: name the thing: {text.text}"
    if found := OLD_WORDS.search(text.text):
        yield f"{text.place}: {found[0]!r}: {text.text[:100]}"


def main() -> int:
    """Print what is found; return 1 if anything is."""
    found = [fault for text in texts() for fault in faults(text)]
    print("\n".join(found) or "The prose is plain.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
