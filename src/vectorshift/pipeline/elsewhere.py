"""What the official SDK's `Pipeline` has and this one has not says where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Elsewhere", "missing_class"]

_BUILDING = frozenset(
    [
        "add",
        "add_batch",
        "add_node",
        "anew",
        "aremove_node",
        "asave",
        "config",
        "edges",
        "from_json",
        "inputs",
        "new",
        "nodes",
        "outputs",
        "remove_node",
        "save",
        "serialize_inputs",
        "to_dict",
    ]
)
_OTHERWISE = frozenset(["amove_to_folder", "apublish", "aunpublish", "move_to_folder", "publish", "unpublish"])


class Elsewhere(type):
    """The type of `Pipeline`."""

    if not TYPE_CHECKING:  # a checker is to find a mistyped name

        def __getattr__(cls, name: str) -> Any:
            raise AttributeError(_said(cls.__name__, name), name=name, obj=cls)


def _said(owner: str, name: str) -> str:
    if name in _BUILDING:
        return (
            f"{owner}.{name} is not part of this package: pipelines are built in the platform's editor. "
            "docs/migrate.md says what is, and what to use instead."
        )
    if name in _OTHERWISE:
        return f"{owner}.{name} is not part of this package. docs/migrate.md says what is, and what to use instead."
    return f"{owner!r} has no attribute {name!r}"


def missing_class(module: str, name: str) -> Exception:
    """Return the error for a name that the module has not: of nodes, which are classes there, where to look."""
    if name == "BumpLevel" or name.endswith("Node"):
        return ImportError(
            f"{name} is not part of this package. docs/migrate.md says what is, and what to use instead."
        )
    return AttributeError(f"module {module!r} has no attribute {name!r}")
