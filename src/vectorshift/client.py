"""`VectorShift` and `AsyncVectorShift`: pooled clients that ask for the key on every call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vectorshift.auth import CredentialAuth
from vectorshift.calls import Call, read
from vectorshift.context import AMBIENT, AmbientProvider
from vectorshift.flight import SharedWork
from vectorshift.given import as_provider
from vectorshift.hosts import api_url
from vectorshift.http import connection_error, httpx, new_async_pool, new_pool, tls
from vectorshift.pools import LoopPools, Pool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["AsyncVectorShift", "VectorShift"]


@dataclass(frozen=True, slots=True)
class _Ready:
    """What calls need, and the settings that it was made for: those of the process may change."""

    settings: Settings
    base_url: str
    auth: CredentialAuth


class _Client:
    """What both colours share: where to, as whom, and for how long. Nothing is read before the first call."""

    def __init__(
        self, credentials: Any, settings: Settings | None, base_url: str | None, timeout: float | None
    ) -> None:
        try:
            own = AMBIENT if settings is None else AmbientProvider(settings)
            self._provider = own if credentials is AMBIENT else as_provider(credentials)
        finally:
            del credentials  # a traceback may show locals
        if timeout is not None and not 0 < timeout < float("inf"):
            raise ValueError(f"timeout should be a number of seconds above 0, not {timeout}.")
        self._settings, self._timeout = settings, timeout
        self._base_url = None if base_url is None else api_url(base_url)
        self._made: _Ready | None = None
        self._making = SharedWork(self._make)

    @property
    def settings(self) -> Settings:
        """The settings in force: those of the client, else those of the process. May block at first."""
        return AMBIENT.settings if self._settings is None else self._settings

    @property
    def base_url(self) -> str:
        """The URL below which all paths lie, without a slash at its end."""
        return self._base_url or self.settings.base_url

    @property
    def auth(self) -> CredentialAuth:
        """The auth that stamps this client's key on requests to the origin of `base_url`."""
        return self._ready().auth

    @property
    def timeout(self) -> float:
        """Seconds that a call waits for its answer."""
        return self._timeout or self.settings.timeout

    def _ready(self) -> _Ready:
        """Return what calls need for the settings in force. May block."""
        return self._at_hand() or self._make()

    async def _aready(self) -> _Ready:
        """Return what calls need for the settings in force; what may block is done in a thread."""
        return self._at_hand() or await self._making.ajoin()

    def _at_hand(self) -> _Ready | None:
        ready, settings = self._made, AMBIENT.loaded if self._settings is None else self._settings
        return ready if ready is not None and ready.settings is settings else None

    def _make(self) -> _Ready:
        settings = self.settings
        tls(settings.ca_bundle)
        base_url = self._base_url or settings.base_url
        auth = CredentialAuth(self._provider, origin=base_url, allow_http=settings.allow_http)
        made = self._made = _Ready(settings, base_url, auth)
        return made

    def _close_own(self) -> None:
        """Close the chain that was built for this client alone."""
        if self._settings is not None and isinstance(self._provider, AmbientProvider):
            self._provider.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_base_url', None) or 'VECTORSHIFT_BASE_URL'}>"


class VectorShift(_Client):
    """A client of the VectorShift API. Thread-safe and fork-safe; close it, or use it as a context manager.

    Args:
        credentials: a key, a callable of either colour that returns one, or any provider; None is none of these,
            so that a look-up of a tenant's key that fails reaches no other key. By default the
            credentials of the surrounding `using` block, else the chain that the settings describe.
        settings: the settings; those of the process by default.
        base_url: in place of `VECTORSHIFT_BASE_URL`.
        timeout: seconds, in place of `VECTORSHIFT_TIMEOUT`.
        http_client: a client of yours, with its own transport, proxies and limits; you close it.

    Raises:
        TypeError: `credentials` is none of these.
        ValueError: `base_url` is not a URL of an API.
    """

    def __init__(
        self,
        credentials: Any = AMBIENT,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        try:
            super().__init__(credentials, settings, base_url, timeout)
        finally:
            del credentials  # a traceback may show locals
        self._yours = http_client
        self._pool = Pool(lambda: new_pool(self.timeout, self.settings.ca_bundle))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Make a call and return the parsed body.

        Args:
            method: the HTTP method.
            path: the path below the base URL, such as `/pipelines`.
            query: parameters; those that are None are left out.
            json: the body.
            headers: additional headers; an `Authorization` among them is sent instead of the key.
            timeout: seconds, for this call.

        Raises:
            VectorshiftApiError: the API answered, and not with success.
            ApiConnectionError: the API did not answer.
            CredentialError: no key could be had; `MissingCredentialError` is also an `AuthenticationError`.
        """
        return self.call(
            Call(method=method, path=path, query=query or {}, json=json, headers=headers or {}, timeout=timeout)
        )

    def call(self, call: Call) -> Any:
        """Make a call that is described by a value. Raises as `request`."""
        ready = self._ready()
        if self._yours is not None:
            return self._exchange(self._yours, ready, call)
        with self._pool.lend() as http:
            return self._exchange(http, ready, call)

    def _exchange(self, http: httpx.Client, ready: _Ready, call: Call) -> Any:
        request = call.request(ready.base_url, http.build_request)
        try:
            response = http.send(request, auth=ready.auth)
        except httpx.HTTPError as error:
            failure = connection_error(error, request, call.path)
        else:
            return read(response, call)
        raise failure

    def prepare(self) -> None:
        """Do ahead what the first call would: read settings and certificates. Contacts nothing."""
        self._ready()
        with self._pool.lend():
            pass

    def close(self) -> None:
        """Close the connections, those in use when their calls are done. A later call opens new ones."""
        self._pool.close()
        self._close_own()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncVectorShift(_Client):
    """The async client. One handle serves any number of event loops, one after the other or in parallel threads.

    Each loop has connections of its own, which are closed at the latest when the loop ends as `asyncio.run` and
    `trio.run` end it; one that is closed without `shutdown_asyncgens` keeps them. Works under asyncio and trio.

    Arguments are those of `VectorShift`.
    """

    def __init__(
        self,
        credentials: Any = AMBIENT,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        try:
            super().__init__(credentials, settings, base_url, timeout)
        finally:
            del credentials  # a traceback may show locals
        self._yours = http_client
        self._pools = LoopPools(lambda: new_async_pool(self.timeout, self.settings.ca_bundle))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Make a call and return the parsed body. Arguments and errors are those of `VectorShift.request`."""
        return await self.call(
            Call(method=method, path=path, query=query or {}, json=json, headers=headers or {}, timeout=timeout)
        )

    async def call(self, call: Call) -> Any:
        """Make a call that is described by a value. Raises as `request`."""
        ready = await self._aready()
        if self._yours is not None:
            return await self._exchange(self._yours, ready, call)
        async with self._pools.lend() as http:
            return await self._exchange(http, ready, call)

    async def _exchange(self, http: httpx.AsyncClient, ready: _Ready, call: Call) -> Any:
        request = call.request(ready.base_url, http.build_request)
        try:
            response = await http.send(request, auth=ready.auth)
        except httpx.HTTPError as error:
            failure = connection_error(error, request, call.path)
        else:
            return read(response, call)
        raise failure

    async def aprepare(self) -> None:
        """Do ahead what the first call would: read settings and certificates. Contacts nothing."""
        await self._aready()
        async with self._pools.lend():
            pass

    async def aclose(self) -> None:
        """Close the connections of the running event loop, those in use when their calls are done."""
        await self._pools.aclose()
        self._close_own()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
