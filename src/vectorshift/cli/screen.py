"""The output of commands: tables on a wide terminal, else one fact per line; or JSON."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, TypeVar, cast

from vectorshift.cli.exits import Exit, exit_of
from vectorshift.errors import CredentialError, bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "complain",
    "console",
    "folded",
    "grid",
    "print_folded",
    "printable",
    "prints_of_plugins_aside",
    "rows_or_problem",
    "show",
    "table",
]

T = TypeVar("T")

_NARROWEST = 50  # a narrower terminal would leave no space for a table's last column


def show(
    as_json: bool, data: object, draw: Callable[[], None], facts: Mapping[str, object]
) -> None:
    """Print JSON, if wanted; else draw on a terminal, or print one fact per line."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    elif _on_terminal():
        draw()
    else:
        for name, value in facts.items():
            if isinstance(value, tuple):
                value = ", ".join(str(each) for each in cast("tuple[object, ...]", value))
            if value is not None and value != "":
                sys.stdout.write(f"{name}: {_plain(value)}\n")


def rows_or_problem(read: Callable[[], list[T]], as_json: bool) -> tuple[list[T], str | None, Exit]:
    """Return the rows, None and 0; or for JSON, no rows, the problem, and its exit code.

    Raises:
        CredentialError: the rows cannot be read, and JSON is not wanted.
    """
    try:
        return read(), None, Exit.GOOD
    except CredentialError as error:
        if not as_json:
            raise
        return [], error.message, exit_of(error)


def _on_terminal() -> bool:
    """Return whether a table can be drawn: on a wide terminal, or with `FORCE_COLOR` set."""
    looked_at = bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()
    return looked_at and console().width >= _NARROWEST


def printable(text: str) -> str:
    """Return the text without control characters, which an answer or a file name may have."""
    return bodies.printable(text, kept="\n")


def prints_of_plugins_aside() -> contextlib.AbstractContextManager[object]:
    """Send what a plugin prints in this block to standard error: scripts read standard output."""
    return contextlib.redirect_stdout(sys.stderr)


def complain(message: str) -> None:
    """Print an error on standard error."""
    print(folded(f"vectorshift: {printable(message)}", sys.stderr), file=sys.stderr)


def print_folded(message: str) -> None:
    """Print what was done on standard output."""
    print(folded(printable(message), sys.stdout))


def folded(text: str, stream: TextIO) -> str:
    """Return the text wrapped between words, if the stream is a terminal."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    lines = text.split("\n")
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in lines
    )


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    lines = [" ".join(line.split()) for line in printable(str(value)).splitlines() if line.strip()]
    *first, last = lines or [""]
    return " ".join([*(line if line[-1] in ".:,;!?" else f"{line}." for line in first), last])


def console() -> Console:
    """Return a console for a terminal. It does not interpret markup in texts."""
    from rich.console import Console

    return Console(force_terminal=True, markup=False, highlight=False, emoji=False)


def grid(facts: Mapping[str, str | Text | None]) -> Table:
    """Return a table of names and values. It omits names that have no value."""
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            rows.add_row(name, value if isinstance(value, Text) else Text(printable(value)))
    return rows


def table(headings: Sequence[str], *, folded: int = 1) -> Table:
    """Return an empty table without frames. Its last columns take the remaining width.

    Args:
        headings: the headings of the columns.
        folded: how many columns at the end may wrap.
    """
    from rich import box
    from rich.table import Table

    empty = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, heading in enumerate(headings, folded - len(headings)):
        empty.add_column(heading, no_wrap=place < 0, overflow="fold")
    return empty
