"""Names of the official SDK that are not here: an error says so, and what to use instead."""

from __future__ import annotations

__all__ = ["missing", "missing_member", "not_here"]

_CLASSES = (
    "Agent AgentTools AgentType Analytics BumpLevel Chatbot Clause ConditionGroup"
    " ConnectionExpired ConnectionFailed ConnectionRequest ConnectionStatus ConnectionTimeout"
    " File Form Integration IntegrationError IntegrationNotFound IntegrationStatus"
    " IntegrationType KnowledgeBase LLMInfo LlmInfo LogicalOp MemoryConfig Operator Portal"
    " Session SessionDisconnectedError SessionError SessionEvent SessionEventType Table Tool"
    " ToolApprovalConfig ToolInput ToolInputType Transformation UnknownIntegrationType"
    " VectorStore Workflow Workspace"
)
_BUILDING = (
    "add add_batch add_node anew aremove_node asave config edges from_json inputs new nodes"
    " outputs remove_node save serialize_inputs to_dict"
)
_PUBLISHING = "amove_to_folder apublish aunpublish move_to_folder publish unpublish"


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
    if name in _CLASSES.split() or name.endswith("Node"):
        return ImportError(not_here(name))
    return AttributeError(f"module {module!r} has no attribute {name!r}")


def missing_member(owner: str, name: str) -> AttributeError:
    """Return the error for a name that a `Pipeline` has not."""
    if name in _BUILDING.split():
        why = ": pipelines are built in the platform's editor"
        return AttributeError(not_here(f"{owner}.{name}", why))
    if name in _PUBLISHING.split():
        return AttributeError(not_here(f"{owner}.{name}"))
    return AttributeError(f"{owner!r} has no attribute {name!r}")
