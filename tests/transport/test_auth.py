"""`CredentialAuth` over a real socket, sync and async: whom it asks, what it stamps, what it does
about a 401.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
import pytest
from tests.fakes import AsyncRotating, Echo, Received, Result, Rotating, accepting

import vectorshift
import vectorshift.client.default
from vectorshift import (
    AuthenticationError,
    Credential,
    CredentialAuth,
    CredentialConfigurationError,
    CredentialStoreUnavailableError,
    EnvProvider,
    MissingCredentialError,
    Settings,
    VectorShift,
    httpx2_auth,
)
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.testing import FakeVectorShift, ManualClock
from vectorshift.transport.auth import CALL, CallContext
from vectorshift.transport.rejection import REJECTION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from vectorshift import CredentialProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


class Sender:
    """Sends with one `CredentialAuth` , sync or async, of httpx or httpx2; a test runs in
    all.
    """

    def __init__(self, style: str, library: Any = httpx) -> None:
        self.style, self.library = style, library

    async def __call__(
        self,
        auth: CredentialAuth,
        url: str,
        *,
        method: str = "GET",
        follow: bool = False,
        **given: Any,
    ) -> httpx.Response:
        answer: httpx.Response
        options: dict[str, Any] = {"trust_env": False, "verify": False, "follow_redirects": follow}
        options["auth"] = auth if self.library is httpx else twin(auth)
        if self.style == "sync":
            with self.library.Client(**options) as http:
                answer = http.request(method, url, **given)
                return answer
        async with self.library.AsyncClient(**options) as client:
            answer = await client.request(method, url, **given)
            return answer


def twin(auth: CredentialAuth) -> httpx2.Auth:
    """Return the same auth for httpx2: what it is made of is all that it has."""
    other = httpx2_auth(auth.provider, origin="https://elsewhere.example.com")
    vars(other).update(vars(auth))
    return other


@pytest.fixture(params=["sync", "async", "httpx2-sync", "httpx2-async"])
def send(request: pytest.FixtureRequest) -> Sender:
    library, _, style = request.param.rpartition("-")
    return Sender(style, httpx2 if library else httpx)


def keys(server: Echo) -> list[str | None]:
    return [request.authorization for request in server.received]


# --- Asking and stamping ---


async def test_the_provider_is_asked_on_every_call(send: Sender) -> None:
    store = Rotating("first", "second", "third")
    with Echo(accepting("first", "second", "third")) as server:
        auth = CredentialAuth(store, origin=server.origin)
        for _ in range(3):
            assert (await send(auth, server.origin)).status_code == 200
    assert keys(server) == ["Bearer first", "Bearer second", "Bearer third"]
    assert store.asked == 3


async def test_the_environment_is_read_on_every_call(
    send: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Echo(accepting("one", "two")) as server:
        auth = CredentialAuth(EnvProvider(), origin=server.origin)
        for key in ("one", "two"):
            monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
            assert (await send(auth, server.origin)).status_code == 200
    assert keys(server) == ["Bearer one", "Bearer two"]


async def test_an_async_only_provider_serves_sync_and_async(send: Sender) -> None:
    with Echo(accepting("one")) as server:
        auth = CredentialAuth(AsyncRotating("one"), origin=server.origin)
        assert (await send(auth, server.origin)).status_code == 200


async def test_what_was_stamped_is_found_at_the_request(send: Sender) -> None:
    with Echo(accepting("old", "new")) as server:
        auth = CredentialAuth(Rotating("old", source="fake:here"), origin=server.origin)
        stamped = (await send(auth, server.origin)).request.extensions["vectorshift.credential"]
    assert isinstance(stamped, Credential)
    assert (stamped.secret.reveal(), stamped.source, stamped.provider) == (
        "old",
        "fake:here",
        "rotating",
    )


async def test_after_a_second_send_the_credential_found_is_the_second(send: Sender) -> None:
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin)
        answer = await send(auth, server.origin)
    assert answer.request.extensions["vectorshift.credential"].secret.reveal() == "new"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_an_authorization_header_of_the_caller_wins_and_nobody_is_asked(
    send: Sender, name: str
) -> None:
    store = Rotating("ours")
    with Echo(accepting("ours")) as server:
        auth = CredentialAuth(store, origin=server.origin)
        answer = await send(auth, server.origin, headers={name: "Basic theirs"})
    assert (answer.status_code, keys(server), store.asked) == (401, ["Basic theirs"], 0)
    assert "vectorshift.credential" not in answer.request.extensions


async def test_the_auth_of_the_call_wins_over_user_and_password_in_the_url(send: Sender) -> None:
    with Echo(accepting("ours")) as server:
        auth = CredentialAuth("ours", origin=server.origin)
        answer = await send(auth, server.origin.replace("//", "//user:password@"))
    assert (answer.status_code, keys(server)) == (200, ["Bearer ours"])


async def test_netrc_in_the_home_folder_is_ignored(send: Sender, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    with Echo(accepting("ours")) as server:
        auth = CredentialAuth("ours", origin=server.origin)
        if send.style == "sync":
            with httpx.Client(auth=auth) as http:  # reads the environment, as ours does
                http.get(server.origin)
        else:
            async with httpx.AsyncClient(auth=auth) as client:
                await client.get(server.origin)
    assert keys(server) == ["Bearer ours"]


@pytest.mark.parametrize("style", ["sync", "async"])
async def test_a_request_object_that_is_sent_again_gets_the_key_of_that_moment(style: str) -> None:
    with Echo(accepting("one", "two")) as server:
        auth = CredentialAuth(Rotating("one", "two"), origin=server.origin)
        if style == "sync":
            with httpx.Client(trust_env=False) as http:
                request = http.build_request("GET", server.origin)
                for _ in range(2):
                    http.send(request, auth=auth)
        else:
            async with httpx.AsyncClient(trust_env=False) as client:
                request = client.build_request("GET", server.origin)
                for _ in range(2):
                    await client.send(request, auth=auth)
    assert keys(server) == ["Bearer one", "Bearer two"]


# --- After a 401 ---


async def test_another_key_of_the_same_source_is_sent_once_more(send: Sender) -> None:
    store = Rotating("old", "new")
    with Echo(accepting("new")) as server:
        answer = await send(CredentialAuth(store, origin=server.origin), server.origin)
    assert answer.status_code == 200
    assert keys(server) == ["Bearer old", "Bearer new"]
    assert (store.asked, len(store.invalidated)) == (2, 1)


async def test_a_request_is_sent_at_most_twice(send: Sender) -> None:
    store = Rotating("a", "b", "c", "d")
    with Echo(accepting("d")) as server:
        answer = await send(CredentialAuth(store, origin=server.origin), server.origin)
    assert (answer.status_code, keys(server), store.asked) == (401, ["Bearer a", "Bearer b"], 2)


async def test_the_same_key_is_not_sent_again(send: Sender) -> None:
    store = Rotating("same")
    with Echo(accepting()) as server:
        answer = await send(CredentialAuth(store, origin=server.origin), server.origin)
    assert (answer.status_code, keys(server), store.asked) == (401, ["Bearer same"], 2)


async def test_a_store_that_fails_just_then_lets_the_401_stand(send: Sender) -> None:
    store = Rotating("old", CredentialStoreUnavailableError("The store is away."))
    with Echo(accepting()) as server:
        answer = await send(CredentialAuth(store, origin=server.origin), server.origin)
    assert (answer.status_code, len(server.received)) == (401, 1)


async def test_another_source_serves_the_next_call_and_not_this_one(
    send: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    store = Rotating(("old", "fake:first"), ("new", "fake:second"))
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(store, origin=server.origin)
        assert (await send(auth, server.origin)).status_code == 401
        assert keys(server) == ["Bearer old"]
        assert (await send(auth, server.origin)).status_code == 200
    warned = [
        r.getMessage()
        for r in caplog.records
        if r.name == "vectorshift" and r.levelno == logging.WARNING
    ]
    assert any("fake:first" in line and "fake:second" in line for line in warned)


async def test_other_failures_than_401_ask_nobody_again(send: Sender, api: FakeVectorShift) -> None:
    store = Rotating(api.create_key())
    auth = CredentialAuth(store, origin=api.base_url)
    for status in (400, 403, 404, 429, 500, 503):
        api.fail_next(status)
        assert (await send(auth, f"{api.base_url}/pipelines")).status_code == status
    assert (store.asked, store.invalidated) == (6, [])


async def test_a_hundred_requests_refused_at_once_cause_one_refresh(api: FakeVectorShift) -> None:
    old, new = api.create_key(), api.create_key()
    store = Rotating(old, remote=True)
    api.latency = 0.3
    auth = CredentialAuth(store, origin=api.base_url)
    statuses: list[int] = []
    async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=30) as client:

        async def call() -> None:
            statuses.append((await client.get(f"{api.base_url}/pipelines")).status_code)

        await call()
        api.revoke_key(old)
        store.put(new)
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(call)
    assert statuses == [200] * 101
    assert store.asked == 2


# --- The body of a 401 ---


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of 1 KiB pieces; notes how many were read and what was ended."""

    def __init__(self, pieces: int, piece_comes: Callable[[int], object] = id) -> None:
        self.pieces, self.read, self.ended = pieces, 0, list[str]()
        self._piece_comes = piece_comes

    def __iter__(self) -> Iterator[bytes]:
        while self.read < self.pieces:
            self.read += 1
            self._piece_comes(self.read)
            yield bytes(1024)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for piece in self:
                yield piece
                await anyio.lowlevel.checkpoint()
        finally:
            self.ended.append("generator")

    def close(self) -> None:
        self.ended.append("body")

    async def aclose(self) -> None:
        self.close()


async def attempts(style: str, body: Body, clock: ManualClock, ends: float = inf) -> list[str]:
    """Answer a call with this 401, and then with 200; return what had ended when each came."""
    sent: list[str] = []

    def answer(_: httpx.Request) -> httpx.Response:
        sent.append(" ".join(body.ended))
        return httpx.Response(200) if sent[1:] else httpx.Response(401, stream=body)

    auth = CredentialAuth(Rotating("old", "new"), origin="https://api.example.com")
    call = CallContext(provider=auth.provider, clock=clock, ends=ends)
    request = httpx.Request("GET", "https://api.example.com", extensions={CALL: call})
    if style == "sync":
        with httpx.Client(transport=httpx.MockTransport(answer)) as http:
            http.send(request, auth=auth)
    else:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await client.send(request, auth=auth)
    return sent


@pytest.mark.parametrize("style", ["sync", "async"])
async def test_16_kib_of_a_401_are_read_and_it_is_ended_before_the_newer_key_is_sent(
    style: str,
) -> None:
    body = Body(100)
    _, ended = await attempts(style, body, ManualClock())
    assert body.read == 16
    assert ended == ("body" if style == "sync" else "body generator")


@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize(("left", "read", "sent"), [(0.0, 2, 1), (0.5, 3, 2)])
async def test_a_401_is_read_and_answered_until_the_time_limit_of_the_call(
    style: str, left: float, read: int, sent: int
) -> None:
    clock = ManualClock()
    ends = clock.monotonic() + 10
    body = Body(3, lambda piece: clock.advance(10 - left) if piece == 2 else None)
    assert len(await attempts(style, body, clock, ends)) == sent
    assert body.read == read


# --- Bodies ---

WHOLE = b"whole" * 10_000


async def parts() -> AsyncIterator[bytes]:
    yield WHOLE


@pytest.mark.parametrize(
    "given",
    [{"content": WHOLE}, {"json": {"a": "b" * 50_000}}, {"data": {"a": "b"}}, {}],
    ids=["bytes", "json", "form", "nothing"],
)
async def test_a_body_that_can_be_repeated_is_sent_whole_both_times(
    send: Sender, given: dict[str, Any]
) -> None:
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin)
        answer = await send(auth, server.origin, method="POST", **given)
    assert (answer.status_code, len(server.received)) == (200, 2)
    first, second = (request.body for request in server.received)
    assert first == second == answer.request.content
    assert bool(first) == bool(given)


@pytest.mark.parametrize("kind", ["generator", "map", "list iterator"])
async def test_an_iterator_of_a_sync_caller_is_not_sent_again(kind: str) -> None:
    body: Any = {
        "generator": (part for part in [WHOLE]),
        "map": map(bytes, [WHOLE]),
        "list iterator": iter([WHOLE]),
    }[kind]
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin)
        answer = await Sender("sync")(auth, server.origin, method="POST", content=body)
    assert answer.status_code == 401
    assert [request.body for request in server.received] == [WHOLE]


async def test_an_async_generator_is_not_sent_again() -> None:
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin)
        answer = await Sender("async")(auth, server.origin, method="POST", content=parts())
    assert answer.status_code == 401
    assert [request.body for request in server.received] == [WHOLE]


async def test_a_body_that_cannot_be_repeated_still_wakes_the_store_for_the_next_call(
    send: Sender,
) -> None:
    store = Rotating("old", "new", remote=True)
    body: Any = iter([WHOLE]) if send.style == "sync" else parts()
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(store, origin=server.origin)
        assert (await send(auth, server.origin, method="POST", content=body)).status_code == 401
        assert (await send(auth, server.origin)).status_code == 200
    assert keys(server) == ["Bearer old", "Bearer new"]


# --- Where the key may go ---


@pytest.mark.parametrize(
    "other",
    ["http://127.0.0.1:{other}/", "http://localhost:{port}/"],
    ids=["port", "host"],
)
async def test_a_request_to_another_origin_is_not_stamped(send: Sender, other: str) -> None:
    store = Rotating("ours")
    with Echo(accepting("ours")) as ours, Echo(accepting("ours")) as theirs:
        auth = CredentialAuth(store, origin=ours.origin)
        ports = {"port": ours.origin.rpartition(":")[2], "other": theirs.origin.rpartition(":")[2]}
        assert (await send(auth, other.format(**ports))).status_code == 401
    assert (keys(ours) + keys(theirs), store.asked) == ([None], 0)


async def test_a_request_with_another_scheme_is_not_stamped(send: Sender) -> None:
    store = Rotating("ours")
    with Echo(accepting("ours")) as server:
        auth = CredentialAuth(store, origin=server.origin.replace("http://", "https://"))
        assert (await send(auth, server.origin)).status_code == 401
    assert (keys(server), store.asked) == ([None], 0)


def elsewhere(target: str) -> Any:
    def answers(request: Received) -> Result:
        return 307, {"Location": f"{target}/there"}, b""

    return answers


async def test_a_redirect_to_another_origin_carries_no_key_and_its_401_asks_nobody(
    send: Sender,
) -> None:
    store = Rotating("ours", "newer")
    with Echo(accepting("ours", "newer")) as theirs, Echo(elsewhere(theirs.origin)) as ours:
        auth = CredentialAuth(store, origin=ours.origin)
        answer = await send(auth, ours.origin, follow=True)
    assert (answer.status_code, keys(ours), keys(theirs)) == (401, ["Bearer ours"], [None])
    assert (store.asked, store.invalidated) == (1, [])


async def test_a_401_after_a_redirect_within_the_origin_is_answered_with_a_newer_key(
    send: Sender,
) -> None:
    def answers(request: Received) -> Result:
        return (
            accepting("new")(request)
            if request.path == "/there"
            else (307, {"Location": "/there"}, b"")
        )

    with Echo(answers) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin)
        assert (await send(auth, server.origin, follow=True)).status_code == 200
    assert keys(server) == ["Bearer old"] * 2 + ["Bearer new"] * 2


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_post_that_a_redirect_answered_is_not_sent_again(send: Sender, status: int) -> None:
    def answers(request: Received) -> Result:
        if request.method == "POST":
            return status, {"Location": "/result"}, b""
        return accepting("new")(request)

    with Echo(answers) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin)
        answer = await send(auth, server.origin, method="POST", follow=True, json={"a": 1})
    assert [request.method for request in server.received] == ["POST", "GET"]
    assert answer.status_code == 401
    refusal = answer.history[0].request.extensions["vectorshift.refusal"]
    assert "a redirect had already answered this request" in str(refusal)


async def test_a_header_that_another_sdk_sets_is_replaced_where_that_is_wished(
    send: Sender,
) -> None:
    with Echo(accepting("new")) as server:
        auth = CredentialAuth(Rotating("old", "new"), origin=server.origin, replace=True)
        answer = await send(auth, server.origin, headers={"Authorization": "Bearer placeholder"})
    assert (answer.status_code, keys(server)) == (200, ["Bearer old", "Bearer new"])


@pytest.mark.parametrize("turns", [1, 2], ids=["at first", "after a 401"])
async def test_a_key_that_is_bound_to_another_api_is_not_sent(send: Sender, turns: int) -> None:
    class Bound(Rotating):
        def get_credential(self) -> Credential:
            there = "https://api.example.com" if self.asked == turns - 1 else None
            return replace(super().get_credential(), origin=there)

    with Echo(accepting("none")) as server:
        auth = CredentialAuth(Bound("one", "two"), origin=server.origin)
        with pytest.raises(CredentialConfigurationError) as caught:
            await send(auth, server.origin)
    assert str(caught.value).startswith("The key of fake:store is for https://api.example.com, and")
    assert len(keys(server)) == turns - 1


async def test_a_key_that_is_bound_to_this_api_is_sent(send: Sender) -> None:
    with Echo(accepting("one")) as server:

        def bound() -> Credential:
            return Credential(
                secret="one", source="mine:x", provider="mine", origin=f"{server.origin}/v1"
            )

        class Bound(Rotating):
            def get_credential(self) -> Credential:
                return bound()

        answer = await send(CredentialAuth(Bound("one"), origin=server.origin), server.origin)
    assert (answer.status_code, keys(server)) == (200, ["Bearer one"])


PLAIN = "http://api.example.com/v1"


async def test_plain_http_to_another_machine_is_refused_before_anybody_is_asked(
    send: Sender,
) -> None:
    store = Rotating("ours")
    with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_ALLOW_HTTP=1"):
        await send(CredentialAuth(store, origin=PLAIN), f"{PLAIN}/pipelines")
    assert store.asked == 0


async def test_plain_http_that_is_allowed_warns_and_is_stamped(
    caplog: pytest.LogCaptureFixture, send: Sender
) -> None:
    with Echo(accepting("ours")) as proxy:  # stands in for the other machine
        auth = CredentialAuth("ours", origin=PLAIN, allow_http=True)
        assert "api.example.com" in caplog.text
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        if send.style == "sync":
            with httpx.Client(auth=auth, proxy=proxy.origin) as http:
                assert http.get(PLAIN).status_code == 200
        else:
            async with httpx.AsyncClient(auth=auth, proxy=proxy.origin) as client:
                assert (await client.get(PLAIN)).status_code == 200
    assert keys(proxy) == ["Bearer ours"]


@pytest.mark.parametrize("allow_http", [False, True])
@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://127.0.0.1:80",
        "http://[::1]:8000",
        "https://api.example.com",
    ],
)
def test_plain_http_to_this_machine_and_https_need_no_word_and_warn_of_nothing(
    origin: str, allow_http: bool, caplog: pytest.LogCaptureFixture
) -> None:
    auth = CredentialAuth("ours", origin=origin, allow_http=allow_http)
    flow = auth.sync_auth_flow(httpx.Request("GET", origin))
    assert next(flow).headers["Authorization"] == "Bearer ours"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- No key at all ---


async def test_with_no_key_nothing_is_sent(send: Sender) -> None:
    with Echo(accepting()) as server, pytest.raises(MissingCredentialError) as caught:
        await send(CredentialAuth(EnvProvider(), origin=server.origin), server.origin)
    assert isinstance(caught.value, AuthenticationError)
    assert caught.value.status_code == 401
    assert server.received == []


@pytest.mark.parametrize("wrong", [42, None, b"vs-bytes", ["vs-list"]])
def test_what_is_no_credential_is_refused_when_it_is_handed_in(wrong: object) -> None:
    with pytest.raises(TypeError, match=type(wrong).__name__):
        CredentialAuth(wrong, origin="https://api.example.com")


@pytest.mark.parametrize(
    "wrong",
    [
        "https://api.example.com:port",
        "https://\udcff",
        "https://a\nb",
        "api.example.com",
        "",
        "/v1",
        "https:///v1",
        "ftp://api.example.com",
    ],
)
def test_an_origin_that_is_no_url_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(CredentialConfigurationError) as caught:
        CredentialAuth("ours", origin=wrong)
    assert str(caught.value) == "origin should be a URL such as https://api.vectorshift.ai."


@pytest.mark.parametrize("wrong", [42, None, b"https://user:password@api.example.com"])
def test_an_origin_that_is_no_text_is_refused_without_showing_it(wrong: Any) -> None:
    with pytest.raises(TypeError) as caught:
        CredentialAuth("ours", origin=wrong)
    needed = "origin should be a URL such as https://api.vectorshift.ai"
    assert str(caught.value) == f"{needed}, not {type(wrong).__name__}."


def test_a_client_refuses_what_is_no_credential_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="int"):
        VectorShift(42)


# --- An error names what was done ---


def failure(provider: CredentialProvider | str, server: Echo, **call: Any) -> AuthenticationError:
    with (
        VectorShift(provider, base_url=server.origin) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.request("POST", "/x", **call)
    return caught.value


def test_the_error_says_that_the_source_still_holds_the_key() -> None:
    with Echo(accepting()) as server:
        error = failure(Rotating("same", source="fake:here"), server)
    fingerprint = Credential(secret="same", source="", provider="").fingerprint
    assert (error.source, error.fingerprint) == ("fake:here", fingerprint)
    assert f"the key {fingerprint} from fake:here" in str(error)
    assert "which still had it at the last read" in str(error)


def test_the_error_names_the_failure_of_a_store_that_could_not_be_asked() -> None:
    away = CredentialStoreUnavailableError("fake:here is away.")
    with Echo(accepting()) as server:
        error = failure(Rotating("old", away, source="fake:here"), server)
    assert error.source == "fake:here"
    assert "The API refuses the key" in str(error)
    assert "fake:here is away." in str(error)


def test_the_error_names_both_sources_when_the_next_call_uses_another() -> None:
    with Echo(accepting()) as server:
        error = failure(Rotating(("old", "fake:first"), ("new", "fake:second")), server)
    assert "fake:first" in str(error)
    assert "fake:second" in str(error)
    assert error.source == "fake:first"


def test_the_error_names_both_keys_when_both_were_refused() -> None:
    with Echo(accepting()) as server:
        error = failure(Rotating("old", "new"), server)
    for key in ("old", "new"):
        assert Credential(secret=key, source="", provider="").fingerprint in str(error)


def test_the_error_says_that_a_header_of_the_caller_was_refused() -> None:
    with Echo(accepting()) as server:
        error = failure("ours", server, headers={"Authorization": "Bearer theirs"})
    assert (error.source, error.fingerprint) == (None, None)
    assert "the caller's own" in str(error)


def test_the_error_after_a_redirect_within_the_origin_says_what_was_done() -> None:
    def answers(request: Received) -> Result:
        return (
            accepting()(request) if request.path == "/there" else (307, {"Location": "/there"}, b"")
        )

    with (
        Echo(answers) as server,
        httpx.Client(follow_redirects=True, trust_env=False) as http,
        VectorShift(Rotating("same"), base_url=server.origin, http_client=http) as client,
        pytest.raises(AuthenticationError, match="had it at the last read"),
    ):
        client.request("GET", "/x")


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("style", ["sync", "async"])
async def test_a_request_is_not_sent_again_with_what_was_configured_meanwhile(style: str) -> None:
    with FakeVectorShift() as api:
        mine, other = api.create_key(org="a"), api.create_key(org="b")
        api.revoke_key(mine)

        def meanwhile() -> str:
            return mine

        vectorshift.configure(settings=Settings(base_url=api.base_url), credentials=meanwhile)
        auth = vectorshift.client.default.sync_client().auth
        request = httpx.Request("GET", f"{api.base_url}/pipelines")
        refused = httpx.Response(401, request=request)
        if style == "sync":
            flow = auth.sync_auth_flow(request)
            next(flow)
            vectorshift.configure(credentials=other)  # between the 401 and the second look
            with pytest.raises(StopIteration):
                flow.send(refused)
        else:
            aflow = auth.async_auth_flow(request)
            await anext(aflow)
            vectorshift.configure(credentials=other)
            with pytest.raises(StopAsyncIteration):
                await aflow.asend(refused)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_request_object_that_is_sent_again_does_not_bring_along_the_refusal_of_before(
    style: str,
) -> None:
    with FakeVectorShift() as api:
        good, bad = api.create_key(), "vs-nobody"
        held = {"api_key": bad}
        auth = CredentialAuth(ExplicitProvider(held=held), origin=api.base_url)
        request = httpx.Request("GET", f"{api.base_url}/pipelines")

        async def send() -> int:
            if style == "sync":
                with httpx.Client(trust_env=False) as http:
                    return http.send(request, auth=auth).status_code
            async with httpx.AsyncClient(trust_env=False) as ahttp:
                return (await ahttp.send(request, auth=auth)).status_code

        assert asyncio.run(send()) == 401
        assert REJECTION in request.extensions
        held["api_key"] = good
        assert asyncio.run(send()) == 200
        assert REJECTION not in request.extensions
