"""A real Vault API on loopback: OpenBao's server in a process of its own."""

from __future__ import annotations

import json
import secrets
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from vectorshift._platform.public import Self
from vectorshift.testing import _processes

__all__ = ["OpenBaoApi", "OpenBaoServer"]

_NOT_RUNNING = "The server is not running: use `with OpenBaoServer() as bao:`."


class OpenBaoApi:
    """Operations of a test on OpenBao, for one server or a cluster."""

    root_token: str

    def __init__(self, start_timeout: float) -> None:
        self._start_timeout = start_timeout
        self._http: httpx.Client | None = None
        self._kv1: set[str] = set()

    @property
    def _api_address(self) -> str:
        raise NotImplementedError

    @property
    def _log(self) -> str:
        """The end of what the program printed."""
        raise NotImplementedError

    # --- Secrets ---

    def write(self, path: str, fields: Mapping[str, Any], mount: str = "secret") -> int | None:
        """Write a secret, and return its new version, or None on a mount of KV version 1."""
        if mount in self._kv1:
            self.call("POST", f"{mount}/{path}", fields)
            return None
        answer = self.call("POST", f"{mount}/data/{path}", {"data": dict(fields)})
        return int(answer["data"]["version"])

    def delete(self, path: str, mount: str = "secret") -> None:
        """Delete the newest version, so that it can be brought back (KV version 1: for good)."""
        self.call("DELETE", f"{mount}/{path}" if mount in self._kv1 else f"{mount}/data/{path}")

    def destroy(self, path: str, versions: Sequence[int], mount: str = "secret") -> None:
        """Destroy these versions for good."""
        self.call("PUT", f"{mount}/destroy/{path}", {"versions": list(versions)})

    def forget(self, path: str, mount: str = "secret") -> None:
        """Remove the secret with all its versions, as if it had never been."""
        self.call("DELETE", f"{mount}/{path}" if mount in self._kv1 else f"{mount}/metadata/{path}")

    # --- The server ---

    def mount_kv(self, mount: str, *, version: int = 2) -> None:
        """Mount a KV engine of version 1 or 2."""
        self.call(
            "POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": str(version)}}
        )
        if version == 1:
            self._kv1.add(mount)
        else:
            self._until(lambda: self.call("GET", f"{mount}/config"), f"the mount {mount}")

    def enable_auth(self, kind: str, mount: str | None = None) -> None:
        """Enable an auth method, at a mount of its own name by default."""
        self.call("POST", f"sys/auth/{mount or kind}", {"type": kind})

    def policy(self, name: str, text: str) -> None:
        """Write a policy."""
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def token(self, policies: Sequence[str] = (), ttl: str = "1h", **more: Any) -> str:
        """Make a token, with the default policy alone if none is named.

        More fields of `auth/token/create` can be given, such as `type="batch"`.
        """
        body = {"policies": list(policies) or ["default"], "ttl": ttl, **more}
        return str(self.call("POST", "auth/token/create", body)["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self.call("POST", "auth/token/revoke", {"token": token})

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call the HTTP API below `/v1/`, as root by default; return the answer, empty if it has no
        body. Of a cluster, the leader is called: during an election, when it is over.

        Raises:
            RuntimeError: the server refused; the message has its reasons.
        """
        sent = {"X-Vault-Token": self.root_token if token is None else token, **(headers or {})}
        response = self._send(method, path, body, sent)
        if response.is_error:
            raise RuntimeError(
                f"{method} {path}: HTTP {response.status_code} {response.text.strip()}"
            )
        return dict(response.json()) if response.content else {}

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str], /
    ) -> httpx.Response:
        if self._http is None:
            raise RuntimeError(_NOT_RUNNING)
        url = f"{self._api_address}/v1/{path}"
        return self._http.request(method, url, json=body, headers=headers)

    def _until(self, ready: Callable[[], object], what: str) -> None:
        """Wait until this does not fail, and does not return False."""
        end = time.monotonic() + self._start_timeout
        while True:
            with suppress(RuntimeError, ValueError, httpx.TransportError):
                if ready() is not False:
                    return
            self._check()
            if time.monotonic() > end:
                raise RuntimeError(
                    f"OpenBao took longer than {self._start_timeout:g} s for {what}.\n{self._log}"
                )
            time.sleep(0.02)

    def _check(self) -> None:
        """Raise if there is nothing to wait for."""


class OpenBaoServer(OpenBaoApi):
    """An OpenBao server in development mode. Use it as a context manager.

    It starts unsealed and empty, with KV version 2 at `secret`, on a free loopback port. It keeps
    everything in memory and writes only to its own temporary folder. It ends with the block, or
    with the process that started it (POSIX).

    Args:
        token: the root token; a random one by default.
        tls: speak TLS with a certificate of a fresh CA, whose file `cacert` names.
        start_timeout: seconds for the start of the server.

    Raises:
        ImportError: on entering, if OpenBao is not installed.
        RuntimeError: on entering, if it does not come up.
    """

    def __init__(
        self, token: str | None = None, *, tls: bool = False, start_timeout: float = 30.0
    ) -> None:
        super().__init__(start_timeout)
        self.root_token = token or secrets.token_urlsafe(18)
        self._tls = tls
        self._port: int | None = None
        self._program: _processes.BaoProcess | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __repr__(self) -> str:
        return f"<OpenBaoServer {self.address if self._port else 'stopped'}>"

    @property
    def address(self) -> str:
        """The address that it listens at, such as `http://127.0.0.1:50123`."""
        if self._port is None:
            raise RuntimeError(_NOT_RUNNING)
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def cacert(self) -> str | None:
        """The file with the CA of the server's certificate, or None without TLS."""
        return str(self._home / "vault-ca.pem") if self._tls else None

    @property
    def _api_address(self) -> str:
        return self.address

    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead a client of Vault here, as root."""
        ca = {"VAULT_CACERT": self.cacert} if self.cacert else {}
        return {"VAULT_ADDR": self.address, "VAULT_TOKEN": self.root_token, **ca}

    # --- What was asked ---

    def reads(self, path: str, mount: str = "secret") -> int:
        """Return how often this secret was asked for, with or without success."""
        return self.calls(f"{mount}/data/{path}") + self.calls(f"{mount}/{path}")

    def calls(self, path: str, operation: str = "read") -> int:
        """Return how often an API path was called, such as `update` on `auth/approle/login`."""
        return len(self._answers_to(path, operation))

    def refusals(self, path: str, operation: str = "read") -> int:
        """Return how often a call of an API path was answered with an error."""
        return sum("error" in entry for entry in self._answers_to(path, operation))

    def _answers_to(self, path: str, operation: str) -> list[dict[str, Any]]:
        lines = (self._home / "audit.log").read_text("utf-8").splitlines(keepends=True)
        # One that is still being written has no end. To parse all of them takes seconds.
        whole = (line for line in lines if line.endswith("\n") and f'"{path}"' in line)
        told = (json.loads(line) for line in whole)
        answers = (entry for entry in told if entry["type"] == "response")
        return [
            a
            for a in answers
            if a["request"]["path"] == path and a["request"]["operation"] == operation
        ]

    # --- The server ---

    def seal(self) -> None:
        """Seal the server: it answers everything with 503 from now on."""
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal the server."""
        log = (self._home / "server.log").read_text("utf-8")
        key = log.partition("Unseal Key: ")[2].split()[0]
        self.call("PUT", "sys/unseal", {"key": key})
        self._until(lambda: self.call("GET", "secret/config"), "unsealing")

    # --- Its process ---

    def __enter__(self) -> Self:
        last = ""
        for _ in range(5):  # another process may take the port before the server does
            self._folder = tempfile.TemporaryDirectory(prefix="vectorshift-openbao-")
            try:
                self._start()
            except _PortTaken as taken:
                self._stop()
                last = str(taken)
            except BaseException:
                self._stop()
                raise
            else:
                return self
        raise RuntimeError(f"OpenBao did not come up: {last}")

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise RuntimeError(_NOT_RUNNING)
        return Path(self._folder.name)

    def _start(self) -> None:
        self._port = _processes.free_port()
        config = self._home / "config.json"
        audit = {
            "type": "file",
            "path": "counts",
            "options": {"file_path": str(self._home / "audit.log")},
        }
        config.write_text(json.dumps({"audit": [audit]}), "utf-8")
        tls = ["-dev-tls", f"-dev-tls-cert-dir={self._home}"] if self._tls else []
        listen = f"-dev-listen-address=127.0.0.1:{self._port}"
        self._program = _processes.BaoProcess(
            ["server", "-dev", "-dev-no-store-token", listen, f"-config={config}", *tls],
            self._home,
            self._home / "server.log",
            token=self.root_token,
        )
        verify: ssl.SSLContext | bool = False  # the system's CAs take longer than the start
        if self.cacert is not None:
            self._until(Path(self.cacert).exists, "its certificate")
            verify = ssl.create_default_context(cafile=self.cacert)
        self._http = httpx.Client(verify=verify, trust_env=False, timeout=10)
        # Only this server knows the token, so no other that took the port can pass for it.
        self._until(lambda: self.call("GET", "secret/config"), "the start")

    @property
    def _log(self) -> str:
        return (self._home / "server.log").read_text("utf-8", "replace")[-2000:]

    def _check(self) -> None:
        if self._program is None or self._program.process.poll() is not None:
            text = self._log
            raise _PortTaken(text) if "address already in use" in text else RuntimeError(text)

    def _stop(self) -> None:
        http, self._http, self._port = self._http, None, None
        if http is not None:
            http.close()
        program, self._program = self._program, None
        if program is not None:
            program.kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self._kv1.clear()


class _PortTaken(Exception):
    """Another process listens on the port that was free a moment ago."""
