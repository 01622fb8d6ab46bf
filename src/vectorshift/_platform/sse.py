"""Decode bytes into lines and server-sent events, by the WHATWG standard (html.spec.whatwg.org,
section 9.2). No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EventDecoder", "LineDecoder", "ServerSentEvent", "TooLongError"]

_BOM = b"\xef\xbb\xbf"
_LONGEST = 16 * 2**20
_LONGEST_NUMBER = 18  # digits; nobody would wait longer


class TooLongError(ValueError):
    """A line or an event is too long."""


def _check(size: int, what: str) -> None:
    if size > _LONGEST:
        raise TooLongError(f"has {what} of more than {_LONGEST >> 20} MiB.")


@dataclass(slots=True, kw_only=True)  # frozen would cost a fifth of the time of a stream
class ServerSentEvent:
    """One event of a stream.

    Args:
        event: its type; `message` if the server names none.
        data: the lines of its data, joined with a line feed.
        id: the last id in the stream so far, or an empty string.
        retry: milliseconds to wait before a reconnection, if the server sent them since the
            previous event, or None.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None


class _Lines:
    """Splits bytes into lines. Lines end only with a carriage return, a line feed, or both.

    The work is linear in the bytes, whatever the size of a line or a piece. A line is returned as
    soon as the first byte of its end arrives.
    """

    def __init__(self) -> None:
        self._begun = bytearray()  # the beginning of an incomplete line
        self._after_return = False  # if a line feed is next, it belongs to the return

    def feed(self, chunk: bytes) -> list[bytes]:
        """Decode a piece and return the lines that it completes, without their ends."""
        if self._after_return and chunk:
            self._after_return = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        self._after_return = chunk.endswith(b"\r")
        lines = chunk.splitlines()  # bytes split only at \r\n, \r and \n
        rest = b"" if chunk.endswith((b"\r", b"\n")) else lines.pop()
        if lines and self._begun:
            self._begun += lines[0]
            lines[0] = self.end()
        self._begun += rest
        _check(len(self._begun), "a line")
        return lines

    def end(self) -> bytes:
        """Return the beginning of an incomplete line, and forget it."""
        begun, self._begun = self._begun, bytearray()
        return bytes(begun)


class LineDecoder:
    """Decodes pieces of bytes into lines of text. Bytes that are not UTF-8 become U+FFFD."""

    def __init__(self) -> None:
        self._lines = _Lines()

    def feed(self, chunk: bytes) -> list[str]:
        """Read a piece and return the lines that it completes."""
        return [line.decode("utf-8", "replace") for line in self._lines.feed(chunk)]

    def end(self) -> list[str]:
        """Return the last line, if nothing ended it."""
        last = self._lines.end()
        return [last.decode("utf-8", "replace")] if last else []


class EventDecoder:
    """Decodes pieces of an event stream into events.

    The work is linear in the bytes, whatever the size of an event or a piece. An event is returned
    when the first byte of the empty line after it arrives. If that line is missing, a second line
    `event:` ends it. Bytes that are not UTF-8 become U+FFFD. A decoder is for one stream, and not
    thread-safe.
    """

    def __init__(self) -> None:
        self._lines = _Lines()
        self._at_start = True
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id = ""
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Decode a piece and return the events that it completes, in their order."""
        lines = self._lines.feed(chunk)
        if lines and self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        return [event for event in map(self._take, lines) if event is not None]

    def end(self) -> list[ServerSentEvent]:
        """Return the last event, if no empty line ended it.

        Browsers drop it, as it may be incomplete. Here, a stream that was cut off has already
        raised an error, and the last event may say that a run failed.
        """
        rest = self._lines.end()
        rest = rest.removeprefix(_BOM) if self._at_start else rest
        events = [self._take(rest) if rest else None, self._dispatch()]
        return [event for event in events if event is not None]

    def _take(self, line: bytes) -> ServerSentEvent | None:
        """Decode one line; return the event that it ends, or None."""
        if not line:
            return self._dispatch()
        if line.startswith(b"data:") or line == b"data":  # most lines are
            text = line[6 if line[5:6] == b" " else 5 :].decode("utf-8", "replace")
            self._data.append(text)
            self._size += len(text) + 1
            if self._size > _LONGEST:
                _check(self._size, "an event")
            return None
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace") if name else ""
        if name == b"event":
            due = self._dispatch() if self._event and self._data else None
            self._event = text
            return due
        if name == b"id" and "\0" not in text:
            self._id = text
        elif (
            name == b"retry" and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
        ):
            self._retry = int(text)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event, self._event = self._event, ""
        data, self._data, self._size = self._data, [], 0
        if not data:
            return None
        retry, self._retry = self._retry, None
        return ServerSentEvent(
            event=event or "message", data="\n".join(data), id=self._id, retry=retry
        )
