"""The API, and a proxy before the API and each store, in a process of their own.

They are apart so that the process under test holds its own connections and nothing else: what it
leaks shows, and its forks inherit no server. Commands come as JSON lines, answers go as JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from vectorshift.testing import FakeVectorShift

THROTTLED = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
HEAD = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\n"


class Proxy:
    """A TCP port before one server or several, which take turns.

    `mode` says what it does to connections: `cut` refuses them or ends them amid an answer, `delay`
    holds answers back, `corrupt` sets the top bit of one byte of an answer, `throttle` answers as
    AWS does to too many requests, `hang` answers nothing.
    """

    def __init__(self, addresses: list[str]) -> None:
        self.mode, self.random = "", random.Random(1)
        self._behind = [(url.hostname, url.port) for url in map(urlsplit, addresses)]
        self._next = count()
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self.port = 0

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._behind:
            host, port = self._behind[next(self._next) % len(self._behind)]
            try:
                return await asyncio.open_connection(host, port)
            except OSError:
                continue
        raise ConnectionRefusedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        task = asyncio.current_task()
        self._tasks.add(task)  # asyncio itself keeps none of them alive
        try:
            if self.mode == "cut" and self.random.random() < 0.5:
                return
            answers, upstream = await self._connect()
            back = asyncio.ensure_future(self._answer(answers, writer))
            try:
                await self._ask(reader, upstream, writer)
                upstream.write_eof()
                await back
            finally:
                back.cancel()
        except (OSError, EOFError):
            pass
        finally:
            for each in (writer, upstream):
                if each is not None:
                    each.transport.abort()
            self._tasks.discard(task)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        while data := await reader.read(65_536):
            if self.mode == "throttle":
                while b"\r\n\r\n" not in data:
                    data += await reader.readexactly(1)
                head, _, body = data.partition(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                await reader.readexactly(length - len(body))
                writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(THROTTLED) + THROTTLED)
                continue
            upstream.write(data)
            await upstream.drain()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await answers.read(65_536):
            while self.mode == "hang":
                await asyncio.sleep(0.05)
            if self.mode == "cut":
                writer.write(data[: self.random.randrange(len(data))])
                await writer.drain()
                break
            if self.mode == "delay":
                await asyncio.sleep(self.random.uniform(0.1, 1.5))
            if self.mode == "corrupt":
                at = self.random.randrange(len(data))
                data = data[:at] + bytes([data[at] | 0x80]) + data[at + 1 :]
            writer.write(data)
            await writer.drain()
        writer.transport.close()


class Network:
    """The handle of that process."""

    def __init__(self, stores: dict[str, list[str]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(stores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        assert self._process.stdout is not None
        self.ports: dict[str, int] = json.loads(self._process.stdout.readline())

    def address(self, name: str) -> str:
        """Return where a proxy listens, or with `direct` the API itself."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def call(self, what: str, *arguments: Any) -> Any:
        """Carry out one command: `create` ORG, `revoke` KEY, `fail` TIMES, `mode` NAME MODE."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(json.dumps([what, *arguments]), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


async def serve(stores: dict[str, list[str]], api: FakeVectorShift) -> None:
    """Serve until standard input ends."""
    direct = api.base_url.removesuffix("/v1")
    proxies = {name: Proxy(behind) for name, behind in {**stores, "api": [direct]}.items()}
    for each in proxies.values():
        await each.start()
    ports = {name: each.port for name, each in proxies.items()}
    print(json.dumps({**ports, "direct": urlsplit(direct).port}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, *arguments = json.loads(line)
        answer = None
        if what == "create":
            answer = api.create_key(org=arguments[0])
        elif what == "revoke":
            api.revoke_key(arguments[0])
        elif what == "fail":
            api.fail_next(503, times=arguments[0])
        else:
            proxies[arguments[0]].mode = arguments[1]
        print(json.dumps(answer), flush=True)
    os._exit(0)  # connections are open, and nobody waits for their end


if __name__ == "__main__":
    with FakeVectorShift(keep_requests=100) as stand_in:
        asyncio.run(serve(json.loads(sys.argv[1]), stand_in))
