"""Find the setting that a mistyped name means. Names alone are compared, and no values."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["means_key", "nearest"]

_PREFIX: Final = "VECTORSHIFT_"
_KEY: Final = "VECTORSHIFT_API_KEY"
_MEANT: Final = ("VECTORSHIFTAPIKEY", "VECTORSHIFTTOKEN", "VECTORSHIFTAPITOKEN")


def means_key(name: str) -> bool:
    """Return whether a name is no variable of ours, and is meant for `VECTORSHIFT_API_KEY`."""
    letters = re.sub("[^A-Z]", "", name.upper())
    if name == _KEY or not ("VEC" in letters or "SHIFT" in letters):
        return False
    return any(difflib.SequenceMatcher(None, letters, meant).ratio() > 0.9 for meant in _MEANT)


def nearest(name: str, known: Collection[str]) -> str:
    """Return the known variable that a name means, or an empty text.

    What stands behind the prefix is compared. The prefix alone would make any two names alike, and
    lead the token of a plugin to Vault.
    """
    if means_key(name):
        return _KEY
    as_file = re.sub("_PATH$", "_FILE", name)
    if as_file != name and as_file in known:
        return as_file
    rests = {each.removeprefix(_PREFIX): each for each in known if each.startswith(_PREFIX)}
    near = difflib.get_close_matches(name.removeprefix(_PREFIX), rests, n=1, cutoff=0.75)
    return rests[near[0]] if near else ""
