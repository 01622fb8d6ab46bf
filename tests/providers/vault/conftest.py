"""What the tests of the Vault provider share: a key to find, a server that misbehaves, and how to
ask.
"""

from __future__ import annotations

import socket
import threading
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    MakeProvider = Callable[..., VaultProvider]
    MakeTiny = Callable[..., AbstractContextManager[Any]]
    Failure = Callable[[VaultProvider, type[errors.CredentialError]], str]

KEY = "vs-key-3f9c2e71d8"


@pytest.fixture
def path() -> str:
    """A path that no other test uses."""
    return f"team/{uuid.uuid4().hex}"


@pytest.fixture
def stored(openbao: OpenBaoServer, path: str) -> str:
    """A path with a key at it."""
    openbao.write(path, {"api_key": KEY})
    return path


@pytest.fixture(scope="session")
def tls_bao() -> Iterator[OpenBaoServer]:
    """A second server, which speaks TLS and may be sealed, with a key at `vs`."""
    with OpenBaoServer(tls=True) as server:
        server.write("vs", {"api_key": KEY})
        yield server


@pytest.fixture
def provider() -> MakeProvider:
    """Make a provider that asks a server, as root unless more is said."""

    def make(server: OpenBaoServer, path: str, **more: Any) -> VaultProvider:
        return VaultProvider(path, **{"addr": server.address, "token": server.root_token, **more})

    return make


@pytest.fixture
def approle() -> MakeProvider:
    """Make a provider that logs in by AppRole, with a new secret id unless more is said."""

    def make(server: OpenBaoServer, path: str, **more: Any) -> VaultProvider:
        if "approle/" not in server.call("GET", "sys/auth")["data"]:
            server.enable_auth("approle")
        server.policy("reader", 'path "secret/data/*" { capabilities = ["read"] }')
        server.call("POST", "auth/approle/role/app", {"token_policies": "reader"})
        role_id = server.call("GET", "auth/approle/role/app/role-id")["data"]["role_id"]
        if not more:
            more = {
                "secret_id": server.call("POST", "auth/approle/role/app/secret-id")["data"][
                    "secret_id"
                ]
            }
        return VaultProvider(path, addr=server.address, auth="approle", role_id=role_id, **more)

    return make


@pytest.fixture
def failure() -> Failure:
    """Ask, expect exactly this kind of failure, and return its message."""

    def ask(vault: VaultProvider, kind: type[errors.CredentialError]) -> str:
        with pytest.raises(errors.CredentialError) as caught:
            vault.get_credential()
        error = caught.value
        assert type(error) is kind, error
        assert error.provider == "vault"
        assert error.source == vault.describe().source
        assert error.__cause__ is None
        assert error.__context__ is None
        assert str(error).startswith(vault.describe().source)
        return str(error)

    return ask


class Tiny(ThreadingHTTPServer):
    """Gives one answer to everything and keeps what it was asked."""

    daemon_threads = True
    scheme = "http"

    def __init__(
        self,
        status: int,
        body: str,
        headers: Mapping[str, str],
        before: Callable[[], object],
        host: str,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host = f"[{host}]" if ":" in host else host
        super().__init__((host, 0), _Handler)
        self.answer = (status, body, headers)
        self.before = before
        self.seen: list[tuple[str, Mapping[str, str]]] = []
        self.bodies: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Tiny  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    # A body would wait 40 ms for the client to confirm the head.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.server.bodies.append(
            self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        )
        self.server.seen.append((f"{self.command} {self.path}", dict(self.headers)))
        self.server.before()
        status, body, headers = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(
    status: int = 200,
    body: str = "{}",
    headers: Mapping[str, str] | None = None,
    before: Callable[[], object] = lambda: None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Tiny]:
    server = Tiny(status, body, headers or {"Content-Type": "application/json"}, before, host)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def tiny() -> MakeTiny:
    """Serve one answer to everything: `with tiny(status, body, headers, before) as server`."""
    return serve
