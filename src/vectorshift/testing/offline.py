"""A transport that refuses every request, in place of the network."""

from __future__ import annotations

import contextlib
import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx

from vectorshift._platform import slot
from vectorshift._platform.urls import is_loopback
from vectorshift.chain import order
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import CredentialNotFoundError
from vectorshift.providers.env import EnvProvider
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.transport import http

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from vectorshift.credentials.provider import CredentialProvider

__all__ = ["OFFLINE", "cut_off", "offline_credentials", "refusing_api"]

OFFLINE = "vectorshift_offline: no network; use the vectorshift_api fixture or pass a client."

_MISDIRECTED = 421  # no status of the API's own, and none that is tried again


class _Refusing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Connects to servers on this machine alone, such as a test's own, and says why it does not to
    any other.

    Args:
        refused: the server on this machine that is not connected to either.
        verify: the TLS context.
    """

    def __init__(self, refused: httpx.URL, verify: ssl.SSLContext) -> None:
        self._refused = refused.netloc
        self._sync = httpx.HTTPTransport(verify=verify)
        self._async = httpx.AsyncHTTPTransport(verify=verify)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._check(request)
        return self._sync.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._check(request)
        return await self._async.handle_async_request(request)

    def _check(self, request: httpx.Request) -> None:
        if not is_loopback(request.url.host) or request.url.netloc == self._refused:
            raise httpx.UnsupportedProtocol(
                OFFLINE, request=request
            )  # is not tried again, as ConnectError would be

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


@contextlib.contextmanager
def cut_off(base_url: str) -> Generator[None, None, None]:
    """Let no client of this package that makes its connections in the block reach `base_url` or
    another machine.

    Chains that are made of settings in the block ask no file, store or plugin. Nothing is changed
    for clients of httpx that others make, also where they are given to a client of this package,
    and for providers that are handed in.
    """
    before = http.substitute, order.substitute
    http.substitute, order.substitute = partial(_Refusing, httpx.URL(base_url)), _members
    try:
        yield
    finally:
        http.substitute, order.substitute = before


class _Offline(BaseProvider):
    """Stands last in the chain, so that the error about a missing key says why there is none."""

    name = "offline"
    remote = False
    blocks = False

    def resolve(self, request: LookupRequest) -> Result:
        return CredentialNotFoundError(OFFLINE, source=self.name, provider=self.name)


def offline_credentials() -> ProviderChain:
    """Return a chain of `vectorshift.api_key` and `VECTORSHIFT_API_KEY`, and of no store or
    file.
    """
    return ProviderChain(_members(ExplicitProvider(held=slot.namespace)))


def _members(explicit: CredentialProvider) -> tuple[CredentialProvider, ...]:
    return explicit, EnvProvider(), _Offline()


@contextlib.contextmanager
def refusing_api() -> Generator[str, None, None]:
    """Run an API on a free loopback port that answers every request with a refusal in words, for
    clients that others make; yield its base URL.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


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
