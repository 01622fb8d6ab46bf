"""`Pipeline`: the calls of the API that are about pipelines and their runs."""

# Written by `python -m tests.pipeline.stub` from the classes: do not edit.
# ruff: noqa: UP043

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, overload

from typing_extensions import Self

from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.client.default import PinnedClients
from vectorshift.pipeline.chunks import AsyncChunks
from vectorshift.pipeline.results import (
    Answer,
    BulkRunResult,
    PipelineList,
    RunResult,
    RunStatus,
    StreamChunk,
)

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

class Pipeline:
    raw: dict[str, Any]
    def __init__(
        self,
        id: str | Mapping[str, Any],
        *,
        name: str | None = None,
        branch_id: str | None = None,
        client: VectorShift | AsyncVectorShift | None = None,
    ) -> None: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def branch_id(self) -> str | None: ...
    @classmethod
    def list(
        cls,
        folder_id: str | None = None,
        include_shared: bool | None = False,
        verbose: bool | None = True,
        offset: int | None = None,
        limit: int | None = None,
        *,
        client: VectorShift | None = None,
    ) -> PipelineList[Self]: ...
    @classmethod
    async def alist(
        cls,
        folder_id: str | None = None,
        include_shared: bool | None = False,
        verbose: bool | None = True,
        offset: int | None = None,
        limit: int | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> PipelineList[Self]:
        """List the pipelines: one page, as the server sends it. `iterate` goes through all pages.
        All else is as in `list`.
        """
    @classmethod
    def iterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: VectorShift | None = None,
    ) -> Iterator[Self]: ...
    @classmethod
    def aiterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: AsyncVectorShift | None = None,
    ) -> AsyncIterator[Self]:
        """Yield all pipelines, each once. All pages are read before the first pipeline is yielded,
        so the loop may delete pipelines. All else is as in `iterate`.
        """
    @classmethod
    def fetch(
        cls,
        id: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        branch_id: str | None = None,
        version: str | int | None = None,
        username: str | None = None,
        org_name: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Self: ...
    @classmethod
    async def afetch(
        cls,
        id: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        branch_id: str | None = None,
        version: str | int | None = None,
        username: str | None = None,
        org_name: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Self:
        """Fetch a pipeline by its id or its name. `raw` has the object from the server. All else is
        as in `fetch`.
        """
    @overload
    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> RunResult: ...
    @overload
    def run(
        self,
        inputs: Mapping[str, Any] | None,
        stream: Literal[True],
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> Iterator[bytes]: ...
    @overload
    async def arun(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> RunResult: ...
    @overload
    async def arun(
        self,
        inputs: Mapping[str, Any] | None,
        stream: Literal[True],
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        *,
        version: str | None = None,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> AsyncIterator[bytes]: ...
    def bulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: VectorShift | None = None,
    ) -> BulkRunResult: ...
    async def abulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: AsyncVectorShift | None = None,
    ) -> BulkRunResult:
        """Run the pipeline once for each of `inputs`, in one call, and wait for all:
        `result["run_outputs"]`. All else is as in `bulk_run`.
        """
    def stream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        version: str | None = None,
        *,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> Generator[StreamChunk, None, None]: ...
    def astream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        version: str | None = None,
        *,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> AsyncChunks:
        """Run the pipeline and yield its outputs as they arrive, to `for`, or with `astream` to
        `async for`. All else is as in `stream`.
        """
    def start(
        self,
        inputs: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        webhook_url: str | None = None,
        version: str | None = None,
        trace_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> RunHandler: ...
    async def astart(
        self,
        inputs: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        webhook_url: str | None = None,
        version: str | None = None,
        trace_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> RunHandler:
        """Start a run in the background and return a handler that gets its status and ends it. All
        else is as in `start`.
        """
    def run_status(
        self,
        run_id: str,
        *,
        client: VectorShift | None = None,
    ) -> RunStatus: ...
    async def arun_status(
        self,
        run_id: str,
        *,
        client: AsyncVectorShift | None = None,
    ) -> RunStatus:
        """Return the status of a background run. A failed run does not raise. All else is as in
        `run_status`.
        """
    def terminate(
        self,
        run_id: str,
        *,
        client: VectorShift | None = None,
    ) -> Answer: ...
    async def aterminate(
        self,
        run_id: str,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """End a background run. Its status is `cancelled` from then on. All else is as in
        `terminate`.
        """
    def delete(self, *, client: VectorShift | None = None) -> Answer: ...
    async def adelete(self, *, client: AsyncVectorShift | None = None) -> Answer:
        """Delete the pipeline and return the answer, `{"status": "success"}`. All else is as in
        `delete`.
        """
    def duplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Self: ...
    async def aduplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Self:
        """Copy the pipeline, and return the copy as the server describes it. All else is as in
        `duplicate`.
        """
    def share(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Answer: ...
    async def ashare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Share the pipeline with a user or an organisation. All else is as in `share`."""
    def unshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Answer: ...
    async def aunshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Undo `share`. Raises as `share`. All else is as in `unshare`."""
    def revert(
        self,
        version: str,
        *,
        client: VectorShift | None = None,
    ) -> Answer: ...
    async def arevert(
        self,
        version: str,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Revert the pipeline to a version, such as `1.2.0`. All else is as in `revert`."""
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    def __deepcopy__(self, memo: object) -> Self: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]: ...
    def __copy__(self) -> Self: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...

class RunHandler:
    pipeline_id: str
    task_id: str
    trace_id: str
    def __init__(
        self,
        pipeline_id: str,
        task_id: str,
        trace_id: str = "",
        *,
        client: VectorShift | AsyncVectorShift | PinnedClients | None = None,
    ) -> None: ...
    def run_status(self) -> RunStatus: ...
    async def arun_status(self) -> RunStatus:
        """Return the status of the run. A failed run does not raise. All else is as in
        `run_status`.
        """
    def result(
        self,
        poll_interval: float = 1.0,
        timeout: float | None = 300.0,
        *,
        progress: bool = False,
    ) -> RunStatus: ...
    async def aresult(
        self,
        poll_interval: float = 1.0,
        timeout: float | None = 300.0,
        *,
        progress: bool = False,
    ) -> RunStatus:
        """Wait until the run has ended, and return its status with the outputs: `result["result"]`,
        or `result.outputs`. All else is as in `result`.
        """
    def terminate(self) -> Answer: ...
    async def aterminate(self) -> Answer:
        """End the run. Its status is `cancelled` from then on. All else is as in `terminate`."""
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __repr__(self) -> str: ...
