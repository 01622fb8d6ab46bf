"""Running pipelines, and the status of runs: the steps for `Pipeline` and `RunHandler`."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from vectorshift.client.call import Call
from vectorshift.credentials.events import log
from vectorshift.errors import (
    ApiTimeoutError,
    NotFoundError,
    PipelineRunFailedError,
    PollTimeoutError,
    VectorshiftApiError,
)
from vectorshift.pipeline.ids import (
    checked_id,
    failed_answer,
    post,
    run_failure,
    segment,
)
from vectorshift.pipeline.inputs import Body, bulk_body, checked_runs, holds_files, run_body
from vectorshift.pipeline.results import (
    CANCELLED,
    RUN_IDS,
    Answer,
    BulkRunResult,
    RunResult,
    RunStatus,
    id_in,
    text_in,
)
from vectorshift.pipeline.steps import Steps, ThreadWork, Use, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from vectorshift.client.default import PinnedClients
    from vectorshift.pipeline.steps import Client

__all__ = ["StreamedRun", "await_end", "bulk_run", "run", "start", "status", "terminate"]

_LAST_QUESTION = 1.0
"""Seconds for the last status request after the time limit: there is always one."""
_LATE_RESULT = 30.0
"""Seconds to wait for the outputs of a completed run."""
_second_path_alone: WeakSet[Client] = WeakSet()
"""The clients whose server has bulk runs only at the path of the API's reference."""


def run(
    id: str, inputs: Mapping[str, Any] | None, fields: Mapping[str, Any], timeout: float | None
) -> Steps[RunResult]:
    """Run a pipeline and return its result."""
    call = yield from _run_call(id, inputs, fields, timeout)
    result: RunResult = yield from _awaited(replace(call, parse=RunResult.of))
    if result.status in CANCELLED:
        raise PipelineRunFailedError(result.run_id, f"The run has ended as {result.status}.")
    return result


class StreamedRun(NamedTuple):
    """A run to be streamed, with the clients that were in force when it was requested.

    Args:
        clients: the clients that may run it.
        id: the pipeline.
        inputs: values by the names of input nodes.
        fields: the other fields of the body.
        timeout: seconds to wait for the next event, or None.
        raw: whether to yield lines as they arrive, instead of chunks.
    """

    clients: PinnedClients
    id: str
    inputs: Mapping[str, Any] | None
    fields: Mapping[str, Any]
    timeout: float | None
    raw: bool = False

    def call(self, client: Client) -> Steps[Call]:
        """Return the call, with its files read."""
        yield Use(client)
        fields = {**self.fields, "stream": True}
        return (yield from _run_call(self.id, self.inputs, fields, self.timeout))


def start(
    id: str, inputs: Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> Steps[tuple[str, str]]:
    """Start a run in the background; return its id and that of its trace."""
    call = yield from _run_call(id, inputs, {**fields, "background": True}, None)
    # the answer arrives soon
    call = replace(call, patient=False, parse=_task_of)
    task_id, answer = yield call
    return task_id, text_in(answer, "trace_id")


def _task_of(body: object) -> tuple[str, dict[str, Any]]:
    return id_in(body, "task_id", *RUN_IDS)


def bulk_run(
    id: str,
    inputs: Sequence[Mapping[str, Any]],
    timeout: float | None,
    progress: bool,
    client: Client,
) -> Steps[BulkRunResult]:
    """Run a pipeline once for each of `inputs`. Try the path that the official SDK calls, then the
    path of the API's reference. A server that has only the second path is remembered.
    """
    runs = checked_runs(inputs)
    paths = [f"/pipeline/{segment(id)}/{action}" for action in ("bulk-run", "bulk_run")]
    if client in _second_path_alone:
        paths.reverse()
    with _bar(progress, f"{len(runs)} runs"):
        body = yield from _built(paths[0], runs, lambda: bulk_body(runs))
        result: BulkRunResult
        try:
            result = yield from _awaited(_long(paths[0], body, timeout))
        except NotFoundError as error:
            not_found = error
        else:
            return result
        try:
            result = yield from _awaited(_long(paths[1], body, timeout))
        except NotFoundError:
            raise not_found from None
    remember = paths[1].endswith("bulk_run")
    (_second_path_alone.add if remember else _second_path_alone.discard)(client)
    return result


def _awaited(call: Call) -> Steps[Any]:
    """Return the answer to a call that waits for a run. If it says `failed`, raise the run's
    failure.
    """
    try:
        return (yield call)
    except VectorshiftApiError as error:
        failure = run_failure(error)
    raise failure


def status(id: str, run_id: str, within: float | None = None) -> Steps[RunStatus]:
    """Return the status of a run, also of a failed one (GET /pipeline/{id}/run/status/{run_id})."""
    path = f"/pipeline/{segment(id)}/run/status/{segment(run_id)}"
    found: RunStatus
    try:
        found = yield Call("GET", path, within=within, parse=RunStatus.of)
    except VectorshiftApiError as error:
        failed = failed_answer(error)
        if failed is None or "status" not in failed:
            raise
        found = RunStatus(failed)
    return found


def terminate(id: str, run_id: str) -> Steps[Answer]:
    """POST /pipeline/{id}/terminate."""
    answer: Answer = yield post(id, "terminate", {"run_id": checked_id(run_id)})
    return answer


def await_end(
    id: str,
    run_id: str,
    poll_interval: float,
    timeout: float | None,
    now: Callable[[], float],
    progress: bool,
) -> Steps[RunStatus]:
    """Poll a run until it has ended and its outputs are there. They may arrive a little later than
    the status `completed`.

    Args:
        id: the pipeline.
        run_id: the run.
        poll_interval: seconds between two status requests.
        timeout: seconds to wait for the end; None for no limit.
        now: a monotonic clock.
        progress: whether to show a progress bar.
    """
    if not poll_interval >= 0 or (timeout is not None and not timeout >= 0):
        raise ValueError("poll_interval and timeout must be numbers of seconds, not below 0.")
    deadline = inf if timeout is None else now() + timeout
    last_chance = inf
    completed = False
    with _bar(progress, f"run {run_id}") as show:
        while True:
            within = None if timeout is None else max(deadline - now(), _LAST_QUESTION)
            try:
                found = yield from status(id, run_id, within)
            except ApiTimeoutError:
                if timeout is None or now() < deadline:
                    raise
                raise PollTimeoutError(run_id, timeout, completed) from None
            show(found.status)
            completed = found.succeeded
            if completed:
                if "result" in found or "outputs" in found:
                    return found
                last_chance = min(last_chance, now() + _LATE_RESULT)
                if now() >= last_chance:
                    log.warning(
                        "Run %s is %s, but its outputs did not arrive within %g s.",
                        run_id,
                        found.status,
                        _LATE_RESULT,
                    )
                    return found
            elif found.done:
                raise PipelineRunFailedError(
                    run_id, found.error or f"The run has ended as {found.status}."
                )
            left = deadline - now()
            if timeout is not None and left <= 0:
                raise PollTimeoutError(run_id, timeout, completed)
            yield Wait(max(0.0, min(poll_interval, left, last_chance - now())))


# --- The calls ---


def _run_call(
    id: str, inputs: Mapping[str, Any] | None, fields: Mapping[str, Any], timeout: float | None
) -> Steps[Call]:
    """Return the call that runs a pipeline, with its files read (POST /pipeline/{id}/run)."""
    path = f"/pipeline/{segment(id)}/run"
    body = yield from _built(path, inputs, lambda: run_body(inputs, fields))
    return _long(path, body, timeout)


def _built(path: str, inputs: object, build: Callable[[], Body]) -> Steps[Body]:
    with contextlib.suppress(RecursionError):
        body: Body = (yield ThreadWork(build)) if holds_files(inputs) else build()
        return body
    raise TypeError(f"POST {path} was not sent: its body is nested too deeply.")


def _long(path: str, body: Body, timeout: float | None) -> Call:
    return Call(
        "POST", path, None, body.json, body.files, body.form, None, timeout, parse=BulkRunResult.of
    )


# --- Progress ---


@contextlib.contextmanager
def _bar(wanted: bool, what: str) -> Generator[Callable[[str], None], None, None]:
    """Show a progress bar on a terminal; yield a function that shows a state in it.

    Raises:
        ImportError: a bar is wanted, but rich is not installed.
    """
    if not wanted:
        yield _nothing
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError as error:
        raise ImportError(
            "progress=True needs the package rich: pip install 'vectorshift[cli]>=2'",
            name=error.name,
        ) from None
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _nothing
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, state="")
        yield lambda state: progress.update(task, state=state)


def _nothing(state: str) -> None:
    """Show nothing."""
