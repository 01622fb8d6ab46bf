"""Files among the inputs of a run, sync and async."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import blockbuster_ctx
from tests.call_styles import CallStyle

from vectorshift import AsyncVectorShift, Pipeline, VectorshiftError
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

CONTENT = b"%PDF-1.7\r\n--\x00\xff" * 50_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "rechnung ä.pdf"
    found.write_bytes(CONTENT)
    return found


def described(name: str, kind: str = "application/pdf", content: bytes = CONTENT) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"type": "file", "name": name, "mime_type": kind, "size": len(content), "sha256": digest}


def gzipped(content: bytes) -> gzip.GzipFile:
    """An open file whose name is an empty text."""
    opened = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(content)))
    assert opened.name == ""
    return opened


FORMS: list[tuple[str, Callable[[Path], Any], dict[str, Any]]] = [
    ("a path", lambda path: path, described("rechnung ä.pdf")),
    ("bytes", lambda path: CONTENT, described("doc", "application/octet-stream")),
    ("a bytearray", lambda path: bytearray(CONTENT), described("doc", "application/octet-stream")),
    ("a buffer", lambda path: io.BytesIO(CONTENT), described("doc", "application/octet-stream")),
    ("named bytes", lambda path: ("a.txt", b"hi"), described("a.txt", "text/plain", b"hi")),
    (
        "a named buffer",
        lambda path: ("a.bin", io.BytesIO(b"hi"), "x/y"),
        described("a.bin", "x/y", b"hi"),
    ),
    (
        "a named bytearray",
        lambda path: ("a.txt", bytearray(b"hi")),
        described("a.txt", "text/plain", b"hi"),
    ),
    (
        "a named memoryview",
        lambda path: ("a.txt", memoryview(b"hi")),
        described("a.txt", "text/plain", b"hi"),
    ),
    (
        "a file without a name",
        lambda path: gzipped(b"hi"),
        described("doc", "application/octet-stream", b"hi"),
    ),
    ("an empty file", lambda path: ("a.txt", b""), described("a.txt", "text/plain", b"")),
]


@pytest.mark.parametrize(("form", "make", "expected"), FORMS, ids=[form for form, _, _ in FORMS])
async def test_a_file_arrives_whole_beside_the_other_inputs(
    api: FakeVectorShift,
    style: CallStyle,
    pipeline: Pipeline,
    path: Path,
    form: str,
    make: Callable[[Path], Any],
    expected: dict[str, Any],
) -> None:
    inputs = {"text": "ä", "doc": make(path)}
    result = await style.call(
        pipeline, "run", inputs, session_id="s1", send_intermediate_results=False
    )
    assert result.outputs == {"text": "ä", "doc": expected}
    (request,) = api.requests
    assert sorted(request.form) == [
        "inputs",
        "inputs.doc",
        "send_intermediate_results",
        "session_id",
    ]
    assert json.loads(request.form["inputs"].content) == {"text": "ä"}
    assert request.form["session_id"].content == b"s1"
    assert request.form["send_intermediate_results"].content == b"false"


async def test_a_file_that_the_caller_opened_is_read_from_where_it_stands_and_left_open(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, path: Path
) -> None:
    with path.open("rb") as opened:
        opened.seek(10)
        result = await style.call(pipeline, "run", {"doc": opened})
        assert not opened.closed
    assert result.outputs["doc"] == described("rechnung ä.pdf", content=CONTENT[10:])


@pytest.mark.parametrize("name", ["run", "start", "stream", "bulk_run"])
async def test_a_file_that_cannot_be_read_is_named_before_anything_is_sent(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, tmp_path: Path, name: str
) -> None:
    missing = tmp_path / "missing.pdf"
    inputs: Any = {"good": b"x", "doc": missing}
    expected = pytest.raises(VectorshiftError, match=r"inputs\.doc.*missing\.pdf.*no such file")
    if name == "stream":
        with expected:
            await style.all(style.iterator(pipeline, name, inputs))
    else:
        with expected:
            await style.call(pipeline, name, [inputs] if name == "bulk_run" else inputs)
    assert api.requests == []


async def test_a_file_in_the_midst_of_a_value_that_cannot_be_read_is_named_too(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, tmp_path: Path
) -> None:
    with pytest.raises(VectorshiftError, match=r"docs.*missing\.pdf"):
        await style.call(pipeline, "run", {"docs": [tmp_path / "missing.pdf"]})
    assert api.requests == []


async def test_a_file_that_is_open_as_text_is_refused(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, path: Path
) -> None:
    with path.open("r", encoding="latin-1") as opened, pytest.raises(TypeError, match="mode 'rb'"):
        await style.call(pipeline, "run", {"doc": opened})
    assert api.requests == []


async def test_files_in_the_midst_of_a_value_go_as_the_objects_that_the_reference_describes(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, path: Path
) -> None:
    inputs = {"docs": [path, ("a.txt", b"hi")], "map": {"deep": [{"one": b"x"}]}, "list": ("a", 1)}
    await style.call(pipeline, "run", inputs)
    sent = api.requests[-1].json["inputs"]
    raw = [base64.b64encode(each).decode() for each in (CONTENT, b"hi", b"x")]
    assert sent["docs"] == [
        {
            "type": "file",
            "raw_bytes": raw[0],
            "metadata": {"name": "rechnung ä.pdf", "mime_type": "application/pdf"},
        },
        {
            "type": "file",
            "raw_bytes": raw[1],
            "metadata": {"name": "a.txt", "mime_type": "text/plain"},
        },
    ]
    assert sent["map"]["deep"][0]["one"]["raw_bytes"] == raw[2]
    assert sent["list"] == ["a", 1]


async def test_each_run_of_a_bulk_has_its_own_files(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, path: Path
) -> None:
    buffer = io.BytesIO(b"two")
    api.fail_next(
        404, path="/pipeline/p1/bulk-run"
    )  # it is sent a second time, and a buffer can be read only once
    bulk = await style.call(
        pipeline, "bulk_run", [{"doc": path}, {"n": 1}, {"doc": buffer, "n": 2}]
    )
    assert [run.outputs for run in bulk.runs] == [
        {"doc": described("rechnung ä.pdf")},
        {"n": 1},
        {"doc": described("doc", "application/octet-stream", b"two"), "n": 2},
    ]
    assert json.loads(api.requests[-1].form["runs"].content) == [
        {"inputs": {}},
        {"inputs": {"n": 1}},
        {"inputs": {"n": 2}},
    ]
    assert [sorted(request.form) for request in api.requests] == [
        ["runs", "runs.0.inputs.doc", "runs.2.inputs.doc"]
    ] * 2


async def test_one_open_file_in_several_places_is_whole_in_each(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline
) -> None:
    buffer = io.BytesIO(b"skipped, hello")
    buffer.read(9)
    result = await style.call(
        pipeline, "run", {"a": buffer, "b": buffer, "c": ("c.txt", buffer), "d": [buffer]}
    )
    assert [result.outputs[name]["size"] for name in "abc"] == [5, 5, 5]
    assert base64.b64decode(result.outputs["d"][0]["raw_bytes"]) == b"hello"
    buffer.seek(0)
    bulk = await style.call(
        pipeline, "bulk_run", [{"doc": buffer}, {"doc": buffer}, {"docs": {"one": buffer}}]
    )
    assert [run.outputs["doc"]["size"] for run in bulk.runs[:2]] == [14, 14]
    assert base64.b64decode(bulk.runs[2].outputs["docs"]["one"]["raw_bytes"]) == b"skipped, hello"


@pytest.mark.parametrize(
    "inputs", [{"doc": ("", b"x")}, {"": b"x"}, {"docs": [("", b"x")]}], ids=str
)
async def test_a_file_whose_name_is_empty_is_refused_before_anything_is_sent(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, inputs: Any
) -> None:
    with pytest.raises(TypeError, match="should have a name"):
        await style.call(pipeline, "run", inputs)
    assert api.requests == []


async def test_files_go_with_background_and_streamed_runs(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, path: Path
) -> None:
    handler = await style.call(pipeline, "start", {"doc": path})
    assert (await style.call(handler, "result", poll_interval=0)).outputs == {
        "doc": described("rechnung ä.pdf")
    }
    *_, result = await style.all(style.iterator(pipeline, "stream", {"doc": path}))
    assert result.outputs == {"doc": described("rechnung ä.pdf")}
    assert api.requests[-1].form["stream"].content == b"true"


async def test_a_key_that_is_renewed_in_the_middle_has_the_file_sent_once_more(
    api: FakeVectorShift, style: CallStyle, path: Path
) -> None:
    old, new = api.create_key(org="acme"), api.create_key(org="acme")
    turns = iter([old])
    async with style.client(api, credentials=lambda: next(turns, new)) as client:
        api.revoke_key(old)
        result = await style.call(Pipeline("p1", client=client), "run", {"doc": path})
    assert result.outputs == {"doc": described("rechnung ä.pdf")}
    assert [request.status for request in api.requests] == [401, 200]
    assert api.requests[0].body == api.requests[1].body


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_file_is_read_in_the_event_loop(api: FakeVectorShift, path: Path) -> None:
    async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
        pipeline = Pipeline("p1", client=client)
        await pipeline.arun({})
        with blockbuster_ctx("vectorshift"):
            assert (await pipeline.arun({"doc": path, "docs": [path]})).outputs["doc"][
                "size"
            ] == len(CONTENT)
            assert (await pipeline.abulk_run([{"doc": path}])).runs[0].outputs["doc"][
                "size"
            ] == len(CONTENT)
