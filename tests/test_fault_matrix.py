"""What is sent how often when a request meets a fault, over a real socket, against a table of what
is allowed.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.fakes import RawServer, Rotating
from tests.faults import FaultServer, StillClock, answer, cut, drop, hang, refusing, reset

from vectorshift import AsyncVectorShift, VectorShift, VectorshiftError, errors

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n"
BODY = HEADERS + b'\r\n{"status": "suc'
FAILED = b'{"status": "failed", "error": "no"}'

FAULTS: dict[str, Any] = {
    "closed before the response": drop,
    "reset before the response": reset(),
    "reset in the headers": reset(after=HEADERS),
    "reset in the body": reset(after=BODY),
    "cut off in the headers": cut(after=HEADERS),
    "cut off in the body": cut(after=BODY),
    "slow headers": hang(after=HEADERS),
    "slow body": hang(after=BODY),
    "a garbage status line": cut(after=b"garbage in, garbage out\r\n\r\n"),
    "400": answer(400, FAILED),
    "401": answer(401, b'{"error": "Invalid API key"}'),
    "403": answer(403, FAILED),
    "408": answer(408, FAILED),
    "409": answer(409, FAILED),
    "429": answer(429, FAILED),
    "429, Retry-After: 120": answer(429, FAILED, Retry_After="120"),
    "429, Retry-After: 121": answer(429, FAILED, Retry_After="121"),
    "500": answer(500, FAILED),
    "502, Retry-After: 1": answer(502, FAILED, Retry_After="1"),
    "503": answer(503, FAILED),
    "503, Retry-After: 1": answer(503, FAILED, Retry_After="1"),
    "503, Retry-After: 3600": answer(503, FAILED, Retry_After="3600"),
    "504": answer(504, FAILED),
    "a redirect": answer(307, b"", Location="/elsewhere"),
    "200, failed": answer(200, FAILED),
    "200, no JSON": answer(200, b"<html>", Content_Type="text/html"),
    "200, no gzip": answer(200, b"no gzip", Content_Encoding="gzip"),
}

# How often a call may be sent, at most three times. "always": each attempt meets the fault; "once":
# the first alone does, and the others get a 200. "done?": whether the call may have been carried
# out when the client sees the fault. "in": a stream gives its answer to the caller when the headers
# are there, and is not started again after that.
TABLE = """
fault                       done?  GET PUT DELETE  POST PATCH   in       error
                                   always  once    always once
closed before the response  maybe  3       2       1      1     headers  ApiConnectionError
reset before the response   maybe  3       2       1      1     headers  ApiConnectionError
reset in the headers        maybe  3       2       1      1     headers  ApiConnectionError
reset in the body           maybe  3       2       1      1     body     ApiConnectionError
cut off in the headers      maybe  3       2       1      1     headers  ApiConnectionError
cut off in the body         maybe  3       2       1      1     body     ApiConnectionError
slow headers                maybe  3       -       1      -     headers  ApiTimeoutError
slow body                   maybe  3       -       1      -     body     ApiTimeoutError
a garbage status line       maybe  3       2       1      1     headers  ApiConnectionError
400                         no     1       1       1      1     headers  BadRequestError
401                         no     1       1       1      1     headers  AuthenticationError
403                         no     1       1       1      1     headers  PermissionDeniedError
408                         maybe  3       2       1      1     headers  VectorshiftApiError
409                         no     1       1       1      1     headers  VectorshiftApiError
429                         no     3       2       3      2     headers  RateLimitError
429, Retry-After: 120       no     3       2       3      2     headers  RateLimitError
429, Retry-After: 121       no     1       1       1      1     headers  RateLimitError
500                         maybe  3       2       1      1     headers  InternalServerError
502, Retry-After: 1         maybe  3       2       1      1     headers  InternalServerError
503                         maybe  3       2       1      1     headers  InternalServerError
503, Retry-After: 1         no     3       2       3      2     headers  InternalServerError
503, Retry-After: 3600      no     1       1       1      1     headers  InternalServerError
504                         maybe  3       2       1      1     headers  InternalServerError
a redirect                  no     1       1       1      1     headers  VectorshiftApiError
200, failed                 yes    1       1       1      1     read     VectorshiftApiError
200, no JSON                yes    1       1       1      1     read     VectorshiftApiError
200, no gzip                yes    1       1       1      1     body     ApiConnectionError
"""


class Row(NamedTuple):
    fault: str
    done: str
    idempotent: dict[str, str]
    other: dict[str, str]
    place: str
    error: type[VectorshiftError]


def rows() -> list[Row]:
    lines = TABLE.strip().splitlines()[2:]
    found: list[Row] = []
    for line in lines:
        fault, (done, always, once, other, other_once, place, error) = (
            line[:28].strip(),
            line[28:].split(),
        )
        found.append(
            Row(
                fault,
                done,
                {"always": always, "once": once},
                {"always": other, "once": other_once},
                place,
                getattr(errors, error),
            )
        )
    return found


ROWS = {row.fault: row for row in rows()}
METHODS = {"GET": True, "PUT": True, "DELETE": True, "POST": False, "PATCH": False}


def test_the_table_has_a_row_for_each_fault() -> None:
    assert list(ROWS) == list(FAULTS)
    assert gzip.compress(b"")  # what "no gzip" is not


def test_the_table_lets_nothing_happen_twice_that_may_have_happened() -> None:
    for row in ROWS.values():
        if row.done != "no":
            assert set(row.other.values()) <= {"1", "-"}, row.fault


# --- Callers of each style: they return how often the call was tried, and raise ---


async def sync_call(origin: str, method: str, **made: Any) -> None:
    with VectorShift("vs-1", base_url=origin, **made) as client:
        client.request(method, "/x", json=_body(method))


async def async_call(origin: str, method: str, **made: Any) -> None:
    async with AsyncVectorShift("vs-1", base_url=origin, **made) as client:
        await client.request(method, "/x", json=_body(method))


async def sync_stream(origin: str, method: str, **made: Any) -> None:
    with (
        VectorShift("vs-1", base_url=origin, **made) as client,
        client.stream(method, "/x", json=_body(method)) as stream,
    ):
        list(stream.iter_bytes())


async def async_stream(origin: str, method: str, **made: Any) -> None:
    async with (
        AsyncVectorShift("vs-1", base_url=origin, **made) as client,
        client.stream(method, "/x", json=_body(method)) as stream,
    ):
        async for _ in stream.aiter_bytes():
            pass


def _body(method: str) -> Any:
    return None if method in ("GET", "DELETE") else {"inputs": {"a": 1}}


STYLES: dict[str, Callable[..., Any]] = {
    "sync": sync_call,
    "async": async_call,
    "sync stream": sync_stream,
    "async stream": async_stream,
}


@pytest.fixture(params=list(STYLES))
def style(request: pytest.FixtureRequest, anyio_backend: str) -> str:
    if request.param.startswith("sync") and anyio_backend == "trio":
        pytest.skip("sync code has no event loop")
    return str(request.param)


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("when", ["always", "once"])
async def test_a_call_is_sent_as_often_as_the_table_allows(
    fault: str, when: str, style: str
) -> None:
    row = ROWS[fault]
    for method, is_idempotent in METHODS.items():
        if fault.startswith("slow") and (when == "once" or method not in ("GET", "POST")):
            continue  # an answer after a short time-out would come too late on a busy machine
        allowed = int((row.idempotent if is_idempotent else row.other)[when])
        faults = [FAULTS[fault]] if when == "always" else [FAULTS[fault], answer()]
        if style.endswith("stream") and row.place != "headers":
            allowed = 1
        error = None
        with FaultServer(*faults) as server:
            try:
                await STYLES[style](
                    server.origin,
                    method,
                    clock=StillClock(),
                    timeout=0.4 if fault.startswith("slow") else None,
                )
            except VectorshiftError as caught:
                error = caught
        sent = [(got.method, got.path, got.body) for got in server.received]
        body = json.dumps(_body(method), separators=(",", ":")).encode() if _body(method) else b""
        assert sent == [(method, "/x", body)] * allowed, (method, error)
        fails = (when == "always" or allowed == 1) and not (
            style.endswith("stream") and row.place == "read"
        )
        assert type(error) is (row.error if fails else type(None)), method
        if error is not None:
            assert vars(error)["tries"] == allowed
            assert ("Given up after 3 attempts." in str(error)) is (allowed == 3)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_cannot_have_been_sent_is_tried_again_whatever_it_is(
    method: str, scheme: str, style: str
) -> None:
    """`http`: nothing listens. `https`: what listens answers the handshake with garbage."""
    with refusing() if scheme == "http" else RawServer(b"garbage\r\n\r\n") as server:
        clock = StillClock()
        with pytest.raises(errors.ApiConnectionError) as caught:
            await STYLES[style](server.origin.replace("http:", f"{scheme}:"), method, clock=clock)
    assert (caught.value.tries, caught.value.may_have_run, len(clock.waits)) == (3, False, 2)
    assert not any(b"HTTP/1." in got for got in server.received)


@pytest.mark.parametrize("method", list(METHODS))
async def test_a_401_is_answered_with_the_newer_key_once_and_what_follows_counts_as_ever(
    method: str, style: str
) -> None:
    """A 401 says that nothing was carried out, so a POST may follow it; the reset that meets the
    second may not.
    """
    denied = answer(401, b"{}")
    for faults, sent in (
        ((denied, answer()), 2),
        ((denied, denied), 2),
        ((denied, reset(), answer()), 3 if METHODS[method] else 2),
        ((denied, answer(429, b"{}"), answer()), 3),
    ):
        keys = Rotating("k1", "k2")
        with (
            FaultServer(*faults) as server,
            contextlib.suppress(errors.VectorshiftApiError, errors.ApiConnectionError),
        ):
            await _with_credentials(STYLES[style], keys)(server.origin, method, clock=StillClock())
        assert [got.authorization for got in server.received] == [
            "Bearer k1",
            *["Bearer k2"] * (sent - 1),
        ]


def _with_credentials(style: Callable[..., Any], keys: Rotating) -> Callable[..., Any]:
    async def call(origin: str, method: str, **made: Any) -> None:
        if style in (sync_call, sync_stream):
            with VectorShift(keys, base_url=origin, **made) as client:
                if style is sync_call:
                    client.request(method, "/x", json=_body(method))
                else:
                    with client.stream(method, "/x", json=_body(method)) as stream:
                        list(stream.iter_bytes())
            return
        async with AsyncVectorShift(keys, base_url=origin, **made) as aclient:
            if style is async_call:
                await aclient.request(method, "/x", json=_body(method))
            else:
                async with aclient.stream(method, "/x", json=_body(method)) as astream:
                    async for _ in astream.aiter_bytes():
                        pass

    return call
