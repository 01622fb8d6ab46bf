"""`Secret`, `Credential`, and the contract of providers."""

from __future__ import annotations

from vectorshift._platform.importing import at_first_use

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from vectorshift.credentials.values import Credential, Secret

__all__ = ["Credential", "Secret"]

_HOME = {
    "Credential": "credentials.values",
    "Secret": "credentials.values",
    "_sealed": "credentials.values",
}

if not TYPE_CHECKING:  # so that type checkers find a mistyped name
    __getattr__ = at_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
