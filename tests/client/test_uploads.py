"""Files that are sent along: whole, the same in each attempt, and read without blocking an event
loop.
"""

from __future__ import annotations

import gzip
import io
import mimetypes
from email import message_from_bytes
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

import pytest
from tests.call_styles import CallStyle
from tests.fakes import Received, Rotating
from tests.faults import FaultServer, StillClock, answer

from vectorshift import AsyncVectorShift, VectorshiftError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


def parts(request: Received) -> dict[str, tuple[str | None, str, bytes]]:
    """Return the fields of a form, each with its file's name, its media type and its bytes."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename(),
            part.get_content_type(),
            bytes(part.get_payload(decode=True)),
        )
        for part in message_from_bytes(head + request.body, policy=HTTP).iter_parts()
    }


@pytest.fixture
def send(style: CallStyle) -> Callable[..., Any]:
    async def call(server: FaultServer, credentials: Any = "k", **given: Any) -> Any:
        async with style.open(credentials, base_url=server.origin, clock=StillClock()) as client:
            return await style.request(client, "POST", "/x", **given)

    return call


async def test_paths_bytes_and_open_files_are_sent_with_their_names(
    send: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"from a path")
    (tmp_path / "b.pdf").write_bytes(b"skipped, from an open file")
    with FaultServer(answer()) as server, (tmp_path / "b.pdf").open("rb") as opened:
        opened.read(9)
        files = {
            "path": tmp_path / "a.txt",
            "bytes": b"from bytes",
            "opened": opened,
            "memory": ("m.bin", io.BytesIO(b"from memory"), "application/x-mine"),
            "named": ("ä.txt", b"named"),
        }
        await send(server, files=files, form={"inputs": '{"a": 1}', "yes": True, "none": None})
        assert not opened.closed
    assert parts(server.received[0]) == {
        "inputs": (None, "text/plain", b'{"a": 1}'),
        "yes": (None, "text/plain", b"true"),
        "path": ("a.txt", "text/plain", b"from a path"),
        "bytes": ("bytes", "application/octet-stream", b"from bytes"),
        "opened": ("b.pdf", "application/pdf", b"from an open file"),
        "memory": ("m.bin", "application/x-mine", b"from memory"),
        "named": ("ä.txt", "text/plain", b"named"),
    }


async def test_an_open_file_without_a_name_has_that_of_its_field(send: Any) -> None:
    with FaultServer(answer()) as server:
        unnamed = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"hi")))
        await send(
            server, files={"f": unnamed, "g": bytearray(b"a"), "h": ("h.txt", memoryview(b"b"))}
        )
    assert parts(server.received[0]) == {
        "f": ("f", "application/octet-stream", b"hi"),
        "g": ("g", "application/octet-stream", b"a"),
        "h": ("h.txt", "text/plain", b"b"),
    }


async def test_one_open_file_in_two_fields_is_whole_in_both(send: Any) -> None:
    file = io.BytesIO(b"all of it")
    with FaultServer(answer()) as server:
        await send(server, files={"f": file, "g": ("g.txt", file)})
    assert [content for _, _, content in parts(server.received[0]).values()] == [b"all of it"] * 2


async def test_one_field_may_have_several_files(send: Any) -> None:
    with FaultServer(answer()) as server:
        await send(server, files=[("f", ("a", b"1")), ("f", ("b", b"2"))])
    assert server.received[0].body.count(b'name="f"') == 2


async def test_a_form_without_files_is_a_form(send: Any) -> None:
    with FaultServer(answer()) as server:
        await send(server, form={"a": "ä b", "none": None})
    (got,) = server.received
    assert (got.headers["content-type"], got.body) == (
        "application/x-www-form-urlencoded",
        b"a=%C3%A4+b",
    )


class Once(io.RawIOBase):
    """A file that can be read once and not be wound back, as a pipe."""

    def __init__(self) -> None:
        self._left = [b"all of it"]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._left.pop() if self._left else b""


async def test_each_attempt_sends_the_same_bytes(send: Any) -> None:
    """After a 429, and after a 401 with a newer key: no attempt sends the empty rest of a file."""
    faults = [answer(429, b"{}"), answer(401, b"{}"), answer()]
    with FaultServer(*faults) as server:
        await send(server, Rotating("k1", "k1", "k2"), files={"f": Once()})
    assert [parts(got)["f"][2] for got in server.received] == [b"all of it"] * 3
    assert [got.authorization for got in server.received] == ["Bearer k1", "Bearer k1", "Bearer k2"]


def _closed(folder: Path) -> Any:
    with (folder / "closed").open("wb+") as file:
        return file


class Broken:
    def __init__(self, said: str = "The disk is gone.") -> None:
        self.said = said

    def read(self) -> bytes:
        raise RuntimeError(*filter(None, [self.said]))


UNREADABLE: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "missing": (
        lambda folder: folder / "nobody",
        VectorshiftError,
        "'f', .*nobody, cannot be read: no such file",
    ),
    "a folder": (lambda folder: folder, VectorshiftError, "cannot be read: is a directory"),
    "closed": (_closed, VectorshiftError, "'f' cannot be read: .* closed file"),
    "text": (lambda _: io.StringIO("text"), TypeError, "Open it with mode 'rb'"),
    "cut off": (
        lambda _: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"a" * 99)[:-6])),
        VectorshiftError,
        "end-of-stream",
    ),
    "no gzip": (
        lambda _: gzip.GzipFile(fileobj=io.BytesIO(b"a" * 99)),
        VectorshiftError,
        "'f' cannot be read: not a gzipped file",
    ),
    "broken": (lambda _: Broken(), VectorshiftError, "'f' cannot be read: the disk is gone"),
    "broken in silence": (
        lambda _: Broken(""),
        VectorshiftError,
        "'f' cannot be read: runtimeerror",
    ),
    "a string": (
        lambda _: "a.txt",
        TypeError,
        "should be a Path, bytes or an open binary file, not str",
    ),
}


@pytest.mark.parametrize("what", list(UNREADABLE))
async def test_a_file_that_cannot_be_read_says_so_before_anything_is_sent(
    send: Any, tmp_path: Path, what: str
) -> None:
    make, kind, text = UNREADABLE[what]
    with FaultServer(answer()) as server, pytest.raises(kind, match=text) as caught:
        await send(server, files={"f": make(tmp_path)})
    assert server.received == []
    assert caught.value.__context__ is None


OUT_OF_PLACE: dict[str, Any] = {
    "a media type with a line break": {"f": ("a", b"x", "text/plain\r\nX-Injected: 1")},
    "a media type with a line feed at its end": {"f": ("a", b"x", "text/plain\n")},
    "a media type in a parameter": {"f": ("a", b"x", "text/plain; charset=utf-8\r\n\r\n")},
    "a media type that is a number": {"f": ("a", b"x", 5)},
    "a media type that is none": {"f": ("a", b"x", None)},
    "a media type without its half": {"f": ("a", b"x", "text")},
    "a name that is none": {"f": (None, b"x")},
    "a name that is empty": {"f": ("", b"x")},
    "a field that is empty": {"": b"x"},
    "a name of bytes": {"f": (b"a", b"x")},
    "a field that is a number": {5: b"x"},
    "one part": {"f": (b"x",)},
    "four parts": {"f": ("a", b"x", "text/plain", {"X": "1"})},
    "a text": "abc",
    "a list of files": [b"x"],
}


@pytest.mark.parametrize("what", list(OUT_OF_PLACE))
async def test_what_would_end_up_elsewhere_in_the_form_is_a_type_error(
    send: Any, what: str
) -> None:
    with FaultServer(answer()) as server, pytest.raises(TypeError):
        await send(server, files=OUT_OF_PLACE[what])
    assert server.received == []


@pytest.mark.parametrize("name", ['a"b', "a\r\nX: 1", "a\n\n", "a; filename=b", "a\\"])
async def test_a_name_stays_in_its_place_whatever_it_holds(send: Any, name: str) -> None:
    with FaultServer(answer()) as server:
        await send(
            server, files={name: (name, b"x", "text/plain; charset=utf-8")}, form={name: "1"}
        )
    head = server.received[0].body.split(b"\r\n")
    assert [
        line for line in head if b":" in line and not line.lower().startswith(b"content-")
    ] == []
    assert head.count(b"") == 3  # one below the head of each part, and one at the end


async def test_a_call_has_one_body(send: Any) -> None:
    given: dict[str, Any]
    for given in ({"json": {}, "form": {}}, {"json": {}, "files": {}}):
        with FaultServer(answer()) as server, pytest.raises(ValueError, match="one body"):
            await send(server, **given)
        assert server.received == []


@pytest.mark.parametrize("from_disk", [True, False], ids=["path", "bytes"])
async def test_reading_a_file_does_not_block_an_event_loop(
    from_disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blockbuster import blockbuster_ctx

    monkeypatch.setattr(mimetypes, "inited", False)  # as in a process that has sent no file yet
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    sent = tmp_path / "a" if from_disk else b"a" * 1_000_000
    with FaultServer(answer()) as server:
        async with AsyncVectorShift("k", base_url=server.origin) as client:
            await client.request("GET", "/x")  # imports are done
            with blockbuster_ctx():
                await client.request("POST", "/x", files={"f": sent})
    assert len(parts(server.received[1])["f"][2]) == 1_000_000
