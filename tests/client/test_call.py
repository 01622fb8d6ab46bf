"""What a call refuses before anything is sent, and how long it may wait."""

from __future__ import annotations

import contextlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.faults import FaultServer, StillClock, answer

from vectorshift import AsyncVectorShift, VectorShift, VectorshiftError
from vectorshift.client.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable[..., Any]:
    async def call(
        server: FaultServer, *args: Any, http: dict[str, Any] | None = None, **given: Any
    ) -> Any:
        made: dict[str, Any] = {
            "base_url": server.origin + "/v1",
            "clock": StillClock(),
            "max_retries": 0,
        }
        if request.param == "sync":
            mine = None if http is None else httpx.Client(**http)
            with VectorShift("k", http_client=mine, **made) as client, mine or client:
                return client.request(*args, **given)
        amine = None if http is None else httpx.AsyncClient(**http)
        async with AsyncVectorShift("k", http_client=amine, **made) as aclient, amine or aclient:
            return await aclient.request(*args, **given)

    return call


# --- The path ---


@pytest.mark.parametrize("path", ["/x?limit=1", "/x?", "/x#y", "/pipeline/a?b"])
async def test_a_query_or_a_fragment_in_the_path_is_refused_and_not_lost(
    send: Any, path: str
) -> None:
    with (
        FaultServer(answer()) as server,
        pytest.raises(ValueError, match=r"go into query=\. This is '/"),
    ):
        await send(server, "GET", path, query={"offset": 2})
    assert server.received == []


@pytest.mark.parametrize("path", ["/../admin", "/a/..", "/a/%2e%2E/b", "/./a", "/a/.%2e"])
async def test_a_path_that_goes_up_is_refused(send: Any, path: str) -> None:
    with (
        FaultServer(answer()) as server,
        pytest.raises(ValueError, match=r"must have no \. and no \.\. between"),
    ):
        await send(server, "GET", path)
    assert server.received == []


async def test_dots_that_are_part_of_a_name_are_sent(send: Any) -> None:
    with FaultServer(answer()) as server:
        for path in ("/a..b", "/...", "/a%2F..%2Fb", "/%252e%252e"):
            await send(server, "GET", path)
    assert [sent.path for sent in server.received] == [
        "/v1/a..b",
        "/v1/...",
        "/v1/a%2F..%2Fb",
        "/v1/%252e%252e",
    ]


# --- Headers that say what the body is ---

FRAMING: dict[str, dict[str, str]] = {
    "too long": {"Content-Length": "99"},
    "too short": {"content-length": "1"},
    "no number": {"Content-Length": "two"},
    "negative": {"Content-Length": "-1"},
    "twice": {"Content-Length": "2", "content-length": "3"},
    "chunked": {"Transfer-Encoding": "chunked"},
    "gzip": {"transfer-encoding": "gzip"},
}


@pytest.mark.parametrize("whose", ["call", "client"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", list(FRAMING.values()), ids=list(FRAMING))
async def test_a_header_that_contradicts_the_body_is_refused(
    send: Any, headers: dict[str, str], method: str, whose: str
) -> None:
    given: dict[str, Any] = (
        {"headers": headers} if whose == "call" else {"http": {"headers": headers}}
    )
    with FaultServer(answer()) as server, pytest.raises(TypeError, match="/x was not sent: "):
        await send(server, method, "/x", json={} if method == "POST" else None, **given)
    assert server.received == []


async def test_a_length_that_is_right_is_sent(send: Any) -> None:
    with FaultServer(answer()) as server:
        await send(server, "POST", "/x", json={}, headers={"Content-Length": "2"})
    assert server.received[0].headers["content-length"] == "2"


ODD: dict[str, dict[str, str]] = {
    "two hosts": {"Host": "a", "host": "b"},
    "an empty host": {"Host": ""},
    "a host with a space": {"Host": "a b"},
    "close": {"Connection": "close"},
    "upgrade": {"Connection": "Upgrade", "Upgrade": "websocket"},
    "an option that is none": {"Connection": ",;="},
    "expect": {"Expect": "100-continue"},
    "te": {"TE": "trailers", "Trailer": "X"},
    "an empty name": {"": "x"},
    "a name with a colon": {"a:b": "x"},
    "a name with a line feed": {"a\nb": "x"},
    "a value with a NUL": {"X": "\0"},
}


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "CONNECT", "TRACE", "A B", ""])
@pytest.mark.parametrize("headers", list(ODD.values()), ids=list(ODD))
async def test_whatever_headers_and_method_a_call_has_it_returns_or_raises_what_is_documented(
    send: Any, headers: dict[str, str], method: str
) -> None:
    with (
        FaultServer(answer(200, b"")) as server,
        contextlib.suppress(VectorshiftError, TypeError, ValueError),
    ):
        await send(
            server, method, "/x", json={"a": 1} if method == "POST" else None, headers=headers
        )


@pytest.mark.parametrize(
    "given",
    [{"method": None}, {"query": "a=b"}, {"form": ["a"]}, {"headers": {"X": None}}],
    ids=str,
)
async def test_an_argument_of_another_type_is_a_type_error(
    send: Any, given: dict[str, Any]
) -> None:
    with FaultServer(answer()) as server, pytest.raises(TypeError, match="/x was not sent"):
        await send(server, **{"method": "POST", "path": "/x", **given})


# --- How long ---


@pytest.mark.parametrize("seconds", [1e7, 1e10, 1e300, 10**400])
async def test_a_time_limit_beyond_what_a_system_call_takes_is_cut_off(
    send: Any, seconds: float
) -> None:
    with FaultServer(answer()) as server:
        assert await send(server, "GET", "/x", timeout=seconds) == {"status": "success"}
        assert await send(server, "GET", "/x", http={"timeout": min(seconds, 1e300)}) == {
            "status": "success"
        }


def test_a_call_has_no_switch_that_lets_a_post_repeat() -> None:
    assert not Call(method="post", path="/x").may_be_repeated
    with pytest.raises(TypeError):
        Call(method="POST", path="/x", repeatable=True)  # type: ignore[call-arg]


# --- What is no text of a request ---


@pytest.mark.parametrize("path", [None, 7, b"/x", PurePosixPath("/x")], ids=repr)
async def test_a_path_that_is_no_str_is_a_type_error(send: Any, path: Any) -> None:
    with (
        FaultServer(answer()) as server,
        pytest.raises(TypeError, match="The path of a call must be a str"),
    ):
        await send(server, "GET", path)
    assert server.received == []


@pytest.mark.parametrize("method", ["GÉT", "\ud800"], ids=ascii)
async def test_a_method_that_is_not_ascii_is_not_sent_and_shows_no_key(
    send: Any, method: str, shown: Callable[[BaseException], str]
) -> None:
    with (
        FaultServer(answer()) as server,
        pytest.raises(TypeError, match="a character that cannot") as caught,
    ):
        await send(server, method, "/x", headers={"Api-Key": "3f9c2e71"})
    assert "httpcore" not in shown(caught.value)
    assert server.received == []


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_a_path_that_begins_with_two_slashes_is_refused() -> None:
    with pytest.raises(ValueError, match="begin with one slash"):
        VectorShift(A).request("GET", "//elsewhere/x")
