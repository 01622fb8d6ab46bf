"""Find the setting that a mistyped name means. Only names are compared, no values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["did_you_mean", "means_key", "nearest"]

_PREFIX: Final = "VECTORSHIFT_"
_KEY: Final = "VECTORSHIFT_API_KEY"
_MEANT: Final = ("VECTORSHIFTAPIKEY", "VECTORSHIFTTOKEN", "VECTORSHIFTAPITOKEN")

_SYNONYMS: Final = {
    "URL": "BASE_URL",
    "API_URL": "BASE_URL",
    "HOST": "BASE_URL",
    "VAULT_URL": "VAULT_ADDR",
    "VAULT_HOST": "VAULT_ADDR",
    "VAULT_SERVER": "VAULT_ADDR",
    "VAULT_SECRET": "VAULT_PATH",
    "VAULT_SECRET_PATH": "VAULT_PATH",
    "VAULT_KEY": "VAULT_FIELD",
    "VAULT_CA": "VAULT_CACERT",
    "VAULT_CAPATH": "VAULT_CACERT",
    "VAULT_TIMEOUT": "LOAD_TIMEOUT",
    "VAULT_ENGINE": "VAULT_MOUNT",
    "AWS_SECRET": "AWS_SECRET_ID",
    "AWS_SECRET_ARN": "AWS_SECRET_ID",
    "AWS_KEY": "AWS_FIELD",
    "AWS_SSM_PARAMETER": "AWS_PARAMETER",
}
"""Names that other tools use for the same things."""


def means_key(name: str) -> bool:
    """Return whether a name is a misspelling of `VECTORSHIFT_API_KEY`."""
    letters = re.sub("[^A-Z]", "", name.upper())
    if name == _KEY or not ("VEC" in letters or "SHIFT" in letters):
        return False
    from difflib import SequenceMatcher

    return any(SequenceMatcher(None, letters, meant).ratio() > 0.9 for meant in _MEANT)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence `Did you mean ...?` with the known name that is most like this one, after
    a space; or an empty text.
    """
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def nearest(name: str, known: Collection[str]) -> str:
    """Return the known variable that a name means, or an empty text.

    Names are compared without our prefix and that of a store. Otherwise the prefix would make any
    two names similar, and a plugin's token could be sent to Vault.
    """
    if means_key(name):
        return _KEY
    as_file = re.sub("_PATH$", "_FILE", name)
    if as_file != name and as_file in known:
        return as_file
    rest = name.removeprefix(_PREFIX)
    if _SYNONYMS.get(rest, "") and _PREFIX + _SYNONYMS[rest] in known:
        return _PREFIX + _SYNONYMS[rest]
    store = next((each for each in ("VAULT_", "AWS_") if rest.startswith(each)), "")
    rests = {
        each.removeprefix(_PREFIX + store): each
        for each in known
        if each.startswith(_PREFIX + store)
    }
    from difflib import get_close_matches

    near = get_close_matches(rest.removeprefix(store), rests, n=1, cutoff=0.6 if store else 0.75)
    return rests[near[0]] if near else ""
