"""A streamed run: its events, one after the other."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from vectorshift.client.default import async_client, sync_client
from vectorshift.client.engine import adrive, drive
from vectorshift.credentials.events import log
from vectorshift.errors import PipelineRunFailedError, VectorshiftApiError, VectorshiftError
from vectorshift.errors.bodies import error_sentence
from vectorshift.pipeline.ids import run_failure
from vectorshift.pipeline.results import ENDED_BADLY, StreamChunk, as_object, text_in
from vectorshift.pipeline.steps import aperform, perform

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractAsyncContextManager

    from vectorshift._platform.sse import ServerSentEvent
    from vectorshift.client import AsyncStream, Stream, VectorShift
    from vectorshift.client.call import Call
    from vectorshift.pipeline.runs import StreamedRun

__all__ = ["AsyncChunks", "achunks", "chunks"]

_DONE = "[DONE]"
_decode = json.JSONDecoder().raw_decode  # the core of json.loads, in less time
_OF_A_PART = ("output_name", "node", "node_id", "node_name", "nodeId")
_ENOUGH = 65_536  # bytes that an error shows of an answer that is not a stream


def chunks(run: StreamedRun) -> Generator[StreamChunk, None, None]:
    """Return a generator of a run's chunks, for sync code. It makes the call at the first `next`,
    and closes the connection when it is closed.
    """
    return _chunks(sync_client(run.clients), run)


def _chunks(client: VectorShift, run: StreamedRun) -> Generator[StreamChunk, None, None]:
    call = perform(run.call(client))
    with client.open(call) as stream:
        reader = _valid(drive(_reader_of(stream, call, run.raw)))
        items = stream.iter_lines() if run.raw else stream.iter_events()
        for chunk in chain.from_iterable(map(reader.read, items)):
            if isinstance(chunk, VectorshiftApiError):
                raise chunk
            yield chunk
            del chunk  # waiting for the next one may raise, and crash reporters show locals
        if reader.failure is not None:
            raise reader.failure


def achunks(run: StreamedRun) -> AsyncChunks:
    """Return an iterator of a run's chunks, for async code."""
    return AsyncChunks(run)


class AsyncChunks(AsyncIterator[StreamChunk]):
    """The chunks of a streamed run, for `async for`. `Pipeline.astream` returns one; it belongs to
    one task.

    The connection closes at the end, by `aclose`, when waiting for a chunk fails or is cancelled,
    and when the event loop ends. It also closes when this is garbage-collected. A generator could
    not do this without warnings.
    """

    def __init__(self, run: StreamedRun) -> None:
        self._client, self._run = async_client(run.clients), run
        self._opening: AbstractAsyncContextManager[AsyncStream] | None = None
        self._due: deque[StreamChunk | VectorshiftApiError] = deque()
        self._busy = self._ended = self._cut = False

    async def __anext__(self) -> StreamChunk:
        """Return the next chunk.

        Raises:
            VectorshiftError: waiting for a chunk was cancelled, which closed the stream.
            RuntimeError: another task is waiting for a chunk.
        """
        self._refuse_if_busy()
        if self._cut:
            raise VectorshiftError(
                "A wait for a chunk of this stream was cancelled, which closed the stream. Run "
                "the pipeline again."
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
        """Close the connection. Raises RuntimeError if another task is waiting for a chunk."""
        self._refuse_if_busy()
        await self._close()

    async def _next(self) -> StreamChunk:
        if self._opening is None:
            await self._open()
        while not self._due:
            try:
                self._due.extend(self._reader.read(await anext(self._items)))
            except StopAsyncIteration:
                if self._reader.failure is None:
                    raise
                self._due.append(self._reader.failure)
        chunk = self._due.popleft()
        if isinstance(chunk, VectorshiftApiError):
            raise chunk
        return chunk

    async def _open(self) -> None:
        call = await aperform(self._run.call(self._client))
        opening = self._client.open(call)
        stream = await opening.__aenter__()
        self._opening = opening
        raw = self._run.raw
        self._reader = _valid(await adrive(_reader_of(stream, call, raw)))
        self._items: Any = stream.aiter_lines() if raw else stream.aiter_events()

    async def _close(self) -> None:
        self._ended = True
        opening, self._opening = self._opening, None
        if opening is not None:
            await opening.__aexit__(None, None, None)

    def _refuse_if_busy(self) -> None:
        if self._busy:
            raise RuntimeError("Another task waits for the next chunk of this stream.")


class _ChunkReader:
    """Turns the events of one stream into chunks.

    Attributes:
        failure: the failure that a node or an output reported. It is the error of the stream if
            that ends without a result.
    """

    def __init__(self, stream: Stream | AsyncStream, call: Call) -> None:
        self._redact, self._call = stream.redact, call
        self.failure: VectorshiftApiError | None = None

    def read(self, event: ServerSentEvent) -> Iterable[StreamChunk | VectorshiftApiError]:
        """Return the chunks of an event, or an error if it says that the run failed.

        The error is returned, not raised: the frame here holds the event, in which the server may
        echo the key.
        """
        data = event.data.strip()
        if not data or data == _DONE:
            return ()
        found = _parsed(data)
        if found is not None:
            return (self._chunk(StreamChunk.of(event.event, found), data),)
        if event.event.strip() == "error":
            return (self._chunk(StreamChunk.of("error", {}), data),)
        # without empty lines between them, several events arrive as one
        lines = (_parsed(line.strip()) for line in data.split("\n"))
        objects = [each for each in lines if each is not None]
        if not objects:  # perhaps a heartbeat; the official SDK skips it, too
            log.warning(
                "An event of the stream of %s %s is not a JSON object and is skipped.",
                self._call.method,
                self._call.path,
            )
        names = (text_in(each, "type") or event.event for each in objects)
        return [
            self._chunk(StreamChunk.of(name, each), json.dumps(each))
            for name, each in zip(names, objects, strict=True)
        ]

    def _chunk(self, chunk: StreamChunk, data: str) -> StreamChunk | VectorshiftApiError:
        ended_badly = chunk.status in ENDED_BADLY
        if not (ended_badly or chunk.error or chunk.type == "error"):
            if chunk.type == "result":
                self.failure = None
            return chunk
        ended = f"The run has ended as {chunk.status}." if ended_badly else ""
        said = self._redact(chunk.error) or ended or error_sentence(self._redact(data))
        error = PipelineRunFailedError(self._redact(chunk.run_id), said)
        if not _is_of_a_part(chunk):
            return error
        self.failure = self.failure or error
        return chunk


class _LineReader:
    """Returns the lines of a stream as they arrive, without empty ones, as `run(stream=True)` of
    the official SDK does. The caller interprets them.
    """

    failure = None

    def read(self, line: str) -> tuple[bytes, ...]:
        return (line.encode(),) if line else ()


def _parsed(data: str) -> dict[str, Any] | None:
    try:
        found, end = _decode(data)
    except (ValueError, RecursionError):
        return None
    return as_object(found) if end == len(data) else None


def _is_of_a_part(chunk: StreamChunk) -> bool:
    """Return whether an event concerns a node or an output, not the run: a pipeline may go on after
    a node failed.
    """
    if chunk.type in ("result", "error"):
        return False
    return chunk.type == "stream" or any(name in chunk.raw for name in _OF_A_PART)


def _reader_of(
    stream: Stream | AsyncStream, call: Call, raw: bool
) -> Generator[Any, bytes | None, _ChunkReader | _LineReader | VectorshiftApiError]:
    """Return the reader of a stream, in steps for `drive` or `adrive`. If the answer is not a
    stream, because of an error or a server without streams, return the error to raise.
    """
    kind = stream.headers.get("content-type", "of no type")
    if kind.lower().startswith("text/event-stream"):
        return _LineReader() if raw else _ChunkReader(stream, call)
    body = b""
    while len(body) < _ENOUGH and (piece := (yield stream.piece())) is not None:
        body += piece
    text = stream.redact(body[:_ENOUGH].decode("utf-8", "replace"))
    note = f"The answer is not an event stream, but {kind}."
    return run_failure(
        VectorshiftApiError(
            stream.status_code, call.method, call.path, text, headers=stream.headers, note=note
        )
    )


def _valid(reader: _ChunkReader | _LineReader | VectorshiftApiError) -> Any:
    """Return the reader; raise the error here, where no frame has the body of the answer."""
    if isinstance(reader, VectorshiftApiError):
        raise reader
    return reader
