"""The errors, for code that imports them as the official SDK's examples do. Import them from
`vectorshift` in new code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.errors import *  # noqa: F403  # always all names
from vectorshift.errors import __all__ as __all__

if not TYPE_CHECKING:  # so that type checkers find a mistyped name

    def __getattr__(name: str) -> object:
        from vectorshift._compat import missing

        raise missing(__name__, name)
