"""Streamed runs over a real socket, sync and async: pieces of any size, failures, and connections
that are closed.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import gc
import json
import pickle
import traceback
from typing import Any

import anyio
import pytest
from tests.call_styles import CallStyle
from tests.faults import FaultServer, answer, cut

from vectorshift import AsyncVectorShift, Pipeline, VectorShift, errors
from vectorshift.pipeline import StreamChunk
from vectorshift.testing import FakeVectorShift

pytestmark = pytest.mark.anyio


async def closed(api: FakeVectorShift) -> bool:
    """Whether the server has seen the connections of all streams closed."""
    with anyio.move_on_after(10):
        while api.open_streams:
            gc.collect()
            await anyio.sleep(0.005)
    return not api.open_streams


async def test_chunks_come_as_the_server_sends_them(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    found = await style.all(style.iterator(pipeline, "stream", {"text": "one two", "n": 1}))
    *pieces, result = found
    assert all(isinstance(chunk, StreamChunk) for chunk in found)
    assert [(chunk.type, chunk.output_name, chunk.output_value) for chunk in pieces] == [
        ("stream", "text", "one"),
        ("stream", "text", " two"),
        ("stream", "n", 1),
    ]
    assert (result.type, result.status, result.outputs) == (
        "result",
        "completed",
        {"text": "one two", "n": 1},
    )
    assert result["outputs"]["n"] == 1
    assert result.run_id == pieces[0].run_id != ""
    assert (result.output_name, result.output_value, pieces[0].outputs) == ("", None, {})


@pytest.mark.parametrize("types", ["line", "data", "both"])
@pytest.mark.parametrize("run_id", ["run_id", "pipeline_run_id"])
async def test_the_type_and_the_run_are_read_wherever_the_server_puts_them(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, types: Any, run_id: Any
) -> None:
    api.dialect.event_types, api.dialect.run_id = types, run_id
    piece, result = await style.all(style.iterator(pipeline, "stream", {"text": "one"}))
    assert (piece.type, piece.output_value, result.type, result.outputs) == (
        "stream",
        "one",
        "result",
        {"text": "one"},
    )
    assert piece.run_id == result.run_id == piece.raw[run_id]
    api.fail_run("broken")
    with pytest.raises(errors.PipelineRunFailedError, match=r"Run [0-9a-f]{24} failed: broken"):
        await style.all(style.iterator(pipeline, "stream"))


@pytest.mark.parametrize(
    ("line", "in_data", "found"),
    [
        ("event: stream\n", '"type": "string", ', "stream"),
        ("event: chunk\n", '"type": "stream", ', "stream"),
        ("event: chunk\n", "", "chunk"),
        ("event: message\n", '"type": "result", ', "result"),
        ("", '"type": "other", ', "other"),
        ("", "", ""),
        ("event: message\n", "", ""),
    ],
)
async def test_of_two_types_that_which_is_one_counts(
    api: FakeVectorShift,
    style: CallStyle,
    pipeline: Pipeline,
    line: str,
    in_data: str,
    found: str,
) -> None:
    api.script_events([f'{line}data: {{{in_data}"output_value": 1}}\n\n'])
    (chunk,) = await style.all(style.iterator(pipeline, "stream"))
    assert (chunk.type, chunk.output_value) == (found, 1)


async def test_a_chunk_is_a_dataclass_with_what_was_sent_beside_it(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events([{"type": "stream", "output_name": "a", "output_value": 1, "node": "n1"}])
    (chunk,) = await style.all(style.iterator(pipeline, "stream"))
    fields = {
        "type": "stream",
        "output_name": "a",
        "output_value": 1,
        "run_id": "",
        "status": "",
        "outputs": {},
        "error": "",
    }
    assert dataclasses.asdict(chunk) == vars(chunk) == fields
    assert [field.name for field in dataclasses.fields(chunk)] == [*fields]
    assert chunk == StreamChunk(type="stream", output_name="a", output_value=1)
    assert dataclasses.replace(chunk, status="completed").status == "completed"
    assert (chunk.raw["node"], chunk["node"], chunk.get("node")) == ("n1", "n1", "n1")
    assert (chunk.get("nothing"), chunk.get("nothing", 0)) == (None, 0)
    for other in (pickle.loads(pickle.dumps(chunk)), copy.deepcopy(chunk)):
        assert (other, other.raw) == (chunk, chunk.raw)


@pytest.mark.parametrize(
    ("args", "given", "fields"),
    [
        ((), {}, {"inputs": {}}),
        (({"a": 1}, True), {}, {"inputs": {"a": 1}, "stream_all_outputs": True}),
        (
            (),
            {"inputs": {}, "session_id": "s", "version": "1", "node_input_overrides": {"n": {}}},
            {"inputs": {}, "session_id": "s", "version": "1", "node_input_overrides": {"n": {}}},
        ),
    ],
    ids=["defaults", "all outputs", "values"],
)
async def test_what_is_sent(
    api: FakeVectorShift,
    style: CallStyle,
    pipeline: Pipeline,
    args: tuple[Any, ...],
    given: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    await style.all(style.iterator(pipeline, "stream", *args, **given))
    (request,) = api.requests
    assert (request.method, request.raw_path) == ("POST", "/v1/pipeline/p1/run")
    assert request.json == {**fields, "stream": True}


async def test_nothing_is_sent_before_the_first_chunk_is_asked_for(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    chunks = style.iterator(pipeline, "stream", {"a": 1})
    assert api.requests == []
    assert len(await style.all(chunks)) == 2
    assert len(api.requests) == 1


@pytest.mark.parametrize("piece", [1, 3, 1000])
async def test_events_of_many_lines_and_in_any_pieces_are_read(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, piece: int
) -> None:
    pretty = json.dumps(
        {"type": "stream", "output_value": "ä\u2028ö 😀"}, indent=1, ensure_ascii=False
    )
    lines = "".join(f"data: {line}\r\n" for line in pretty.split("\n"))
    events: list[Any] = [
        b"\xef\xbb\xbf: hello\n\n",
        f"event: chunk\r\nid: 1\r\n{lines}\r\n",
        "data:\n\n",
        "data: [DONE]\n\n",
        b": bye",
    ]
    api.script_events(events, piece=piece)
    (chunk,) = await style.all(style.iterator(pipeline, "stream"))
    assert chunk.raw == {"type": "stream", "output_value": "ä\u2028ö 😀"}
    assert (chunk.type, chunk.output_value) == ("stream", "ä\u2028ö 😀")


async def test_an_event_of_15_megabytes_is_read(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events([{"type": "result", "outputs": {"text": "x" * 15_000_000}}], piece=65_536)
    (chunk,) = await style.all(style.iterator(pipeline, "stream"))
    assert len(chunk.outputs["text"]) == 15_000_000


async def test_a_chunk_comes_before_the_run_has_ended(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events([{"type": "stream", "n": 1}], then="hang")
    chunks = style.iterator(pipeline, "stream")
    assert (await style.next(chunks))["n"] == 1
    assert api.open_streams == 1
    await style.call(chunks, "close")
    assert await closed(api)


# --- Failures ---


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "error", "error": "node 3 broke", "run_id": "r1"}, "node 3 broke"),
        ({"type": "error", "message": "node 3 broke", "run_id": "r1"}, "node 3 broke"),
        (
            {
                "type": "result",
                "status": "failed",
                "error": "node 3 broke",
                "run_id": {"$oid": "r1"},
            },
            "node 3 broke",
        ),
        (
            {"type": "result", "status": "FAILED", "run_id": "r1"},
            "Run r1 failed: The run has ended as failed.$",
        ),
        (
            {"type": "result", "status": "failed", "message": "node 3 broke", "run_id": "r1"},
            "r1 failed: node 3 broke$",
        ),
        (
            {"type": "result", "status": "cancelled", "run_id": "r1"},
            "Run r1 failed: The run has ended as cancelled.$",
        ),
        ({"error": {"message": "node 3 broke"}, "run_id": "r1"}, "node 3 broke"),
        ('event: error\ndata: {"run_id": "r1", "detail": "node 3 broke"}\n\n', "node 3 broke"),
        (
            'event: error\ndata: {"run_id": "r1",\ndata: "error": "node 3 broke"}\n\n',
            "node 3 broke",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_an_event_that_says_that_the_run_failed_is_raised(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, event: Any, said: str
) -> None:
    api.script_events([{"type": "stream", "n": 1}, event, {"type": "stream", "n": 2}], then="hang")
    chunks = style.iterator(pipeline, "stream")
    assert (await style.next(chunks))["n"] == 1
    with pytest.raises(errors.PipelineRunFailedError, match=said) as caught:
        await style.next(chunks)
    assert caught.value.task_id == "r1"
    assert await closed(api)


NODE: dict[str, Any] = {"node_id": "n3", "status": "failed", "error": "node 3 broke"}
RESULT = {"type": "result", "status": "completed", "outputs": {"a": 1}}


@pytest.mark.parametrize(
    "event",
    [
        NODE,
        {**NODE, "type": "node"},
        {"type": "stream", "output_name": "a", "status": "failed", "error": "node 3 broke"},
        {"type": "stream", "error": "node 3 broke"},
    ],
    ids=str,
)
async def test_a_node_that_failed_is_a_chunk_and_the_error_of_a_stream_without_a_result(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, event: dict[str, Any]
) -> None:
    api.script_events([event, {"type": "stream", "n": 1}, RESULT])
    failed, _, result = await style.all(style.iterator(pipeline, "stream"))
    assert (failed.error, failed.raw, result.outputs) == ("node 3 broke", event, {"a": 1})
    api.script_events([event, {"type": "stream", "n": 1}])
    chunks = style.iterator(pipeline, "stream")
    assert [(await style.next(chunks)).error for _ in range(2)] == ["node 3 broke", ""]
    with pytest.raises(errors.PipelineRunFailedError, match=r"^The run failed: node 3 broke$"):
        await style.next(chunks)
    assert await style.all(chunks) == []


@pytest.mark.parametrize("type", ["error", "result"])
async def test_an_error_that_names_a_node_is_one(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, type: str
) -> None:
    api.script_events([{**NODE, "type": type}, RESULT])
    with pytest.raises(errors.PipelineRunFailedError, match="node 3 broke"):
        await style.all(style.iterator(pipeline, "stream"))


async def test_events_without_empty_lines_between_them_are_read(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    lines = [
        'data: {"type": "stream", "output_value": "a"}',
        'data: {"output_value": "b"}',
        "event: stream",
        'data: {"output_value": "c"}',
        "data: ping",
        "event: result",
        'data: {"outputs": {"x": 1}}',
        "data: [DONE]",
    ]
    api.script_events(["\n".join([*lines, "", ""])])
    chunks = await style.all(style.iterator(pipeline, "stream"))
    assert [(chunk.type, chunk.output_value) for chunk in chunks] == [
        ("stream", "a"),
        ("stream", "b"),
        ("stream", "c"),
        ("result", None),
    ]
    assert chunks[-1].outputs == {"x": 1}
    api.script_events([f'data: {json.dumps(RESULT)}\ndata: {{"error": "node 3 broke"}}\n\n'])
    chunks = style.iterator(pipeline, "stream")
    assert (await style.next(chunks)).type == "result"
    with pytest.raises(errors.PipelineRunFailedError, match="node 3 broke"):
        await style.next(chunks)


async def test_a_failure_of_a_run_without_an_id_reads_as_a_sentence(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events([{"error": "node 3 broke"}])
    with pytest.raises(
        errors.PipelineRunFailedError, match=r"^The run failed: node 3 broke$"
    ) as caught:
        await style.all(style.iterator(pipeline, "stream"))
    assert (caught.value.task_id, caught.value.status_code) == ("", 0)


async def test_an_error_event_that_is_plain_text_is_raised_too(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events(["event: error\ndata: out of memory\n\n"])
    with pytest.raises(errors.PipelineRunFailedError, match="out of memory"):
        await style.all(style.iterator(pipeline, "stream"))


async def test_a_key_that_an_error_event_echoes_is_masked(
    api: FakeVectorShift, style: CallStyle
) -> None:
    async with style.client(api) as client:
        pipeline = Pipeline("p1", client=client)
        await style.call(pipeline, "run")
        key = api.requests[-1].key
        assert key is not None
        api.script_events(
            [{"type": "error", "run_id": key.reveal(), "error": f"bad key {key.reveal()}"}]
        )
        with pytest.raises(errors.PipelineRunFailedError, match="bad key #") as caught:
            await style.all(style.iterator(pipeline, "stream"))
        assert key.reveal() not in f"{caught.value!r}{vars(caught.value)}"


@pytest.mark.parametrize(
    "data",
    ["ping", "null", "[1]", "3", '"text"', "{" * 10, "[" * 200_000],
    ids=lambda each: each[:6],
)
async def test_an_event_that_is_no_json_object_is_passed_over_with_a_warning(
    api: FakeVectorShift,
    style: CallStyle,
    pipeline: Pipeline,
    data: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.script_events([f"data: {data}\n\n", {"type": "result", "outputs": {"a": 1}}])
    chunks = await style.all(style.iterator(pipeline, "stream"))
    assert [chunk.outputs for chunk in chunks] == [{"a": 1}]
    assert "is not a JSON object and is skipped" in caplog.text
    assert data[:6] not in caplog.text.replace("passed over", "") or len(data) < 4


def test_a_chunk_says_what_was_sent() -> None:
    chunk = StreamChunk.of("stream ", {"type": "stream", "x": 1})
    assert (chunk.type, "x" in chunk, "y" in chunk) == ("stream", True, False)
    with pytest.raises(TypeError):
        list(chunk)  # type: ignore[call-overload]


async def test_a_stream_that_breaks_is_an_error_behind_what_came(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events([{"type": "stream", "n": 1}, 'data: {"n": 2'], then="break")
    chunks = style.iterator(pipeline, "stream")
    assert (await style.next(chunks))["n"] == 1
    with pytest.raises(
        errors.ApiConnectionError,
        match=r"^The API at http://127.0.0.1:\d+ ended its answer early for POST /",
    ):
        await style.next(chunks)
    assert len(api.requests) == 1
    assert await closed(api)


async def test_a_stream_that_stands_still_is_an_error(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    api.script_events([{"type": "stream", "n": 1}], then="hang")
    with pytest.raises(
        errors.ApiConnectionError,
        match=r"^The API at http://127.0.0.1:\d+ stopped in the middle of its answer for POST /",
    ):
        await style.all(style.iterator(pipeline, "stream", timeout=0.2))
    assert await closed(api)


async def test_failures_of_the_call_are_those_of_other_calls(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    for status, kind in (
        (401, errors.AuthenticationError),
        (404, errors.NotFoundError),
        (500, errors.VectorshiftApiError),
    ):
        api.fail_next(status)
        with pytest.raises(kind):
            await style.all(style.iterator(pipeline, "stream"))
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"status": "failed", "error": "no such node"}, "no such node"),
        ({"status": "success", "outputs": {}}, "not an event stream, but application/json"),
        ("<html>hello</html>", "not an event stream, but text/plain"),
        ("x" * 200_000, "not an event stream"),
    ],
)
async def test_an_answer_that_is_no_stream_is_an_error(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, body: Any, said: str
) -> None:
    api.fail_next(200, body=body)
    with pytest.raises(errors.VectorshiftApiError, match=said) as caught:
        await style.all(style.iterator(pipeline, "stream"))
    assert len(caught.value.raw_response) <= 65_536


# --- Leaving ---


async def test_leaving_the_loop_closes_the_connection(api: FakeVectorShift) -> None:
    api.script_events([{"n": 1}, {"n": 2}], then="hang")
    with VectorShift(api.create_key(), base_url=api.base_url) as client:
        for chunk in Pipeline("p1", client=client).stream():
            if chunk["n"] == 2:
                break
        assert await closed(api)


async def test_leaving_an_async_loop_closes_the_connection(api: FakeVectorShift) -> None:
    api.script_events([{"n": 1}, {"n": 2}], then="hang")
    async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
        async for chunk in Pipeline("p1", client=client).astream():
            if chunk["n"] == 2:
                break
        assert await closed(api)


async def test_leaving_its_block_closes_the_connection_at_once(api: FakeVectorShift) -> None:
    api.script_events([{"n": 1}, {"n": 2}], then="hang")
    async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
        async with contextlib.aclosing(Pipeline("p1", client=client).astream()) as chunks:
            assert (await anext(chunks))["n"] == 1
        assert await closed(api)


@pytest.mark.parametrize("when", ["before the head", "between events"])
async def test_cancelling_closes_the_connection(api: FakeVectorShift, when: str) -> None:
    api.script_events([{"n": 1}], then="hang")
    seen = anyio.Event()

    async def read() -> None:
        async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
            async for _ in Pipeline("p1", client=client).astream():
                seen.set()

    if when == "before the head":
        api.latency = 30.0
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            while not (seen.is_set() or (when == "before the head" and api.in_flight)):
                await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
    assert await closed(api)


async def test_a_stream_whose_wait_was_cancelled_does_not_seem_to_have_ended(
    api: FakeVectorShift,
) -> None:
    api.script_events([{"n": 1}], then="hang")
    async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
        chunks = Pipeline("p1", client=client).astream()
        assert (await anext(chunks))["n"] == 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, chunks)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError, match="Another task"):
                await anext(chunks)
            with pytest.raises(RuntimeError, match="Another task"):
                await chunks.aclose()
            tasks.cancel_scope.cancel()
        assert await closed(api)
        with pytest.raises(errors.VectorshiftError, match="cancelled"):
            await anext(chunks)


async def test_a_stream_that_was_closed_or_has_failed_has_ended(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    chunks = style.iterator(pipeline, "stream", {"a": 1})
    await style.next(chunks)
    await style.call(chunks, "close")
    assert await style.all(chunks) == []
    unbegun = style.iterator(pipeline, "stream", {"a": 1})
    await style.call(unbegun, "close")
    assert await style.all(unbegun) == []
    api.script_events([{"error": "node 3 broke"}])
    failed = style.iterator(pipeline, "stream")
    with pytest.raises(errors.PipelineRunFailedError):
        await style.next(failed)
    assert await style.all(failed) == []


async def test_many_streams_at_once_keep_their_events_apart(api: FakeVectorShift) -> None:
    results: dict[int, str] = {}
    async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:

        async def read(number: int) -> None:
            text = " ".join([f"w{number}"] * 20)
            chunks = [
                chunk async for chunk in Pipeline("p1", client=client).astream({"text": text})
            ]
            results[number] = "".join(chunk.output_value for chunk in chunks[:-1])

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(read, number)
    assert results == {number: " ".join([f"w{number}"] * 20) for number in range(50)}
    assert await closed(api)


# --- What a server may do at the end of a stream ---


async def events_of(style: CallStyle, fault: Any) -> list[Any]:
    with FaultServer(fault) as server:
        given: dict[str, Any] = {"base_url": server.origin, "max_retries": 0}
        pipeline = Pipeline("p1", client=style.kind("vs-key", **given))
        return await style.all(style.iterator(pipeline, "stream", {}))


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
async def test_the_last_event_counts_however_the_stream_ends(style: CallStyle, end: bytes) -> None:
    body = b'data: {"output_value": "x"}\n\ndata: {"status": "failed", "error": "no"}' + end
    with pytest.raises(errors.PipelineRunFailedError) as caught:
        await events_of(style, answer(200, body, Content_Type="text/event-stream"))
    assert caught.value.run_error == "no"


async def test_no_frame_holds_the_chunk_before_a_break(style: CallStyle) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n"
    event = b'data: {"type": "stream", "output_value": "customers-own"}\n\n'
    with pytest.raises(errors.ApiConnectionError) as caught:
        await events_of(style, cut(after=head + event))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [each for each in shown.stack if "/tests/" not in each.filename]
    assert ours
    assert "customers-own" not in str([each.locals for each in ours])
