"""Runs in the background, sync and async, on a clock that the waiting itself moves."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tests.call_styles import CallStyle
from tests.faults import FaultServer, hang

from vectorshift import AsyncVectorShift, Pipeline, errors
from vectorshift.pipeline import RunHandler, RunStatus
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def client(api: FakeVectorShift, style: CallStyle, clock: ManualClock) -> AsyncIterator[Any]:
    async with style.client(api, clock=clock) as made:
        yield made


def statuses_asked(api: FakeVectorShift) -> int:
    return sum("/run/status/" in request.path for request in api.requests)


async def test_a_start_gives_a_handler_of_the_run(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    handler = await style.call(pipeline, "start", {"text": "hi"}, trace_id="t-1")
    assert isinstance(handler, RunHandler)
    assert (handler.pipeline_id, handler.trace_id) == ("p1", "t-1")
    assert repr(handler) == f"<RunHandler {handler.task_id} of pipeline p1>"
    status = await style.call(handler, "run_status")
    assert isinstance(status, RunStatus)
    assert (status["status"], status.status, status.done) == ("in_progress", "in_progress", False)
    assert status["task_id"] == handler.task_id
    request = api.requests[-1]
    assert (request.method, request.raw_path) == (
        "GET",
        f"/v1/pipeline/p1/run/status/{handler.task_id}",
    )


async def test_a_task_id_may_come_in_any_of_its_forms(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    forms: list[dict[str, Any]] = [
        {"task_id": {"$oid": "r1"}, "run_id": "r2"},
        {"run_id": "r1"},
        {"pipeline_run_id": "r1"},
    ]
    for body in forms:
        api.fail_next(200, body=body)
        handler = await style.call(pipeline, "start")
        assert (handler.task_id, handler.trace_id) == ("r1", "")


@pytest.mark.parametrize(
    "family", [("in_progress", "completed"), ("running", "succeeded"), ("RUNNING", "Succeeded")]
)
async def test_a_result_is_waited_for_in_either_family_of_statuses(
    api: FakeVectorShift,
    style: CallStyle,
    pipeline: Pipeline,
    clock: ManualClock,
    family: tuple[str, str],
) -> None:
    going, ended = family
    handler = await style.call(pipeline, "start", {"text": "hi"})
    path = f"/pipeline/p1/run/status/{handler.task_id}"
    for status in ("queued", going, going):
        api.fail_next(200, body={"task_id": handler.task_id, "status": status}, path=path)
    api.fail_next(
        200, body={"task_id": handler.task_id, "status": ended, "result": {"text": "hi"}}, path=path
    )
    result = await style.call(handler, "result", poll_interval=2.0, timeout=120.0)
    assert (result["status"], result["result"], result.outputs) == (
        ended,
        {"text": "hi"},
        {"text": "hi"},
    )
    assert clock.waits == [2.0, 2.0, 2.0]


async def test_a_run_that_has_ended_is_asked_once(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, clock: ManualClock
) -> None:
    api.script_run("completed")
    handler = await style.call(pipeline, "start", {"n": 1})
    assert (await style.call(handler, "result", timeout=0)).outputs == {"n": 1}
    assert (statuses_asked(api), clock.waits) == (1, [])


async def test_outputs_that_come_later_than_the_end_are_waited_for(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, clock: ManualClock
) -> None:
    api.dialect.late_results = 2
    handler = await style.call(pipeline, "start", {"n": 1})
    result = await style.call(handler, "result")
    assert (result["status"], result["result"], result.outputs) == ("completed", {"n": 1}, {"n": 1})
    assert clock.waits == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "outputs",
    [{"result": {}}, {"result": None}, {"outputs": {}}, {"result": None, "outputs": {"n": 1}}],
    ids=str,
)
async def test_outputs_may_be_empty(
    api: FakeVectorShift, style: CallStyle, client: Any, clock: ManualClock, outputs: dict[str, Any]
) -> None:
    api.fail_next(200, body={"task_id": "r1", "status": "completed", **outputs})
    result = await style.call(RunHandler("p1", "r1", client=client), "result")
    assert result.outputs == (outputs.get("result") or outputs.get("outputs", {}))
    assert clock.waits == []


@pytest.mark.parametrize(("poll_interval", "asked"), [(4.0, 9), (3600.0, 2)])
async def test_outputs_that_do_not_come_are_waited_for_30_seconds_and_said_to_be_missing(
    api: FakeVectorShift,
    style: CallStyle,
    client: Any,
    clock: ManualClock,
    poll_interval: float,
    asked: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.fail_next(200, body={"task_id": "r1", "status": "completed"}, times=50)
    handler = RunHandler("p1", "r1", client=client)
    result = await style.call(handler, "result", poll_interval, None)
    assert (result.succeeded, result.outputs) == (True, {})
    assert (sum(clock.waits), statuses_asked(api)) == (30.0, asked)
    assert "Run r1 is completed, but its outputs did not arrive within 30 s." in caplog.text


async def test_outputs_that_do_not_come_in_the_time_that_was_given_are_an_error(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    api.fail_next(200, body={"task_id": "r1", "status": "completed"}, times=50)
    with pytest.raises(
        errors.PollTimeoutError, match=r"^Run r1 has completed, but its outputs did not arrive"
    ):
        await style.call(RunHandler("p1", "r1", client=client), "result", timeout=5.0)


async def test_polling_has_the_defaults_that_users_of_the_official_sdk_know(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, clock: ManualClock
) -> None:
    api.script_run("running")
    handler = await style.call(pipeline, "start")
    with pytest.raises(errors.PollTimeoutError):
        await style.call(handler, "result")
    assert clock.waits == [1.0] * 300


async def test_a_run_that_does_not_end_is_given_up_at_the_deadline(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, clock: ManualClock
) -> None:
    api.script_run("running")
    handler = await style.call(pipeline, "start")
    with pytest.raises(errors.PollTimeoutError) as caught:
        await style.call(handler, "result", poll_interval=4.0, timeout=10.0)
    assert (caught.value.task_id, caught.value.timeout) == (handler.task_id, 10.0)
    assert isinstance(caught.value, TimeoutError)
    assert clock.waits == [4.0, 4.0, 2.0]
    assert statuses_asked(api) == 4


async def test_a_clock_that_is_set_moves_no_deadline(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, clock: ManualClock
) -> None:
    handler = await style.call(pipeline, "start", {"n": 1})
    clock.set_wall(4e9)
    assert (await style.call(handler, "result", timeout=5.0)).succeeded


async def test_without_a_timeout_a_result_is_waited_for_as_long_as_it_takes(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, clock: ManualClock
) -> None:
    api.script_run(*["running"] * 60, "succeeded")
    handler = await style.call(pipeline, "start")
    assert (await style.call(handler, "result", poll_interval=3600.0, timeout=None)).succeeded
    assert clock.waits == [3600.0] * 60


@pytest.mark.parametrize(
    "given", [{"poll_interval": -1}, {"timeout": -1}, {"timeout": float("nan")}], ids=str
)
async def test_waits_below_nothing_are_refused(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, given: dict[str, float]
) -> None:
    handler = await style.call(pipeline, "start")
    with pytest.raises(ValueError, match="numbers of seconds"):
        await style.call(handler, "result", **given)
    assert statuses_asked(api) == 0


async def test_a_failed_run_is_raised_with_what_it_says(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_run("in_progress", "failed", error="node 3 broke")
    handler = await style.call(pipeline, "start")
    with pytest.raises(errors.PipelineRunFailedError, match="node 3 broke") as caught:
        await style.call(handler, "result")
    assert (caught.value.task_id, caught.value.run_error, caught.value.status_code) == (
        handler.task_id,
        "node 3 broke",
        0,
    )


async def test_that_a_run_failed_is_an_answer_to_who_asks_how_it_is(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_run("failed", error="node 3 broke")
    handler = await style.call(pipeline, "start")
    for owner, args in ((handler, ()), (pipeline, (handler.task_id,))):
        status = await style.call(owner, "run_status", *args)
        assert (status["status"], status["error"], status.error) == (
            "failed",
            "node 3 broke",
            "node 3 broke",
        )
        assert (status.failed, status.done, status.succeeded) == (True, True, False)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"error": {"message": "node 3 broke", "node": 3}}, "node 3 broke"),
        ({"error": ["node 3", "broke"]}, "node 3; broke"),
        ({"error": "", "message": "node 3 broke"}, "node 3 broke"),
        ({"errors": ["node 3", "broke"]}, "node 3; broke"),
    ],
    ids=str,
)
async def test_what_a_failed_run_says_is_the_sentence_in_it(
    api: FakeVectorShift, style: CallStyle, client: Any, told: dict[str, Any], said: str
) -> None:
    handler = RunHandler("p1", "r1", client=client)
    for name in ("run_status", "result"):
        api.fail_next(200, body={"task_id": "r1", "status": "failed", **told})
        if name == "run_status":
            assert (await style.call(handler, name)).error == said
            continue
        with pytest.raises(errors.PipelineRunFailedError) as caught:
            await style.call(handler, name)
        assert (caught.value.run_error, str(caught.value)) == (said, f"Run r1 failed: {said}")
    assert RunStatus({"status": "completed", "message": "done"}).error == ""


@pytest.mark.parametrize("field", ["task_id", "run_id", "pipeline_run_id"])
async def test_a_failed_run_may_be_named_by_any_field(
    api: FakeVectorShift, style: CallStyle, client: Any, field: str
) -> None:
    handler = RunHandler("p1", "r1", client=client)
    api.fail_next(200, body={field: "r1", "status": "failed", "error": "broken"}, times=2)
    assert (await style.call(handler, "run_status")).failed
    with pytest.raises(errors.PipelineRunFailedError, match="Run r1 failed: broken"):
        await style.call(handler, "result")


@pytest.mark.parametrize("status", ["failed", "FAILED"])
@pytest.mark.parametrize("error", ["node 3 broke", ""])
async def test_a_failed_run_need_not_be_named(
    api: FakeVectorShift, style: CallStyle, client: Any, status: str, error: str
) -> None:
    handler = RunHandler("p1", "r1", client=client)
    api.fail_next(200, body={"status": status, "error": error}, times=2)
    found = await style.call(handler, "run_status")
    assert (found["status"], found.failed, found.error) == (status, True, error)
    said = error or "The run has ended as failed."
    with pytest.raises(errors.PipelineRunFailedError, match=f"^Run r1 failed: {said}$") as caught:
        await style.call(handler, "result")
    assert caught.value.task_id == "r1"


@pytest.mark.parametrize(
    "body",
    [
        '{"error": "no such route"}',
        "not JSON",
        '["failed"]',
    ],
)
async def test_a_failure_that_says_nothing_of_a_run_is_an_error(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, body: str
) -> None:
    api.fail_next(200, body=body)
    with pytest.raises(errors.VectorshiftApiError):
        await style.call(pipeline, "run_status", "r1")


@pytest.mark.parametrize("word", ["cancelled", "canceled"])
async def test_a_result_that_will_never_come_is_raised(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, word: str
) -> None:
    api.script_run("running", word)
    handler = await style.call(pipeline, "start")
    with pytest.raises(errors.PipelineRunFailedError, match=f"ended as {word}"):
        await style.call(handler, "result")


async def test_a_run_is_terminated_through_its_handler_or_its_id(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    for through_handler in (True, False):
        handler = await style.call(pipeline, "start")
        if through_handler:
            answer = await style.call(handler, "terminate")
        else:
            answer = await style.call(pipeline, "terminate", handler.task_id)
        assert answer == {"status": "success"}
        assert api.requests[-1].raw_path == "/v1/pipeline/p1/terminate"
        assert api.requests[-1].json == {"run_id": handler.task_id}
        status = await style.call(handler, "run_status")
        assert (status.status, status.cancelled, status.done) == ("cancelled", True, True)


async def test_another_process_goes_on_with_the_two_ids(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, client: Any
) -> None:
    started = await style.call(pipeline, "start", {"n": 1})
    elsewhere = RunHandler("p1", started.task_id, client=client)
    assert (await style.call(elsewhere, "result")).outputs == {"n": 1}
    with pytest.raises(errors.NotFoundError):
        await style.call(RunHandler("p1", "nothing", client=client), "result")


async def test_a_question_that_gets_no_answer_is_repeated_by_the_client(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    handler = await style.call(pipeline, "start", {"n": 1})
    path = f"/pipeline/p1/run/status/{handler.task_id}"
    api.fail_next(503, path=path)
    api.drop_next(path=path)
    assert (await style.call(handler, "result")).outputs == {"n": 1}
    assert statuses_asked(api) == 4


async def test_a_question_that_never_gets_an_answer_is_an_error_of_the_client(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    handler = await style.call(pipeline, "start")
    api.fail_next(500, times=50)
    with pytest.raises(errors.InternalServerError):
        await style.call(handler, "result")


async def test_a_question_that_hangs_does_not_outlast_the_deadline(style: CallStyle) -> None:
    with FaultServer(hang()) as server:
        client = style.kind("vs-key", base_url=server.origin)
        with anyio.fail_after(60), pytest.raises(errors.PollTimeoutError):
            await style.call(RunHandler("p1", "r1", client=client), "result", timeout=0.2)
        await style.call(client, "close")
        assert [request.path for request in server.received] == ["/pipeline/p1/run/status/r1"]


async def test_a_start_is_not_sent_again_when_it_may_have_happened(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.fail_next(500)
    with pytest.raises(errors.InternalServerError):
        await style.call(pipeline, "start", {"n": 1})
    assert len(api.requests) == 1


async def test_waiting_for_a_result_can_be_cancelled(api: FakeVectorShift) -> None:
    api.script_run("running")
    async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
        handler = await Pipeline("p1", client=client).astart()
        with anyio.move_on_after(5) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(handler.aresult, 3600.0, None)
                while statuses_asked(api) == 0:
                    await anyio.sleep(0.005)
                tasks.cancel_scope.cancel()
        assert not scope.cancelled_caught
        assert (await handler.arun_status()).status == "running"


def test_a_copy_of_a_handler_is_one() -> None:
    handler = RunHandler("p", "t")
    assert copy.copy(handler).task_id == handler.task_id
