"""Answers of the stand-in API about runs. A run returns its inputs, unless a test scripts its
outputs.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from vectorshift.testing.event_streams import EventStream, events_of
from vectorshift.testing.organisations import Body, ErrorReply, FailedRun, Run, RunScript

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.testing.records import FormPart
    from vectorshift.testing.routes import Visit

__all__ = ["bulk_run", "resume_runs", "run_pipeline", "run_status", "terminate_run"]

_SUCCEEDED = ("completed", "succeeded")
_ENDED = (*_SUCCEEDED, "failed", "cancelled")


def run_pipeline(visit: Visit, id: str) -> Body | EventStream:
    """POST /pipeline/{id}/run: the outputs, an event stream of them, or the id of a run in the
    background.
    """
    visit.organisation.seen(id)
    fields = visit.fields()
    # in the form of the API's reference, and in that of the official SDK
    files = {name.removeprefix("inputs."): part for name, part in visit.files("").items()}
    if _is_set(fields, "background"):
        script = visit.world.runs.popleft() if visit.world.runs else None
        run = _new_run(visit, id, _inputs(fields, files), script, steps=("in_progress",))
        run.trace_id = fields.get("trace_id") or run.trace_id
        return {"task_id": run.id, "trace_id": run.trace_id}
    if _is_set(fields, "stream"):
        dialect = visit.world.dialect
        if visit.world.streams:
            return replace(visit.world.streams.popleft(), types=dialect.event_types)
        run = _new_run(visit, id, _inputs(fields, files))
        ended = {"type": "result", **_outcome(visit, run)}
        events = (ended,) if run.error else tuple(events_of(run, dialect.run_id))
        return EventStream(events=events, types=dialect.event_types)
    run = _new_run(visit, id, _inputs(fields, files))
    return {**_outcome(visit, run), "trace_id": run.trace_id}


def bulk_run(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/bulk_run, also /bulk-run: one run after the other."""
    if visit.request.raw_path.rpartition("/")[2] not in visit.world.dialect.bulk_paths:
        raise ErrorReply(404)
    visit.organisation.seen(id)
    runs: list[Run] = []
    for number, each in enumerate(_items(visit, "runs")):
        fields = cast("Body", each) if isinstance(each, dict) else {}
        runs.append(_new_run(visit, id, _inputs(fields, visit.files(f"runs.{number}.inputs."))))
    return {"run_outputs": [_outcome(visit, run) for run in runs]}


def run_status(visit: Visit, id: str, run_id: str) -> Body:
    """GET /pipeline/{id}/run/status/{run_id}: what the run says of itself; each question takes it
    one step on.
    """
    run = _run(visit, id, run_id)
    status = run.statuses.popleft() if len(run.statuses) > 1 else run.statuses[0]
    body: Body = {"task_id": run.id, "status": status}
    if status in _SUCCEEDED and run.late > 0:
        run.late -= 1
    elif status in _SUCCEEDED:
        body["result"] = run.outputs
    elif status == "failed":
        body["error"] = run.error or "The run failed"
    return body


def terminate_run(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/terminate: the run is cancelled, unless it has ended."""
    run = _run(visit, id, str(visit.fields().get("run_id")))
    if run.statuses[0] not in _ENDED:
        run.statuses = deque(["cancelled"])
    return {}


def resume_runs(visit: Visit, id: str) -> Body:
    """POST /pipeline/{id}/resume: runs that were cancelled go on."""
    visit.organisation.seen(id)
    for run in [_run(visit, id, str(each)) for each in _items(visit, "run_ids")]:
        if run.statuses[0] == "cancelled":
            run.statuses = deque(RunScript().statuses)
    return {}


def _run(visit: Visit, id: str, run_id: str) -> Run:
    visit.organisation.seen(id)
    run = visit.organisation.runs.get(run_id)
    if run is None or run.pipeline != id:
        raise ErrorReply(404, "Run not found")
    return run


def _items(visit: Visit, name: str) -> list[object]:
    items = visit.fields().get(name)
    if not isinstance(items, list):
        raise ErrorReply(400, f"{name} must be a list")
    return cast("list[object]", items)


def _new_run(
    visit: Visit,
    id: str,
    inputs: Mapping[str, Any],
    script: RunScript | None = None,
    steps: tuple[str, ...] = (),
) -> Run:
    planned = visit.world.outputs.popleft() if visit.world.outputs else inputs
    outputs = Body() if isinstance(planned, FailedRun) else planned
    error = planned.error if isinstance(planned, FailedRun) else ""
    script = script or RunScript(statuses=(*steps, "failed" if error else "completed"))
    run = Run(
        pipeline=id,
        outputs=outputs,
        statuses=deque(script.statuses),
        error=script.error or error,
        late=visit.world.dialect.late_results,
    )
    visit.organisation.runs[run.id] = run
    return run


def _outcome(visit: Visit, run: Run) -> Body:
    named: Body = {visit.world.dialect.run_id: run.id}
    if run.error:
        return {**named, "status": "failed", "error": run.error}
    return {**named, "outputs": run.outputs}


def _inputs(fields: Mapping[str, Any], files: Mapping[str, FormPart]) -> Body:
    inputs = fields.get("inputs", {})
    if isinstance(inputs, str):  # a field of a form
        try:
            inputs = json.loads(inputs)
        except ValueError:
            inputs = None
    if not isinstance(inputs, dict):
        raise ErrorReply(400, "inputs must be an object")
    return {**cast("Body", inputs), **{name: _described(part) for name, part in files.items()}}


def _described(part: FormPart) -> Body:
    """Return what a run gives back for a file: enough to tell that it arrived whole."""
    return {
        "type": "file",
        "name": part.filename,
        "mime_type": part.content_type,
        "size": len(part.content),
        "sha256": hashlib.sha256(part.content).hexdigest(),
    }


def _is_set(fields: Mapping[str, Any], name: str) -> bool:
    return fields.get(name) in (True, "true")
