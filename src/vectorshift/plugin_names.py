"""How plugins and their variables are named. Imports no settings library: every chain is made with this room."""

from __future__ import annotations

import re

__all__ = ["canonical", "is_service_link", "prefix_of"]


def canonical(name: str) -> str:
    """Return a provider's name as it is compared and shown: `Azure_KV` and `azure.kv` are `azure-kv`."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def prefix_of(name: str) -> str:
    """Return what the variables of a plugin begin with: `VECTORSHIFT_AZURE_KV_` for `azure-kv`."""
    return f"VECTORSHIFT_{canonical(name).replace('-', '_').upper()}_"


def is_service_link(variable: str) -> bool:
    """Return whether Kubernetes may have made a variable for a service that is named as its prefix."""
    return "_PORT" in variable or "_SERVICE_" in variable
