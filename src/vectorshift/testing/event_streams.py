"""Event streams as the stand-in API sends them: in pieces of any size, slowly, and with an end of
any kind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from starlette.types import Receive, Send

    from vectorshift.testing.organisations import Run

__all__ = ["Event", "EventStream", "StreamEnding", "events_of"]

Event = Mapping[str, Any] | str | bytes
"""An event: what its data says as JSON, or the text or bytes that are sent as they stand."""

StreamEnding = Literal["end", "break", "hang"]

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """An answer of type `text/event-stream`.

    Args:
        events: the events.
        piece: bytes in each piece; each event in a piece of its own if None.
        pause: seconds before each piece.
        types: where an event that is JSON has its type: in a line `event: ...`, in its data, or in
            both.
        then: what comes behind the events: a regular end, a connection that breaks, or one that
            stays open until the client closes it.
    """

    events: tuple[Event, ...]
    piece: int | None = None
    pause: float = 0.0
    types: Literal["line", "data", "both"] = "both"
    then: StreamEnding = "end"

    async def respond(self, receive: Receive, send: Send, hang_up: Callable[[], None]) -> None:
        """Answer one request. Ends at once when the client goes."""
        sending = asyncio.ensure_future(self._send(send, hang_up))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()

    async def _send(self, send: Send, hang_up: Callable[[], None]) -> None:
        await send(_HEAD)
        for piece in self._pieces():
            if self.pause > 0:
                await asyncio.sleep(self.pause)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self.then == "break":
            await asyncio.sleep(0.05)  # what was sent so far leaves the buffers first
            hang_up()
        if self.then == "end":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await asyncio.Event().wait()  # until the client has gone

    def _pieces(self) -> Iterator[bytes]:
        wires = (_wire(event, self.types) for event in self.events)
        if self.piece is None:
            yield from wires
            return
        whole = b"".join(wires)
        for start in range(0, len(whole), self.piece):
            yield whole[start : start + self.piece]


def _wire(event: Event, types: str) -> bytes:
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode()
    line = f"event: {event['type']}\n" if types != "data" and "type" in event else ""
    data = {name: value for name, value in event.items() if types != "line" or name != "type"}
    return f"{line}data: {json.dumps(data)}\n\n".encode()


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def events_of(run: Run, run_id: str) -> Iterable[Event]:
    """Return the events of a run: its outputs, texts word by word, and the result.

    Args:
        run: the run.
        run_id: the field that names it.
    """
    for name, value in run.outputs.items():
        words = value.split(" ") if isinstance(value, str) else [value]
        for number, word in enumerate(words):
            part = f" {word}" if number else word
            yield {"type": "stream", run_id: run.id, "output_name": name, "output_value": part}
    yield {"type": "result", run_id: run.id, "status": "completed", "outputs": dict(run.outputs)}
