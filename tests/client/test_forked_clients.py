"""An httpx client of the user's own, on both sides of a fork: two processes on one connection read
each other's answers.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.fakes import Echo, Received
from tests.forks import succeeds_in_a_child

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CredentialAuth,
    CredentialConfigurationError,
    VectorShift,
)
from vectorshift.transport.http import has_connections
from vectorshift.transport.pool import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # what a loop that has ended leaves in a client of the user's own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OWN = "vs-of-the-parent"
OTHER = "vs-of-another-organisation"


@pytest.fixture
def mirror() -> Iterator[Echo]:
    """An API that answers with the key that it was sent."""

    def answers(request: Received) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"key": request.authorization}).encode()

    with Echo(answers) as api:
        yield api


def sent(client: VectorShift) -> bool:
    """Whether a call is answered with its own key."""
    return bool(client.request("GET", "/x")["key"] == f"Bearer {OWN}")


def asent(client: AsyncVectorShift) -> bool:
    return bool(asyncio.run(client.request("GET", "/x"))["key"] == f"Bearer {OWN}")


def is_refused(call: Callable[[], object]) -> bool:
    """Whether a call fails with words that name the fix."""
    try:
        call()
    except CredentialConfigurationError as error:
        words = str(error)
        return words.isascii() and "in the child" in words and str(os.getppid()) in words
    return False


# --- Handed in ---


def test_one_that_the_parent_has_used_is_refused_in_the_child_before_anything_is_sent(
    mirror: Echo,
) -> None:
    with httpx.Client() as http:
        client = VectorShift(OWN, base_url=mirror.origin, http_client=http)
        other = VectorShift(OTHER, base_url=mirror.origin, http_client=http)
        assert sent(client)

        def in_the_child() -> bool:
            late = VectorShift(OTHER, base_url=mirror.origin, http_client=http)
            return (
                is_refused(lambda: client.request("GET", "/x"))
                and is_refused(lambda: other.request("GET", "/x"))
                and is_refused(lambda: late.request("GET", "/x"))
                and is_refused(lambda: client.pinned().request("GET", "/x"))
                and is_refused(lambda: client.stream("GET", "/x").__enter__())
                and is_refused(lambda: client.request("POST", "/x", json={}))
            )

        assert succeeds_in_a_child(in_the_child)
        assert len(mirror.received) == 1
        assert sent(client)  # the parent's own


def test_an_async_one_is_too(mirror: Echo) -> None:
    http, loop = httpx.AsyncClient(), asyncio.new_event_loop()
    client = AsyncVectorShift(OWN, base_url=mirror.origin, http_client=http)
    loop.run_until_complete(client.request("GET", "/x"))

    async def streamed() -> None:
        async with client.stream("GET", "/x"):
            pass

    assert succeeds_in_a_child(
        lambda: is_refused(lambda: asent(client)) and is_refused(lambda: asyncio.run(streamed()))
    )
    loop.run_until_complete(http.aclose())
    loop.close()
    assert len(mirror.received) == 1


def test_so_is_one_that_was_configured_for_the_process(
    mirror: Echo,
) -> None:
    with httpx.Client() as http:
        client = VectorShift(OWN, base_url=mirror.origin, http_client=http)
        vectorshift.configure(client=client)
        try:
            assert sent(client)
            assert succeeds_in_a_child(lambda: is_refused(vectorshift.Pipeline.list))
        finally:
            vectorshift.reset()
    assert len(mirror.received) == 1


def test_so_is_one_that_the_parent_has_used_by_itself(mirror: Echo) -> None:
    """The parent's call went past our clients; what is left of it is a connection."""
    with httpx.Client() as http:
        client = VectorShift(OWN, base_url=mirror.origin, http_client=http)
        http.get(mirror.origin)
        assert has_connections(http)
        assert succeeds_in_a_child(lambda: is_refused(lambda: client.request("GET", "/x")))
        assert sent(client)


def test_one_that_nobody_has_used_serves_parent_and_children(mirror: Echo) -> None:
    """As in a module that gunicorn loads ahead of its workers."""
    with httpx.Client() as http:
        client = VectorShift(OWN, base_url=mirror.origin, http_client=http)
        assert succeeds_in_a_child(lambda: sent(client) and sent(client))
        assert succeeds_in_a_child(lambda: sent(client))
        assert sent(client)
        assert succeeds_in_a_child(lambda: is_refused(lambda: client.request("GET", "/x")))


def test_a_grandchild_is_refused_what_the_child_has_used(mirror: Echo) -> None:
    with httpx.Client() as http:
        client = VectorShift(OWN, base_url=mirror.origin, http_client=http)
        assert succeeds_in_a_child(
            lambda: (
                sent(client)
                and succeeds_in_a_child(lambda: is_refused(lambda: client.request("GET", "/x")))
            )
        )


def test_the_fix_that_the_error_names_works(mirror: Echo) -> None:
    with httpx.Client() as http:
        assert sent(VectorShift(OWN, base_url=mirror.origin, http_client=http))

        def in_the_child() -> bool:
            with httpx.Client() as mine:
                return sent(VectorShift(OWN, base_url=mirror.origin, http_client=mine))

        assert succeeds_in_a_child(in_the_child)


def test_our_own_connections_go_on_in_the_child(mirror: Echo) -> None:
    with VectorShift(OWN, base_url=mirror.origin) as client:
        aclient = AsyncVectorShift(OWN, base_url=mirror.origin)
        assert sent(client)
        assert asent(aclient)
        assert succeeds_in_a_child(lambda: sent(client) and asent(aclient))


def test_an_owner_is_forgotten_with_its_client() -> None:
    http = httpx.Client()
    owner = Owner.of(http)
    assert Owner.of(http) is owner
    http.close()
    before = len(Owner._known)
    del http
    assert len(Owner._known) == before - 1


# --- `CredentialAuth` on a client of the user's own ---


def test_an_auth_that_the_parent_has_used_is_refused_in_the_child_before_anything_is_sent(
    mirror: Echo,
) -> None:
    auth = CredentialAuth(OWN, origin=mirror.origin)
    with httpx.Client(auth=auth) as http:
        http.get(mirror.origin)

        async def aget() -> None:
            async with httpx.AsyncClient(auth=auth) as ahttp:
                await ahttp.get(mirror.origin)

        assert succeeds_in_a_child(
            lambda: (
                is_refused(lambda: http.get(mirror.origin))
                and is_refused(lambda: asyncio.run(aget()))
            )
        )
        assert len(mirror.received) == 1
        assert http.get(mirror.origin).json() == {"key": f"Bearer {OWN}"}


def test_so_is_one_for_httpx2(mirror: Echo) -> None:
    httpx2 = pytest.importorskip("httpx2")
    with httpx2.Client(auth=vectorshift.httpx2_auth(OWN, origin=mirror.origin)) as http:
        http.get(mirror.origin)
        assert succeeds_in_a_child(lambda: is_refused(lambda: http.get(mirror.origin)))
    assert len(mirror.received) == 1


def test_so_is_that_of_a_client_of_ours_where_it_is_used_by_itself(mirror: Echo) -> None:
    with VectorShift(OWN, base_url=mirror.origin) as client, httpx.Client(auth=client.auth) as http:
        assert sent(client)
        http.get(mirror.origin)
        assert succeeds_in_a_child(
            lambda: sent(client) and is_refused(lambda: http.get(mirror.origin))
        )


def test_an_auth_that_nobody_has_used_serves_parent_and_children(mirror: Echo) -> None:
    auth = CredentialAuth(OWN, origin=mirror.origin)

    def asked() -> bool:
        with httpx.Client(auth=auth) as http:
            return bool(http.get(mirror.origin).json()["key"] == f"Bearer {OWN}")

    assert succeeds_in_a_child(asked)
    assert succeeds_in_a_child(asked)
    assert asked()


def test_what_goes_elsewhere_without_the_key_is_left_alone(mirror: Echo) -> None:
    auth = CredentialAuth(OWN, origin="https://api.example.com")
    with httpx.Client(auth=auth) as http:
        http.get(mirror.origin)
        assert succeeds_in_a_child(lambda: http.get(mirror.origin).json() == {"key": None})
