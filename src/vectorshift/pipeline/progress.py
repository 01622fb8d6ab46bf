"""A progress bar for those who watch: on a terminal, on standard error, and only when it is asked
for.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["bar"]


@contextlib.contextmanager
def bar(wanted: bool, what: str) -> Generator[Callable[[str], None], None, None]:
    """Show that something goes on; gives a function that says how it is.

    Args:
        wanted: whether to show anything.
        what: what goes on.

    Raises:
        ImportError: it is wanted, and rich is not installed.
    """
    if not wanted:
        yield _nothing
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError as error:
        raise ImportError(
            "progress=True needs the package rich: pip install 'vectorshift[cli]'", name=error.name
        ) from None
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _nothing
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, state="")
        yield lambda state: progress.update(task, state=state)


def _nothing(state: str) -> None:
    """Say nothing: nobody watches."""
