"""Running pipelines: `run`, `bulk_run`, `stream`, `start`, and what can be done with a run whose id
is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.client.default import PinnedClients
from vectorshift.pipeline import runs
from vectorshift.pipeline.chunks import AsyncChunks, chunks
from vectorshift.pipeline.handler import RunHandler
from vectorshift.pipeline.inputs import checked_runs
from vectorshift.pipeline.progress import bar
from vectorshift.pipeline.reference import Reference
from vectorshift.pipeline.steps import aperform, perform

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from vectorshift.client import AsyncVectorShift, VectorShift
    from vectorshift.client.call import Call
    from vectorshift.pipeline.results import (
        Answer,
        BulkRunResult,
        RunResult,
        RunStatus,
        StreamChunk,
    )
    from vectorshift.pipeline.steps import Steps

__all__ = ["PipelineRuns"]


class PipelineRuns(Reference):
    """The calls that run a pipeline. See `Pipeline`."""

    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
        version: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> RunResult:
        """Run the pipeline and wait for its outputs: `result["outputs"]["answer"]`, or
        `result.outputs["answer"]`.

        Args:
            inputs: values by the names of the input nodes. A `Path`, bytes, or a file that is open
                for reading bytes is sent as a file; so is a tuple of a name, one of these and
                perhaps a media type. Files are read before anything is sent; one that you opened is
                left open.
            session_id: groups runs in analytics and traces.
            version: the version to run.
            node_input_overrides: inputs of nodes, by node.
            send_intermediate_results: as the API has it.
            timeout: seconds to wait for the answer; 600 where neither this nor another time-out is
                set.
            client: the client to use.

        Raises:
            VectorshiftError: a file cannot be read; nothing was sent.
            PipelineRunFailedError: the API says that the run failed.
            VectorshiftApiError: the API answered with another failure.
            ApiConnectionError: the API did not answer; whether the run took place is at
                `may_have_run`.
        """
        fields = _fields(session_id, version, node_input_overrides, send_intermediate_results)
        return perform(self._sync(client), runs.run(self.id, inputs, fields, timeout))

    async def arun(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
        version: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> RunResult:
        """Run the pipeline. Arguments, answer and errors are those of `run`."""
        fields = _fields(session_id, version, node_input_overrides, send_intermediate_results)
        return await aperform(self._async(client), runs.run(self.id, inputs, fields, timeout))

    def bulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: VectorShift | None = None,
    ) -> BulkRunResult:
        """Run the pipeline once for each of `inputs`, in one call, and wait for all:
        `result["run_outputs"]`.

        That one of several runs failed is an answer, and no error: see `error` of each of
        `result.runs`.

        Args:
            inputs: the inputs of each run, as `run` takes them.
            timeout: seconds to wait for the answer; 600 where neither this nor another time-out is
                set.
            progress: whether to show a progress bar, if standard error is a terminal. Needs the
                extra `cli`.
            client: the client to use.

        Raises:
            PipelineRunFailedError: the API says that all of it failed.
            VectorshiftApiError: as `run`.
            TypeError: `inputs` is no list.
            ImportError: `progress` is wanted, and its package is not installed.
        """
        given = checked_runs(inputs)
        with bar(progress, f"{len(given)} runs"):
            return perform(self._sync(client), runs.bulk_run(self.id, given, timeout))

    async def abulk_run(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        client: AsyncVectorShift | None = None,
    ) -> BulkRunResult:
        """Run the pipeline once for each of `inputs`. Arguments, answer and errors are those of
        `bulk_run`.
        """
        given = checked_runs(inputs)
        with bar(progress, f"{len(given)} runs"):
            return await aperform(self._async(client), runs.bulk_run(self.id, given, timeout))

    def stream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        *,
        session_id: str | None = None,
        version: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        client: VectorShift | None = None,
    ) -> Generator[StreamChunk, None, None]:
        """Run the pipeline and give its outputs as they come.

        The run begins when the first chunk is asked for. Leaving the loop closes the connection.
        The stream keeps the client, and so the organisation, that it was made with, also behind a
        `using` block.

        Args:
            inputs: as `run` takes them.
            stream_all_outputs: whether the outputs of all nodes come.
            session_id: as `run` takes it.
            version: as `run` takes it.
            node_input_overrides: as `run` takes them.
            timeout: seconds to wait for the next event; 600 where neither this nor another time-out
                is set.
            client: the client to use.

        Raises:
            PipelineRunFailedError: an event says that the run failed.
            ApiConnectionError: the connection broke.
            VectorshiftApiError: as `run`.
        """
        return chunks(
            PinnedClients(self._named(client)).sync,
            self._streamed(
                inputs,
                stream_all_outputs,
                _fields(session_id, version, node_input_overrides),
                timeout,
            ),
        )

    def astream(
        self,
        inputs: Mapping[str, Any] | None = None,
        stream_all_outputs: bool = False,
        *,
        session_id: str | None = None,
        version: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        client: AsyncVectorShift | None = None,
    ) -> AsyncChunks:
        """Run the pipeline and give its outputs as they come, to `async for`. Otherwise as
        `stream`.

        Cancelling closes the connection at once, and so does leaving `async with
        contextlib.aclosing(...)`. A loop that is left without that has it closed soon after, when
        what this returns is collected.
        """
        return AsyncChunks(
            PinnedClients(self._named(client)).asynchronous,
            self._streamed(
                inputs,
                stream_all_outputs,
                _fields(session_id, version, node_input_overrides),
                timeout,
            ),
        )

    def _streamed(
        self,
        inputs: Mapping[str, Any] | None,
        all_outputs: bool,
        fields: dict[str, Any],
        timeout: float | None,
    ) -> Steps[Call]:
        streamed = {"stream": True, "stream_all_outputs": all_outputs or None}
        return runs.run_call(self.id, inputs, {**fields, **streamed}, timeout)

    def start(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
        version: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        webhook_url: str | None = None,
        trace_id: str | None = None,
        client: VectorShift | None = None,
    ) -> RunHandler:
        """Start a run in the background and return what asks after it and ends it.

        Args:
            inputs: as `run` takes them.
            session_id: as `run` takes it.
            version: as `run` takes it.
            node_input_overrides: as `run` takes them.
            send_intermediate_results: as `run` takes it.
            webhook_url: what the API calls when the run has ended.
            trace_id: what to call the run in traces.
            client: the client to use, also by the handler.
        """
        fields = _fields(session_id, version, node_input_overrides, send_intermediate_results)
        kept = PinnedClients(self._named(client))
        background = {**fields, "webhook_url": webhook_url, "trace_id": trace_id}
        task_id, answer = perform(kept.sync, runs.start(self.id, inputs, background))
        return RunHandler(self.id, task_id, trace_id=answer.get("trace_id"), client=kept)

    async def astart(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
        version: str | None = None,
        node_input_overrides: Mapping[str, Any] | None = None,
        send_intermediate_results: bool | None = None,
        webhook_url: str | None = None,
        trace_id: str | None = None,
        client: AsyncVectorShift | None = None,
    ) -> RunHandler:
        """Start a run in the background. Arguments, answer and errors are those of `start`."""
        fields = _fields(session_id, version, node_input_overrides, send_intermediate_results)
        kept = PinnedClients(self._named(client))
        background = {**fields, "webhook_url": webhook_url, "trace_id": trace_id}
        task_id, answer = await aperform(kept.asynchronous, runs.start(self.id, inputs, background))
        return RunHandler(self.id, task_id, trace_id=answer.get("trace_id"), client=kept)

    def run_status(self, run_id: str, *, client: VectorShift | None = None) -> RunStatus:
        """Ask a background run once how it is. That it failed is an answer, and no error."""
        return perform(self._sync(client), runs.status(self.id, run_id))

    async def arun_status(
        self, run_id: str, *, client: AsyncVectorShift | None = None
    ) -> RunStatus:
        """Ask a background run once how it is. As `run_status`."""
        return await aperform(self._async(client), runs.status(self.id, run_id))

    def terminate(self, run_id: str, *, client: VectorShift | None = None) -> Answer:
        """End a background run. Its status is `cancelled` from then on."""
        return perform(self._sync(client), runs.terminate(self.id, run_id))

    async def aterminate(self, run_id: str, *, client: AsyncVectorShift | None = None) -> Answer:
        """End a background run. As `terminate`."""
        return await aperform(self._async(client), runs.terminate(self.id, run_id))


def _fields(
    session_id: str | None,
    version: str | None,
    node_input_overrides: Mapping[str, Any] | None,
    send_intermediate_results: bool | None = None,
) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "version": version,
        "node_input_overrides": node_input_overrides,
        "send_intermediate_results": send_intermediate_results,
    }
