"""What the official SDK's `Pipeline` has and this one has not says where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift._compat import missing as missing_class, not_here

__all__ = ["MissingMembers", "missing_class"]

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
_OTHERWISE = frozenset(
    ["amove_to_folder", "apublish", "aunpublish", "move_to_folder", "publish", "unpublish"]
)


class MissingMembers(type):
    """The type of `Pipeline`."""

    if not TYPE_CHECKING:  # a checker is to find a mistyped name

        def __getattr__(cls, name: str) -> Any:
            raise AttributeError(_said(cls.__name__, name), name=name, obj=cls)


def _said(owner: str, name: str) -> str:
    if name in _BUILDING:
        return not_here(f"{owner}.{name}", ": pipelines are built in the platform's editor")
    return (
        not_here(f"{owner}.{name}")
        if name in _OTHERWISE
        else f"{owner!r} has no attribute {name!r}"
    )
