"""Names of plugins, of their variables, and of profiles. Every chain imports this, so it must not
import the settings library.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "being_made",
    "canonical",
    "is_instance",
    "is_service_link",
    "making",
    "plugin_of",
    "prefix_of",
    "profile_flaw",
]

_names: ContextVar[set[str] | None] = ContextVar("vectorshift_being_made", default=None)
"""The plugins that this context is creating, also in threads and event loops that it started."""


@contextmanager
def making(name: str) -> Generator[None, None, None]:
    """Add the name to `being_made` in this block. After it, copied contexts lose the name, too."""
    names = {*being_made(), name}
    token = _names.set(names)
    try:
        yield
    finally:
        names.clear()
        _names.reset(token)


def being_made() -> set[str]:
    """Return the plugins, or `the chain`, that are being created: do not wait for these."""
    return _names.get() or set()


def canonical(name: str) -> str:
    """Return the canonical name of a provider: `azure-kv` for `Azure_KV` and `azure.kv`."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def prefix_of(name: str) -> str:
    """Return the prefix of a plugin's variables: `VECTORSHIFT_AZURE_KV_` for `azure-kv`, and
    `VECTORSHIFT_AZURE_KV_PROD_` for `azure-kv:prod`.
    """
    return f"VECTORSHIFT_{re.sub('[-:]', '_', canonical(name)).upper()}_"


def is_instance(name: str) -> bool:
    """Return whether a name is that of a plugin's instance, like `acme:prod`. Never for a key."""
    return bool(re.fullmatch(r"[^:]+:(?!vs-|sk-)[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?", name))


def plugin_of(name: str) -> str:
    """Return the plugin of a name in a chain: `azure-kv` for `azure-kv:prod`."""
    return canonical(name).partition(":")[0]


def is_service_link(variable: str) -> bool:
    """Return whether Kubernetes may have set a variable, for a service named like the prefix."""
    return "_PORT" in variable or "_SERVICE_" in variable


def profile_flaw(name: str) -> str:
    """Return why a profile cannot have this name, or an empty text. Keys never match."""
    if re.fullmatch(r"(?!vs-|sk[-_])[a-z][a-z0-9_-]{0,23}", name):
        return ""
    return (
        "should be the name of a profile: at most 24 lower-case letters, digits, - and _, a "
        "letter first. It is not shown: it may be a key"
    )
