"""Measure several things in turn, and print them side by side."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Found = dict[str, list[float]]
"""What was measured, by name: one number a round."""


def turns(names: Iterable[str], rounds: int) -> Iterator[str]:
    """Yield each name once a round, so that a slow spell of the machine meets all of them.

    Every other round runs backwards: none of them always comes first.
    """
    order = list(names)
    for _ in range(rounds):
        yield from order
        order.reverse()


def in_turn(measures: Mapping[str, Callable[[], float]], rounds: int) -> Found:
    """Take each measure once a round."""
    found: Found = {name: [] for name in measures}
    for name in turns(measures, rounds):
        found[name].append(measures[name]())
    return found


def median(found: Found, name: str) -> float:
    return statistics.median(found[name])


def ratio(found: Found, name: str, base: str) -> float:
    """Return the median of the ratios that were found in each round."""
    return statistics.median(a / b for a, b in zip(found[name], found[base], strict=True))


def difference(found: Found, name: str, base: str) -> float:
    """Return the median of the differences that were found in each round."""
    return statistics.median(a - b for a, b in zip(found[name], found[base], strict=True))


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> None:
    """Print a table: the first column is text, the others are numbers."""
    table = [columns, *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns))]
    print(f"\n{title}\n")
    for number, row in enumerate(table):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        print("  " + "   ".join(cells).rstrip())
        if number == 0:
            print("  " + "   ".join("-" * width for width in widths))
    if note:
        print(f"\n  {note}")
    print(end="", flush=True)
