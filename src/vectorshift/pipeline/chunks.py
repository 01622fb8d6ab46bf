"""A streamed run: its events, one after the other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from vectorshift.client.engine import adrive, drive
from vectorshift.credentials.events import log
from vectorshift.errors import PipelineRunFailedError, VectorshiftApiError, VectorshiftError
from vectorshift.errors.bodies import error_sentence
from vectorshift.pipeline.ids import run_failure
from vectorshift.pipeline.results import ENDED_BADLY, StreamChunk, as_object
from vectorshift.pipeline.steps import aperform, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from vectorshift._platform.sse import ServerSentEvent
    from vectorshift.client import AsyncStream, Stream, VectorShift
    from vectorshift.client.call import Call
    from vectorshift.pipeline.runs import StreamedRun

__all__ = ["AsyncChunks", "achunks", "chunks"]

_DONE = "[DONE]"
_ENOUGH = 65_536  # bytes of an answer that is no stream, for its error


def chunks(run: StreamedRun) -> Generator[StreamChunk, None, None]:
    """Return what gives the chunks of a run in sync code. It makes the call when the first one is
    asked for, and closes the connection when it is closed.
    """
    return _chunks(run.clients.sync, run)


def _chunks(client: VectorShift, run: StreamedRun) -> Generator[StreamChunk, None, None]:
    call = perform(run.call(client))
    with client.open(call) as stream:
        if not _is_of_events(stream):
            raise _no_events(stream, call, drive(_beginning(stream)))
        read = partial(_chunk_of, call=call, redact=stream.redact)
        for chunk in map(read, stream.iter_events()):
            if isinstance(chunk, VectorshiftApiError):
                raise chunk
            if chunk is not None:
                yield chunk
            del chunk  # the wait for the next one may raise, and crash reporters show locals


def achunks(run: StreamedRun) -> AsyncChunks:
    """Return what gives the chunks of a run without blocking the event loop."""
    return AsyncChunks(run)


class AsyncChunks(AsyncIterator[StreamChunk]):
    """The chunks of a streamed run, for `async for`. `Pipeline.astream` gives one; it belongs to
    one task.

    The connection is closed at the end, when a wait for a chunk fails or is cancelled, by `aclose`,
    when this is collected, and when the event loop ends. It is an iterator and no generator, so
    that all of these are quiet.
    """

    def __init__(self, run: StreamedRun) -> None:
        self._client, self._run = run.clients.asynchronous, run
        self._opening: AbstractAsyncContextManager[AsyncStream] | None = None
        self._busy = self._ended = self._cut = False

    async def __anext__(self) -> StreamChunk:
        """Return the next chunk.

        Raises:
            VectorshiftError: the wait for a chunk was cancelled, and the stream was closed in its
                midst.
            RuntimeError: another task waits for a chunk.
        """
        self._refuse_if_busy()
        if self._cut:
            raise VectorshiftError(
                "A wait for a chunk of this stream was cancelled, which closed it in its midst. Run"
                " the pipeline again."
            )
        if self._ended:
            raise StopAsyncIteration
        self._busy = True
        try:
            return await self._next()
        except BaseException as error:
            self._cut = not isinstance(error, Exception)
            await self._close()
            raise
        finally:
            self._busy = False

    async def aclose(self) -> None:
        """Close the connection. Raises RuntimeError if another task waits for a chunk."""
        self._refuse_if_busy()
        await self._close()

    async def _next(self) -> StreamChunk:
        if self._opening is None:
            await self._open()
        while True:
            chunk = self._read(await anext(self._events))
            if isinstance(chunk, VectorshiftApiError):
                raise chunk
            if chunk is not None:
                return chunk

    async def _open(self) -> None:
        call = await aperform(self._run.call(self._client))
        opening = self._client.open(call)
        stream = await opening.__aenter__()
        self._opening = opening
        if not _is_of_events(stream):
            raise _no_events(stream, call, await adrive(_beginning(stream)))
        self._read = partial(_chunk_of, call=call, redact=stream.redact)
        self._events = stream.aiter_events()

    async def _close(self) -> None:
        self._ended = True
        opening, self._opening = self._opening, None
        if opening is not None:
            await opening.__aexit__(None, None, None)

    def _refuse_if_busy(self) -> None:
        if self._busy:
            raise RuntimeError("Another task waits for the next chunk of this stream.")


def _chunk_of(
    event: ServerSentEvent, call: Call, redact: Callable[[str], str]
) -> StreamChunk | VectorshiftApiError | None:
    """Return the chunk of an event, None for an event that holds none, or the error if it says that
    the run failed.

    The error is returned, as the frame that raises it may not hold the event: the server may echo
    the key in it.
    """
    data = event.data.strip()
    if not data or data == _DONE:
        return None
    try:
        parsed: Any = json.loads(data)
    except (ValueError, RecursionError):
        parsed = None
    found = as_object(parsed)
    chunk = StreamChunk.of(event.event, found or {})
    ended_badly = chunk.status in ENDED_BADLY
    if ended_badly or chunk.error or chunk.type == "error":
        ended = f"The run has ended as {chunk.status}." if ended_badly else ""
        return PipelineRunFailedError(
            redact(chunk.run_id), redact(chunk.error) or ended or error_sentence(redact(data))
        )
    if found is None:  # a heartbeat, perhaps; the official SDK passes over it, too
        log.warning(
            "An event of the stream of %s %s is no JSON object, and is passed over.",
            call.method,
            call.path,
        )
        return None
    return chunk


# --- An answer that is no stream: an error, or a server that does not know of streams ---


def _is_of_events(stream: Stream | AsyncStream) -> bool:
    return stream.headers.get("content-type", "").lower().startswith("text/event-stream")


def _beginning(stream: Stream | AsyncStream) -> Generator[Any, bytes | None, bytes]:
    """Read the beginning of a body, in steps for `drive` or `adrive`."""
    body = b""
    while len(body) < _ENOUGH and (piece := (yield stream.piece())) is not None:
        body += piece
    return body[:_ENOUGH]


def _no_events(stream: Stream | AsyncStream, call: Call, body: bytes) -> VectorshiftApiError:
    text = stream.redact(body.decode("utf-8", "replace"))
    kind = stream.headers.get("content-type", "of no type")
    note = f"The answer is no event stream, but {kind}."
    error = VectorshiftApiError(
        stream.status_code, call.method, call.path, text, headers=stream.headers, note=note
    )
    return run_failure(error)
