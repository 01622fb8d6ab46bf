"""The event decoder: what the WHATWG's text says, and that how the bytes are cut changes
nothing.
"""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given, strategies as st

from vectorshift._platform.sse import EventDecoder, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def decoded(pieces: Iterable[bytes]) -> list[ServerSentEvent]:
    decoder = EventDecoder()
    return [*(event for piece in pieces for event in decoder.feed(piece)), *decoder.end()]


def cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def by_the_text(raw: bytes) -> list[ServerSentEvent]:
    """The specification's steps over the whole text at once: slow, plain, and written from its
    sentences. But the end of the text ends an event, too.
    """
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [*re.split(r"\r\n|\r|\n", text), ""]
    events: list[ServerSentEvent] = []
    kind, data, id, retry = "", "", "", None
    for line in lines:
        name, colon, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if line == "":
            if data:
                events.append(
                    ServerSentEvent(event=kind or "message", data=data[:-1], id=id, retry=retry)
                )
                retry = None
            kind = data = ""
        elif colon and not name:
            pass
        elif name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            id = value
        elif name == "retry" and re.fullmatch(r"[0-9]{1,18}", value):
            retry = int(value)
    return events


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: one\n\n", [("message", "one", "")]),
        (b"data:one\n\ndata:  two\n\n", [("message", "one", ""), ("message", " two", "")]),
        (b"data: a\ndata: b\ndata\n\n", [("message", "a\nb\n", "")]),
        (b"data\n\n", [("message", "", "")]),
        (b"event: result\ndata: x\n\ndata: y\n\n", [("result", "x", ""), ("message", "y", "")]),
        (
            b"id: 7\ndata: x\n\ndata: y\n\nid\ndata: z\n\n",
            [("message", "x", "7"), ("message", "y", "7"), ("message", "z", "")],
        ),
        (b"id: a\0b\ndata: x\n\n", [("message", "x", "")]),
        (b": ping\n\ndata: x\n:in the midst\n\n", [("message", "x", "")]),
        (b"event: nothing\n\nid: 1\n\ndata: x\n\n", [("message", "x", "1")]),
        (b"Data: x\n data: y\ndatum: z\n\n", []),
        (b"data: no line end", [("message", "no line end", "")]),
        (b"\xef\xbb\xbfdata: no line end", [("message", "no line end", "")]),
        (b"data: no empty line behind it\n", [("message", "no empty line behind it", "")]),
        (b"event: x\ndata: a\r\ndata: b\r", [("x", "a\nb", "")]),
        (b"data: x\n\nevent: nothing", [("message", "x", "")]),
        (b"\xef\xbb\xbfdata: x\n\n", [("message", "x", "")]),
        (b"data: \xef\xbb\xbfx\n\n", [("message", "\ufeffx", "")]),
        (b"data: a\r\ndata: b\r\n\r\n", [("message", "a\nb", "")]),
        (b"data: a\rdata: b\r\r", [("message", "a\nb", "")]),
        (b"data: a\r\n\rdata: b\n\r\n", [("message", "a", ""), ("message", "b", "")]),
        (
            "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n\n".encode(),
            [("message", "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg", "")],
        ),
        (b"data: \xff\xe2\x82\n\n", [("message", "\ufffd\ufffd", "")]),
        (b"", []),
        (b"\n\r\n\r", []),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_read_as_the_specification_says(
    raw: bytes, expected: list[tuple[str, str, str]], size: int
) -> None:
    found = decoded(cut(raw, size))
    assert [(event.event, event.data, event.id) for event in found] == expected
    assert found == by_the_text(raw)


@pytest.mark.parametrize(
    ("line", "retry"),
    [
        ("retry: 1500", 1500),
        ("retry:0", 0),
        ("retry: +5", None),
        ("retry: 1.5", None),
        ("retry: ٣", None),
        ("retry", None),
    ],
)
def test_a_reconnection_time_is_digits_and_nothing_else(line: str, retry: int | None) -> None:
    first, second = decoded([f"{line}\ndata: x\n\ndata: y\n\n".encode()])
    assert (first.retry, second.retry) == (retry, None)


def test_a_reconnection_time_of_ten_thousand_digits_is_no_number() -> None:
    (event,) = decoded([b"retry: " + b"9" * 10_000 + b"\ndata: x\n\n"])
    assert event.retry is None


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
def test_an_event_is_given_as_soon_as_its_empty_line_begins(ending: bytes) -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: x" + ending) == []
    assert len(decoder.feed(ending[:1])) == 1
    assert decoder.feed(ending[1:]) == []


_fields = [
    b"data",
    b"event",
    b"id",
    b"retry",
    b":",
    b": ",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"1",
    b"x",
]
_oddities = [b"\xef\xbb\xbf", b"\0", "\u2028".encode(), "ä€😀".encode(), "😀".encode()[:2]]
_pieces_of_streams = st.sampled_from([*_fields, *_oddities])
_streams = st.lists(_pieces_of_streams | st.binary(max_size=4), max_size=40).map(b"".join)


@given(raw=_streams, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_how_a_stream_is_cut_changes_nothing(raw: bytes, cuts: list[int]) -> None:
    at = sorted({0, len(raw), *(min(each, len(raw)) for each in cuts)})
    pieces = [raw[start:end] for start, end in itertools.pairwise(at)]
    assert decoded(pieces) == decoded([raw]) == by_the_text(raw)


@given(data=st.text().filter(lambda text: "\r" not in text), size=st.integers(1, 9))
def test_any_text_survives_in_any_pieces(data: str, size: int) -> None:
    data = data.encode("utf-8", "replace").decode()  # half characters cannot be sent
    raw = "".join(f"data: {line}\n" for line in data.split("\n")).encode() + b"\n"
    (event,) = decoded(cut(raw, size))
    assert event.data == data


def timed(work: Callable[[list[bytes]], T], pieces: list[bytes]) -> tuple[float, T]:
    """Return the least processor time of two runs, in seconds, and what came of them."""
    spent: list[float] = []
    for _ in range(2):
        began = time.process_time()
        done = work(pieces)
        spent.append(time.process_time() - began)
    return min(spent), done


def only_joined(pieces: list[bytes]) -> bytes:
    """Do with pieces the least that a decoder has to do."""
    joined = bytearray()
    for piece in pieces:
        joined += piece
    return bytes(joined)


def only_parted(pieces: list[bytes]) -> str:
    """Do with lines the least that a decoder has to do."""
    return "\n".join(line.partition(b":")[2].decode() for line in only_joined(pieces).splitlines())


# Both sides touch the same memory at the same moment, so that a machine under load is as slow for
# the one as for the other. Linear work takes 1 to 4 times what the least takes, and quadratic work
# hundreds of times.
LINEAR = 20


def test_the_work_for_an_event_of_8_megabytes_is_linear() -> None:
    pieces = cut(b"data: " + b"x" * 8_000_000 + b"\n\n", 1024)
    spent, (event,) = timed(decoded, pieces)
    assert len(event.data) == 8_000_000
    assert spent < LINEAR * timed(only_joined, pieces)[0]


def test_the_work_for_an_event_of_100_000_lines_is_linear() -> None:
    pieces = cut(b"data: x\n" * 100_000 + b"\n", 1024)
    spent, (event,) = timed(decoded, pieces)
    assert event.data.count("\n") == 99_999
    assert spent < LINEAR * timed(only_parted, pieces)[0]
