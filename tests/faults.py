"""A raw socket server that does to each request what a test says, and a clock that does not
move.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

from tests.fakes import Received

from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Self

__all__ = [
    "FaultServer",
    "StillClock",
    "answer",
    "cut",
    "drip",
    "drop",
    "hang",
    "refusing",
    "reset",
]

Fault = Any
"""Answers a request, and leaves the connection open or closes it; the event is set when the server
ends.
"""


class StillClock(ManualClock):
    """Time stands still, whatever waits."""

    def time(self) -> float:
        return 1_700_000_000.0

    def monotonic(self) -> float:
        return 1_000.0


def answer(status: int = 200, body: bytes = b'{"status": "success"}', **headers: str) -> Any:
    """Answer whole, and keep the connection."""

    def fault(connection: socket.socket, _: threading.Event) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    return fault


def reset(*, after: bytes = b"") -> Any:
    """Send the beginning of an answer, and reset the connection (RST)."""

    def fault(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(after)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return fault


def cut(*, after: bytes = b"") -> Any:
    """Send the beginning of an answer, and close the connection in good order (FIN)."""

    def fault(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(after)
        connection.close()

    return fault


drop = cut()


def hang(*, after: bytes = b"") -> Any:
    """Send the beginning of an answer, and nothing more until the client goes away."""

    def fault(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(after)
        while not ended.is_set() and _is_read(connection):
            pass
        connection.close()

    return fault


def drip(clock: ManualClock, *, pieces: int, seconds: float, status: int = 200) -> Any:
    """Send a body in pieces, and let time pass before each. There is always another one in time."""

    def fault(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, pieces))
        for _piece in range(pieces):
            clock.advance(seconds)
            connection.sendall(b" ")
            if not _is_read(connection):
                break
        connection.close()

    return fault


def _is_read(connection: socket.socket) -> bool:
    """Whether the client has not gone away; waits a moment so that it sees piece after piece."""
    connection.settimeout(0.01)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


class FaultServer:
    """Do one thing after the other to the requests that come; the last one stays.

    Args:
        faults: what is done to the first request, to the second, and so on.
        tls: with which certificate; None for plain HTTP.
    """

    def __init__(self, *faults: Any, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._faults = list(faults)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.received: list[Received] = []
        self.connections = 0

    @property
    def origin(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def open_connections(self) -> int:
        """How many connections clients hold at this moment."""
        with self._lock:
            return len(self._open)

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._ended.is_set():
                connection.close()
                return
            # Over TLS 1.3 an answer would wait 40 ms for the client to confirm the session tickets.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = secure = self._wrapped(self._tls, connection)
                secure.do_handshake()
            while (request := _request(connection)) is not None:
                with self._lock:
                    self.received.append(request)
                    fault = self._faults.pop(0) if len(self._faults) > 1 else self._faults[0]
                fault(connection, self._ended)
        except OSError:
            pass
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)

    def _wrapped(self, tls: ssl.SSLContext, plain: socket.socket) -> ssl.SSLSocket:
        """Prepare for TLS. The plain socket gives its connection away, and cannot shut it down."""
        with self._lock:
            self._open.discard(plain)
            secure = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            self._open.add(secure)
        return secure

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()
        with self._lock:
            for connection in self._open:
                _shut_down(connection)
        for thread in self._threads:
            thread.join(30)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _request(connection: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65_536)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        if not (more := connection.recv(65_536)):
            return None
        body += more
    method, path, _ = first.split(" ")
    return Received(method, path, headers, body)


class refusing:
    """An origin where nothing listens, and where nothing else will while the block runs."""

    received: tuple[bytes, ...] = ()

    def __enter__(self) -> Self:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
