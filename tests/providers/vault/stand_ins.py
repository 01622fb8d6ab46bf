"""What stands in for the parties around a Vault server: an identity that signs, a cluster, an
agent, a proxy, a load balancer.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from vectorshift.testing import _processes as process

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self

    from vectorshift.testing.openbao import OpenBaoApi, OpenBaoServer

__all__ = ["BaoSide", "Issuer", "TlsEnd", "client_certificate", "role", "token_review"]


class Issuer:
    """Signs JSON web tokens with a key of its own, as a CI system or a cluster does."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def public(self) -> str:
        """The public key, as PEM."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return a token that is valid for ten minutes."""
        now = int(time.time())
        halves: list[Mapping[str, object]] = [
            {"alg": "RS256", "typ": "JWT"},
            {"iat": now - 60, "exp": now + 600, **claims},
        ]
        head = ".".join(_part(json.dumps(half).encode()) for half in halves)
        return f"{head}.{_part(self._key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def service_account(self) -> str:
        """Return the token of the service account `app` in the namespace `default`, for Vault."""
        account = {"namespace": "default", "serviceaccount": {"name": "app", "uid": "u-1"}}
        who = {"sub": "system:serviceaccount:default:app", "aud": ["vault"]}
        return self.sign({**who, "kubernetes.io": account})


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token_review(audience: str = "vault") -> str:
    """Return what a cluster answers to a review of the service account's token."""
    user = {"username": "system:serviceaccount:default:app", "uid": "u-1"}
    status = {"authenticated": True, "user": user, "audiences": [audience]}
    return json.dumps(
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
    )


def role(server: OpenBaoApi, name: str, **fields: Any) -> dict[str, str]:
    """Make an AppRole that may read every secret; return the `role_id` and a `secret_id` of it."""
    if "approle/" not in server.call("GET", "sys/auth")["data"]:
        server.enable_auth("approle")
    server.policy("reader", 'path "secret/data/*" { capabilities = ["read"] }')
    server.call("POST", f"auth/approle/role/{name}", {"token_policies": "reader", **fields})
    return {
        "role_id": server.call("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"],
        "secret_id": server.call("POST", f"auth/approle/role/{name}/secret-id")["data"][
            "secret_id"
        ],
    }


def client_certificate(server: OpenBaoApi, home: Path) -> tuple[str, str, str]:
    """Issue a certificate for a client; return its CA's text, and its file and that of its key."""
    if "pki/" not in server.call("GET", "sys/mounts")["data"]:
        server.call("POST", "sys/mounts/pki", {"type": "pki"})
        server.call("POST", "pki/root/generate/internal", {"common_name": "a ca", "ttl": "1h"})
        server.call("POST", "pki/roles/app", {"allow_any_name": True, "client_flag": True})
    issued = server.call("POST", "pki/issue/app", {"common_name": "app.example", "ttl": "30m"})
    cert, key = home / "cert.pem", home / "key.pem"
    cert.write_text(issued["data"]["certificate"])
    key.write_text(issued["data"]["private_key"])
    return issued["data"]["issuing_ca"], str(cert), str(key)


class TlsEnd(ThreadingHTTPServer):
    """A load balancer that ends TLS and passes requests on. Use it as a context manager.

    Args:
        tls: its certificate, and whose client certificates it wants.
        server: where requests go.
    """

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext, server: OpenBaoServer) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self._tls = tls
        inner = ssl.create_default_context(cafile=server.cacert)
        self.client = httpx.Client(base_url=server.address, verify=inner, trust_env=False)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        wrapped = self._tls.wrap_socket(
            connection,
            server_side=True,
            do_handshake_on_connect=False,  # but in the thread of the connection
        )
        return wrapped, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is turned away is no news."""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.client.close()


class _Forwarding(BaseHTTPRequestHandler):
    server: TlsEnd  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    # A body would wait 40 ms for the client to confirm the head.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kept = {name: value for name, value in self.headers.items() if name.startswith("X-Vault-")}
        sent = {**kept, "X-Forwarded-For": str(self.client_address[0])}
        answer = self.server.client.request(self.command, self.path, content=body, headers=sent)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class BaoSide:
    """A `bao agent` or `bao proxy` process. Use it as a context manager.

    Args:
        kind: `agent` or `proxy`.
        config: its configuration, as HCL or JSON; `PORT` in it stands for a free port.
        home: a folder for its files.
    """

    def __init__(self, kind: str, config: str, home: Path) -> None:
        self._kind, self.home = kind, home
        self.port = process.free_port()
        self._config = config.replace("PORT", str(self.port))
        self._program: process.BaoProcess | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log_file.read_text("utf-8", "replace")

    @property
    def _log_file(self) -> Path:
        return self.home / f"{self._kind}.log"

    def __enter__(self) -> Self:
        file = self.home / f"{self._kind}.hcl"
        file.write_text(self._config, "utf-8")
        self._program = process.BaoProcess(
            [self._kind, f"-config={file}"], self.home, self._log_file
        )
        return self

    def wait_for(self, path: str, seconds: float = 15) -> None:
        """Wait until it has logged in, so that this API path can be read through it."""
        end = time.monotonic() + seconds
        while not self._serves(path):
            assert self._program is not None
            assert self._program.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def _serves(self, path: str) -> bool:
        try:
            answer = httpx.get(
                f"{self.address}/v1/{path}", headers={"X-Vault-Request": "true"}, trust_env=False
            )
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def __exit__(self, *_: object) -> None:
        if self._program is not None:
            self._program.kill()
