"""The mypy plugin that the official SDK's pages configure. It does nothing: no type here needs it.

Without it, mypy would refuse to check anything where `plugins = vectorshift.mypy_plugin` is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy.plugin import Plugin

__all__ = ["plugin"]


def plugin(version: str) -> type[Plugin]:
    """Return the class that mypy makes its plugin of."""
    from mypy.plugin import Plugin

    return Plugin
