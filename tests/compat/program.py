"""What users of the official SDK write, sync and async: it runs on that SDK and on this package.

Prints what it sees as JSON. Ids that are made anew on each run are printed by how they relate.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import vectorshift
from vectorshift import (
    AuthenticationError,
    NotFoundError,
    Pipeline,
    PipelineRunFailedError,
    PollTimeoutError,
    VectorshiftApiError,
)
from vectorshift.pipeline import RunHandler, StreamChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

seen: dict[str, object] = {"key": vectorshift.api_key[:4] + "..." if vectorshift.api_key else None}
report = Path("report.txt")
report.write_text("Paid.")


def tell(name: str, value: object) -> None:
    seen[name] = value


def plain(chunk: StreamChunk) -> dict[str, object]:
    """Return a chunk without the id of its run."""
    fields = dataclasses.asdict(chunk)
    return {**fields, "run_id": bool(fields["run_id"])}


def read(line: bytes) -> object:
    """Return what a line of a stream says, without the id of the run."""
    name, _, value = line.decode().strip().partition(": ")
    said = json.loads(value) if name == "data" else value
    return {**said, "run_id": 0, "pipeline_run_id": 0} if isinstance(said, dict) else [name, said]


def sync() -> None:
    tell("list", [(each.id, each.name) for each in Pipeline.list(None, False, True)])
    tell("page", [each.id for each in Pipeline.list(limit=1, offset=1)])
    tell("none", [len(Pipeline.list(folder_id="none")), bool(Pipeline.list(folder_id="none"))])
    pipeline = Pipeline.fetch(name="invoices")
    tell("fetch", [pipeline.id, pipeline.name, pipeline.branch_id, str(pipeline)])
    result = pipeline.run({"text": "one two"}, False, session_id="s-1")
    tell("run", [result["status"], result["outputs"], bool(result["trace_id"])])
    outputs = pipeline.run(inputs={"text": "x", "document": report})["outputs"]
    tell("file", [outputs["text"], outputs["document"]["name"], outputs["document"]["sha256"]])
    tell("stream", [plain(chunk) for chunk in pipeline.stream({"text": "one two", "n": 1})])
    tell("raw", [read(line) for line in pipeline.run({"text": "one two"}, stream=True)])
    handler = pipeline.start({"text": "one"}, "s-1", None, True, "https://example.com", None, "t-1")
    tell("start", [bool(handler.task_id), handler.pipeline_id, handler.trace_id])
    tell("status", handler.run_status()["status"])
    tell("result", without_id(handler.result(poll_interval=0.05, timeout=20)))
    again = RunHandler(pipeline.id, handler.task_id, "t-1")
    tell("again", [without_id(again.result(0.05)), again.trace_id])
    tell("by id", pipeline.run_status(handler.task_id)["status"])
    bulk = pipeline.bulk_run([{"n": 1}, {"n": 2}])
    tell("bulk", [each["outputs"] for each in bulk["run_outputs"]])
    ended = pipeline.start({"text": "two"})
    tell("terminate", [ended.terminate(), ended.run_status()["status"]])
    copied = pipeline.duplicate("copy", "of invoices")
    tell("duplicate", [copied.name, copied.branch_id, copied.id != pipeline.id])
    tell("share", [copied.share(None, "globex", "editor"), copied.unshare(org_id="globex")])
    tell("revert", copied.revert("1.2.0"))
    tell("delete", copied.delete())
    try:
        Pipeline.fetch(id=copied.id)
    except NotFoundError as error:
        told = [error.status_code, error.method, error.endpoint, error.error_message]
        tell("not found", [*told, isinstance(error, VectorshiftApiError)])
    try:
        pipeline.start({"n": 1}).result(poll_interval=0.01, timeout=0)
    except PollTimeoutError as error:
        tell("too late", [error.timeout, isinstance(error, TimeoutError), error.status_code])
    try:
        Pipeline.fetch()
    except ValueError:
        tell("neither", "ValueError")


def without_id(status: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in status.items() if name != "task_id"}


async def main() -> None:
    tell("alist", [(each.id, each.name) for each in await Pipeline.alist(verbose=True)])
    pipeline = await Pipeline.afetch(name="invoices")
    tell("afetch", [pipeline.id, pipeline.branch_id])
    tell("arun", (await pipeline.arun({"text": "one"}))["outputs"])
    tell("abulk", [e["outputs"] for e in (await pipeline.abulk_run([{"n": 1}]))["run_outputs"]])
    tell("astream", [plain(chunk) async for chunk in pipeline.astream({"text": "one two"})])
    lines = [line async for line in await pipeline.arun({"text": "one two"}, True, True)]
    tell("araw", [read(line) for line in lines if line.strip()])
    handler = await pipeline.astart({"text": "one"})
    tell("aresult", without_id(await handler.aresult(0.05, 20)))
    ended = await pipeline.astart({"text": "two"})
    tell("aterminate", [await ended.aterminate(), (await ended.arun_status())["status"]])
    copied = await pipeline.aduplicate("copy")
    tell("aduplicate", [copied.name, await copied.adelete()])


def failed() -> None:
    """Run after a run in the background was made to fail, and with a key that is refused."""
    pipeline = Pipeline.fetch(name="invoices")
    try:
        pipeline.start({"n": 1}).result(0.05)
    except PipelineRunFailedError as error:
        tell("failed", [bool(error.task_id), error.run_error, error.status_code])
    vectorshift.api_key = "vs-wrong"
    try:
        Pipeline.list()
    except AuthenticationError as error:
        tell("refused", [error.status_code, error.endpoint, error.error_message])


if sys.argv[1] == "works":
    sync()
    asyncio.run(main())
else:
    failed()
print(json.dumps(seen))
