"""A streamed run: its events, one after the other, and what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vectorshift.errors import PipelineRunFailedError, VectorshiftApiError
from vectorshift.errors.replies import said
from vectorshift.pipeline.answers import CANCELLED, FAILED, StreamChunk, as_object
from vectorshift.pipeline.steps import aperform, perform

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from vectorshift.calls import Call
    from vectorshift.client import AsyncStream, AsyncVectorShift, Stream, VectorShift
    from vectorshift.pipeline.steps import Steps
    from vectorshift.sse import ServerSentEvent

__all__ = ["achunks", "chunks"]

_DONE = "[DONE]"
_ENOUGH = 65_536  # bytes of an answer that is no stream, for its error


def chunks(client: VectorShift, build: Steps[Call]) -> Generator[StreamChunk, None, None]:
    """Make the call when the first chunk is asked for, and close its connection when nobody asks any more."""
    call = perform(client, build)
    with client.open(call) as stream:
        if not _is_of_events(stream):
            raise _no_events(stream, call, _beginning(stream))
        for event in stream.iter_events():
            chunk = _chunk_of(event, call, stream.masked)
            if chunk is not None:
                yield chunk


async def achunks(client: AsyncVectorShift, build: Steps[Call]) -> AsyncGenerator[StreamChunk, None]:
    """Do as `chunks`, without blocking the event loop."""
    call = await aperform(client, build)
    async with client.open(call) as stream:
        if not _is_of_events(stream):
            raise _no_events(stream, call, await _abeginning(stream))
        async for event in stream.aiter_events():
            chunk = _chunk_of(event, call, stream.masked)
            if chunk is not None:
                yield chunk


def _chunk_of(event: ServerSentEvent, call: Call, masked: Callable[[str], str]) -> StreamChunk | None:
    """Return what an event says, or None for one that says nothing.

    Raises:
        PipelineRunFailedError: it says that the run failed.
        VectorshiftApiError: it is no JSON object.
    """
    data = event.data.strip()
    if not data or data == _DONE:
        return None
    try:
        parsed: Any = json.loads(data)
    except (ValueError, RecursionError):
        parsed = None
    found = as_object(parsed)
    chunk = StreamChunk(found or {})
    if "error" in (event.event, chunk.type) or chunk.get("error") or chunk.status in FAILED | CANCELLED:
        raise PipelineRunFailedError(masked(chunk.run_id), said(masked(data)))
    if found is None:
        note = "An event of the stream is no JSON object."
        raise VectorshiftApiError(200, call.method, call.path, note=note)
    return chunk


# --- An answer that is no stream: an error, or a server that does not know of streams ---


def _is_of_events(stream: Stream | AsyncStream) -> bool:
    return stream.headers.get("content-type", "").lower().startswith("text/event-stream")


def _beginning(stream: Stream) -> bytes:
    body = b""
    for piece in stream.iter_bytes():
        body += piece
        if len(body) > _ENOUGH:
            break
    return body[:_ENOUGH]


async def _abeginning(stream: AsyncStream) -> bytes:
    body = b""
    async for piece in stream.aiter_bytes():
        body += piece
        if len(body) > _ENOUGH:
            break
    return body[:_ENOUGH]


def _no_events(stream: Stream | AsyncStream, call: Call, body: bytes) -> VectorshiftApiError:
    text = stream.masked(body.decode("utf-8", "replace"))
    kind = stream.headers.get("content-type", "of no type")
    note = f"The answer is no event stream, but {kind}."
    return VectorshiftApiError(stream.status_code, call.method, call.path, text, headers=stream.headers, note=note)
