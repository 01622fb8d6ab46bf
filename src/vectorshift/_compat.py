"""Names of the official SDK that are not here: who asks for one is told so, and what to use in its
place.
"""

__all__ = ["missing", "not_here"]

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
