"""What the end-to-end tests stand on: a key that is rotated, callers that never stop, a gate before
a store.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from vectorshift.events import on_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from vectorshift.events import CredentialEvent
    from vectorshift.testing import FakeVectorShift

__all__ = [
    "Callers",
    "Gate",
    "Rotation",
    "Tasks",
    "Threads",
    "atraffic",
    "environment",
    "script",
    "traffic",
    "wait_until",
]


left_hanging: set[threading.Thread] = set()
"""The threads of earlier tests, noted when a test begins."""


def loads() -> list[threading.Thread]:
    """Return the threads of loads that this test began and that still run."""
    return [
        each
        for each in threading.enumerate()
        if each.name == "vectorshift-load" and each not in left_hanging
    ]


def wait_until(reached: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so; fail loudly if it never is."""
    give_up = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.002)


# --- A key that changes ---


@dataclass
class Rotation:
    """The key of one organisation, in the API and in a store. `put` writes it to the store."""

    api: FakeVectorShift
    put: Callable[[str], object]
    keys: list[str] = field(default_factory=list)
    noticed: int = 0
    """How often the process has taken a new key from the same source, while `watched`."""

    def __post_init__(self) -> None:
        self.keys.append(self.api.create_key())
        self.put(self.keys[0])

    def rotate(self) -> None:
        """Write a new key to the store, and have the API refuse the old one at once after that."""
        self.keys.append(self.api.create_key())
        self.put(self.keys[-1])
        self.api.revoke_key(self.keys[-2])

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Count the events of rotation in a block."""

        def count(event: CredentialEvent) -> None:
            self.noticed += event.kind == "rotated" and event.source == event.previous_source

        stop = on_event(count)
        try:
            yield
        finally:
            stop()

    @property
    def in_use(self) -> bool:
        """Whether the newest key has been read."""
        return self.noticed == len(self.keys) - 1

    def accepted(self) -> set[str]:
        """Return the keys of the requests that succeeded."""
        return {sent.key.reveal() for sent in self.api.requests if sent.key and sent.status == 200}


# --- Callers that never stop ---


@dataclass
class Callers:
    """How many calls each caller has ended, and what went wrong."""

    laps: list[int]
    failures: list[BaseException] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return sum(self.laps)

    def turned(self) -> Callable[[], bool]:
        """Return what tells whether each call that is on its way now has ended: no call may meet
        two rotations.
        """
        goals = [lap + 1 for lap in self.laps]
        return lambda: all(lap >= goal for lap, goal in zip(self.laps, goals, strict=True))


@dataclass
class Threads(Callers):
    """Callers in threads."""

    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int, call: Callable[[], object]) -> None:
        while not self.ended.is_set():
            try:
                call()
            except BaseException as error:
                self.failures.append(error)
            self.laps[number] += 1

    def turn(self, seconds: float = 60) -> None:
        """Wait until each call that is on its way now has ended."""
        wait_until(self.turned(), seconds)

    def turn_until(self, reached: Callable[[], object], seconds: float = 60) -> None:
        """Let calls begin and end until something is so, which takes long to find out; fail loudly
        if it never is.
        """
        give_up = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < give_up, "waited in vain"
            self.turn()


@contextlib.contextmanager
def traffic(callers: int, call: Callable[[], object]) -> Iterator[Threads]:
    """Keep this many threads calling for the length of a block."""
    threads = Threads([0] * callers)
    with ThreadPoolExecutor(callers) as pool:
        for number in range(callers):
            pool.submit(threads.run, number, call)
        try:
            yield threads
        finally:
            threads.ended.set()


@dataclass
class Tasks(Callers):
    """Callers in tasks of one event loop, under asyncio or trio."""

    ended: bool = False

    async def run(self, number: int, call: Callable[[], Awaitable[object]]) -> None:
        while not self.ended:
            try:
                await call()
            except Exception as error:
                self.failures.append(error)
            self.laps[number] += 1

    async def turn(self, seconds: float = 60) -> None:
        """Wait until each call that is on its way now has ended."""
        turned = self.turned()
        with anyio.fail_after(seconds):
            while not turned():
                await anyio.sleep(0.005)


@contextlib.asynccontextmanager
async def atraffic(callers: int, call: Callable[[], Awaitable[object]]) -> AsyncIterator[Tasks]:
    """Keep this many tasks calling for the length of a block."""
    tasks = Tasks([0] * callers)
    async with anyio.create_task_group() as group:
        for number in range(callers):
            group.start_soon(tasks.run, number, call)
        try:
            yield tasks
        finally:
            tasks.ended = True


# --- A gate before a store ---


class Gate:
    """A TCP port before a server. Told to hold, it takes a connection and never answers; once it is
    not `open` any more, it takes them and answers when it is opened again.

    Where nothing listens behind it, it hangs up, as a load balancer does. `visits` counts the
    connections.
    """

    def __init__(self, address: str | None = None) -> None:
        self.visits = 0
        self.held = False
        self.open = threading.Event()
        self.open.set()
        self.lead(address)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lead(self, address: str | None) -> None:
        """Lead to another server from now on, or nowhere."""
        url = urlsplit(address or "")
        self._behind = (url.hostname, url.port) if url.hostname and url.port else None

    def __enter__(self) -> Gate:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.open.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Close every connection."""
        while self._open:
            each = self._open.pop()
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(visitor)
            self.visits += 1
            if not self.held:
                threading.Thread(target=self._pass_on, args=(visitor,), daemon=True).start()

    def _pass_on(self, visitor: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), visitor:
            if self._behind is None:
                return
            self.open.wait()
            with socket.create_connection(self._behind) as server:
                for end in (visitor, server):  # as those at both ends do
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while True:
                    ready, _, _ = select.select([visitor, server], [], [])
                    for end in ready:
                        if not (said := end.recv(65_536)):
                            return
                        (server if end is visitor else visitor).sendall(said)


# --- Processes ---


def environment(**variables: str) -> dict[str, str]:
    """Return an environment for a process of ours: the scrubbed one of the test, and these."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **variables}


def script(folder: Path, text: str) -> list[str]:
    """Write a program and return the command that runs it."""
    file = folder / "program.py"
    file.write_text(textwrap.dedent(text), "utf-8")
    return [sys.executable, str(file)]
