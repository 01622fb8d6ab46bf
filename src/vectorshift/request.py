"""The errors, where the official SDK's examples import them from. Import them from `vectorshift` in
new code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.errors import *  # noqa: F403  # the same names, whichever they come to be
from vectorshift.errors import __all__ as __all__

if not TYPE_CHECKING:  # a checker is to find a mistyped name

    def __getattr__(name: str) -> object:
        from vectorshift._compat import missing

        raise missing(__name__, name)
