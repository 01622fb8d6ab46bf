"""How plugins and their variables are named. Imports no settings library: every chain is made with
this module.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["being_made", "canonical", "is_service_link", "making", "prefix_of"]

_names: ContextVar[set[str] | None] = ContextVar("vectorshift_being_made", default=None)
"""Has what is being made where this runs, in the threads and event loops that this starts as
well.
"""


@contextmanager
def making(name: str) -> Generator[None, None, None]:
    """Let `being_made` have the name within the block, and no longer, in contexts that are copied
    there, either.
    """
    names = {*being_made(), name}
    token = _names.set(names)
    try:
        yield
    finally:
        names.clear()
        _names.reset(token)


def being_made() -> set[str]:
    """Return the names of the plugins, or `the chain`, that this would wait for in vain: it is part
    of their making.
    """
    return _names.get() or set()


def canonical(name: str) -> str:
    """Return a provider's name as it is compared and shown: `Azure_KV` and `azure.kv` are
    `azure-kv`.
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def prefix_of(name: str) -> str:
    """Return what the variables of a plugin begin with: `VECTORSHIFT_AZURE_KV_` for `azure-kv`."""
    return f"VECTORSHIFT_{canonical(name).replace('-', '_').upper()}_"


def is_service_link(variable: str) -> bool:
    """Return whether Kubernetes may have made a variable for a service that is named as its
    prefix.
    """
    return "_PORT" in variable or "_SERVICE_" in variable
