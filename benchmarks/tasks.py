"""A thousand tasks at once on one async client: `python -m benchmarks.tasks CLIENT` is one run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import httpx

from benchmarks.figures import show, turns
from benchmarks.surroundings import Api, module
from vectorshift import AsyncVectorShift, VectorshiftError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Get = Callable[[], Awaitable[object]]

_TASKS, _GETS = 1_000, 3
_ENOUGH = 60.0  # seconds for one run
_NO_MORE_ROUNDS = 30.0  # seconds after which no other round begins
_OURS, _LIMITED, _BARE = (
    "AsyncVectorShift",
    "httpx behind a semaphore of 90",
    "httpx as it is (one run)",
)


@dataclass
class _Run:
    answered: int = 0
    failed: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    def report(self) -> None:
        """Print what there is and end the process: to cancel a thousand requests takes httpx
        another minute.
        """
        self.seconds = time.perf_counter() - self.began
        print(json.dumps(asdict(self)), flush=True)
        os._exit(0)


def tasks(api: Api, rounds: int = 3) -> None:
    runs: dict[str, list[_Run]] = {_OURS: [], _LIMITED: [], _BARE: []}
    began = time.perf_counter()
    for name in turns([_OURS, _LIMITED], rounds):
        if len(runs[_OURS]) != len(runs[_LIMITED]) or time.perf_counter() - began < _NO_MORE_ROUNDS:
            runs[name].append(_in_a_process(name, api))
    runs[_BARE].append(_in_a_process(_BARE, api))
    rows = [
        (
            name,
            f"{statistics.median(run.seconds for run in found):.1f}",
            f"{statistics.median(run.answered for run in found):,.0f}",
            f"{statistics.median(run.failed for run in found):,.0f}",
        )
        for name, found in runs.items()
    ]
    show(
        f"{_TASKS:,} tasks × {_GETS} GETs on one async client",
        ("", "s", "answered", "failed"),
        rows,
        f"Median of {len(runs[_OURS])} round(s), a process each. A run is stopped after"
        f" {_ENOUGH:.0f} s.",
    )


def _in_a_process(name: str, api: Api) -> _Run:
    return _Run(
        **json.loads(module("benchmarks.tasks", name, BENCH_URL=api.base_url, BENCH_KEY=api.key))
    )


@contextlib.asynccontextmanager
async def _ours(api: Api) -> AsyncIterator[Get]:
    async with AsyncVectorShift(api.key, base_url=api.base_url) as client:
        yield lambda: client.request("GET", "/pipelines")


@contextlib.asynccontextmanager
async def _limited(api: Api) -> AsyncIterator[Get]:
    limiter = asyncio.Semaphore(90)

    async def get() -> object:
        async with limiter:
            return await client.get(api.url)

    async with httpx.AsyncClient(headers=api.headers) as client:
        yield get


@contextlib.asynccontextmanager
async def _bare(api: Api) -> AsyncIterator[Get]:
    async with httpx.AsyncClient(headers=api.headers) as client:
        yield lambda: client.get(api.url)


async def _run(name: str, api: Api) -> None:
    async with {_OURS: _ours, _LIMITED: _limited, _BARE: _bare}[name](api) as get:
        run = _Run()
        clock = threading.Timer(_ENOUGH, run.report)
        clock.start()
        await asyncio.gather(*(_task(get, run) for _ in range(_TASKS)))
        clock.cancel()
        run.report()


async def _task(get: Get, run: _Run) -> None:
    for _ in range(_GETS):
        try:
            await get()
        except (httpx.HTTPError, VectorshiftError):
            run.failed += 1
        else:
            run.answered += 1


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], Api(os.environ["BENCH_URL"], os.environ["BENCH_KEY"])))
