"""A client for each of many organisations in one process: each with its own key, and nothing
left at the end.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.organisations import aseen, seen

from vectorshift import AsyncVectorShift, VectorShift, using
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 200
THOUSAND = 1_000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for both ends of a thousand connections: the stand-in API is in this process, too."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * THOUSAND
    if before[1] != resource.RLIM_INFINITY and before[1] < wanted:
        pytest.skip(f"this machine lets a process open {before[1]} files at most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def open_files() -> int:
    """How many file descriptors this process has."""
    # names alone
    return len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))  # noqa: PTH208


@pytest.fixture
def nothing_left(many_files: None) -> Iterator[None]:
    """At the end no file and no thread is left that was not there at the start; the API has been
    stopped by then.
    """
    gc.collect()
    files, threads = open_files(), set(threading.enumerate())
    yield
    assert open_files() <= files
    assert set(threading.enumerate()) <= threads


@pytest.fixture(params=[MANY, pytest.param(THOUSAND, marks=pytest.mark.soak)])
def crowd(
    request: pytest.FixtureRequest, nothing_left: None
) -> Iterator[tuple[FakeVectorShift, dict[str, str]]]:
    """The API, and many organisations with their keys."""
    with FakeVectorShift() as api:
        names = [f"org{number}" for number in range(request.param)]
        yield api, {name: api.create_key(org=name) for name in names}


def test_many_clients_each_call_with_their_own_key_and_leave_nothing(
    crowd: tuple[FakeVectorShift, dict[str, str]],
) -> None:
    api, keys = crowd
    files, threads = open_files(), set(threading.enumerate())
    clients = {name: VectorShift(key, base_url=api.base_url) for name, key in keys.items()}
    assert open_files() == files, "making one opens nothing"
    for _ in range(2):
        assert {name: seen(client) for name, client in clients.items()} == {
            name: name for name in keys
        }
    assert set(threading.enumerate()) <= threads
    assert Counter(request.org for request in api.requests) == dict.fromkeys(keys, 2)
    for client in clients.values():
        client.close()


def test_many_async_clients_each_call_with_their_own_key_and_leave_nothing(
    crowd: tuple[FakeVectorShift, dict[str, str]],
) -> None:
    api, keys = crowd

    async def main() -> None:
        clients = {name: AsyncVectorShift(key, base_url=api.base_url) for name, key in keys.items()}
        names = list(clients)
        for start in range(0, len(names), 100):
            some = names[start : start + 100]
            assert await asyncio.gather(*(aseen(clients[name]) for name in some)) == some
        for client in clients.values():
            await client.aclose()

    asyncio.run(main())
    assert Counter(request.org for request in api.requests) == dict.fromkeys(keys, 1)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # that much is said
def test_many_clients_that_were_dropped_unclosed_leave_nothing(
    crowd: tuple[FakeVectorShift, dict[str, str]],
) -> None:
    api, keys = crowd
    assert all(seen(VectorShift(key, base_url=api.base_url)) == name for name, key in keys.items())
    gc.collect()


def test_many_async_clients_that_were_dropped_unclosed_leave_nothing(
    crowd: tuple[FakeVectorShift, dict[str, str]],
) -> None:
    api, keys = crowd

    async def main() -> None:
        for name, key in keys.items():
            assert await aseen(AsyncVectorShift(key, base_url=api.base_url)) == name

    asyncio.run(main())
    gc.collect()


def test_many_blocks_share_the_connections_of_one_client(
    crowd: tuple[FakeVectorShift, dict[str, str]],
) -> None:
    api, keys = crowd
    files = open_files()
    with VectorShift(base_url=api.base_url) as client:
        for name, key in keys.items():
            with using(key):
                assert seen(client) == name
        assert (
            open_files() - files <= 8
        )  # one connection has two ends here, and a pause of the server's may cost one
    assert Counter(request.org for request in api.requests) == dict.fromkeys(keys, 1)
