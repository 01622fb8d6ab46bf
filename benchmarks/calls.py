"""What one call costs beyond the same request on a bare httpx client."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.figures import Found, difference, in_turn, median, ratio, show, turns
from vectorshift import AsyncVectorShift, Pipeline, VectorShift

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.surroundings import Api

_QUERY = {"include_shared": "false", "verbose": "true"}  # what Pipeline.list sends
_BARE, _SECOND, _BARE_QUERY, _REQUEST, _LIST, _OPENAI = (
    "httpx",
    "httpx, a second client",
    "httpx with the query",
    "VectorShift.request",
    "Pipeline.list",
    "openai",
)
_PAIRS = ((_SECOND, _BARE), (_REQUEST, _BARE), (_LIST, _BARE_QUERY), (_OPENAI, _BARE))


def calls(api: Api, rounds: int = 2_000) -> None:
    _show("sync", _sync(api, rounds), rounds)
    _show("async", asyncio.run(_async(api, rounds)), rounds)


def _show(style: str, pairs: list[Found], rounds: int) -> None:
    rows = [
        (
            name,
            f"{median(found, name) * 1e6:.0f}",
            f"{median(found, base) * 1e6:.0f}",
            f"{difference(found, name, base) * 1e6:+.0f}",
            f"{(ratio(found, name, base) - 1) * 100:+.1f} %",
        )
        for (name, base), found in zip(_PAIRS, pairs, strict=True)
    ]
    show(
        f"One GET on loopback, {style}",
        ("", "µs", "bare httpx, µs", "beyond, µs", "ratio"),
        rows,
        f"{rounds:,} pairs in turn each; medians of the pairs. Two equal clients differ by what is"
        " noise.",
    )


def _sync(api: Api, rounds: int) -> list[Found]:
    import openai

    with (
        httpx.Client(headers=api.headers) as bare,
        httpx.Client(headers=api.headers) as second,
        VectorShift(api.key, base_url=api.base_url) as ours,
        openai.OpenAI(api_key=api.key, base_url=api.base_url) as other,
    ):
        work: dict[str, Callable[[], object]] = {
            _BARE: lambda: bare.get(api.url).json(),
            _SECOND: lambda: second.get(api.url).json(),
            _BARE_QUERY: lambda: bare.get(api.url, params=_QUERY).json(),
            _REQUEST: lambda: ours.request("GET", "/pipelines"),
            _LIST: lambda: Pipeline.list(client=ours),
            _OPENAI: lambda: other.get("/pipelines", cast_to=object),
        }
        measures = {name: partial(_timed, call) for name, call in work.items()}
        in_turn(measures, 50)
        return [in_turn({name: measures[name] for name in pair}, rounds) for pair in _PAIRS]


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


async def _async(api: Api, rounds: int) -> list[Found]:
    import openai

    async def get(client: httpx.AsyncClient, query: dict[str, str] | None = None) -> Any:
        return (await client.get(api.url, params=query)).json()

    async with (
        httpx.AsyncClient(headers=api.headers) as bare,
        httpx.AsyncClient(headers=api.headers) as second,
        AsyncVectorShift(api.key, base_url=api.base_url) as ours,
        openai.AsyncOpenAI(api_key=api.key, base_url=api.base_url) as other,
    ):
        work: dict[str, Callable[[], Awaitable[object]]] = {
            _BARE: lambda: get(bare),
            _SECOND: lambda: get(second),
            _BARE_QUERY: lambda: get(bare, _QUERY),
            _REQUEST: lambda: ours.request("GET", "/pipelines"),
            _LIST: lambda: Pipeline.alist(client=ours),
            _OPENAI: lambda: other.get("/pipelines", cast_to=object),
        }
        await _in_turn(work, list(work), 50)
        return [await _in_turn(work, pair, rounds) for pair in _PAIRS]


async def _in_turn(
    work: dict[str, Callable[[], Awaitable[object]]], names: Sequence[str], rounds: int
) -> Found:
    found: Found = {name: [] for name in names}
    for name in turns(names, rounds):
        began = time.perf_counter()
        await work[name]()
        found[name].append(time.perf_counter() - began)
    return found
