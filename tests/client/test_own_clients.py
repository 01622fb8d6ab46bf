"""What an httpx client of the user's own may do to a call, and what it may not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from tests.faults import FaultServer, answer

from vectorshift import (
    ApiConnectionError,
    AsyncVectorShift,
    CredentialConfigurationError,
    VectorShift,
    VectorshiftApiError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY = "vs-of-the-client"
MINE = {"api-KEY": "mine-1234"}


# --- Redirects ---


@pytest.mark.parametrize("of", ["the call", "the client"])
def test_an_api_key_of_the_callers_does_not_follow_a_redirect(of: str) -> None:
    with (
        FaultServer(answer()) as theirs,
        FaultServer(answer(307, b"", Location=theirs.origin)) as ours,
        httpx.Client(follow_redirects=True, headers=MINE if of == "the client" else None) as http,
        VectorShift(KEY, base_url=ours.origin, http_client=http) as client,
        pytest.raises(VectorshiftApiError, match="a redirect is not followed"),
    ):
        client.request("GET", "/x", headers=MINE if of == "the call" else None)
    assert [sent.headers["api-key"] for sent in ours.received] == ["mine-1234"]
    assert theirs.received == []


@pytest.mark.parametrize("of", ["the call", "the client"])
def test_nor_does_it_in_an_async_call(of: str) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(
            follow_redirects=True, headers=MINE if of == "the client" else None
        ) as http:
            client = AsyncVectorShift(KEY, base_url=ours.origin, http_client=http)
            await client.request("GET", "/x", headers=MINE if of == "the call" else None)

    with (
        FaultServer(answer()) as theirs,
        FaultServer(answer(307, b"", Location=theirs.origin)) as ours,
        pytest.raises(VectorshiftApiError, match="a redirect is not followed"),
    ):
        asyncio.run(main())
    assert theirs.received == []


def test_a_call_without_one_follows() -> None:
    with (
        FaultServer(answer()) as theirs,
        FaultServer(answer(307, b"", Location=theirs.origin)) as ours,
        httpx.Client(follow_redirects=True) as http,
    ):
        VectorShift(KEY, base_url=ours.origin, http_client=http).request("GET", "/x")
    assert [sent.authorization for sent in theirs.received] == [None]


# --- Event loops ---


def run_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def call() -> Any:
        return await main()

    return asyncio.run(call())


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the first loop left a socket behind
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("first", "second"),
    [(run_asyncio, run_asyncio), (run_asyncio, trio.run), (trio.run, run_asyncio)],
    ids=["asyncio twice", "asyncio, trio", "trio, asyncio"],
)
def test_an_httpx_client_that_served_another_event_loop_is_refused_before_anything_is_sent(
    first: Any, second: Any
) -> None:
    with FaultServer(answer()) as server:
        client = AsyncVectorShift(KEY, base_url=server.origin, http_client=httpx.AsyncClient())
        call = partial(client.request, "POST", "/x", json={})
        assert first(call) == {"status": "success"}
        with pytest.raises(
            CredentialConfigurationError, match=r"http_client was used in another event loop"
        ):
            second(call)
        assert len(server.received) == 1
        del client, call
        gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_it_is_refused_to_any_client_of_ours_and_whether_or_not_the_first_loop_is_gone() -> None:
    with FaultServer(answer()) as server:
        http = httpx.AsyncClient()
        clients = [
            AsyncVectorShift(KEY, base_url=server.origin, http_client=http) for _ in range(2)
        ]

        async def main() -> None:
            await clients[0].request("GET", "/x")
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                late = pool.submit(run_asyncio, partial(clients[1].request, "GET", "/x"))
                with pytest.raises(CredentialConfigurationError, match="another event loop"):
                    await asyncio.wrap_future(late)

        asyncio.run(main())
        gc.collect()
        with pytest.raises(CredentialConfigurationError, match="another event loop"):
            run_asyncio(partial(clients[1].request, "GET", "/x"))
        assert len(server.received) == 1
        clients.clear()
        del http
        gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_that_another_loop_has_used_by_itself_fails_as_a_connection_does() -> None:
    """Nobody told us; what asyncio says of its connection does."""
    with FaultServer(answer()) as server:
        http = httpx.AsyncClient()
        run_asyncio(partial(http.get, server.origin))
        client = AsyncVectorShift(KEY, base_url=server.origin, http_client=http)
        with pytest.raises(ApiConnectionError, match="was used in another event loop") as caught:
            run_asyncio(partial(client.request, "POST", "/x", json={}))
        assert caught.value.may_have_run
        assert caught.value.tries == 1
        del client, http, caught
        gc.collect()


def test_an_error_of_a_hook_that_is_none_of_an_event_loop_passes() -> None:
    async def hook(_: httpx.Request) -> None:
        raise RuntimeError("This event loop is already running")

    async def main() -> None:
        async with httpx.AsyncClient(event_hooks={"request": [hook]}) as http:
            await AsyncVectorShift(KEY, base_url="http://127.0.0.1:9", http_client=http).request(
                "GET", "/x"
            )

    with pytest.raises(RuntimeError, match="already running"):
        asyncio.run(main())


# --- Time limits ---


def test_a_time_limit_below_0_is_refused_where_the_client_is_given() -> None:
    with (
        httpx.Client(timeout=-1) as http,
        pytest.raises(ValueError, match="timeouts of an httpx client"),
    ):
        VectorShift(KEY, http_client=http)
