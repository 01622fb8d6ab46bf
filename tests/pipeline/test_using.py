"""Whose key a run handler, an iterator, a stream and a pipeline use: that of the place where they
were made.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tests.call_styles import CallStyle
from tests.organisations import process

import vectorshift
from vectorshift import Pipeline, Settings
from vectorshift.pipeline import RunHandler
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with process(monkeypatch, "acme") as running:
        for org in ("acme", "globex"):
            running.add_pipeline(org, "invoices", id=f"{org}-1")
        yield running


@pytest.fixture
def globex(api: FakeVectorShift) -> str:
    return api.create_key(org="globex")


def organisations(api: FakeVectorShift) -> list[str | None]:
    return [request.org for request in api.requests]


# --- Handlers ---


async def test_a_handler_keeps_the_organisation_of_the_block_it_was_made_in(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    with vectorshift.using(globex):
        handler = await style.call(Pipeline("globex-1"), "start", {"n": 1})
    assert (await style.call(handler, "result", poll_interval=0)).outputs == {"n": 1}
    assert (await style.call(handler, "terminate")) == {"status": "success"}
    with vectorshift.using(api.create_key(org="initech")):
        await style.call(handler, "run_status")
    assert organisations(api) == ["globex"] * 5


async def test_a_handler_that_was_made_outside_keeps_the_organisation_of_the_process_in_a_block(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    handler = await style.call(Pipeline("acme-1"), "start", {"n": 1})
    with vectorshift.using(globex):
        assert (await style.call(handler, "result", poll_interval=0)).outputs == {"n": 1}
    assert organisations(api) == ["acme"] * 3


async def test_a_handler_of_a_run_that_is_known_keeps_the_place_where_it_was_made(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    with vectorshift.using(globex):
        started = await style.call(Pipeline("globex-1"), "start")
        inside = RunHandler("globex-1", started.task_id)
    outside = RunHandler("acme-1", "nothing")
    await style.call(inside, "run_status")
    with vectorshift.using(globex), pytest.raises(vectorshift.NotFoundError):
        await style.call(outside, "run_status")
    assert organisations(api) == ["globex", "globex", "acme"]


async def test_a_handler_of_one_kind_serves_the_other_as_the_same_organisation(
    api: FakeVectorShift, globex: str
) -> None:
    with vectorshift.using(globex):
        one, two = Pipeline("globex-1").start(), await Pipeline("globex-1").astart()
    await one.arun_status()
    two.run_status()
    assert organisations(api) == ["globex"] * 4


async def test_a_handler_follows_its_own_key_as_it_is_renewed(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    keys = [globex]
    with vectorshift.using(lambda: keys[-1]):
        handler = await style.call(Pipeline("globex-1"), "start")
    keys.append(api.create_key(org="globex"))
    api.revoke_key(globex)
    await style.call(handler, "run_status")
    assert organisations(api) == ["globex"] * 2


# --- Iterators and streams ---


async def test_an_iterator_keeps_the_organisation_of_the_block_it_was_made_in(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    with vectorshift.using(globex):
        begun = style.iterator(Pipeline, "iterate", page_size=1)
        await style.next(begun)
        unbegun = style.iterator(Pipeline, "iterate", page_size=1)
    assert [each.name for each in await style.all(begun)] == ["globex-summary", "invoices"]
    assert len(await style.all(unbegun)) == 3
    assert set(organisations(api)) == {"globex"}


async def test_an_iterator_that_was_made_outside_keeps_the_process_though_nothing_was_read_before(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    pipelines = style.iterator(Pipeline, "iterate", page_size=1)
    with vectorshift.using(globex):
        assert (await style.next(pipelines)).name == "acme-assistant"
    assert len(await style.all(pipelines)) == 2
    assert set(organisations(api)) == {"acme"}


async def test_a_stream_keeps_the_organisation_of_the_place_it_was_made_in(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    with vectorshift.using(globex):
        inside = style.iterator(Pipeline("globex-1"), "stream", {"n": 1})
    outside = style.iterator(Pipeline("acme-1"), "stream", {"n": 1})
    assert len(await style.all(inside)) == 2
    with vectorshift.using(globex):
        assert len(await style.all(outside)) == 2
    assert organisations(api) == ["globex", "acme"]


async def test_a_thread_that_does_not_see_the_block_goes_on_as_its_organisation(
    api: FakeVectorShift, globex: str
) -> None:
    with vectorshift.using(globex):
        handler = Pipeline("globex-1").start()
    for context in (contextvars.Context(), contextvars.copy_context()):
        thread = threading.Thread(target=context.run, args=(handler.run_status,))
        thread.start()
        thread.join()
    assert organisations(api) == ["globex"] * 3


async def test_tasks_of_two_organisations_do_not_mix(api: FakeVectorShift, globex: str) -> None:
    found: dict[str, set[Any]] = {}

    async def work(org: str, credentials: Any) -> None:
        with vectorshift.using(credentials):
            pipelines = Pipeline.aiterate(page_size=1)
            handler = await Pipeline(f"{org}-1").astart({"org": org})
        found[org] = {each.raw["org_name"] async for each in pipelines}
        found[org].add((await handler.aresult(poll_interval=0)).outputs["org"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, "globex", globex)
        tasks.start_soon(work, "acme", api.create_key(org="acme"))
    assert found == {"globex": {"globex"}, "acme": {"acme"}}


# --- What is configured later ---


def reconfigure_credentials(api: FakeVectorShift) -> None:
    vectorshift.configure(credentials=api.create_key(org="globex"))


def reconfigure_settings(api: FakeVectorShift) -> None:
    vectorshift.configure(settings=Settings(base_url="http://127.0.0.1:9/v1"))


@pytest.mark.parametrize(
    "change", [reconfigure_credentials, reconfigure_settings, lambda api: vectorshift.reset()]
)
@pytest.mark.parametrize("made", ["in a block", "outside"])
async def test_what_is_configured_later_changes_neither_whom_nor_where(
    api: FakeVectorShift,
    style: CallStyle,
    globex: str,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[FakeVectorShift], None],
    made: str,
) -> None:
    org = "globex" if made == "in a block" else "acme"
    if made == "in a block":
        with vectorshift.using(globex):
            handler = await style.call(Pipeline("globex-1"), "start")
            pipelines = style.iterator(Pipeline, "iterate")
    else:
        handler = await style.call(Pipeline("acme-1"), "start")
        pipelines = style.iterator(Pipeline, "iterate")
    monkeypatch.setenv(
        "VECTORSHIFT_API_KEY", api.create_key(org="initech") if made == "in a block" else ""
    )
    if made == "outside":
        monkeypatch.setenv("VECTORSHIFT_API_KEY", api.create_key(org="acme"))
    change(api)
    await style.call(handler, "run_status")
    assert len(await style.all(pipelines)) == 3
    assert set(organisations(api)) == {org}
    if style.prefix:
        await vectorshift.aclose()


async def test_a_key_that_the_process_is_given_in_code_later_is_a_rotated_one_to_all_that_goes_on(
    api: FakeVectorShift, style: CallStyle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (api.create_key(org="acme") for _ in range(2))
    monkeypatch.setattr(vectorshift, "api_key", first)
    handler = await style.call(Pipeline("acme-1"), "start")
    pipelines = style.iterator(Pipeline, "iterate", page_size=1)
    await style.next(pipelines)
    monkeypatch.setattr(vectorshift, "api_key", second)
    api.revoke_key(first)
    await style.call(handler, "run_status")
    assert len(await style.all(pipelines)) == 2
    if style.prefix:
        await vectorshift.aclose()


async def test_two_keys_in_code_do_not_mix_in_blocks_whatever_the_process_is_given(
    api: FakeVectorShift, style: CallStyle, globex: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vectorshift.using(globex):
        handler = await style.call(Pipeline("globex-1"), "start")
        pipelines = style.iterator(Pipeline, "iterate")
    monkeypatch.setattr(vectorshift, "api_key", api.create_key(org="acme"))
    await style.call(handler, "run_status")
    assert len(await style.all(pipelines)) == 3
    assert set(organisations(api)) == {"globex"}
    if style.prefix:
        await vectorshift.aclose()


# --- Clients that are named ---


async def test_a_client_that_is_named_wins_over_a_block(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    async with style.client(api, "acme") as client:
        with vectorshift.using(globex):
            handler = await style.call(Pipeline("acme-1", client=client), "start")
            pipelines = style.iterator(Pipeline, "iterate", client=client)
            stream = style.iterator(Pipeline("acme-1"), "stream", client=client)
            await style.call(handler, "run_status")
            assert len(await style.all(pipelines)) == 3
            assert len(await style.all(stream)) == 1
        assert set(organisations(api)) == {"acme"}


async def test_a_client_without_credentials_of_its_own_is_kept_as_it_was_in_the_block(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    client = style.kind()
    with vectorshift.using(globex):
        handler = await style.call(Pipeline("globex-1", client=client), "start")
    await style.call(handler, "run_status")
    await style.call(Pipeline, "list", client=client)
    await style.call(client, "close")
    assert organisations(api) == ["globex", "globex", "acme"]


# --- Pipelines themselves ---


async def test_a_pipeline_without_a_client_acts_as_the_organisation_of_the_moment(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    api.add_pipeline("acme", "shared", id="both", shared_with=["globex"])
    pipeline = await style.call(Pipeline, "fetch", "both")
    with vectorshift.using(globex):
        await style.call(pipeline, "run")
    await style.call(pipeline, "run")
    assert organisations(api) == ["acme", "globex", "acme"]


async def test_a_pipeline_with_a_client_uses_that_in_any_block(
    api: FakeVectorShift, style: CallStyle, globex: str
) -> None:
    async with style.client(api, "acme") as client:
        pipeline = await style.call(Pipeline, "fetch", "acme-1", client=client)
        copied = await style.call(pipeline, "duplicate")
        with vectorshift.using(globex):
            await style.call(pipeline, "run")
            await style.call(copied, "run")
        assert organisations(api) == ["acme"] * 5
