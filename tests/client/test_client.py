"""The clients over a real socket: what they send, how they read the answer, and whose key they
use.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
import traceback
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.call_styles import CallStyle
from tests.fakes import AsyncRotating, Echo, RawServer, Received, Rotating, accepting
from tests.faults import FaultServer, cut, drop, reset

import vectorshift
from vectorshift import (
    ApiConnectionError,
    ApiTimeoutError,
    AsyncVectorShift,
    AuthenticationError,
    BadRequestError,
    CredentialAuth,
    CredentialConfigurationError,
    EnvProvider,
    InternalServerError,
    MissingCredentialError,
    NotFoundError,
    PermissionDeniedError,
    Pipeline,
    RateLimitError,
    Secret,
    Settings,
    UnprocessableEntityError,
    VectorShift,
    VectorshiftApiError,
)
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

KEY = 'vs-"secret"/key\\3f9c2e71d8'
"""A key that JSON and URLs write in another way."""


@pytest.fixture
def api(api: FakeVectorShift) -> FakeVectorShift:
    api.create_key(key=KEY)
    return api


class Caller:
    """Sends one request with a client of its own."""

    def __init__(self, style: CallStyle) -> None:
        self.style = style

    async def __call__(
        self,
        base_url: str,
        credentials: Any = KEY,
        path: str = "/pipelines",
        method: str = "GET",
        **given: Any,
    ) -> Any:
        made: dict[str, Any] = {
            name: given.pop(name) for name in ("settings", "timeout") if name in given
        }
        made["max_retries"] = (
            0  # how an answer is read is told here, and when a call is sent again in test_retries
        )
        if "call_timeout" in given:
            given["timeout"] = given.pop("call_timeout")
        async with self.style.open(credentials, base_url=base_url, **made) as client:
            return await self.style.request(client, method, path, **given)


@pytest.fixture
def call(style: CallStyle) -> Caller:
    return Caller(style)


# --- What is sent ---


async def test_a_request_is_sent_as_it_was_given(call: Caller) -> None:
    with Echo(accepting(KEY)) as server:
        await call(
            server.origin + "/v1/",
            path="/pipeline/a%2Fb/run",
            method="POST",
            query={"yes": True, "no": False, "none": None, "number": 0, "text": "ä &"},
            json={"inputs": {"a": [1, None, True]}},
            headers={"X-Mine": "1"},
        )
    (sent,) = server.received
    assert sent.method == "POST"
    assert sent.path.startswith("/v1/pipeline/a%2Fb/run?yes=true&no=false&number=0&text=%C3%A4")
    assert json.loads(sent.body) == {"inputs": {"a": [1, None, True]}}
    assert sent.headers["x-mine"] == "1"
    assert sent.headers["user-agent"].startswith("vectorshift/")
    assert sent.authorization == f"Bearer {KEY}"


async def test_without_parameters_there_is_no_query(call: Caller) -> None:
    with Echo(accepting(KEY)) as server:
        await call(server.origin, query={"none": None}, path="/x")
    assert [(sent.path, sent.body) for sent in server.received] == [("/x", b"")]


async def test_an_authorization_header_of_the_caller_is_sent_in_place_of_the_key(
    call: Caller,
) -> None:
    with Echo(accepting("theirs")) as server:
        await call(server.origin, headers={"authorization": "Bearer theirs"})
    assert [sent.authorization for sent in server.received] == ["Bearer theirs"]


# --- How an answer is read ---


async def test_an_answer_without_a_body_is_an_empty_dict(call: Caller) -> None:
    with Echo(lambda _: (204, {}, b"")) as server:
        assert await call(server.origin) == {}


STATUSES: list[tuple[int, type[VectorshiftApiError], str]] = [
    (400, BadRequestError, "Bad Request"),
    (401, AuthenticationError, "Unauthorized"),
    (403, PermissionDeniedError, "Forbidden"),
    (404, NotFoundError, "Not Found"),
    (409, VectorshiftApiError, "API Error"),
    (422, UnprocessableEntityError, "Validation Error"),
    (429, RateLimitError, "Rate Limited"),
    (500, InternalServerError, "Internal Server Error"),
    (503, InternalServerError, "Internal Server Error"),
]


@pytest.mark.parametrize(("status", "kind", "label"), STATUSES)
async def test_a_failure_has_its_class_and_all_its_attributes(
    call: Caller, api: FakeVectorShift, status: int, kind: type[VectorshiftApiError], label: str
) -> None:
    body = '{"status": "failed", "error": "It is so."}'
    headers = {"Retry-After": "7", "X-Request-Id": "r-1", "Set-Cookie": "session=1"}
    api.fail_next(status, body=body, headers=headers, times=2)
    with pytest.raises(VectorshiftApiError) as caught:
        await call(api.base_url, query={"limit": 1})
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.method, error.endpoint) == (status, "GET", "/pipelines")
    assert (error.raw_response, error.error_message) == (body, "It is so.")
    assert (error.request_id, error.retry_after) == ("r-1", 7.0)
    assert error.headers["content-type"].startswith("text/plain")
    assert "set-cookie" not in error.headers
    first = str(error).splitlines()[0]
    assert first == f"{label} ({status}) on GET /pipelines: It is so."
    assert ("Hint:" in str(error)) is (status in (401, 404, 500, 503))
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__
    assert error.__cause__ is error.__context__ is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": "", "message": "second"}', "second"),
        ('{"detail": {"message": "inner"}}', "inner"),
        ('{"errors": ["one", "two"]}', "one; two"),
        ('{"else": 1}', '{\n  "else": 1\n}'),
        ("  Bad gateway\n", "Bad gateway"),
        ("", "no details"),
        ("[" * 100_000, "[" * 2_000 + " ... (100,000 characters)"),
    ],
    ids=["message", "detail", "errors", "none of them", "text", "empty", "nested too deep"],
)
async def test_a_failure_says_what_the_server_said(
    call: Caller, api: FakeVectorShift, body: str, said: str
) -> None:
    api.fail_next(500, body=body)
    with pytest.raises(InternalServerError) as caught:
        await call(api.base_url)
    assert str(caught.value).startswith(f"Internal Server Error (500) on GET /pipelines: {said}")


async def test_a_success_that_says_it_failed_is_a_failure(
    call: Caller, api: FakeVectorShift
) -> None:
    api.fail_next(200, body={"status": "failed", "error": "No such folder."})
    with pytest.raises(VectorshiftApiError, match="No such folder") as caught:
        await call(api.base_url)
    assert (type(caught.value), caught.value.status_code) == (VectorshiftApiError, 200)


@pytest.mark.parametrize(
    "body", ["<html>", "[" * 100_000, "{", b"\xff\xfe"], ids=["html", "deep", "cut", "binary"]
)
async def test_a_success_that_is_no_json_is_a_failure(
    call: Caller, api: FakeVectorShift, body: str | bytes
) -> None:
    api.fail_next(200, body=body)
    with pytest.raises(VectorshiftApiError, match="not readable JSON; check the base") as caught:
        await call(api.base_url)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://127.0.0.1:9/elsewhere", " It leads to http://127.0.0.1:9/elsewhere"),
        ("https://a:b@www.example.org/v1/x?token=c#d", " It leads to https://www.example.org/v1/x"),
        ("https://example.org/vs-secret/x", " It leads to https://example.org/#9d92c473/x"),
        ("/login?next=/v1", " It leads to {origin}/login"),
        (None, ""),
    ],
)
async def test_a_redirect_is_not_followed_and_says_where_it_leads(
    call: Caller, location: str | None, target: str
) -> None:
    headers = {} if location is None else {"Location": location}
    with (
        Echo(lambda _: (302, headers, b"")) as server,
        pytest.raises(VectorshiftApiError) as caught,
    ):
        await call(server.origin, "vs-secret")
    target = target.format(origin=server.origin)
    hint = "Hint: a redirect is not followed; check the base URL."
    assert str(caught.value).splitlines()[1:] == [f"  {hint}{target}"]


@pytest.mark.parametrize(
    ("base", "path", "told"),
    [
        ("", "/pipelines", ["  The base URL has no path. That of VectorShift's API ends in /v1."]),
        ("/v1", "/v1/x", ["  The base URL ends in /v1: leave it out of the path of the call."]),
        ("/v1", "/pipelines", []),
        ("/v1", "/integrations-go/x", []),
    ],
)
async def test_a_404_says_what_is_wrong_with_the_base_url_or_the_path(
    call: Caller, base: str, path: str, told: list[str]
) -> None:
    with (
        Echo(lambda _: (404, {}, b"")) as server,
        pytest.raises(NotFoundError) as caught,
    ):
        await call(server.origin + base, path=path)
    assert [line for line in str(caught.value).splitlines() if "base URL" in line] == told


async def test_a_401_of_the_documented_kinds_is_an_authentication_error(
    call: Caller, api: FakeVectorShift
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        await call(api.base_url, "vs-nobody")
    assert caught.value.error_message == "Invalid API key"
    assert caught.value.source == "explicit:api_key"
    assert caught.value.fingerprint == Secret("vs-nobody").fingerprint
    with pytest.raises(AuthenticationError, match="Invalid authorization header format"):
        await call(api.base_url, headers={"Authorization": "Basic eDp5"})


async def test_a_key_without_the_scope_is_denied(call: Caller, api: FakeVectorShift) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        await call(api.base_url, api.create_key(scopes=()))
    assert caught.value.status_code == 403


async def test_with_no_key_anywhere_nothing_is_sent(call: Caller, api: FakeVectorShift) -> None:
    for credentials in (DEFAULT_SCOPE, EnvProvider()):
        with pytest.raises(MissingCredentialError) as caught:
            await call(api.base_url, credentials)
        assert isinstance(caught.value, AuthenticationError)
    assert api.requests == []


# --- No answer ---


def bare(error: ApiConnectionError) -> bool:
    """Whether nothing is left in the cause that leads to a header."""
    cause = error.__cause__
    assert isinstance(cause, httpx.HTTPError)
    with pytest.raises(RuntimeError):
        _ = cause.request
    left: list[object] = [
        cause.__traceback__,
        cause.__context__,
        cause.__cause__,
        error.__context__,
    ]
    return left == [None] * 4 and error.request_info == {"method": "GET", "endpoint": "/pipelines"}


@pytest.mark.parametrize(
    "fault",
    [drop, reset(), cut(after=b"SSH-2.0-x\r\n"), cut(after=b"\x15\x03\x01\x00\x02\x02\x46")],
    ids=["closed", "reset", "another protocol", "TLS"],
)
async def test_a_server_that_was_reached_and_sent_no_answer_is_not_told_as_out_of_reach(
    call: Caller, fault: Any
) -> None:
    with FaultServer(fault) as server:
        origin = server.origin
        with pytest.raises(ApiConnectionError) as caught:
            await call(origin)
    assert f"The API at {origin} gave no readable answer for GET" in str(caught.value)


async def test_a_refused_connection_is_ours_with_a_bare_cause(
    call: Caller, api: FakeVectorShift
) -> None:
    api.close()
    with pytest.raises(ApiConnectionError, match="GET /pipelines") as caught:
        await call(api.base_url)
    assert f"The API at {api.base_url.removesuffix('/v1')} could not be" in str(caught.value)
    assert bare(caught.value)
    assert not isinstance(caught.value, ApiTimeoutError)


async def test_a_dropped_connection_is_ours_with_a_bare_cause(
    call: Caller, api: FakeVectorShift
) -> None:
    api.drop_next(times=2)
    with pytest.raises(ApiConnectionError) as caught:
        await call(api.base_url)
    assert bare(caught.value)


@pytest.mark.parametrize("whose", ["client", "settings", "call"])
async def test_a_timeout_is_ours_with_a_bare_cause(
    call: Caller, api: FakeVectorShift, whose: str
) -> None:
    api.latency = 30
    kinds: dict[str, dict[str, Any]] = {
        "client": {"timeout": 0.2},
        "settings": {"settings": Settings(timeout=0.2)},
        "call": {"call_timeout": 0.2},
    }
    with pytest.raises(ApiTimeoutError, match="did not answer in time") as caught:
        await call(api.base_url, **kinds[whose])
    assert bare(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nbad\r\n\r\n",
    ],
    ids=["nothing", "no http", "cut off", "a bad header"],
)
async def test_an_answer_that_is_no_answer_is_ours(call: Caller, answer: bytes) -> None:
    with RawServer(answer) as server, pytest.raises(ApiConnectionError) as caught:
        await call(server.origin)
    assert bare(caught.value)


async def test_a_ca_bundle_that_cannot_be_read_names_the_setting(
    call: Caller, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for bundle in (tmp_path / "missing.pem", empty):
        settings = Settings(ca_bundle=bundle)  # type: ignore[arg-type]
        with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_CA_BUNDLE"):
            await call("https://127.0.0.1:9/v1", settings=settings)


# --- A server that echoes the key ---


def _echoes() -> dict[str, Callable[[str], tuple[int, dict[str, str], str]]]:
    as_json = {"Content-Type": "application/json"}
    return {
        "in text": lambda key: (403, {}, f"Not allowed: Bearer {key}!"),
        "in json": lambda key: (401, as_json, json.dumps({"error": f"bad key {key}"})),
        "in json with escaped slashes": lambda key: (
            401,
            as_json,
            json.dumps({"error": key}).replace("/", "\\/"),
        ),
        "in a field nobody reads": lambda key: (
            500,
            as_json,
            json.dumps({"error": "no", "request": {"auth": key}}),
        ),
        "in a header": lambda key: (429, {"X-Echo": f"Bearer {key}"}, "no"),
        "in a success that failed": lambda key: (
            200,
            as_json,
            json.dumps({"status": "failed", "error": key}),
        ),
        "in a success that is no json": lambda key: (200, {}, f"you sent {key}"),
    }


@pytest.mark.parametrize("where", list(_echoes()))
async def test_a_key_that_the_server_echoes_is_not_in_the_error(call: Caller, where: str) -> None:
    def answers(request: Received) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = _echoes()[where](
            (request.authorization or "").removeprefix("Bearer ")
        )
        return status, headers, body.encode()

    for credentials, headers in (
        (KEY, {}),
        (Rotating(KEY, KEY + "2"), {}),
        ("x", {"Authorization": f"Bearer {KEY}"}),
    ):
        with Echo(answers) as server, pytest.raises(VectorshiftApiError) as caught:
            await call(server.origin, credentials, headers=headers)
        error = caught.value
        shown = [
            str(error),
            repr(error),
            repr(error.__dict__),
            error.raw_response,
            error.error_message,
        ]
        assert not any(
            form in text for text in shown for form in (KEY, json.dumps(KEY)[1:-1], "3f9c2e71d8")
        )
        assert Secret(KEY).fingerprint in " ".join(shown)


async def test_a_key_that_breaks_the_protocol_on_its_way_back_is_not_in_the_error(
    call: Caller,
) -> None:
    for answer in (f"{KEY}\r\n\r\n", f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n"):
        with RawServer(answer.encode()) as server, pytest.raises(ApiConnectionError) as caught:
            await call(server.origin)
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
        assert "3f9c2e71d8" not in shown


async def test_a_header_of_the_caller_that_cannot_be_sent_is_not_in_the_error(
    call: Caller, api: FakeVectorShift
) -> None:
    with pytest.raises(
        TypeError, match="the header 'Authorization' holds a character that cannot be sent"
    ) as caught:
        await call(api.base_url, headers={"Authorization": "Bearer 3f9c\n2e71d8"})
    assert "3f9c" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_a_header_of_a_client_that_was_handed_in_is_held_to_the_same_rule(
    api: FakeVectorShift,
) -> None:
    headers = {"X-Tenant": "3f9c\n2e71d8"}
    wrong = "the header 'X-Tenant' holds a character that cannot be sent"
    with httpx.Client(headers=headers) as given:
        client = VectorShift(KEY, base_url=api.base_url, http_client=given)
        with pytest.raises(TypeError, match=wrong):
            client.request("GET", "/x")
    async with httpx.AsyncClient(headers=headers) as agiven:
        aclient = AsyncVectorShift(KEY, base_url=api.base_url, http_client=agiven)
        with pytest.raises(TypeError, match=wrong):
            await aclient.request("GET", "/x")


# --- Whose key ---


async def _acoroutine() -> str:
    return KEY


class _AsyncCallable:
    async def __call__(self) -> str:
        return KEY


GIVEN: dict[str, Callable[[], Any]] = {
    "a string": lambda: KEY,
    "a string with white space around it": lambda: f" {KEY}\n",
    "a Secret": lambda: Secret(KEY),
    "a function": lambda: lambda: KEY,
    "an async function": lambda: _acoroutine,
    "an object with async __call__": _AsyncCallable,
    "a function that returns a coroutine": lambda: lambda: _acoroutine(),
    "a sync provider": lambda: Rotating(KEY),
    "an async provider": lambda: AsyncRotating(KEY),
    "a remote provider": lambda: Rotating(KEY, remote=True),
}


@pytest.mark.parametrize("kind", list(GIVEN))
async def test_credentials_may_be(call: Caller, api: FakeVectorShift, kind: str) -> None:
    assert (await call(api.base_url, GIVEN[kind]()))["status"] == "success"


async def _anothing() -> None:
    return None


@pytest.mark.parametrize("nothing", [lambda: None, _anothing], ids=["sync", "async"])
async def test_a_callable_that_returns_none_stops_and_reaches_no_other_key(
    call: Caller, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch, nothing: Any
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    with pytest.raises(CredentialConfigurationError, match="returned None"):
        await call(api.base_url, nothing)
    assert api.requests == []


async def test_what_a_callable_raises_is_ours_without_its_text(
    call: Caller, api: FakeVectorShift
) -> None:
    def broken() -> str:
        raise ValueError(f"no such tenant {KEY}")

    with pytest.raises(CredentialConfigurationError, match="ValueError") as caught:
        await call(api.base_url, broken)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_fifty_callers_of_a_cold_client_ask_a_remote_store_once(api: FakeVectorShift) -> None:
    import concurrent.futures
    import threading

    store, together = Rotating(KEY, remote=True), threading.Barrier(50)
    with (
        VectorShift(store, base_url=api.base_url) as client,
        concurrent.futures.ThreadPoolExecutor(50) as pool,
    ):

        def one(_: int) -> str:
            together.wait(30)
            return str(client.request("GET", "/pipelines")["status"])

        assert set(pool.map(one, range(50))) == {"success"}
    assert store.asked == 1


# --- Clients of the user's own ---


async def test_a_client_of_the_users_own_sends_and_stays_open(api: FakeVectorShift) -> None:
    async with httpx.AsyncClient(
        trust_env=False, headers={"X-Mine": "1"}, auth=("not", "this")
    ) as http:
        async with AsyncVectorShift(KEY, base_url=api.base_url, http_client=http) as client:
            assert (await Pipeline.alist(client=client)).raw["status"] == "success"
        assert not http.is_closed
    with httpx.Client(trust_env=False, headers={"X-Mine": "1"}, auth=("not", "this")) as plain:
        with VectorShift(KEY, base_url=api.base_url, http_client=plain) as sync_client:
            assert Pipeline.list(client=sync_client).raw["status"] == "success"
        assert not plain.is_closed
    assert [request.headers["x-mine"] for request in api.requests] == ["1", "1"]


def test_a_client_of_the_users_own_that_follows_redirects_does_not_carry_the_key_away() -> None:
    with Echo(accepting(KEY)) as theirs:
        target = theirs.origin
        with (
            Echo(lambda _: (307, {"Location": target}, b"")) as ours,
            httpx.Client(follow_redirects=True, trust_env=False) as http,
            VectorShift(KEY, base_url=ours.origin, http_client=http) as client,
            pytest.raises(AuthenticationError),
        ):
            client.request("GET", "/x")
    assert [request.authorization for request in theirs.received] == [None]


def test_the_auth_works_on_a_plain_client_of_the_users_own(api: FakeVectorShift) -> None:
    with httpx.Client(auth=CredentialAuth(KEY, origin=api.base_url), base_url=api.base_url) as http:
        assert http.get("/pipelines").json()["status"] == "success"


# --- Proxies of the environment ---


async def test_a_proxy_of_the_environment_gets_no_loopback_traffic(
    call: Caller, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Echo(accepting()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        for base_url in (api.base_url, api.base_url.replace("127.0.0.1", "localhost")):
            assert (await call(base_url))["status"] == "success"
    assert proxy.received == []


async def test_a_proxy_of_the_environment_is_used_for_another_machine(
    call: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(allow_http=True)
    with Echo(accepting(KEY)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        assert (await call("http://api.example.com/v1", settings=settings))["status"] == "success"
    assert [request.path for request in proxy.received] == ["http://api.example.com/v1/pipelines"]
    assert [r.levelno for r in caplog.records if "VECTORSHIFT_ALLOW_HTTP" in r.getMessage()] == [
        logging.WARNING
    ]


async def test_plain_http_to_another_machine_is_refused_without_contact(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Echo(accepting(KEY)) as proxy:  # the only way out
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_ALLOW_HTTP"):
            await call("http://api.example.com/v1")
    assert proxy.received == []


# --- Settings that change under a client ---


def test_a_client_without_a_base_url_follows_the_settings_of_the_process(
    api: FakeVectorShift,
) -> None:
    import vectorshift

    vectorshift.configure(settings=Settings(base_url="http://127.0.0.1:9/v1"))
    try:
        with VectorShift(KEY) as client:
            with pytest.raises(ApiConnectionError):
                Pipeline.list(client=client)
            vectorshift.configure(settings=Settings(base_url=api.base_url))
            assert Pipeline.list(client=client).raw["status"] == "success"
    finally:
        vectorshift.reset()


# --- Cancellation ---


def test_a_cancelled_call_harms_no_other_and_shows_no_key(api: FakeVectorShift) -> None:
    async def main() -> None:
        async with AsyncVectorShift(KEY, base_url=api.base_url) as client:
            api.latency = 30
            with pytest.raises(asyncio.TimeoutError) as caught:
                await asyncio.wait_for(client.request("GET", "/pipelines"), 0.2)
            api.latency = 0
            assert (await client.request("GET", "/pipelines"))["status"] == "success"
            trace = "".join(
                traceback.TracebackException.from_exception(
                    caught.value, capture_locals=True
                ).format()
            )
            ours = trace.split("httpcore")[0]
            assert "3f9c2e71d8" not in ours

    asyncio.run(main())


@pytest.mark.parametrize("status", [300, 304, 402, 418, 451, 499, 501, 520, 599])
async def test_a_status_that_nobody_documents_is_a_vectorshift_error(
    call: Caller, status: int
) -> None:
    with Echo(lambda _: (status, {}, b"")) as server, pytest.raises(VectorshiftApiError) as caught:
        await call(server.origin)
    assert caught.value.status_code == status


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_closing_while_calls_are_under_way_breaks_none_of_them() -> None:
    with (
        FakeVectorShift(latency=0.01) as api,
        VectorShift(api.create_key(), base_url=api.base_url) as client,
    ):
        stop = threading.Event()
        errors: list[BaseException] = []

        def calls() -> None:
            while not stop.is_set():
                try:
                    client.request("GET", "/pipelines")
                except BaseException as error:
                    errors.append(error)

        threads = [threading.Thread(target=calls) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            client.close()
            threading.Event().wait(0.005)
        stop.set()
        for thread in threads:
            thread.join()
        assert errors == []


@pytest.mark.usefixtures("forgotten")
def test_a_permission_for_plain_http_ends_with_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    client = VectorShift(A, base_url="http://vectorshift.example/v1", timeout=0.2)
    monkeypatch.setenv("VECTORSHIFT_ALLOW_HTTP", "1")
    assert not client.auth._refuses
    monkeypatch.delenv("VECTORSHIFT_ALLOW_HTTP")
    vectorshift.reset()
    with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_ALLOW_HTTP=1"):
        client.request("GET", "/x")
