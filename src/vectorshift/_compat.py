"""Errors for names of the official SDK that this package does not have, with an alternative."""

from __future__ import annotations

__all__ = ["PIPELINE_MEMBERS", "Absent", "missing", "not_here"]

_NAMES = (
    "Agent AgentRunResult AgentTools AgentType Analytics Audio AuthMode BumpLevel Chatbot Clause"
    " ConditionGroup ConnectionExpired ConnectionFailed ConnectionPending ConnectionRequest"
    " ConnectionStatus ConnectionTimeout CustomTool File IOConfig Image Integration"
    " IntegrationError IntegrationNotFound IntegrationStatus IntegrationType IoConfig KnowledgeBase"
    " LLMInfo LlmInfo LogicalOp McpConnectorTool McpServer McpServerTool MemoryConfig MessageSender"
    " MissingCredentials Node Operator Portal Project QueryEnhancementConfig RerankConfig"
    " RetrievalConfig RetryConfig SafetyConfig SamplingConfig SendManyItem Session"
    " SessionDisconnectedError SessionError SessionEvent SessionEventType SessionMessage"
    " SessionMessageStatus Skill StartResult Str Table Tool ToolApprovalConfig ToolInput"
    " ToolInputType Transformation UnknownIntegrationType UserSessionMessage VariableSet Workspace"
    " async_request_client parse_sse_stream request_client AsyncRequestClient RequestClient"
)
_BUILDING = (
    "add add_batch add_node anew aremove_node asave config edges from_json inputs new nodes"
    " outputs remove_node save serialize_inputs to_dict"
)
_PUBLISHING = "amove_to_folder apublish aunpublish move_to_folder publish unpublish"
_SENT = ("inputs", "outputs", "nodes")
PIPELINE_MEMBERS = (*_BUILDING.split(), *_PUBLISHING.split())
"""Members of the official `Pipeline` that this package does not have."""


def not_here(name: str, because: str = "", program: str = "python app.py") -> str:
    """Return the message for a name of the official SDK. It needs no documentation: users may have
    only the wheel.

    Args:
        name: the name.
        because: the reason and an alternative, after a colon.
        program: the program to run in the environment of the official SDK.
    """
    return (
        f"{name} is not part of this package{because}. VectorShift().request(method, path, ...)"
        " makes any call of the API over HTTP. To use the official SDK, create another environment:"
        ' python -m venv official; official/bin/pip install "vectorshift<1". To pass it the key:'
        f" vectorshift exec -- official/bin/{program} (exec needs: pip install"
        ' "vectorshift[cli]>=2")'
    )


def missing(module: str, name: str) -> Exception:
    """Return the error for a name that `module` does not have."""
    if name in _NAMES.split() or name.endswith("Node"):
        return ImportError(not_here(name))
    return AttributeError(f"module {module!r} has no attribute {name!r}")


class Absent:
    """A member of the official `Pipeline` that this package does not have. To read it raises an
    error, which says where its data is.

    Args:
        name: the name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> object:
        because = ": pipelines are built in the platform's editor" * (
            self._name in _BUILDING.split()
        )
        if self._name in getattr(instance, "raw", ()):
            because += f". What the server sent is in pipeline.raw[{self._name!r}]"
        elif self._name in _SENT:
            because += ". After a fetch, .raw has everything that the server sent"
        raise AttributeError(not_here(f"Pipeline.{self._name}", because))
