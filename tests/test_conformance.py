"""Every kind of failed answer that is known of the API, over every style of calling."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest
from tests.call_styles import CallStyle
from tests.faults import FaultServer, StillClock, answer

import vectorshift
from vectorshift import Pipeline, RunHandler, Secret, Settings, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]

KEY = "vs-7d1e5ac94b"

# --- The table, written by hand ---

BODIES: dict[str, tuple[Any, str]] = {
    "failed, with an error": ({"status": "failed", "error": "It is so."}, "It is so."),
    "an error alone": ({"error": "Missing authorization header"}, "Missing authorization header"),
    "an error that is an object": ({"error": {"message": "inner", "code": 7}}, "inner"),
    "an error that is a number": ({"error": 7}, "7"),
    "an error before the others": (
        {"errors": ["4"], "detail": "3", "message": "2", "error": "1"},
        "1",
    ),
    "a message": ({"error": "", "message": "second", "detail": "third"}, "second"),
    "a detail": ({"error": None, "detail": "third", "errors": ["fourth"]}, "third"),
    "a detail with a message": ({"detail": {"message": "inner"}}, "inner"),
    "a detail without one": ({"detail": {"code": 7}}, '{"code": 7}'),
    "a detail that is a list": ({"detail": [{"loc": ["body"]}, "b"]}, "{'loc': ['body']}; b"),
    "errors": ({"errors": ["one", "two"]}, "one; two"),
    "no errors": ({"errors": []}, '{\n  "errors": []\n}'),
    "none of these": ({"else": 1}, '{\n  "else": 1\n}'),
    "extended JSON": ({"error": "no", "_id": {"$oid": "65f0c3a1b2d4e5f607182930"}}, "no"),
    "half a character": ({"error": "\ud800"}, "?"),
    "text": (b"  Bad gateway\n", "Bad gateway"),
    "HTML": (b"<html><h1>no</h1>", "<html><h1>no</h1>"),
    "broken JSON": (b'{"error": "It is', '{"error": "It is'),
    "a list": (b'["no"]', '["no"]'),
    "a text of JSON": (b'"no"', '"no"'),
    "nothing": (b"", ""),
    "no UTF-8": (b"\xff\xfe", "\ufffd\ufffd"),
    "the key": ({"error": f"Invalid API key {KEY}"}, f"Invalid API key {Secret(KEY).fingerprint}"),
}
HINT_401 = (
    "\n  Hint: create or find a key under Account > API Keys, in the organisation that the call "
    "is for."
)
HINT_404 = (
    "\n  The base URL has no path. That of VectorShift's API ends in /v1."
    "\n  Hint: check that the resource ID exists, and that the key belongs to the organisation that"
    " owns it."
)
HINT_500 = "\n  Hint: this is a server-side error; try again later."
HTML = (
    "The answer is a page of HTML, which the API does not send: check the base URL, and what is in "
    "between."
)
REDIRECT = "\n  Hint: a redirect is not followed; check the base URL."
KINDS: dict[int, tuple[type[errors.VectorshiftApiError], str, str]] = {
    307: (errors.VectorshiftApiError, "API Error (307) on {}: {}", REDIRECT),
    400: (errors.BadRequestError, "Bad Request (400) on {}: {}", ""),
    401: (errors.AuthenticationError, "Unauthorized (401) on {}: {}", HINT_401),
    402: (errors.VectorshiftApiError, "API Error (402) on {}: {}", ""),
    403: (errors.PermissionDeniedError, "Forbidden (403) on {}: {}", ""),
    404: (errors.NotFoundError, "Not Found (404) on {}: {}", HINT_404),
    408: (errors.VectorshiftApiError, "API Error (408) on {}: {}", ""),
    409: (errors.VectorshiftApiError, "API Error (409) on {}: {}", ""),
    422: (errors.UnprocessableEntityError, "Validation Error (422) on {}: {}", ""),
    429: (errors.RateLimitError, "Rate Limited (429) on {}: {}", ""),
    500: (errors.InternalServerError, "Internal Server Error (500) on {}: {}", HINT_500),
    503: (errors.InternalServerError, "Internal Server Error (503) on {}: {}", HINT_500),
    600: (errors.InternalServerError, "Internal Server Error (600) on {}: {}", HINT_500),
}
HEADERS = {
    "Retry_After": "7",
    "X_Request_Id": "r-1",
    "Set_Cookie": "session=1",
    "X_Echo": f"Bearer {KEY}",
}


def judge(
    error: errors.VectorshiftApiError,
    status: int,
    call: str,
    raw: bytes,
    said: str,
    shown: Callable[..., str],
) -> None:
    """Compare an error with its line of the table."""
    kind, first, hint = KINDS[status]
    assert type(error) is kind
    assert (error.status_code, f"{error.method} {error.endpoint}") == (status, call)
    assert error.raw_response == raw.decode("utf-8", "replace").replace(
        KEY, Secret(KEY).fingerprint
    )
    assert error.error_message == said
    assert (error.request_id, error.retry_after, error.tries) == ("r-1", 7.0, 1)
    assert error.headers["x-request-id"] == "r-1"
    assert "set-cookie" not in error.headers
    note = ""
    if isinstance(error, errors.AuthenticationError):
        assert (error.source, error.fingerprint) == ("explicit:api_key", Secret(KEY).fingerprint)
        note = (
            f"\n  The API refuses the key {error.fingerprint} from explicit:api_key, which still"
            " had it at the last read."
        )
    if status in (403, 404, 429):
        note = f"\n  The key was explicit:api_key {Secret(KEY).fingerprint}."
    if (status, call) == (404, "GET /pipeline"):
        note = f"\n  No pipeline with the id 'p-1' is visible to this key.{note}"
    if raw.startswith(b"<html>") and 400 <= status < 500:
        note += f"\n  {HTML}"
    assert str(error) == error.message == first.format(call, said or "no details") + note + hint
    str(error).encode()  # it can be printed
    judge_copies(error, shown)


def judge_copies(error: errors.VectorshiftApiError, shown: Callable[..., str]) -> None:
    """Each copy is as the error is, and none holds the key."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(error, protocol)
        assert KEY.encode() not in pickled
        again = pickle.loads(pickled)
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    again = copy.copy(error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert KEY not in shown(error)


# --- The styles of calling ---


def client_of(style: CallStyle, server: FaultServer) -> AbstractAsyncContextManager[Any]:
    return style.open(KEY, base_url=server.origin, clock=StillClock(), max_retries=0)


async def request(style: CallStyle, client: Any) -> Any:
    return await style.request(client, "POST", "/x", json={"a": 1})


async def stream(style: CallStyle, client: Any) -> Any:
    async with style.stream(client, "POST", "/x", json={"a": 1}) as answered:
        return await style.all(style.iterator(answered, "iter_bytes"))


def method(name: str, *args: Any, **given: Any) -> Callable[..., Any]:
    """Call a method of `Pipeline`."""

    async def call(style: CallStyle, client: Any) -> Any:
        if name in ("list", "fetch"):
            return await style.call(Pipeline, name, *args, client=client, **given)
        if name in ("iterate", "stream"):
            owner = Pipeline if name == "iterate" else Pipeline("p-1")
            return await style.all(style.iterator(owner, name, *args, client=client, **given))
        return await style.call(Pipeline("p-1"), name, *args, client=client, **given)

    return call


def handled(name: str, *args: Any) -> Callable[..., Any]:
    """Call a method of a `RunHandler`."""

    async def call(style: CallStyle, client: Any) -> Any:
        return await style.call(RunHandler("p-1", "t-1", client=client), name, *args)

    return call


METHODS: dict[str, tuple[Callable[..., Any], str]] = {
    "list": (method("list"), "GET /pipelines"),
    "iterate": (method("iterate"), "GET /pipelines"),
    "fetch": (method("fetch", "p-1"), "GET /pipeline"),
    "run": (method("run", {"a": 1}), "POST /pipeline/p-1/run"),
    "run with a file": (method("run", {"a": b"1"}), "POST /pipeline/p-1/run"),
    "bulk_run": (method("bulk_run", [{"a": 1}]), "POST /pipeline/p-1/bulk-run"),
    "stream": (method("stream", {"a": 1}), "POST /pipeline/p-1/run"),
    "start": (method("start", {"a": 1}), "POST /pipeline/p-1/run"),
    "run_status": (method("run_status", "t-1"), "GET /pipeline/p-1/run/status/t-1"),
    "terminate": (method("terminate", "t-1"), "POST /pipeline/p-1/terminate"),
    "delete": (method("delete"), "DELETE /pipeline/p-1"),
    "duplicate": (method("duplicate"), "POST /pipeline/p-1/duplicate"),
    "share": (method("share", "u-1"), "POST /pipeline/p-1/share"),
    "unshare": (method("unshare", "u-1"), "POST /pipeline/p-1/unshare"),
    "revert": (method("revert", "1.0.0"), "POST /pipeline/p-1/revert"),
    "handler.run_status": (handled("run_status"), "GET /pipeline/p-1/run/status/t-1"),
    "handler.result": (handled("result", 2.0, 0.0), "GET /pipeline/p-1/run/status/t-1"),
    "handler.terminate": (handled("terminate"), "POST /pipeline/p-1/terminate"),
}


@pytest.fixture
def _forgotten() -> Iterator[None]:
    yield
    vectorshift.reset()


# --- The run ---


@pytest.mark.parametrize("call", [request, stream], ids=lambda call: call.__name__)
@pytest.mark.parametrize("body", list(BODIES))
async def test_a_failed_answer_has_its_class_and_all_it_says(
    call: Callable[..., Any], body: str, style: CallStyle, shown: Callable[..., str]
) -> None:
    given, said = BODIES[body]
    raw = given if isinstance(given, bytes) else json.dumps(given).encode()
    with FaultServer(*(answer(status, raw, **HEADERS) for status in KINDS)) as server:
        async with client_of(style, server) as client:
            for status in KINDS:
                with pytest.raises(errors.VectorshiftApiError) as caught:
                    await call(style, client)
                judge(caught.value, status, "POST /x", raw, said, shown)


@pytest.mark.parametrize("whose", ["a client", "the process"])
@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.usefixtures("_forgotten")
async def test_each_method_raises_what_the_api_says(
    name: str, whose: str, style: CallStyle, shown: Callable[..., str]
) -> None:
    call, place = METHODS[name]
    given, said = BODIES["the key"]
    raw = json.dumps(given).encode()
    faults = [
        answer(status, raw, **HEADERS)
        for status in KINDS
        for _ in range(2 if name == "bulk_run" and status == 404 else 1)  # it knows two paths
    ]
    with FaultServer(*faults) as server:
        async with client_of(style, server) as client:
            if whose == "the process":
                vectorshift.configure(
                    settings=Settings(base_url=server.origin), credentials=KEY, client=client
                )
            for status in KINDS:
                with pytest.raises(errors.VectorshiftApiError) as caught:
                    await call(style, client if whose == "a client" else None)
                judge(caught.value, status, place, raw, said, shown)
        assert len(server.received) == len(faults)


FAILED = b'{"status": "failed", "error": "no"}'
WAITING = ("run", "run with a file", "bulk_run", "stream")
"""The methods that wait for a run, so that a failure in their answer is one of the run."""
ABOUT_A_RUN = ("run_status", "handler.run_status", "handler.result")
"""To these, `failed` is the status of the run."""


@pytest.mark.parametrize("name", ["request", *METHODS])
async def test_a_200_that_says_failed_or_is_no_json_is_a_failure(
    name: str, style: CallStyle, shown: Callable[..., str]
) -> None:
    call, place = METHODS.get(name, (request, "POST /x"))
    for raw, said in (
        *([] if name in ABOUT_A_RUN else [(FAILED, "no")]),
        (b"<html>", "<html>"),
        (b'{"status": "succ', '{"status": "succ'),
    ):
        with (
            FaultServer(answer(200, raw, **HEADERS)) as server,
            pytest.raises(errors.VectorshiftApiError) as caught,
        ):
            async with client_of(style, server) as client:
                await call(style, client)
        error = caught.value
        of_a_run = raw is FAILED and name in WAITING
        assert type(error) is (
            errors.PipelineRunFailedError if of_a_run else errors.VectorshiftApiError
        )
        assert (error.status_code, f"{error.method} {error.endpoint}") == (200, place)
        assert (error.raw_response, error.error_message, error.request_id) == (
            raw.decode(),
            said,
            "r-1",
        )
        assert str(error).startswith(
            f"The run failed ({place}): {said}"
            if of_a_run
            else f"API Error (200) on {place}: {said}"
        )
        judge_copies(error, shown)


NO_OBJECT = "The answer is not a JSON object; check the base URL."
WITHOUT_CONTENT = {
    "list": "The answer has no list of pipelines; check the base URL.",
    "iterate": "The answer has no list of pipelines; check the base URL.",
    "fetch": "The answer has no object; check the base URL.",
    "start": "The answer has no task_id; check the base URL.",
    "duplicate": "The answer has no id; check the base URL.",
    "stream": "The answer is not an event stream, but of no type.",
    "handler.result": "Run t-1 gave no result within 0 s.",
}
"""What is missing in a 204; the other methods are content with it."""


@pytest.mark.parametrize("name", ["request", *METHODS])
async def test_a_204_is_an_empty_answer_and_a_failure_where_something_is_missing(
    name: str, style: CallStyle
) -> None:
    call, _ = METHODS.get(name, (request, ""))
    with FaultServer(answer(204, b"")) as server:
        async with client_of(style, server) as client:
            if name not in WITHOUT_CONTENT:
                assert await call(style, client) in ({}, [])
                return
            with pytest.raises(errors.VectorshiftApiError) as caught:
                await call(style, client)
    assert WITHOUT_CONTENT[name] in str(caught.value)
    assert type(caught.value) is (
        errors.PollTimeoutError if name == "handler.result" else errors.VectorshiftApiError
    )


@pytest.mark.parametrize("name", [name for name in METHODS if name != "stream"])
async def test_json_that_is_no_object_is_a_failure(name: str, style: CallStyle) -> None:
    call, place = METHODS[name]
    for raw in (b'["a"]', b'"a"', b"7", b"null"):
        with (
            FaultServer(answer(200, raw)) as server,
            pytest.raises(errors.VectorshiftApiError) as caught,
        ):
            async with client_of(style, server) as client:
                await call(style, client)
        said = raw.decode()
        assert str(caught.value) == f"API Error (200) on {place}: {said}\n  {NO_OBJECT}"
        assert caught.value.raw_response == said


@pytest.mark.parametrize(
    ("status", "said"),
    [("failed", "It broke."), ("cancelled", "The run has ended as cancelled.")],
    ids=str,
)
async def test_a_run_that_failed_says_so(
    status: str, said: str, style: CallStyle, shown: Callable[..., str]
) -> None:
    body = {"task_id": "t-1", "status": status, **({"error": said} if status == "failed" else {})}
    with FaultServer(answer(200, json.dumps(body).encode())) as server:
        async with client_of(style, server) as client:
            assert (await METHODS["handler.run_status"][0](style, client)).status == status
            with pytest.raises(errors.PipelineRunFailedError) as caught:
                await METHODS["handler.result"][0](style, client)
    error = caught.value
    assert (error.status_code, error.task_id, error.run_error, error.error_message) == (
        0,
        "t-1",
        said,
        said,
    )
    assert str(error) == f"Run t-1 failed: {said}"
    judge_copies(error, shown)


@pytest.mark.parametrize("name", WAITING)
async def test_a_run_whose_answer_says_that_it_failed_has_all_of_that_answer(
    name: str, style: CallStyle, shown: Callable[..., str]
) -> None:
    call, place = METHODS[name]
    body = {"status": "failed", "error": {"message": f"no {KEY}"}, "run_id": {"$oid": "r-9"}}
    raw = json.dumps(body)
    with FaultServer(answer(200, raw.encode(), **HEADERS)) as server:
        async with client_of(style, server) as client:
            with pytest.raises(errors.PipelineRunFailedError) as caught:
                await call(style, client)
            assert len(server.received) == 1
    error, said = caught.value, f"no {Secret(KEY).fingerprint}"
    assert (error.task_id, error.run_error, error.error_message) == ("r-9", said, said)
    assert (error.status_code, f"{error.method} {error.endpoint}") == (200, place)
    assert error.raw_response == raw.replace(KEY, Secret(KEY).fingerprint)
    assert (error.request_id, error.retry_after, error.tries) == ("r-1", 7.0, 1)
    assert error.headers["x-echo"] == f"Bearer {Secret(KEY).fingerprint}"
    assert str(error).startswith(f"Run r-9 failed ({place}): {said}")
    judge_copies(error, shown)


async def test_an_event_that_says_error_is_raised(
    style: CallStyle, shown: Callable[..., str]
) -> None:
    event = {"run_id": {"$oid": "r-7"}, "status": "failed", "error": f"no {KEY}"}
    events = b"data: " + json.dumps(event).encode() + b"\n\n"
    with FaultServer(answer(200, events, Content_Type="text/event-stream")) as server:
        async with client_of(style, server) as client:
            with pytest.raises(errors.PipelineRunFailedError) as caught:
                await METHODS["stream"][0](style, client)
    assert (caught.value.task_id, caught.value.run_error) == (
        "r-7",
        f"no {Secret(KEY).fingerprint}",
    )
    judge_copies(caught.value, shown)


async def test_a_failed_answer_that_is_nested_too_deep_has_its_class(style: CallStyle) -> None:
    raw = b'{"else":' * 900 + b"1" + b"}" * 900
    with FaultServer(answer(400, raw)) as server, pytest.raises(errors.BadRequestError) as caught:
        async with client_of(style, server) as client:
            await request(style, client)
    assert caught.value.raw_response == raw.decode()


async def test_ids_may_be_extended_json(style: CallStyle) -> None:
    id = {"$oid": "65f0c3a1b2d4e5f607182930"}
    body = {"object_ids": [id], "object": {"_id": id}, "_id": id, "task_id": id}
    with FaultServer(answer(200, json.dumps(body).encode())) as server:
        async with client_of(style, server) as client:
            assert (await METHODS["list"][0](style, client)).ids == [id["$oid"]]
            assert (await METHODS["fetch"][0](style, client)).id == id["$oid"]
            assert (await METHODS["duplicate"][0](style, client)).id == id["$oid"]
            assert (await METHODS["start"][0](style, client)).task_id == id["$oid"]
