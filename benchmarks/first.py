"""The first answer of a new process, its memory, and 200 async calls at once, beside other
libraries. The official SDK runs in an environment of its own: `make .venv-official/.ready`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Found, show, turns

if TYPE_CHECKING:
    from benchmarks.surroundings import Api

OFFICIAL = Path(__file__).parent.parent / ".venv-official" / "bin" / "python"
_HTTPX = "httpx"

_CALLS = {
    _HTTPX: "import httpx\nhttpx.Client(headers=headers).get(url).raise_for_status().json()",
    "vectorshift": "import vectorshift\nvectorshift.Pipeline.list()",
    "openai": (
        "import openai\nopenai.OpenAI(api_key=key, base_url=base).get('/pipelines', cast_to=object)"
    ),
    "official": "import vectorshift\nvectorshift.Pipeline.list()",
}
_ASYNC = {
    _HTTPX: (
        "import httpx\nclient = httpx.AsyncClient(headers=headers, limits=httpx.Limits("
        "max_connections=90), timeout=60)\n"
        "async def call(): (await client.get(url)).raise_for_status().json()"
    ),
    "vectorshift": "import vectorshift\ncall = vectorshift.Pipeline.alist",
    "openai": (
        "import openai\nclient = openai.AsyncOpenAI(api_key=key, base_url=base, timeout=60)\n"
        "async def call(): await client.get('/pipelines', cast_to=object)"
    ),
    "official": "import vectorshift\ncall = vectorshift.Pipeline.alist",
}
_GIVEN = """
import asyncio, os, time
began = time.process_time()
key, base = os.environ["VECTORSHIFT_API_KEY"], os.environ["VECTORSHIFT_BASE_URL"]
headers, url = {"Authorization": f"Bearer {key}"}, base + "/pipelines"
"""
_COST = """
cpu = time.process_time() - began
resident = 0
if os.path.exists("/proc/self/statm"):
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
print(cpu, resident)
"""
_AT_ONCE = """
async def main():
    await call()
    for _ in range(2):  # the second time on warm connections
        began = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(200)))
        print(time.perf_counter() - began)
asyncio.run(main())
"""


def first(api: Api, rounds: int = 5) -> None:
    names = [name for name in _CALLS if name != "official" or OFFICIAL.exists()]
    nothing = partial(_run, sys.executable, _GIVEN + _COST, api)
    cpu: Found = {name: [] for name in names}
    memory: Found = {name: [] for name in names}
    cold: Found = {name: [] for name in names}
    warm: Found = {name: [] for name in names}
    base = min(nothing()[1] for _ in range(3))
    for name in turns(names, rounds):
        python = str(OFFICIAL) if name == "official" else sys.executable
        seconds, resident = _run(python, f"{_GIVEN}{_CALLS[name]}\n{_COST}", api)
        cpu[name].append(seconds)
        memory[name].append(resident - base)
        before, after = _run(python, f"{_GIVEN}{_ASYNC[name]}\n{_AT_ONCE}", api)
        cold[name].append(before)
        warm[name].append(after)
    rows = [
        (
            name,
            f"{min(cpu[name]) * 1000:.0f}",
            f"{min(cpu[name]) / min(cpu[_HTTPX]):.2f}",
            f"{min(memory[name]) / 2**20:.1f}",
            f"{min(memory[name]) / min(memory[_HTTPX]):.2f}",
            f"{min(cold[name]):.2f}",
            f"{min(warm[name]):.2f}",
        )
        for name in names
    ]
    show(
        "The first answer of a new process, and 200 async calls at once",
        ("", "CPU, ms", "to httpx", "memory, MiB", "to httpx", "200 cold, s", "200 warm, s"),
        rows,
        f"Least of {rounds} rounds. The key is in the environment; CPU and memory are beyond a"
        " Python that does nothing.",
    )


def _run(python: str, code: str, api: Api) -> list[float]:
    given = {"VECTORSHIFT_API_KEY": api.key, "VECTORSHIFT_BASE_URL": api.base_url}
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [float(each) for each in json.loads(f"[{','.join(done.stdout.split())}]")]
