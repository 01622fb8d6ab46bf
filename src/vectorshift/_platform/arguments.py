"""Arguments of providers made in code: `UNSET` for an omitted one, checks, and messages that name
arguments.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNSET", "Unset", "check", "text_with_arguments"]

T = TypeVar("T")


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""The default of arguments that reject None: `addr=os.getenv("TYPO")` must not mean "take it from
the environment".
"""

_KINDS: Final = {str: "a string", bool: "True or False", os.PathLike: "a path"}


def check(arguments: Mapping[str, object], *kinds: type) -> None:
    """Check the types of the arguments that were passed.

    Raises:
        TypeError: one is None or of another type. The message names it, without its value.
    """
    for name, value in arguments.items():
        if value is not UNSET and not isinstance(value, kinds):
            wanted = " or ".join(_KINDS.get(kind, f"a {kind.__name__}") for kind in kinds)
            given = "None" if value is None else f"a {type(value).__name__}"
            hint = " Leave it out for its default." if value is None else ""
            raise TypeError(f"{name} must be {wanted}, not {given}.{hint}")


def text_with_arguments(text: str, prefix: str, sources: Mapping[str, str]) -> str:
    """Return a message with arguments instead of settings: `addr=` for `VECTORSHIFT_VAULT_ADDR`.

    Args:
        text: the message.
        prefix: the prefix of the settings, such as `VECTORSHIFT_VAULT_`.
        sources: the variables that values were taken from, by argument.
    """

    def spell(found: re.Match[str]) -> str:
        name, value = found[1].lower(), found[2]
        name = "ttl" if name == "cache_ttl" else name
        if name in sources:
            return sources[name] + (value or "")
        if value is None:
            return f"{name}="
        value = value[1:]
        if name.startswith("allow_") or name.endswith("_wrapped"):
            return f"{name}={value == '1'}"
        return f"{name}={value}" if value.isdigit() else f'{name}="{value}"'

    return re.sub(rf"{prefix}([A-Z_]*[A-Z])(=[\w:/.+@-]*\w)?", spell, text)
