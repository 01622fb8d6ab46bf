"""Names of the official SDK that are not here: who asks for one is told so, and what to use in its
place.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MissingMembers", "missing", "not_here"]

_NAMES = (
    "Agent AgentTools AgentType Analytics BumpLevel Chatbot Clause ConditionGroup ConnectionExpired"
    " ConnectionFailed ConnectionRequest ConnectionStatus ConnectionTimeout File Form Integration"
    " IntegrationError IntegrationNotFound IntegrationStatus IntegrationType KnowledgeBase LLMInfo"
    " LlmInfo LogicalOp MemoryConfig Operator Portal Session SessionDisconnectedError SessionError"
    " SessionEvent SessionEventType Table Tool ToolApprovalConfig ToolInput ToolInputType"
    " Transformation UnknownIntegrationType VectorStore Workflow Workspace"
)
_OFFICIAL = frozenset(_NAMES.split())


def not_here(name: str, because: str = "") -> str:
    """Return the sentence for a name of the official SDK. It stands alone: the page is not
    installed.
    """
    return (
        f"{name} is not part of this package{because}. VectorShift().request(method, path, ...)"
        " makes any call of the API; docs/migrate.md, with the sources of this package, says what"
        " else there is."
    )


def missing(module: str, name: str) -> Exception:
    """Return the error for a name that `module` has not."""
    if name in _OFFICIAL or name.endswith("Node"):
        return ImportError(not_here(name))
    return AttributeError(f"module {module!r} has no attribute {name!r}")


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
