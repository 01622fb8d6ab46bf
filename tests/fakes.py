"""Small providers and servers for the tests: they count, change and fail as a test says."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from vectorshift import Credential, CredentialProvider, Description, errors, on_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

__all__ = ["AsyncRotating", "Echo", "RawServer", "Received", "Rotating"]

Turn = str | errors.CredentialError | tuple[str, str]
"""A key, a failure, or a key with a source of its own."""


class _Turns:
    """What a source answers, one turn after the other; the last one stays. Thread-safe."""

    def __init__(self, *turns: Turn, source: str) -> None:
        self.turns: list[Turn] = list(turns)
        self.source = source
        self.asked = 0
        self.invalidated: list[str] = []
        self._lock = threading.Lock()

    def take(self, provider: str) -> Credential:
        with self._lock:
            self.asked += 1
            turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, errors.CredentialError):
            raise turn
        key, source = turn if isinstance(turn, tuple) else (turn, self.source)
        return Credential(secret=key, source=source, provider=provider)


class Rotating(CredentialProvider):
    """A store that is asked on each call and answers what the test put there; counts what it was
    asked.
    """

    name = "rotating"

    def __init__(self, *turns: Turn, source: str = "fake:store", remote: bool = False) -> None:
        self._turns = _Turns(*turns, source=source)
        self.remote = remote

    @property
    def asked(self) -> int:
        return self._turns.asked

    @property
    def invalidated(self) -> list[str]:
        return self._turns.invalidated

    def put(self, *turns: Turn) -> None:
        self._turns.turns[:] = turns

    def describe(self) -> Description:
        return Description(configured=True, source=self._turns.source)

    def get_credential(self) -> Credential:
        return self._turns.take(self.name)

    def invalidate(self, rejected: Credential) -> None:
        self._turns.invalidated.append(rejected.fingerprint)


class AsyncRotating(CredentialProvider):
    """The same, written for event loops alone."""

    name = "arotating"
    remote = False

    def __init__(self, *turns: Turn, source: str = "fake:astore") -> None:
        self._turns = _Turns(*turns, source=source)

    @property
    def asked(self) -> int:
        return self._turns.asked

    async def aget_credential(self) -> Credential:
        return self._turns.take(self.name)


class Nothing(CredentialProvider):
    """A place with nothing in it."""

    name = "nothing"
    remote = False

    def get_credential(self) -> Credential:
        raise errors.CredentialNotFoundError("nothing is here.")


class Meanwhile:
    """A lock that does something of another thread's the first time somebody gets it."""

    def __init__(self, happens: Any) -> None:
        self._happens = happens
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@contextmanager
def until_told(kind: str) -> Iterator[None]:
    """Wait at the end of the block until an event of this kind has been told."""
    told = threading.Event()
    stop = on_event(lambda event: told.set() if event.kind == kind else None)
    try:
        yield
        assert told.wait(30)
    finally:
        stop()


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived, with its body whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


Result = tuple[int, dict[str, str], bytes]


class Echo:
    """A real HTTP server whose answers a test writes: `answers` is called with each request."""

    def __init__(self, answers: Callable[[Received], Result], *, host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A body would wait 40 ms for the client to confirm the head.
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def _any(self) -> None:
                request = Received(
                    self.command,
                    self.path,
                    {n.lower(): v for n, v in self.headers.items()},
                    self._body(),
                )
                outer.received.append(request)
                status, headers, body = answers(request)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = _any

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts: list[bytes] = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def accepting(*keys: str) -> Callable[[Received], Result]:
    """Answer 200 to these keys and 401 to all others."""

    def answers(request: Received) -> Result:
        known = request.authorization in {f"Bearer {key}" for key in keys}
        body = json.dumps({"status": "success"} if known else {"error": "Invalid API key"}).encode()
        return (200 if known else 401), {"Content-Type": "application/json"}, body

    return answers


class RawServer:
    """Answer each connection with the same bytes, whatever was sent, and close it."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.received: list[bytes] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if not (said := connection.recv(65_536)):
                    return
                self.received.append(said)
                connection.sendall(self._answer)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        socket.create_connection(self._socket.getsockname()).close()  # ends the thread
        self._thread.join()
        self._socket.close()
