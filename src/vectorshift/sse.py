"""Server-sent events out of bytes, as the WHATWG describes them (html.spec.whatwg.org, section 9.2). No I/O."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EventDecoder", "ServerSentEvent"]

_BOM = b"\xef\xbb\xbf"
_LONGEST_NUMBER = 18  # digits; more are no time that anyone would wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event of a stream.

    Args:
        event: its type; `message` where the server names none.
        data: the lines of its data, joined with a line feed.
        id: the last id that the stream has named so far, or an empty string.
        retry: milliseconds to wait before a reconnection, as the server asked since the event before, or None.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None


class EventDecoder:
    """Turn the bytes of an event stream into events, however they are cut into pieces.

    The work is linear in the bytes, whatever the size of an event or of a piece. A line ends with a carriage return,
    a line feed, or both, and with nothing else; an event is given as soon as the empty line behind it has begun to
    arrive. Bytes that are no UTF-8 become U+FFFD. One decoder reads one stream; it is not thread-safe.
    """

    def __init__(self) -> None:
        self._line = bytearray()  # the beginning of a line whose end has not arrived
        self._at_start = True
        self._after_return = False  # a line feed that comes next belongs to it
        self._event = ""
        self._data: list[str] = []
        self._id = ""
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Read a piece of the stream and return the events that it completes, in their order."""
        if self._after_return and chunk:
            self._after_return = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        self._after_return = chunk.endswith(b"\r")
        lines = chunk.splitlines()  # of bytes: at \r\n, \r and \n alone
        rest = b"" if chunk.endswith((b"\r", b"\n")) else lines.pop()
        events: list[ServerSentEvent] = []
        for line in lines:
            event = self._take(self._completed(line))
            if event is not None:
                events.append(event)
        self._line += rest
        return events

    def end(self) -> list[ServerSentEvent]:
        """Forget what the end of the stream cut off, and return nothing.

        The specification drops an event without the empty line behind it, as nothing tells whether it is whole.
        """
        self._line, self._data, self._event = bytearray(), [], ""
        return []

    def _completed(self, end: bytes) -> bytes | bytearray:
        line: bytes | bytearray = end
        if self._line:
            self._line += end
            line, self._line = self._line, bytearray()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _take(self, line: bytes | bytearray) -> ServerSentEvent | None:
        """Read one line; return the event if the line is the empty one behind it."""
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace") if name else ""
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        elif name == b"id" and "\0" not in text:
            self._id = text
        elif name == b"retry" and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
            self._retry = int(text)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event, self._event = self._event, ""
        data, self._data = self._data, []
        if not data:
            return None
        retry, self._retry = self._retry, None
        return ServerSentEvent(event=event or "message", data="\n".join(data), id=self._id, retry=retry)
