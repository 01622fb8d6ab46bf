"""What a dotenv file says, and which of its lines seem to be meant for this package and say
nothing.

python-dotenv passes over a line that it cannot parse, and takes whatever is no white space for a
name. Passed over, a line with a key would let another source answer, and another organisation's
with it; taken for a name, it would be shown.
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
_LIKE_OURS = re.compile("VECTORSHIFT[_-]")
_LINE_OF_OURS = re.compile(r"\n[ \t]*(?:export[ \t]+)?VECTORSHIFT_[A-Z]")
_BESIDE_ANOTHER = re.compile(
    r"(?<!-e )(?<!--env )(?:"
    r"(?:^|(?<=[\s;]))VECTORSHIFT_[A-Z][A-Z0-9_]*"
    r"|(?<=[A-Za-z0-9])VECTORSHIFT_[A-Z][A-Z0-9_]*)="
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignments:
    """What a dotenv file says. The last of two lines with one name counts.

    Args:
        values: the text of each name, as it stands, without interpolation.
        bare: the names that stand alone, as in `export NAME`, and set nothing.
        lines: the line, from 1, that first sets a name to something.
        twice: the names that are set to something and then to something else, or to nothing, with
            both lines.
        flaw: what is wrong with a line that seems to be meant for this package, without its text;
            mostly nothing.
        passed_over: the first line that cannot be parsed and does not seem to be; 0 if there is
            none.
    """

    values: dict[str, str] = field(repr=False)
    bare: frozenset[str] = frozenset()
    lines: dict[str, int] = field(default_factory=dict[str, int])
    twice: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    flaw: str = ""
    passed_over: int = 0

    def contradiction(self, names: Iterable[str]) -> str:
        """Say of the first of these names that has two values where they stand; mostly nothing."""
        for name in names:
            if name in self.twice:
                first, second = self.twice[name]
                return (
                    f"lines {first} and {second} give {name} two different values. Keep the one"
                    " that you mean."
                )
        return ""


def assignments_in(text: str) -> Assignments:
    """Return what the text of a dotenv file says."""
    from dotenv.parser import parse_stream

    text = re.sub("\r\n?", "\n", text)
    values: dict[str, str] = {}
    bare: set[str] = set()
    lines: dict[str, int] = {}
    twice: dict[str, tuple[int, int]] = {}
    flaw, passed_over = "", 0
    for each in parse_stream(io.StringIO(text)):
        written = each.original.string.lstrip()
        line = each.original.line + each.original.string[: -len(written) or None].count("\n")
        at = _mistyped(each, written)
        if at is not None:
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
        flaw=flaw or _unmerged(text),
        passed_over=passed_over,
    )


def _unmerged(text: str) -> str:
    """Say where a merge was not finished, if one of our settings stands in it; mostly nothing."""
    begins, is_ours = 0, False
    for number, line in enumerate(text.split("\n") if "<<<<<<<" in text else (), 1):
        if line.startswith("<<<<<<<"):
            begins, is_ours = number, False
        elif begins and line.startswith(">>>>>>>"):
            if is_ours:
                return (
                    f"lines {begins} and {number} are the marks of a merge that was not finished,"
                    " and a setting of vectorshift stands between them. Finish the merge."
                )
            begins = 0
        elif "VECTORSHIFT_" in line:
            is_ours = True
    return ""


def _mistyped(binding: Binding, written: str) -> int | None:
    """Return where a statement has what seems to be meant for this package and is no assignment;
    None if nowhere.
    """
    if binding.error:
        found = _OURS.search(written)
        return found.start() if found else None
    if binding.key is None:  # a comment
        return None
    if _is_no_name(binding.key, binding.value):
        return 0
    if found := _LINE_OF_OURS.search(written):  # quotation marks that were left open took it in
        return found.end()
    quoted = re.match(r"[^=]*=\s*['\"]", written)
    return 0 if not quoted and _BESIDE_ANOTHER.search(binding.value or "") else None


def _is_no_name(name: str, value: str | None) -> bool:
    """Whether this holds the name of a variable of ours, and more: the key, perhaps, after a colon
    or after nothing.
    """
    if not _NAME.fullmatch(name):
        return bool(_LIKE_OURS.search(name))
    if not name.startswith("VECTORSHIFT_"):
        return False
    glued = value is None and (name.startswith(_KEY) or re.search("[0-9]", name)) and name != _KEY
    return bool(glued) or name != name.upper()


def _flaw(begins: int, line: int) -> str:
    if line > begins:
        return (
            f"line {line} stands in quotation marks that are opened in line {begins}, and seems to"
            " be meant for vectorshift. Close them where they should end."
        )
    return (
        f"line {line} seems to be meant for vectorshift, and is not NAME=value. Mend it, or put #"
        " before it. It is not shown, as it may hold a key."
    )
