"""The recipes of docs/organisations.md, run by the frameworks: which key is on the wire.

Each service has no key of its own (`require_using`), and serves many organisations at once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from tests.docs.blocks import ROOT, blocks_of
from tests.e2e.stage import wait_until
from tests.organisations import process

import vectorshift
from vectorshift import CredentialConfigurationError, Pipeline
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORGANISATIONS = [f"org{number}" for number in range(12)]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    """A service whose environment has a key that must never be on the wire."""
    monkeypatch.setenv("VECTORSHIFT_REQUIRE_USING", "1")
    with process(monkeypatch) as running:
        yield running


@pytest.fixture
def recipe(request: pytest.FixtureRequest, api: FakeVectorShift) -> dict[str, Any]:
    """What the block of the page defines that imports this framework, with a key for each
    organisation.
    """
    (block,) = (
        each
        for each in blocks_of(ROOT / "docs/organisations.md")
        if f"from {request.param}" in each.code
    )
    names: dict[str, Any] = {"__name__": f"recipe_{uuid.uuid4().hex}"}
    exec(compile(block.code, str(block), "exec", dont_inherit=True), names)
    names["KEYS"].update((org, api.create_key(org=org)) for org in ORGANISATIONS)
    return names


def of(framework: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recipe", [framework], indirect=True)


def sent(api: FakeVectorShift) -> list[str | None]:
    found = [request.org for request in api.requests]
    api.clear_requests()
    return sorted(found, key=str)


async def get(app: Any, path: str, org: str) -> tuple[int, bytes]:
    """Make a request of an ASGI application, as a server does."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"organisation", org.encode()), (b"host", b"testserver")],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    status, body, gone = 0, b"", asyncio.Event()
    begun = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if begun:
            return begun.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    await app(scope, receive, send)
    gone.set()
    return status, body


def serve(app: Any, *paths: str) -> None:
    """Ask for each path as every organisation at once."""

    async def main() -> None:
        tasks = [
            asyncio.create_task(get(app, path, org)) for org in ORGANISATIONS for path in paths
        ]
        assert {status for status, _ in await asyncio.gather(*tasks)} == {200}
        await vectorshift.aclose()

    asyncio.run(main())


# --- FastAPI and Starlette ---


@pytest.mark.parametrize("recipe", ["fastapi", "starlette.applications"], indirect=True)
def test_sync_and_async_endpoints_act_as_the_organisation_of_their_request(
    recipe: dict[str, Any], api: FakeVectorShift
) -> None:
    serve(recipe["app"], "/sync", "/async")
    assert sent(api) == sorted(ORGANISATIONS * 2)


@of("fastapi")
def test_streams_background_tasks_and_dependencies_of_fastapi_see_the_block(
    recipe: dict[str, Any], api: FakeVectorShift
) -> None:
    app = recipe["app"]

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        tasks.add_task(Pipeline.list)
        tasks.add_task(Pipeline.alist)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            yield str(await Pipeline.alist())

        return StreamingResponse(parts())

    @app.get("/sync-stream")
    def sync_stream() -> StreamingResponse:
        return StreamingResponse(str(Pipeline.list()) for _ in range(2))

    def name() -> object:
        return Pipeline.list().raw["object_ids"]

    @app.get("/dependency")
    def dependency(found: Any = Depends(name)) -> Any:  # noqa: B008
        return found

    serve(app, "/background", "/stream", "/sync-stream", "/dependency")
    assert sent(api) == sorted(ORGANISATIONS * 6)


@pytest.mark.parametrize("required", ["1", "0"])
@of("fastapi")
def test_a_sync_generator_dependency_of_fastapi_fails_or_warns(
    recipe: dict[str, Any],
    api: FakeVectorShift,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    required: str,
) -> None:
    """Which is what the page says of it."""
    monkeypatch.setenv("VECTORSHIFT_REQUIRE_USING", required)
    vectorshift.reset()
    key = api.create_key(org="tenant")

    def as_tenant() -> Iterator[None]:
        with vectorshift.using(key):
            yield

    app = FastAPI(dependencies=[Depends(as_tenant)])
    failures: list[BaseException] = []

    def endpoint() -> None:
        try:
            Pipeline.list()
        except CredentialConfigurationError as error:
            failures.append(error)

    async def aendpoint() -> None:
        await to_thread.run_sync(int)  # the thread of an old anyio keeps its last context
        try:
            await Pipeline.alist()
        except CredentialConfigurationError as error:
            failures.append(error)

    app.get("/sync")(endpoint)
    app.get("/async")(aendpoint)

    def warned() -> bool:
        return any("FastAPI does this with a dependency" in each.message for each in caplog.records)

    async def main() -> int:
        requests = 0
        for path in ("/sync", "/async"):
            caplog.clear()
            for _ in range(100):  # the thread that entered the block may not have left its context
                requests += 1
                with pytest.raises(RuntimeError, match="another task or thread"):
                    await get(app, path, "tenant")
                if required == "1" or warned():
                    break
            else:
                pytest.fail("no warning of a block that was lost")
        await vectorshift.aclose()
        return requests

    requests = asyncio.run(main())
    if required == "1":
        assert len(failures) == 2
        assert sent(api) == []
    else:
        assert sent(api) == ["process"] * requests


# --- Flask ---


@of("flask")
def test_sync_and_async_views_of_flask_act_as_the_organisation_of_their_request(
    recipe: dict[str, Any], api: FakeVectorShift
) -> None:
    from flask import request as asked

    app = recipe["app"]

    @app.get("/stream")
    def stream() -> Any:
        key = recipe["KEYS"][asked.headers["organisation"]]

        def parts() -> Iterator[str]:
            with vectorshift.using(key):
                yield str(Pipeline.list())
                yield str(Pipeline.list())

        return parts(), 200

    def request(org: str) -> None:
        for path in ("/sync", "/async", "/stream"):
            answer = app.test_client().get(path, headers={"organisation": org})
            assert answer.status_code == 200
            assert answer.get_data()
            answer.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(request, ORGANISATIONS))
        outside = pool.submit(_failure, Pipeline.list).result()
    assert isinstance(outside, CredentialConfigurationError)
    assert sent(api) == sorted(ORGANISATIONS * 4)


def _failure(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except CredentialConfigurationError as error:
        return error
    return None


# --- Django ---


@pytest.fixture(scope="module")
def django_urls() -> Any:
    """Django is set up once a process; its views are these."""
    import types

    from django.conf import settings
    from django.http import JsonResponse
    from django.urls import path

    def sync_view(request: Any) -> Any:
        return JsonResponse(Pipeline.list().raw)

    async def async_view(request: Any) -> Any:
        return JsonResponse((await Pipeline.alist()).raw)

    urls: Any = types.ModuleType("urls_of_the_recipe")
    urls.urlpatterns = [path("sync", sync_view), path("async", async_view)]
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"], SECRET_KEY="for-tests", LOGGING_CONFIG=None, USE_TZ=True
        )
        import django

        django.setup()
    return urls


@of("django")
@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_sync_and_async_views_of_django_act_as_the_organisation_of_their_request(
    recipe: dict[str, Any],
    api: FakeVectorShift,
    django_urls: Any,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    from django.test import AsyncClient, Client, override_settings

    module: Any = type(django_urls)("middleware_of_the_recipe")
    module.as_organisation = recipe["as_organisation"]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    given = {
        "ROOT_URLCONF": django_urls,
        "MIDDLEWARE": ["middleware_of_the_recipe.as_organisation"],
    }

    async def main() -> None:
        client = AsyncClient()
        answers = await asyncio.gather(
            *(
                client.get(path, headers={"organisation": org})
                for org in ORGANISATIONS
                for path in ("/sync", "/async")
            )
        )
        assert {answer.status_code for answer in answers} == {200}
        await vectorshift.aclose()

    with override_settings(**given):
        if server == "asgi":
            asyncio.run(main())
        else:
            for org in ORGANISATIONS:
                for path in ("/sync", "/async"):
                    assert Client().get(path, headers={"organisation": org}).status_code == 200
    assert sent(api) == sorted(ORGANISATIONS * 2)


# --- Celery ---


def _keep_logging(**_: object) -> None:
    """Stand in for Celery's own set-up of logging, which would outlive the test."""


@of("celery")
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_tasks_of_celery_act_as_the_organisation_that_they_are_sent(
    recipe: dict[str, Any], api: FakeVectorShift, pool: str
) -> None:
    from celery.contrib.testing.worker import start_worker
    from celery.signals import setup_logging
    from celery.worker import state

    setup_logging.connect(_keep_logging)
    app = recipe["app"]
    app.conf.update(
        broker_url="memory://",
        broker_transport_options={"polling_interval": 0.01},
        result_backend="cache+memory://",
    )

    @app.task(name=uuid.uuid4().hex)
    def without_a_block() -> None:
        Pipeline.list()

    @app.task(name=uuid.uuid4().hex)
    def nothing() -> None:
        pass

    def wake() -> None:
        """A worker looks whether it is to end when a message comes, or else every two seconds; and
        takes one more.
        """
        wait_until(lambda: state.should_terminate is not None)
        nothing.delay()
        nothing.delay()

    waking = threading.Thread(target=wake)
    with start_worker(app, pool=pool, concurrency=4, perform_ping_check=False, loglevel="ERROR"):
        results = [recipe["list_pipelines"].delay(org) for org in ORGANISATIONS]
        for org, result in zip(ORGANISATIONS, results, strict=True):
            assert f"{org}-assistant" in result.get(timeout=60, interval=0.01)
        with pytest.raises(Exception, match="outside every using block"):
            without_a_block.delay().get(timeout=60, interval=0.01)
        waking.start()
    waking.join()
    app.control.purge()
    assert sent(api) == sorted(ORGANISATIONS)
