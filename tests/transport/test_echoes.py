"""A server that echoes the key: in what httpx and httpcore log of its answers, and whatever the key
is.
"""

from __future__ import annotations

import html
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from tests.call_styles import CallStyle
from tests.fakes import Rotating
from tests.faults import FaultServer, StillClock, answer

from vectorshift import BadRequestError, Secret, VectorShift, VectorshiftError

if TYPE_CHECKING:
    import socket
    import threading

pytestmark = pytest.mark.anyio

KEY = "vs-3f9c2e71d8'b"


@pytest.fixture(autouse=True)
def _every_logger_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    names = [f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")]
    for name in ("httpx", *names, "hpack.hpack", "hpack.table"):
        caplog.set_level(logging.DEBUG, logger=name)


def echo(status: int, *, raw: bytes = b"") -> Any:
    """Answer with the key in the reason, in a header and in the body; or with what is given."""

    def fault(connection: socket.socket, _: threading.Event) -> None:
        head = f"HTTP/1.1 {status} {KEY}\r\nX-Echo: Bearer {KEY}\r\nContent-Length: 2\r\n\r\n{{}}"
        connection.sendall(raw or head.encode())
        if raw:
            connection.close()

    return fault


async def use(
    style: CallStyle,
    server: FaultServer,
    credentials: Any = KEY,
    path: str = "/x",
    styles: tuple[bool, ...] = (False, True),
    **given: Any,
) -> None:
    """Make a call, and stream another one."""
    made: dict[str, Any] = {
        "base_url": server.origin,
        "clock": StillClock(),
        "max_retries": 0,
        **given,
    }
    for streamed in styles:
        try:
            async with style.open(credentials, **made) as client:
                if not streamed:
                    await style.request(client, "GET", path)
                    continue
                async with style.stream(client, "GET", path) as stream:
                    await style.all(style.iterator(stream, "iter_bytes"))
        except VectorshiftError:
            pass


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_a_key_in_a_status_line_or_a_header_is_not_logged(
    style: CallStyle, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(echo(status)) as server:
        await use(style, server)
        await use(style, server, path="/integrations-go/x")
    said = logged(caplog)
    assert "3f9c2e71d8" not in said
    for line in (
        f'HTTP/1.1 {status} {Secret(KEY).fingerprint}"',
        f"Bearer {Secret(KEY).fingerprint}",
    ):
        assert said.count(line) >= 4
    assert "receive_response_headers.complete" in said


async def test_neither_of_two_keys_is_logged(
    style: CallStyle, caplog: pytest.LogCaptureFixture
) -> None:
    for streamed in (False, True):
        with FaultServer(echo(401)) as server:
            await use(style, server, Rotating(KEY, "vs-another"), styles=(streamed,))
        assert len(server.received) == 2
    assert "3f9c2e71d8" not in logged(caplog)


@pytest.mark.parametrize(
    "raw",
    [
        f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n",
        f"{KEY}\r\n\r\n",
    ],
    ids=["a header", "a chunk", "a status line"],
)
async def test_a_key_that_breaks_the_protocol_is_not_logged(
    style: CallStyle, raw: str, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(echo(200, raw=raw.encode())) as server:
        await use(style, server)
    assert "failed exception=" in logged(caplog)
    assert "3f9c2e71d8" not in logged(caplog)


async def test_what_the_coder_of_http_2_tells_of_our_headers_is_not_logged(
    style: CallStyle, caplog: pytest.LogCaptureFixture
) -> None:
    """The httpx client tells what that library would."""

    def tell(request: httpx.Request) -> None:
        logging.getLogger("hpack.hpack").debug(
            "Adding %s", request.headers["Authorization"].encode()
        )
        logging.getLogger("hpack.table").debug(
            "Adding %s", request.headers["Authorization"].encode()
        )
        logging.getLogger("hpack.hpack").warning("odd")

    async def atell(request: httpx.Request) -> None:
        tell(request)

    with FaultServer(answer()) as server, httpx.Client(event_hooks={"request": [tell]}) as http:
        async with httpx.AsyncClient(event_hooks={"request": [atell]}) as ahttp:
            await use(style, server, http_client=ahttp if style.prefix else http)
    assert "3f9c2e71d8" not in logged(caplog)
    assert [record.getMessage() for record in caplog.records if record.name == "hpack.hpack"] == [
        "odd",
        "odd",
    ]


async def test_what_others_log_is_left_as_it_is(
    style: CallStyle, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(echo(200)) as server:
        await use(style, server)
        caplog.clear()
        with httpx.Client() as http:
            http.get(server.origin)
        logging.getLogger("hpack.hpack").debug("Adding %s", "a header")
    assert f"HTTP/1.1 200 {KEY}" in logged(caplog)
    assert [record.args for record in caplog.records if record.name == "hpack.hpack"] == [
        ("a header",)
    ]


async def test_a_line_without_a_key_keeps_its_arguments(
    style: CallStyle, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(answer()) as server:
        await use(style, server)
    line, _ = [record for record in caplog.records if record.name == "httpx"]
    assert isinstance(line.args, tuple)
    assert line.args[0] == "GET"


# --- Keys in errors ---


def test_an_error_of_a_short_key_can_be_read() -> None:
    with (
        FaultServer(answer(400, b'{"error": "a broken table"}')) as server,
        VectorShift("a", base_url=server.origin) as client,
        pytest.raises(BadRequestError) as caught,
    ):
        client.request("GET", "/x")
    assert caught.value.error_message == "a broken table".replace("a", Secret("a").fingerprint)


def test_a_key_that_the_api_escapes_is_in_no_error() -> None:
    key = "vs-a+b&c"
    body = b'{"error": "no such key: vs-a\\u002Bb\\u0026c"}'
    with (
        FaultServer(answer(400, body)) as server,
        VectorShift(key, base_url=server.origin) as client,
        pytest.raises(BadRequestError) as caught,
    ):
        client.request("GET", "/x")
    assert caught.value.error_message == f"no such key: {Secret(key).fingerprint}"
    assert "u002B" not in caught.value.raw_response


@pytest.mark.parametrize("echoed", [KEY, json.dumps(KEY), quote(KEY), html.escape(KEY)])
@pytest.mark.parametrize("kept", [5, 14])
def test_a_part_of_an_echoed_key_at_the_end_of_a_body_that_is_cut_is_not_shown(
    echoed: str, kept: int
) -> None:
    body = b"a" * (2**20 - kept) + echoed.encode() + b"b" * 9
    with (
        FaultServer(answer(400, body)) as server,
        VectorShift(KEY, base_url=server.origin, max_retries=0) as client,
        pytest.raises(BadRequestError) as caught,
    ):
        client.request("GET", "/x")
    assert caught.value.raw_response.strip('"') == "a" * (2**20 - kept)
