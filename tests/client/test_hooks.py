"""An httpx client of the user's whose hooks read answers, or raise for them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.call_styles import CallStyle
from tests.fakes import Rotating
from tests.faults import FaultServer, StillClock, answer, cut

import vectorshift
from vectorshift import AsyncVectorShift, VectorShift, errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio

KEY = "vs-3f9c2e71d8"


def raising(response: httpx.Response) -> None:
    response.raise_for_status()


def reading(response: httpx.Response) -> None:
    response.read()


def both(response: httpx.Response) -> None:
    response.read()
    response.raise_for_status()


def _elsewhere(response: httpx.Response) -> None:
    request = httpx.Request(
        "GET", "http://127.0.0.1/token", headers={"Authorization": f"Bearer {KEY}"}
    )
    httpx.Response(404, request=request).raise_for_status()


async def call(
    style: CallStyle, server: FaultServer, hook: Any, method: str = "GET", **given: Any
) -> Any:
    made: dict[str, Any] = {"base_url": server.origin, "clock": StillClock()}
    if not style.prefix:
        with httpx.Client(event_hooks={"response": [hook]}, **given) as http:
            return VectorShift(KEY, http_client=http, **made).request(method, "/x")

    async def ahook(response: httpx.Response) -> None:
        if hook in (reading, both):
            await response.aread()
        if hook is not reading:
            (raising if hook is both else hook)(response)

    async with httpx.AsyncClient(event_hooks={"response": [ahook]}, **given) as ahttp:
        return await AsyncVectorShift(KEY, http_client=ahttp, **made).request(method, "/x")


async def test_a_hook_that_raises_for_a_status_leaves_the_judgement_here(
    style: CallStyle, shown: Callable[..., str]
) -> None:
    with (
        FaultServer(answer(404, b'{"error": "gone"}', X_Request_Id="r-1")) as server,
        pytest.raises(errors.NotFoundError) as caught,
    ):
        await call(style, server, raising)
    error = caught.value
    assert len(server.received) == 1
    assert (error.error_message, error.request_id, error.__cause__) == ("", "r-1", None)
    assert "Its body was not read: a hook of the httpx client raised first." in str(error)
    assert KEY not in shown(error)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.usefixtures("forgotten")
async def test_after_a_401_for_which_a_hook_raised_the_next_call_has_the_new_key(
    style: CallStyle, own: bool
) -> None:
    """The auth does not see such an answer, and the key was used until it was due to be read."""
    store = Rotating(KEY, "vs-new", remote=True)
    key: dict[str, Any] = {"credentials": store} if own else {}
    if not own:
        vectorshift.configure(credentials=store)
    with FaultServer(answer(401), answer(200, b"{}")) as server:
        made: dict[str, Any] = {"base_url": server.origin, "clock": StillClock(), **key}
        if not style.prefix:
            with httpx.Client(event_hooks={"response": [raising]}) as http:
                client = VectorShift(http_client=http, **made)
                with pytest.raises(errors.AuthenticationError):
                    client.request("GET", "/x")
                client.request("GET", "/x")
        else:

            async def ahook(response: httpx.Response) -> None:
                raising(response)

            async with httpx.AsyncClient(event_hooks={"response": [ahook]}) as ahttp:
                aclient = AsyncVectorShift(http_client=ahttp, **made)
                with pytest.raises(errors.AuthenticationError):
                    await aclient.request("GET", "/x")
                await aclient.request("GET", "/x")
    sent = [each.headers["authorization"] for each in server.received]
    assert sent == [f"Bearer {KEY}", "Bearer vs-new"]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("hook", [both, reading])
async def test_a_body_that_a_hook_has_read_is_in_the_error(
    style: CallStyle, hook: Any, encoding: str
) -> None:
    body = json.dumps({"error": "gone"}).encode()
    sent = gzip.compress(body) if encoding == "gzip" else body
    with (
        FaultServer(answer(404, sent, Content_Encoding=encoding)) as server,
        pytest.raises(errors.NotFoundError) as caught,
    ):
        await call(style, server, hook)
    assert caught.value.error_message == "gone"
    assert len(server.received) == 1


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_success_that_a_hook_has_read_is_returned_and_streamed(
    style: CallStyle, encoding: str
) -> None:
    body = b'{"a": 1}'
    sent = gzip.compress(body) if encoding == "gzip" else body
    with FaultServer(answer(200, sent, Content_Encoding=encoding)) as server:
        assert await call(style, server, reading) == {"a": 1}
        assert b"".join([piece async for piece in _streamed(style, server)]) == body


async def _streamed(style: CallStyle, server: FaultServer) -> AsyncIterator[bytes]:
    if not style.prefix:
        with httpx.Client(event_hooks={"response": [reading]}) as http:
            client = VectorShift(KEY, http_client=http, base_url=server.origin)
            with client.stream("GET", "/x") as stream:
                for piece in stream.iter_bytes():
                    yield piece
        return

    async def hook(response: httpx.Response) -> None:
        await response.aread()

    async with httpx.AsyncClient(event_hooks={"response": [hook]}) as ahttp:
        aclient = AsyncVectorShift(KEY, http_client=ahttp, base_url=server.origin)
        async with aclient.stream("GET", "/x") as astream:
            async for piece in astream.aiter_bytes():
                yield piece


async def test_what_a_hook_raises_for_is_sent_again_by_the_rules_of_its_status(
    style: CallStyle,
) -> None:
    rows: list[tuple[str, int, int, type[errors.VectorshiftError]]] = [
        ("GET", 503, 3, errors.InternalServerError),
        ("POST", 503, 1, errors.InternalServerError),
        ("POST", 429, 3, errors.RateLimitError),
        ("GET", 401, 1, errors.AuthenticationError),
    ]
    for method, status, times, kind in rows:
        with FaultServer(answer(status, b"{}")) as server, pytest.raises(kind):
            await call(style, server, raising, method)
        assert len(server.received) == times


async def test_a_post_that_a_redirect_led_to_a_429_is_not_sent_again(style: CallStyle) -> None:
    with (
        FaultServer(answer(303, b"", Location="/there"), answer(429, b"{}")) as server,
        pytest.raises(errors.RateLimitError),
    ):
        await call(
            style,
            server,
            lambda r: None if r.is_redirect else raising(r),
            "POST",
            follow_redirects=True,
        )
    assert [(sent.method, sent.path) for sent in server.received] == [
        ("POST", "/x"),
        ("GET", "/there"),
    ]


async def test_an_error_of_another_request_is_none_of_this_answer_and_shows_nothing_of_it(
    style: CallStyle, shown: Callable[..., str]
) -> None:
    with FaultServer(answer()) as server, pytest.raises(errors.ApiConnectionError) as caught:
        await call(style, server, _elsewhere)
    cause = caught.value.__cause__
    assert isinstance(cause, httpx.HTTPStatusError)
    assert vars(cause) == {"_request": None}
    assert KEY not in shown(caught.value)
    assert len(server.received) == 1


async def test_a_cause_holds_neither_request_nor_response(style: CallStyle) -> None:
    with FaultServer(cut()) as server, pytest.raises(errors.ApiConnectionError) as caught:
        await call(style, server, raising)
    assert caught.value.__cause__ is not None
    assert vars(caught.value.__cause__) == {"_request": None}
