"""What scripts stand on: an API, two stores, functions that give keys, and places to call from.

Sockets, threads, event loops, tasks and forks are real. Nothing of the package is patched.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import re
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

import vectorshift
from vectorshift import CredentialError, CredentialProvider, Settings
from vectorshift.testing import ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator


class Api:
    """An API on loopback that keeps its connections open and notes each key that it is sent.

    Attributes:
        log: each key as it came, and behind it the status, if that is not 200.
        rejected: the keys that are answered with 401.
        failing: how many of the next requests are answered with 503.
        meanwhile: what happens once while the next request is under way.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.rejected: set[str] = set()
        self.failing = 0
        self.meanwhile: Callable[[], object] | None = None
        self.url = ""
        self._bell: socket.socket | None = None

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._bell, hears = socket.socketpair()
        threading.Thread(target=self._serve, args=(listener, hears), daemon=True).start()

    def stop(self) -> None:
        assert self._bell is not None
        self._bell.close()

    def _serve(self, listener: socket.socket, stopped: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, listener, stopped:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(stopped, selectors.EVENT_READ)
            while True:
                for ready, _ in selector.select():
                    at: Any = ready.fileobj
                    if at is stopped:
                        for each in [*selector.get_map().values()]:
                            each.fileobj.close()  # type: ignore[union-attr]
                        return
                    if at is listener:
                        selector.register(at.accept()[0], selectors.EVENT_READ, bytearray())
                    elif not self._answer(at, ready.data):
                        selector.unregister(at)
                        at.close()

    def _answer(self, connection: socket.socket, held: bytearray) -> bool:
        try:
            piece = connection.recv(65_536)
        except OSError:
            return False
        held += piece
        if held.endswith(b"\r\n\r\n"):
            head = held.decode("latin-1")
            held.clear()
            with contextlib.suppress(OSError):
                connection.sendall(self._judged(head))
        return bool(piece)

    def _judged(self, head: str) -> bytes:
        keys = re.findall(r"(?i)\r\nauthorization: bearer ([^\r]*)", head)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        status = "200 OK"
        if self.failing:
            self.failing, status = self.failing - 1, "503 Busy"
        elif not keys or keys[0] in self.rejected:
            status = "401 Unauthorized"
        self.log += [*keys] if keys else ["no key"]
        self.log += [] if status == "200 OK" else [status[:3]]
        body = json.dumps({"status": "success", "object_ids": []})
        return (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nRetry-After: 0\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class StoreClock:
    """Time as on a machine that was suspended: only the wall clock has moved.

    Callers wait by the system's monotonic clock, which must not be behind this one.
    """

    def time(self) -> float:
        return clock.time()

    def monotonic(self) -> float:
        return 0.0


api = Api()
clock, waits = ManualClock(), ManualClock()
timed: dict[str, Any] = {"clock": clock, "pause": lambda seconds: None}
one: Any = MemoryStore(source="memory:one")
two: Any = MemoryStore(source="memory:two")
functions: dict[str, Any] = {}
hands: list[httpx.Client | httpx.AsyncClient] = []
pool: ThreadPoolExecutor
loop: asyncio.AbstractEventLoop | None = None
known: set[threading.Thread] = set()


def advance(seconds: float) -> None:
    """Let time pass for stores and files."""
    clock.advance(seconds)


def handed(client: Any) -> Any:
    """Return an httpx client, which is closed at the end."""
    hands.append(client)
    return client


def cached(store: Any, **how: Any) -> vectorshift.CachingProvider:
    """Read a store as one is read in production, on a clock that the script moves."""
    name = store.source.rpartition(":")[2]
    return vectorshift.CachingProvider(
        store.provider(name, **how), clock=StoreClock(), random=lambda: 0.0
    )


class OneProvider(CredentialProvider):
    """The plugin `one`."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return cached(one)

    def get_credential(self) -> Any:
        raise NotImplementedError


class TwoProvider(OneProvider):
    """The plugin `two`."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return cached(two)


def function(name: str) -> Callable[[], str | None]:
    """Return a function that gives what `functions` has under a name."""

    def answer() -> str | None:
        value = functions.get(name)
        if isinstance(value, CredentialError):
            raise type(value)(value.message)
        return value

    return answer


def afunction(name: str) -> Callable[[], Awaitable[str | None]]:
    """Return the same for event loops."""
    answer = function(name)

    async def aanswer() -> str | None:
        await asyncio.sleep(0)
        return answer()

    return aanswer


# --- Calls: what came over the wire, and how the call failed ----------------------------------


KINDS = (
    (vectorshift.CredentialRevokedError, "revoked"),
    (vectorshift.CredentialDeniedError, "denied"),
    (vectorshift.CredentialNotFoundError, "not found"),
    (vectorshift.CredentialConfigurationError, "configuration"),
)
FAILURES = ("removed", "unavailable", *(word for _, word in KINDS))


def _kind(error: CredentialError) -> str:
    if isinstance(error, vectorshift.CredentialNotFoundError) and error.had_key:
        return "removed"
    return next((word for kind, word in KINDS if isinstance(error, kind)), "unavailable")


@contextlib.contextmanager
def _told(client: object) -> Generator[list[str], None, None]:
    api.log.clear()
    told: list[str] = []
    try:
        yield told
    except CredentialError as error:
        told += [*api.log, _kind(error)]
    except vectorshift.VectorshiftApiError as error:
        told += api.log
        if str(error.status_code) != (told or [""])[-1]:
            told.append(f"{type(error).__name__} {error.status_code}")
    else:
        told += api.log
        raises = not isinstance(client, httpx.Client | httpx.AsyncClient)
        if raises and told[-1:] in (["401"], ["503"]):
            told.append("no error")


def call(client: Any = None) -> Callable[[], list[str]]:
    """Return a call for a place to make: by a client of ours, or one of httpx with our auth."""

    def made() -> list[str]:
        with _told(client) as told:
            if client is None:
                vectorshift.Pipeline.list()
            elif isinstance(client, httpx.Client):
                client.get(f"{api.url}/pipelines")
            else:
                client.request("GET", "/pipelines")
        return told

    return made


def acall(client: Any = None) -> Callable[[], Awaitable[list[str]]]:
    """Return the same for event loops."""

    async def made() -> list[str]:
        with _told(client) as told:
            if client is None:
                await vectorshift.Pipeline.alist()
            elif isinstance(client, httpx.AsyncClient):
                await client.get(f"{api.url}/pipelines")
            else:
                await client.request("GET", "/pipelines")
        return told

    return made


def _key(ask: Callable[[], Any]) -> list[str]:
    try:
        key = ask()
    except CredentialError as error:
        return [_kind(error)]
    key = key.secret.reveal() if isinstance(key, vectorshift.Credential) else key
    return ["not found" if key is None else str(key)]


def credential() -> list[str]:
    """Ask for the key, and make no call."""
    return _key(vectorshift.get_credential)


def refreshed() -> list[str]:
    """Have the source in force read anew."""
    return _key(vectorshift.refresh)


def api_key() -> list[str]:
    """Ask for the key, then read `vectorshift.api_key`: it shows that key, or none if there is
    none.
    """
    told, read = _key(vectorshift.get_credential), _key(lambda: vectorshift.api_key)
    if read == ["not found"] and told[0] not in FAILURES:  # a refresh has ended in between
        told = _key(vectorshift.get_credential)
    return told if read == ["not found"] and told[0] in FAILURES else read


async def acredential() -> list[str]:
    """Ask for the key in an event loop, and make no call."""
    try:
        return [(await vectorshift.aget_credential()).secret.reveal()]
    except CredentialError as error:
        return [_kind(error)]


def explained() -> list[str]:
    """Ask which key a call would use, and call: it has to use that one."""
    report = vectorshift.explain()
    told = call()()
    key = report.winner.fingerprint if report.winner else None
    agrees = {
        "found": vectorshift.Secret(told[0]).fingerprint == key,
        "none": told == ["not found"],
        "failed": told[0] in ("configuration", "denied", "removed", "revoked", "unavailable"),
        "unknown": True,
    }[report.outcome]
    return told if agrees else [f"{told}, but was told: {report.verdict}"]


# --- Ways to make a call ----------------------------------------------------------------------


def in_a_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Another thread: it sees no block."""
    return lambda: pool.submit(work).result()


def in_a_copied_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """A thread that is given the context: it sees the blocks."""
    return lambda: pool.submit(contextvars.copy_context().run, work).result()


def in_to_thread(work: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    """`asyncio.to_thread`: it sees the blocks."""
    return lambda: asyncio.to_thread(work)


def in_an_executor(work: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    """`run_in_executor`: it sees no block."""

    async def made() -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, work)

    return made


def in_a_task(work: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    """A task: it sees the blocks."""

    async def made() -> Any:
        return await asyncio.get_running_loop().create_task(work())

    return made


def in_a_child(work: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """A forked child: it sees the blocks."""

    def made() -> list[str]:
        api.log.clear()
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                signal.alarm(20)
                os.write(writing, json.dumps(_in_child(work)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            told = answer.read()
        os.waitpid(child, 0)
        failed = json.loads(told) if told else ["the child died"]
        return [*api.log, *failed]

    return made


def _in_child(work: Callable[[], list[str]]) -> list[str]:
    """Say only how the call failed: the parent, which has the API, knows what was sent."""
    return [each for each in work() if not each.endswith(("Error 401", "Error 503"))]


# --- Places: each has blocks of its own -------------------------------------------------------


class OnThisThread:
    """The main thread, and event loops that it runs."""

    def run(self, work: Callable[[], Any]) -> Any:
        return _settled(work)

    def arun(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return _settled(lambda: _run(_awaited(work)))

    def end(self) -> None:
        """Nothing is left to be ended."""


class Copied(OnThisThread):
    """What a thread or a callback sees that is given a copy of the context."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def run(self, work: Callable[[], Any]) -> Any:
        return self._context.run(super().run, work)

    def arun(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return self._context.run(super().arun, work)


class Worker(OnThisThread):
    """A thread of its own, which lives on."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self.run(lambda: known.add(threading.current_thread()))

    def run(self, work: Callable[[], Any]) -> Any:
        return _settled(lambda: self._pool.submit(work).result())

    def arun(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return self.run(lambda: asyncio.run(_awaited(work)))

    def end(self) -> None:
        self._pool.shutdown()


class Task(OnThisThread):
    """A task that lives on, and was started where it is made."""

    def __init__(self) -> None:
        self._todo: asyncio.Queue[Any] = asyncio.Queue()
        assert loop is not None
        self._task = loop.create_task(self._work())

    async def _work(self) -> None:
        while True:
            work, done = await self._todo.get()
            if work is None:
                return
            try:
                answer = work()
                done.set_result(await answer if hasattr(answer, "__await__") else answer)
            except BaseException as error:
                done.set_exception(error)

    def run(self, work: Callable[[], Any] | None) -> Any:
        assert loop is not None
        done = loop.create_future()
        self._todo.put_nowait((work, done))
        if work is None:
            return _run(self._task)
        return _settled(lambda: _run(done))

    def arun(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return self.run(work)

    def end(self) -> None:
        self.run(None)


def begun(block: vectorshift.using) -> Generator[None, None, None]:
    """A generator with a block in it: it begins at the first `next`, and ends with `close`."""
    with block:
        yield


def _run(work: Any) -> Any:
    assert loop is not None
    return loop.run_until_complete(work)


async def _awaited(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


def _settled(work: Callable[[], Any]) -> Any:
    """Let refreshes in the background end, so that a script does the same each time."""
    try:
        return work()
    finally:
        if threading.active_count() > len(known):
            for each in set(threading.enumerate()) - known:
                each.join(30)
                assert not each.is_alive(), f"{each} does not end"


def aclose(client: Any) -> None:
    """Close an async client."""
    _run(client.aclose())


# --- Beginning and end ------------------------------------------------------------------------

_folder = Path()
_OURS = ("VECTORSHIFT_", "TENANT_", "CREDENTIALS_DIRECTORY")


def start() -> None:
    """Begin anew: nothing is set, no file is there; stores and functions have a key each."""
    if loop is None:
        _open()
    known.clear()
    known.update(threading.enumerate())
    os.chdir(_folder)
    for each in _folder.iterdir():
        if each.is_file():
            each.unlink()
    _forget()
    os.environ.update(VECTORSHIFT_BASE_URL=api.url, HOME=str(_folder))
    for name, store in (("one", one), ("two", two)):
        store.put(f"vs-{name}-0")
        store.recover()
    functions.update(f="vs-tenant-0")
    api.rejected.clear()
    api.failing, api.meanwhile = 0, None


def end() -> None:
    """Close and forget what the process has opened and set."""
    for each in hands:
        each.close() if isinstance(each, httpx.Client) else aclose(each)
    hands.clear()
    _run(vectorshift.aclose())
    _forget()


def _forget() -> None:
    for name in [*os.environ]:
        if name.startswith(_OURS):
            del os.environ[name]
    vectorshift.reset()
    del vectorshift.api_key


def _open() -> None:
    """Start what all scripts share, and make both plugins known, as an installed package does."""
    global _folder, loop, pool
    _folder = Path(tempfile.mkdtemp(prefix="vectorshift-machine-"))
    about = _folder / "machine_plugins-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: machine-plugins\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[vectorshift.providers]\none = tests.machine.stage:OneProvider\n"
        "two = tests.machine.stage:TwoProvider\n"
    )
    sys.path.append(str(_folder))
    api.start()
    pool = ThreadPoolExecutor(2)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(pool)
    barrier = threading.Barrier(2)
    list(pool.map(lambda _: barrier.wait(), range(2)))


def stop() -> None:
    """Leave nothing behind in this process; `start` begins anew."""
    global loop
    if loop is not None:
        loop.close()
        loop = None
        pool.shutdown()
        api.stop()
        known.clear()
        sys.path.remove(str(_folder))
        os.chdir(tempfile.gettempdir())
        shutil.rmtree(_folder)
