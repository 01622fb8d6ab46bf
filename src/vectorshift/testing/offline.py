"""What answers in place of the network: a refusal that says so, whoever asks and in whichever way."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx

from vectorshift.chain import ProviderChain
from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.errors import CredentialNotFoundError
from vectorshift.providers.answering import Answer, AnsweringProvider, Ask
from vectorshift.providers.env import EnvProvider
from vectorshift.providers.explicit import ExplicitProvider

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["OFFLINE", "RefusingServer", "offline_async_client", "offline_client", "offline_credentials"]

OFFLINE = "vectorshift_offline: no network; use the vectorshift_api fixture or pass a client."

_MISDIRECTED = 421  # no status of the API's own, and none that is tried again


class _Refusing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Connects to nothing, and says why."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(OFFLINE, request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(OFFLINE, request=request)


def offline_client() -> VectorShift:
    """Return a client whose every call raises `ApiConnectionError`, at once and without contact."""
    return VectorShift(http_client=httpx.Client(transport=_Refusing(), trust_env=False))


def offline_async_client() -> AsyncVectorShift:
    """Return the same for async calls."""
    return AsyncVectorShift(http_client=httpx.AsyncClient(transport=_Refusing(), trust_env=False))


class _Offline(AnsweringProvider):
    """Stands last in the chain, so that the error about a missing key says why there is none."""

    name = "offline"
    remote = False
    blocks = False

    def lookup(self, ask: Ask) -> Answer:
        return CredentialNotFoundError(OFFLINE, source=self.name, provider=self.name)


def offline_credentials() -> ProviderChain:
    """Return a chain of `vectorshift.api_key` and `VECTORSHIFT_API_KEY`, and of no store or file."""
    explicit = ExplicitProvider(held=vars(sys.modules["vectorshift"]))
    return ProviderChain([explicit, EnvProvider(), _Offline()])


class RefusingServer:
    """An API on a free loopback port that answers every request with a refusal in words: for clients of your own."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusal)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def base_url(self) -> str:
        """What to give a client."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Refusal(BaseHTTPRequestHandler):
    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"error": OFFLINE}).encode()
        self.send_response(_MISDIRECTED)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
