"""`Pipeline`: the calls of the API that are about pipelines and their runs."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from vectorshift._compat import MissingMembers, missing as missing_class
from vectorshift.pipeline.chunks import AsyncChunks
from vectorshift.pipeline.handler import RunHandler
from vectorshift.pipeline.manage import PipelineManagement
from vectorshift.pipeline.query import PipelineQueries
from vectorshift.pipeline.results import (
    Answer,
    BulkRunResult,
    PipelineList,
    RunResult,
    RunStatus,
    StreamChunk,
)
from vectorshift.pipeline.runs_api import PipelineRuns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = [
    "Answer",
    "AsyncChunks",
    "BulkRunResult",
    "Pipeline",
    "PipelineList",
    "RunHandler",
    "RunResult",
    "RunStatus",
    "StreamChunk",
]


class Pipeline(PipelineQueries, PipelineRuns, PipelineManagement, metaclass=MissingMembers):
    """A pipeline of the organisation that the key belongs to.

    `Pipeline.fetch` gives one with its name and all that the server says of it; `Pipeline(id)` asks
    nobody.

    Every call takes `client=`; without it, the client is used that the pipeline was made with, and
    where none was named, the client of the process, as the organisation of the moment: that of the
    surrounding `using` block, if there is one. Each call has an async twin whose name begins with
    `a`. Building pipelines node by node is no part of this package.

    Args:
        id: its id, also in Mongo extended JSON.
        client: the client to use, for sync or async calls, by its type.

    Attributes:
        raw: the object as the server sent it; empty if it was not asked.

    Raises:
        ValueError: the id is empty.
        AuthenticationError: on a call, no key was found, or the API refuses it.
        PermissionDeniedError: on a call, the key lacks the scope.
        VectorshiftApiError: on a call, the API answered with another failure.
        ApiConnectionError: on a call, the API did not answer.
        CredentialError: on a call, a configured source of the key failed.
    """

    def __init__(
        self, id: str | Mapping[str, Any], *, client: VectorShift | AsyncVectorShift | None = None
    ) -> None:
        super().__init__(id, client=client)

    if not TYPE_CHECKING:  # a checker is to find a mistyped name

        def __getattr__(self, name: str) -> Any:
            return MissingMembers.__getattr__(type(self), name)


for _member in [
    member
    for part in (PipelineQueries, PipelineRuns, PipelineManagement)
    for member in vars(part).values()
]:
    _call = getattr(_member, "__func__", _member)  # of a class method
    if isinstance(
        _call, FunctionType
    ):  # Python's own errors name it, and nobody has seen its part of the class
        _call.__module__, _call.__qualname__ = __name__, f"Pipeline.{_call.__name__}"


def __getattr__(name: str) -> Any:
    raise missing_class(__name__, name)
