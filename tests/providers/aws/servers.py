"""Servers that fail: an endpoint that says what it is told, and one that never says anything."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

__all__ = ["MFA", "FakeAws", "Hanging", "free_url"]

MFA = """
[profile mfa]
region = eu-central-1
role_arn = arn:aws:iam::123456789012:role/r
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/me
[profile keys]
aws_access_key_id = a
aws_secret_access_key = b
"""
"""A configuration file with a role that needs an MFA code."""


class FakeAws:
    """An endpoint that gives the answers that it was told to give, whatever it is asked.

    Args:
        port: where it is to listen; a free one by default.
        listens: whether it does so from the beginning.
    """

    def __init__(self, *, port: int = 0, listens: bool = True) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, list[tuple[int, str]]] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                operation = self.headers.get("X-Amz-Target", "sts").rpartition(".")[2]
                fake.asked.append((operation, json.loads(body) if body.startswith("{") else {}))
                self._answer(operation)

            def do_GET(self) -> None:
                operation = self.path.partition("?")[0]
                fake.asked.append((operation, {}))
                self._answer(operation)

            def do_PUT(self) -> None:
                self.do_GET()

            def _answer(self, operation: str) -> None:
                answers = fake.answers.get(operation) or [(404, "")]
                status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if status == 0:  # hang up
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler, bind_and_activate=listens)
        self._listens = listens
        self.url = f"http://127.0.0.1:{port or self._server.server_port}"

    def says(
        self,
        status: int,
        body: dict[str, Any] | str,
        operation: str = "GetSecretValue",
        *,
        first: Sequence[tuple[int, str]] = (),
    ) -> None:
        """Answer an operation, or a path, so; after the answers that come first."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers[operation] = [*first, (status, text)]

    def fails(
        self, status: int, code: str, message: str = "", operation: str = "GetSecretValue"
    ) -> None:
        self.says(status, {"__type": code, "message": message}, operation)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        if self._listens:
            self._thread.start()
        return self

    def listen(self) -> None:
        """Begin to listen."""
        self._server.server_bind()
        self._server.server_activate()
        self._listens = True
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        if self._listens:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class Hanging:
    """A server that takes every connection, counts it, and never answers."""

    def __init__(self) -> None:
        self.contacts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self._taken: list[socket.socket] = []
        self._over = False
        self._ended = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def hang_up(self) -> None:
        """Close each connection without an answer, those that are yet to come too."""
        self._over = True
        for taken in self._taken:
            with contextlib.suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._take)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for taken in (*self._taken, self._listener):
            taken.close()

    def _take(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError, socket.timeout):
                taken = self._listener.accept()[0]
                self._taken.append(taken)
                self.contacts += 1
                if self._over:
                    taken.shutdown(socket.SHUT_RDWR)


def free_url() -> str:
    """An address on loopback where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
