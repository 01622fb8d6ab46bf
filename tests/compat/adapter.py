"""A pytest plugin that lets the official SDK's tests of errors and queries run on this package.

They replace `requests.request` and the session of aiohttp by mocks. Here the mocks answer inside a
transport of httpx, and the client of this package does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

import httpx
import requests

import vectorshift.request
from vectorshift import AsyncVectorShift, VectorShift
from vectorshift.errors import api_error_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

aiohttp: Any = types.ModuleType("aiohttp")
aiohttp.ClientConnectionError = type("ClientConnectionError", (Exception,), {})

GIVEN: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "max_retries": 0}


@contextlib.contextmanager
def translated(request: httpx.Request) -> Iterator[None]:
    """Turn the errors of the libraries that the official SDK uses into those of httpx."""
    try:
        yield
    except (requests.Timeout, asyncio.TimeoutError) as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except (requests.ConnectionError, aiohttp.ClientConnectionError) as error:
        raise httpx.ConnectError(str(error), request=request) from error


def answer(request: httpx.Request) -> httpx.Response:
    with translated(request):
        mocked = requests.request(request.method, str(request.url), timeout=1)
    return httpx.Response(mocked.status_code, text=mocked.text)


def client(key: str, handler: Callable[[httpx.Request], httpx.Response] = answer) -> VectorShift:
    return VectorShift(
        key, http_client=httpx.Client(transport=httpx.MockTransport(handler)), **GIVEN
    )


class RequestClient:
    api_key: str

    def request(self, method: str, endpoint: str) -> Any:
        return client(self.api_key).request(method, endpoint)

    def stream_request(self, method: str, endpoint: str) -> Iterator[str]:
        with client(self.api_key).stream(method, endpoint) as stream:
            yield from stream.iter_lines()


class AsyncRequestClient:
    api_key: str
    _session: Any

    async def arequest(self, method: str, endpoint: str) -> Any:
        async def answer(request: httpx.Request) -> httpx.Response:
            with translated(request):
                async with self._session.request(request.method, str(request.url)) as mocked:
                    return httpx.Response(mocked.status, text=await mocked.text())

        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        return await AsyncVectorShift(self.api_key, http_client=http, **GIVEN).request(
            method, endpoint
        )


def status_error(status_code: int, method: str, endpoint: str, raw_response: str) -> Exception:
    return api_error_class(status_code)(status_code, method, endpoint, raw_response)


def normalized(query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a query as it is on the wire; a value whose text is sent is left as it is."""
    if not query:
        return query
    sent: dict[str, str] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        sent.update(request.url.params)
        return httpx.Response(200, json={})

    client("vs-test", answer).request("GET", "/pipelines", query=query)
    return {
        name: value if str(value) == sent[name] else sent[name] for name, value in query.items()
    }


def pytest_configure(config: pytest.Config) -> None:
    """Put what the tests import and replace where they look for it."""
    config.addinivalue_line("markers", "asyncio: a coroutine")
    sys.modules["aiohttp"] = aiohttp
    vars(vectorshift.request).update(
        requests=requests,
        RequestClient=RequestClient,
        AsyncRequestClient=AsyncRequestClient,
        _make_status_error=status_error,
        _normalize_query=normalized,
    )


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutines, so that no other plugin is needed."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
