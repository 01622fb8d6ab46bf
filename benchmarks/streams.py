"""How fast the chunks of a streamed run come, beside the official SDK.

The official SDK is in an environment of its own, which `make compat` sets up.
"""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import show, turns

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS, _THEIRS = "vectorshift", "the official SDK"
_OFFICIAL = Path(os.environ.get("OFFICIAL", Path(__file__).parent.parent / ".venv-official"))
_CHUNKS = 40_000

_PROGRAM = """
import asyncio, json, time
from vectorshift import Pipeline

pipeline = Pipeline(id="p1")

class Measure:
    def __enter__(self):
        self.count, self.began, self.cpu = 0, time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error):
        self.by_clock = self.count / (time.perf_counter() - self.began)
        self.by_cpu = self.count / (time.process_time() - self.cpu)

def sync():
    with Measure() as measure:
        for chunk in pipeline.stream({"text": "x"}):
            measure.count += bool(chunk.output_value)
    return measure

async def asynchronous():
    with Measure() as measure:
        async for chunk in pipeline.astream({"text": "x"}):
            measure.count += bool(chunk.output_value)
    return measure

async def four():
    return [await asynchronous() for _ in range(4)]

found = [[sync() for _ in range(4)], asyncio.run(four())]
best = [[max(m.by_clock for m in each), max(m.by_cpu for m in each)] for each in found]
print(json.dumps(sum(best, [])))
"""


def streams(rounds: int = 5) -> None:
    pythons = {_OURS: Path(sys.executable), _THEIRS: _OFFICIAL.absolute() / "bin" / "python"}
    if not pythons[_THEIRS].exists():
        print(f"\n{_THEIRS} is not there: make compat sets it up, and measures nothing")
        del pythons[_THEIRS]
    found: dict[str, list[list[float]]] = {name: [] for name in pythons}
    with _server() as base_url:
        environ = {**os.environ, "VECTORSHIFT_BASE_URL": base_url, "VECTORSHIFT_API_KEY": "vs-key"}
        for name in turns(pythons, rounds):
            command = [str(pythons[name]), "-W", "ignore", "-c", _PROGRAM]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout))
    show(
        f"A streamed run, {len(_BODY) / 1e6:.1f} MB in {_CHUNKS:,} chunks on loopback",
        ("", "sync, chunks a second", "of CPU time", "async, chunks a second", "of CPU time"),
        [
            (name, *(f"{statistics.median(each):,.0f}" for each in zip(*runs, strict=True)))
            for name, runs in found.items()
        ],
        f"Whole processes in turn, the median of {rounds}; of each the best of four streams. On a"
        " busy machine, compare by CPU time.",
    )


def _body() -> bytes:
    chunk = {"type": "stream", "run_id": "6a8e89b52ac88a5957ed0001", "output_name": "answer"}
    data = json.dumps({**chunk, "output_value": "word " * 27})
    return f"event: stream\ndata: {data}\n\n".encode() * _CHUNKS


_BODY = _body()


class _Handler(socketserver.StreamRequestHandler):
    """Answers each request with the stream, and closes the connection."""

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self.rfile.read(length)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        with contextlib.suppress(OSError):
            self.wfile.write(head + _BODY)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
