"""`RunHandler`: a run in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift._platform.copying import StaysInProcess
from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.client.default import PinnedClients
from vectorshift.credentials.values import masked
from vectorshift.pipeline import runs
from vectorshift.pipeline.ids import checked_id, printable
from vectorshift.pipeline.results import Answer, RunStatus
from vectorshift.pipeline.steps import Use, twins

if TYPE_CHECKING:
    from vectorshift.pipeline.steps import Steps

__all__ = ["RunHandler"]


class RunHandler(StaysInProcess):
    """A run in the background. `Pipeline.start` returns one; with the two ids of a run, any process
    can create one.

    It keeps its client, and so its organisation, also after the `using` block in which it was
    created, and in other blocks. Thread-safe. Each call has an async twin whose name begins with
    `a`.

    Args:
        pipeline_id: the pipeline.
        task_id: the run.
        trace_id: the name of the run in traces, or an empty string.
        client: the client to use; that of the process by default.

    Raises:
        ValueError: an id is empty.
    """

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
    ) -> None:
        client = masked(client)  # it may be a key, by mistake
        self.pipeline_id = checked_id(pipeline_id)
        self.task_id = checked_id(task_id)
        self.trace_id = trace_id
        self._kept = client if isinstance(client, PinnedClients) else PinnedClients(client)

    @twins()
    def run_status(self) -> Steps[RunStatus]:
        """Return the status of the run. A failed run does not raise.

        Raises:
            VectorshiftApiError: the API knows no such run, or answered with another failure.
        """
        yield Use(self._kept)
        return (yield from runs.status(self.pipeline_id, self.task_id))

    @twins()
    def result(
        self, poll_interval: float = 1.0, timeout: float | None = 300.0, *, progress: bool = False
    ) -> Steps[RunStatus]:
        """Wait until the run has ended, and return its status with the outputs: `result["result"]`,
        or `result.outputs`.

        Outputs may arrive a few seconds after the status `completed`. This waits up to 30 s more
        for them; then it returns the status without them and logs a WARNING.

        A status request that fails is retried like any other call. The run goes on if this times
        out or is cancelled.

        Args:
            poll_interval: seconds between two status requests.
            timeout: seconds to wait for the end of the run; None for no limit.
            progress: whether to show a progress bar, if standard error is a terminal. Needs the
                extra `cli`.

        Raises:
            PipelineRunFailedError: the run failed, or somebody ended it.
            PollTimeoutError: the run has not ended in time. This is also a `TimeoutError`.
            ImportError: `progress` is set, but its package is not installed.
        """
        client = yield Use(self._kept)
        now = client.clock.monotonic
        ids = self.pipeline_id, self.task_id
        return (yield from runs.await_end(*ids, poll_interval, timeout, now, progress))

    @twins()
    def terminate(self) -> Steps[Answer]:
        """End the run. Its status is `cancelled` from then on."""
        yield Use(self._kept)
        return (yield from runs.terminate(self.pipeline_id, self.task_id))

    def __reduce__(self) -> tuple[Any, ...]:
        """Raise TypeError: a pickle would lose its client, and so act for another organisation."""
        raise TypeError(
            "A RunHandler cannot be pickled: connections stay in their process. Pass its "
            "pipeline_id and task_id, and create RunHandler(pipeline_id, task_id) there."
        )

    def __repr__(self) -> str:
        return f"<RunHandler {printable(self.task_id)} of pipeline {printable(self.pipeline_id)}>"
