"""A stand-in for the AWS Secrets Manager Agent, now AWS Workload Credentials Provider, and for the
Lambda extension, on a loopback port.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from vectorshift._platform.public import Self

__all__ = ["FakeSecretsManagerAgent"]

_TOKEN_HEADERS = ("X-Aws-Parameters-Secrets-Token", "X-Vault-Token")
_NOT_READY = "not ready to serve traffic, please wait"
_SECRETS, _PARAMETERS = "/secretsmanager/get", "/systemsmanager/parameters/get"
_KNOWN = {
    _SECRETS: {"secretId", "versionId", "versionStage", "refreshNow", "roleArn"},
    _PARAMETERS: {"name", "version", "label", "withDecryption"},
}
_NEEDED = {_SECRETS: "secretId", _PARAMETERS: "name"}
_ABSENT = "Secrets Manager can't find the specified secret."


@dataclass(frozen=True, slots=True)
class _Version:
    id: str
    value: str | bytes
    stages: set[str]


class FakeSecretsManagerAgent:
    """A real HTTP server that answers as the Agent does: with a token, a cache, and `refreshNow`.

    Use it as a context manager. What stands for AWS behind it is filled with `put`; what was read
    is cached for `ttl` seconds, whatever is put meanwhile. Use made-up values: they are kept in
    memory in the clear.

    Args:
        region: the AWS region that it seems to read from.
        token: the token that it wants to see; a random one by default.
        ttl: seconds for which its cache answers.
    """

    def __init__(
        self, *, region: str = "us-east-1", token: str | None = None, ttl: float = 300.0
    ) -> None:
        self.region = region
        self.token = token or secrets.token_hex(16)
        self.requests: list[dict[str, str]] = []
        """The query of each read that came, in order."""
        self.reads = 0
        """How often it asked AWS, and not its cache."""
        self._ttl = ttl
        self._lock = threading.Lock()
        self._stored: dict[str, list[_Version]] = {}
        self._parameters: dict[str, list[str]] = {}
        self._cache: dict[tuple[str, ...], tuple[float, bytes]] = {}
        self._failures: list[tuple[int, str]] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The address that it listens at, such as `http://127.0.0.1:50123`."""
        if not self._port:
            raise RuntimeError(
                "The stand-in is not running: use `with FakeSecretsManagerAgent() as agent:`."
            )
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead here."""
        return {"VECTORSHIFT_AWS_AGENT_URL": self.url, "AWS_TOKEN": self.token}

    def put(self, name: str, value: str | bytes) -> str:
        """Make `value` the current version of a secret, in AWS and not in the cache; return the
        version's id.
        """
        version = _Version(str(uuid.uuid4()), value, {"AWSCURRENT"})
        with self._lock:
            versions = self._stored.setdefault(name, [])
            for old in versions:
                old.stages.discard("AWSPREVIOUS")
                if "AWSCURRENT" in old.stages:
                    old.stages.remove("AWSCURRENT")
                    old.stages.add("AWSPREVIOUS")
            versions.append(version)
        return version.id

    def put_parameter(self, name: str, value: str) -> int:
        """Make `value` the newest version of a parameter, which the Lambda extension gives; return
        the version.
        """
        with self._lock:
            versions = self._parameters.setdefault(name, [])
            versions.append(value)
            return len(versions)

    def fail(self, status: int, body: str, *, times: int = 1) -> None:
        """Answer the next reads with this instead, before the token is looked at."""
        with self._lock:
            self._failures += [(status, body)] * times

    def recover(self) -> None:
        """Fail no more."""
        with self._lock:
            self._failures.clear()

    def be_starting(self, times: int) -> None:
        """Answer the next reads as the Lambda extension does while it starts."""
        self.fail(400, _NOT_READY, times=times)

    def start(self) -> None:
        """Listen; on the same port as before, if it was stopped."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler_of(self))
        self._port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and forget the cache. Harmless when not running."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            self._thread.join()
            server.server_close()
            self._cache.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, method: str, target: str, headers: Any) -> tuple[int, bytes]:
        url = urlsplit(target)
        if url.path == "/ping":
            return 200, b"healthy"
        query = dict(parse_qsl(url.query))
        with self._lock:
            self.requests.append(query)
            if self._failures:
                status, body = self._failures.pop(0)
                return status, body.encode()
            refusal = self._refusal(method, url.path, headers, query)
            found = self._found if url.path == _SECRETS else self._found_parameter
            return refusal or found(query)

    def _refusal(
        self, method: str, path: str, headers: Any, query: dict[str, str]
    ) -> tuple[int, bytes] | None:
        if headers.get("X-Forwarded-For") is not None:
            return 400, b"Forwarded"
        if self.token not in (headers.get(name) for name in _TOKEN_HEADERS):
            return 403, b"Bad Token"
        if method != "GET":
            return 405, b"Not allowed"
        if path not in _KNOWN:
            return 404, b"Not found"
        if unknown := sorted(query.keys() - _KNOWN[path]):
            return 400, f"unknown parameter: {unknown[0]}".encode()
        if not query.get(_NEEDED[path]):
            return 400, f"missing parameter {_NEEDED[path]}".encode()
        if query.get("refreshNow", "false").lower() not in ("true", "false", "1", "0"):
            return 400, b"invalid refreshNow value"
        return None

    def _found(self, query: dict[str, str]) -> tuple[int, bytes]:
        place = (query["secretId"], query.get("versionId", ""), query.get("versionStage", ""))
        kept = self._cache.get(place)
        if (
            kept
            and time.monotonic() < kept[0]
            and query.get("refreshNow", "false").lower() in ("false", "0")
        ):
            return 200, kept[1]
        self.reads += 1
        status, body = self._read(*place)
        if status == 200:
            self._cache[place] = (time.monotonic() + self._ttl, body)
        return status, body

    def _found_parameter(self, query: dict[str, str]) -> tuple[int, bytes]:
        """Answer as the Lambda extension does, which says nothing of its failures."""
        versions = self._parameters.get(query["name"], [])
        number = int(query.get("version", len(versions)))
        if not 0 < number <= len(versions) or "label" in query:
            return 400, b"an unexpected error occurred while executing request"
        name, head = query["name"], f"arn:aws:ssm:{self.region}:123456789012:parameter"
        about = {"Name": name, "Type": "SecureString", "Value": versions[number - 1]}
        place = {"Version": number, "ARN": f"{head}/{name.lstrip('/')}"}
        return 200, json.dumps({"Parameter": about | place, "ResultMetadata": {}}).encode()

    def _read(self, name: str, version_id: str, stage: str) -> tuple[int, bytes]:
        wanted = stage or ("" if version_id else "AWSCURRENT")
        for version in self._stored.get(name, []):
            if version_id in ("", version.id) and (not wanted or wanted in version.stages):
                return 200, json.dumps(self._document(name, version)).encode()
        return 400, json.dumps({"__type": "ResourceNotFoundException", "message": _ABSENT}).encode()

    def _document(self, name: str, version: _Version) -> dict[str, Any]:
        value = version.value
        part = (
            {"SecretString": value}
            if isinstance(value, str)
            else {"SecretBinary": base64.b64encode(value).decode()}
        )
        return {
            "ARN": f"arn:aws:secretsmanager:{self.region}:123456789012:secret:{name}-AbCdEf",
            "Name": name,
            "VersionId": version.id,
            **part,
            "VersionStages": sorted(version.stages),
            "CreatedDate": "1750000000",
        }


def _handler_of(agent: FakeSecretsManagerAgent) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            status, body = agent._answer(self.command, self.path, self.headers)  # pyright: ignore[reportPrivateUsage]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _respond

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler
