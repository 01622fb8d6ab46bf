"""`VectorShift` and `AsyncVectorShift`: pooled clients that ask for the key on every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.auth import CredentialAuth
from vectorshift.calls import Call, read
from vectorshift.chain import as_provider
from vectorshift.context import AMBIENT, AmbientProvider
from vectorshift.hosts import api_url
from vectorshift.http import connection_error, httpx, new_async_pool, new_pool, tls
from vectorshift.pools import LoopPools, Pool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["AsyncVectorShift", "VectorShift"]


class _Client:
    """What both colours share: where to, as whom, and for how long. Nothing is read before the first call."""

    def __init__(
        self,
        credentials: Any = None,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
    ) -> None:
        outside = AMBIENT if settings is None else AmbientProvider(settings)
        try:
            self._provider = outside if credentials is None else as_provider(credentials)
        finally:
            del credentials  # a traceback may show locals
        self._settings, self._timeout = settings, timeout
        self._base_url = None if base_url is None else api_url(base_url)
        self._auth: tuple[str, CredentialAuth] | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force: those of the client, else those of the process."""
        return AMBIENT.settings if self._settings is None else self._settings

    @property
    def base_url(self) -> str:
        """The URL below which all paths lie, without a slash at its end."""
        return self._base_url or self.settings.base_url

    @property
    def auth(self) -> CredentialAuth:
        """The auth that stamps this client's key on requests to the origin of `base_url`."""
        base_url = self.base_url
        made = self._auth
        if made is None or made[0] != base_url:  # the settings of the process may have changed
            auth = CredentialAuth(self._provider, origin=base_url, allow_http=self.settings.allow_http)
            made = self._auth = (base_url, auth)
        return made[1]

    @property
    def timeout(self) -> float:
        """Seconds that a call waits for its answer."""
        return self._timeout or self.settings.timeout

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url or 'VECTORSHIFT_BASE_URL'}>"


class VectorShift(_Client):
    """A client of the VectorShift API. Thread-safe and fork-safe; close it, or use it as a context manager.

    Args:
        credentials: a key, a callable of either colour that returns one, or any provider; by default the
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
        credentials: Any = None,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        super().__init__(credentials, settings=settings, base_url=base_url, timeout=timeout)
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
        http = self._yours or self._pool.get()
        request = call.request(self.base_url, http.build_request)
        try:
            response = http.send(request, auth=self.auth)
        except httpx.HTTPError as error:
            failure = connection_error(error, request, call.path)
        else:
            return read(response, call)
        raise failure

    def prepare(self) -> None:
        """Do ahead what the first call would: read settings and certificates. Contacts nothing."""
        _ = self._yours or self._pool.get(), self.auth

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncVectorShift(_Client):
    """The async client. One handle serves any number of event loops, one after the other or in parallel threads.

    Each loop has connections of its own, which are closed at the latest when the loop ends (`asyncio.run` and
    `trio.run` see to that). Works under asyncio and trio. Arguments are those of `VectorShift`.
    """

    def __init__(
        self,
        credentials: Any = None,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(credentials, settings=settings, base_url=base_url, timeout=timeout)
        self._yours = http_client
        self._pools = LoopPools(self._prepare, lambda: new_async_pool(self.timeout, self.settings.ca_bundle))

    def _prepare(self) -> None:
        """Do what may block: read the settings and the certificates."""
        tls(self.settings.ca_bundle)
        _ = self.auth

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
        if self._yours is not None:
            return await self._exchange(self._yours, call)
        async with self._pools.lend() as http:
            return await self._exchange(http, call)

    async def _exchange(self, http: httpx.AsyncClient, call: Call) -> Any:
        request = call.request(self.base_url, http.build_request)
        try:
            response = await http.send(request, auth=self.auth)
        except httpx.HTTPError as error:
            failure = connection_error(error, request, call.path)
        else:
            return read(response, call)
        raise failure

    async def aprepare(self) -> None:
        """Do ahead what the first call would: read settings and certificates. Contacts nothing."""
        await self._pools.get()

    async def aclose(self) -> None:
        """Close the connections of the running event loop. A later call opens new ones."""
        await self._pools.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
