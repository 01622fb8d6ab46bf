"""Thousands of calls of every kind, of which many meet a fault: nothing foreign, nothing twice,
nothing left open.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import sniffio
from tests.e2e.faulty import DONE, NOT_DONE, Faulty
from tests.e2e.mixed import ASYNC, SYNC, Mixed
from tests.e2e.stage import wait_until
from tests.faults import StillClock
from tests.versions import is_older

from vectorshift import AsyncVectorShift, VectorShift, VectorshiftError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.testing import RecordedRequest

CALLS = int(os.environ.get("MIXED_CALLS", "3000"))
SEED = int(os.environ.get("MIXED_SEED", "1"))
SOAK_CALLS = int(os.environ.get("SOAK_CALLS", "100000"))
SOAK_SEED = int(os.environ.get("SOAK_SEED", str(random.randrange(10**6))))
TIMEOUT = 1.0  # seconds that an attempt waits; a fault that hangs takes so long

Way = Callable[[Coroutine[Any, Any, None], random.Random], Awaitable[None]]
"""Awaits a call, or does something to it."""


class Campaign:
    """So many calls of one style, and what came of them.

    Args:
        calls: how many.
        seed: says which calls, which of them are cancelled and when, and with which fault it
            begins.
    """

    def __init__(self, calls: int, seed: int) -> None:
        self.calls, self.seed = calls, seed
        self.patience = (
            120 + calls / 20
        )  # seconds for all of it; it takes a hundredth of a second for each
        self.marks = iter(range(calls))
        self.outcomes: list[str] = []
        self.wrong: list[str] = []

    async def work(self, mixed: Mixed, way: Way) -> None:
        """Make calls until all are made."""
        for number in self.marks:
            chance = random.Random(f"{self.seed}-{number}")
            call = chance.choice(mixed.all)
            try:
                await way(call(f"m-{number}"), chance)
            except VectorshiftError as error:
                self.outcomes.append(type(error).__name__)
            except Exception as error:
                self.wrong.append(f"call {number}, {call.__name__}: {error!r}")
            else:
                self.outcomes.append("fine")

    def judge(self, api: Faulty) -> None:
        """Say what is not as it should be."""
        came_of = Counter(self.outcomes)
        about = f"seed {self.seed}, {self.calls} calls: {dict(came_of)}, faults: {dict(api.met)}"
        assert not self.wrong, (about, self.wrong[:5])
        assert len(self.outcomes) == self.calls, about
        assert came_of["fine"] > 0.8 * self.calls, about
        done = Counter(mark for sent in api.requests if sent.status == 200 for mark in _marks(sent))
        assert len(done) > 0.4 * self.calls, about
        assert done.most_common(1)[0][1] == 1, (about, done.most_common(5))


def _marks(sent: RecordedRequest) -> set[bytes]:
    """Return the mark of a POST; what ends a run or takes back a share has none."""
    return set(re.findall(rb'"m-\d+"', sent.body)) if sent.method == "POST" else set()


def open_sockets() -> set[str]:
    """Return the sockets of this process, where the system tells."""
    found: set[str] = set()
    for each in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with contextlib.suppress(OSError):
            found.add(str(each.readlink()))
    return {each for each in found if each.startswith("socket:")}


@contextlib.contextmanager
def nothing_left(api: Faulty) -> Iterator[None]:
    """Let nothing of a block be left behind it: no connection on either side, no thread, nothing
    for the collector.
    """
    sockets, threads = open_sockets(), set(threading.enumerate())
    yield
    wait_until(lambda: api.connections == 0)
    wait_until(lambda: open_sockets() <= sockets)
    wait_until(lambda: set(threading.enumerate()) <= threads)
    gc.collect()


# --- Threads ---


def drive(steps: Coroutine[Any, Any, None]) -> None:
    """Do what a coroutine does that waits for nothing."""
    with pytest.raises(StopIteration):
        steps.send(None)


async def whole(steps: Coroutine[Any, Any, None], chance: random.Random) -> None:
    await steps


def by_threads(campaign: Campaign, api: Faulty, file: Path) -> None:
    with VectorShift(
        api.create_key(), base_url=api.base_url, timeout=TIMEOUT, clock=StillClock()
    ) as client:
        mixed = Mixed(SYNC, client, api, file)
        threads = [
            threading.Thread(target=lambda: drive(campaign.work(mixed, whole)), daemon=True)
            for _ in range(16)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(campaign.patience)
        assert not any(each.is_alive() for each in threads), "a call hangs"
        (seat,) = client._connections._seats.values()
        assert len(seat.pool.idle) <= 16
        wait_until(lambda: api.connections <= len(seat.pool.idle))  # none stays half-read


# --- Tasks ---


async def by_tasks(campaign: Campaign, api: Faulty, file: Path) -> None:
    tasks = len(anyio.get_running_tasks())
    key = api.create_key()
    async with AsyncVectorShift(
        key, base_url=api.base_url, timeout=TIMEOUT, clock=StillClock()
    ) as client:
        mixed = Mixed(ASYNC, client, api, file)
        with anyio.fail_after(campaign.patience):
            async with anyio.create_task_group() as group:
                for _ in range(64):
                    group.start_soon(campaign.work, mixed, sometimes_cancelled)
        (seat,) = client._connections._seats.values()
        assert seat.limiter.value == 90
        assert len(seat.pool.idle) <= 64
        with anyio.fail_after(60):
            while api.connections > len(seat.pool.idle):  # none stays half-read
                await anyio.sleep(0.005)
    assert len(anyio.get_running_tasks()) == tasks


async def sometimes_cancelled(steps: Coroutine[Any, Any, None], chance: random.Random) -> None:
    """Cancel one call in five, as anyio does it or as asyncio does it, after some turns of the
    event loop.
    """
    if chance.random() < 0.8:
        await steps
    elif sniffio.current_async_library() == "asyncio" and chance.random() < 0.7:
        await _cancelled_by_asyncio(steps, chance)
    else:
        await _cancelled_by_anyio(steps, chance)


async def _cancelled_by_asyncio(steps: Coroutine[Any, Any, None], chance: random.Random) -> None:
    task = asyncio.create_task(steps)
    await _turns(chance.randrange(40))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _cancelled_by_anyio(steps: Coroutine[Any, Any, None], chance: random.Random) -> None:
    errors: list[Exception] = []
    scope = anyio.CancelScope()

    async def run() -> None:
        with scope:
            try:
                await steps
            except Exception as error:
                errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await _turns(chance.randrange(40))
        scope.cancel()
    if errors:
        raise errors[0]


async def _turns(number: int) -> None:
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


# --- The tests ---

STYLES: dict[str, Callable[[Campaign, Faulty, Path], None]] = {
    "threads": by_threads,
    "asyncio": lambda *given: anyio.run(by_tasks, *given, backend="asyncio"),
    "trio": lambda *given: anyio.run(by_tasks, *given, backend="trio"),
}


def carry_out(style: str, calls: int, seed: int, folder: Path) -> Faulty:
    file = folder / "some.txt"
    file.write_bytes(b"12345")
    campaign = Campaign(calls, seed)
    print(f"Seed {seed}, {calls} calls.")  # shown if anything fails
    with Faulty(seed) as api:
        with nothing_left(api):
            STYLES[style](campaign, api, file)
        campaign.judge(api)
        return api


@pytest.mark.parametrize("style", list(STYLES))
def test_mixed_calls_under_faults_return_or_raise_ours_and_leave_nothing_behind(
    style: str, tmp_path: Path
) -> None:
    """A third of the calls in each style. No POST is carried out twice, and none gets the answer
    to another.
    """
    if style == "asyncio" and is_older("anyio", "4.16"):
        pytest.skip("this anyio leaks the connections of cancelled tasks")
    api = carry_out(style, CALLS // 3 + 1, SEED, tmp_path)
    assert set(api.met) == {*NOT_DONE, *DONE}


@pytest.mark.soak
@pytest.mark.parametrize("style", list(STYLES))
def test_many_more_mixed_calls_under_faults(style: str, tmp_path: Path) -> None:
    carry_out(style, SOAK_CALLS // 3 + 1, SOAK_SEED, tmp_path)
