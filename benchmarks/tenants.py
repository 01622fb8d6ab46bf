"""What a client for each of many tenants costs to make and to keep: `python -m benchmarks.tenants
KIND` is one run.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.figures import Found, median, ratio, show, turns
from benchmarks.surroundings import module
from vectorshift import AsyncVectorShift, VectorShift

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[str], object]

_URL = "https://api.vectorshift.ai/v1"
_MADE, _ASYNC, _READY, _OWN, _BARE, _SHARED, _OPENAI = (
    "VectorShift(key)",
    "AsyncVectorShift(key)",
    "VectorShift(key), ready to send",
    "the same with a TLS context of its own",
    "httpx.Client()",
    "httpx.Client(verify=context), a shared one",
    "openai.OpenAI(api_key=key)",
)
_CLIENTS = {
    _MADE: 1_000,
    _ASYNC: 1_000,
    _READY: 1_000,
    _OWN: 50,
    _BARE: 50,
    _SHARED: 1_000,
    _OPENAI: 50,
}


def tenants(rounds: int = 3) -> None:
    seconds: Found = {name: [] for name in _CLIENTS}
    memory: Found = {name: [] for name in _CLIENTS}
    for name in turns(_CLIENTS, rounds):
        run = json.loads(module("benchmarks.tenants", name))
        seconds[name].append(run["seconds"])
        memory[name].append(run["bytes"])
    rows = [
        (
            name,
            f"{median(seconds, name) * 1e3:.3f}",
            f"{ratio(seconds, name, _BARE):.3f}",
            f"{median(memory, name) / 1024:,.0f}",
        )
        for name in _CLIENTS
    ]
    show(
        "A client for each tenant, for one of them",
        ("", "ms", "of httpx.Client()", "KiB"),
        rows,
        f"{_CLIENTS[_MADE]:,} clients in a process, or {_CLIENTS[_BARE]} where each makes a TLS"
        f" context; medians of {rounds} rounds. Nothing is sent.",
    )


def _maker(name: str) -> Make:
    if name == _MADE:
        return VectorShift
    if name == _ASYNC:
        return AsyncVectorShift
    if name == _READY:
        return _ready
    if name == _OWN:
        return lambda key: _ready(key, http_client=httpx.Client())
    if name == _OPENAI:
        import openai

        return lambda key: openai.OpenAI(api_key=key, base_url=_URL)
    context: dict[str, Any] = {"verify": httpx.create_ssl_context()} if name == _SHARED else {}
    return lambda key: httpx.Client(
        base_url=_URL, headers={"Authorization": f"Bearer {key}"}, **context
    )


def _ready(key: str, **given: Any) -> VectorShift:
    client = VectorShift(key, **given)
    client.prepare()
    return client


def _resident() -> int:
    """What is in memory now, in bytes; 0 where there is no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def _run(make: Make, clients: int) -> None:
    """Make the clients, keep them all, and print what one took. The first one is not counted: it
    loads the modules.
    """
    kept = [make("vs-first")]
    gc.collect()
    before = _resident()
    began = time.perf_counter()
    kept.extend(make(f"vs-tenant-{number}") for number in range(clients))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds / clients, "bytes": (_resident() - before) / clients}))


if __name__ == "__main__":
    _run(_maker(sys.argv[1]), _CLIENTS[sys.argv[1]])
