"""Parse a dotenv file, and find lines that look like settings of this package but are not.

python-dotenv skips a line that it cannot parse, and takes any text without spaces for a name. If a
line with a key is skipped, another source answers, perhaps with another organisation's key. If a
key is taken for a name, it is shown.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotenv.parser import Binding

__all__ = ["Assignments", "assignments_in"]

_KEY = "VECTORSHIFT_API_KEY"
_OURS = re.compile(r"(?i:vectorshift[ _-]api[ _-]?key)|VECTORSHIFT_[A-Z]")
_SETTING = re.compile("VECTORSHIFT_")
_LIKE_OURS = re.compile("VECTORSHIFT[_-]|(?i:vectorshift[ ._-]api[ ._-]?key)")
_LINE_OF_OURS = re.compile(r"\n[ \t]*(?:export[ \t]+)?VECTORSHIFT_[A-Z]")
_BESIDE_ANOTHER = re.compile(
    r"(?<!-e )(?<!--env )(?:"
    r"(?:^|(?<=[\s;,]))VECTORSHIFT_[A-Z][A-Z0-9_]*"
    r"|(?<=[A-Za-z0-9])VECTORSHIFT_[A-Z][A-Z0-9_]*)="
)
_QUOTED_TEXT = re.compile(r"[^=]*=\s*['\"](?!VECTORSHIFT_[A-Z][A-Z0-9_]*=)")
_OF_A_STORE = re.compile(r"\b(?:BAO|VAULT)_[A-Z]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignments:
    """The content of a dotenv file. If two lines set one name, the last one counts.

    Args:
        values: the value of each name, without interpolation.
        bare: the names without a value, as in `export NAME`.
        lines: the first line, counted from 1, that sets a name to a value.
        twice: the names with two different values, and both lines.
        flaw: what is wrong with a line that looks like a setting of this package, without its text;
            or an empty text.
        flaw_of_stores: the same for a standard variable of Vault or OpenBao.
        passed_over: the first other line that cannot be parsed, or 0.
    """

    values: dict[str, str] = field(repr=False)
    bare: frozenset[str] = frozenset()
    lines: dict[str, int] = field(default_factory=dict[str, int])
    twice: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    flaw: str = ""
    flaw_of_stores: str = ""
    passed_over: int = 0

    def contradiction(self, names: Iterable[str]) -> str:
        """Return a message for the first of these names that has two values, or an empty text."""
        for name in names:
            if name in self.twice:
                first, second = self.twice[name]
                return (
                    f"lines {first} and {second} give {name} two different values. Remove one of "
                    "them."
                )
        return ""


def assignments_in(text: str) -> Assignments:
    """Parse the text of a dotenv file."""
    from dotenv.parser import parse_stream

    text = re.sub("\r\n?", "\n", text)
    # python-dotenv takes quadratic time for a run of white space. Keys contain none.
    text = re.sub(r"[^\S\n]{64,}", " " * 64, text)
    values: dict[str, str] = {}
    bare: set[str] = set()
    lines: dict[str, int] = {}
    twice: dict[str, tuple[int, int]] = {}
    flaw, flaw_of_stores, passed_over = "", "", 0
    for each in parse_stream(io.StringIO(text)):
        written = each.original.string.lstrip()
        line = each.original.line + each.original.string[: -len(written) or None].count("\n")
        is_broken = each.error or not _NAME.fullmatch(each.key or "_")
        if is_broken and _OF_A_STORE.search(written):
            flaw_of_stores = flaw_of_stores or _flaw(line, line)
        at = _mistyped(each, written)
        if at is not None and _is_in_small_letters(each):
            flaw = flaw or (
                f"line {line} looks like a VECTORSHIFT setting but its name is not in capitals. "
                "Write it in capitals, or comment it out."
            )
        elif at is not None:
            flaw = flaw or _flaw(line, line + written[:at].count("\n"))
        elif each.error:
            passed_over = passed_over or line
        elif each.key is not None and each.value is None:
            bare.add(each.key)
        elif each.key is not None and each.value is not None:
            before = values.get(each.key, "").strip()
            if before and before != each.value.strip():
                twice.setdefault(each.key, (lines[each.key], line))
            elif each.value.strip():
                lines.setdefault(each.key, line)
            values[each.key] = each.value
    return Assignments(
        values=values,
        bare=frozenset(bare),
        lines=lines,
        twice=twice,
        flaw=flaw or _unmerged(text, _SETTING),
        flaw_of_stores=flaw_of_stores or _unmerged(text, _OF_A_STORE),
        passed_over=passed_over,
    )


def _unmerged(text: str, ours: re.Pattern[str]) -> str:
    """Return a message for an unfinished merge around one of our settings, or an empty text.

    A conflict marker without its counterpart extends to the end or the beginning of the file.
    """
    begins, is_ours = 0, False
    for number, line in enumerate(text.split("\n"), 1):
        mark = line.lstrip()
        if mark.startswith("<<<<<<<"):
            begins, is_ours = number, False
        elif mark.startswith(">>>>>>>"):
            if is_ours:
                return _merge(begins, number)
            begins = 0
        elif ours.search(line):
            is_ours = True
    return _merge(begins, 0) if begins and is_ours else ""


def _merge(begins: int, ends: int) -> str:
    if begins and ends:
        return (
            f"lines {begins} and {ends} are conflict markers with a VECTORSHIFT setting between "
            "them. Finish the merge."
        )
    return (
        f"line {begins or ends} is a conflict marker without its counterpart. Finish the merge, "
        "or remove the marker."
    )


def _mistyped(binding: Binding, written: str) -> int | None:
    """Return the position of text that looks like a setting of ours but is not one, or None."""
    if binding.error:
        found = _OURS.search(written)
        return found.start() if found else None
    if binding.key is None:  # a comment
        return None
    if _is_no_name(binding.key, binding.value):
        return 0
    if found := _LINE_OF_OURS.search(written):  # it is inside quotation marks that were not closed
        return found.end()
    if _QUOTED_TEXT.match(written):
        return None
    return 0 if _BESIDE_ANOTHER.search(binding.value or "") else None


def _is_no_name(name: str, value: str | None) -> bool:
    """Return whether a name of ours is followed by other text, such as a colon and the key."""
    if not _NAME.fullmatch(name):
        return bool(_LIKE_OURS.search(name))
    if not name.startswith("VECTORSHIFT_"):
        return False
    glued = value is None and (name.startswith(_KEY) or re.search("[0-9]", name)) and name != _KEY
    return bool(glued) or name != name.upper()


def _is_in_small_letters(binding: Binding) -> bool:
    """Return whether only the case of a name is wrong. A name with digits may contain a key."""
    name = binding.key or ""
    is_name = re.fullmatch("VECTORSHIFT_[A-Za-z_]+", name) and name != name.upper()
    return binding.value is not None and bool(is_name)


def _flaw(begins: int, line: int) -> str:
    if line > begins:
        return (
            f"line {line} looks like a VECTORSHIFT setting but is inside the quotation marks that"
            f" line {begins} opens. Close the quotation marks."
        )
    return (
        f"line {line} looks like a VECTORSHIFT setting but is not NAME=value. Fix it, or comment "
        "it out. It is not shown: it may hold a key."
    )
