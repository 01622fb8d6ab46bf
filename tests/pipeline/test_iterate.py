"""Walking all pipelines, sync and async: each once, and to an end whatever the server does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from hypothesis import given, settings, strategies as st
from tests.call_styles import CallStyle

from vectorshift import AsyncVectorShift, Pipeline, VectorshiftApiError
from vectorshift.client.call import Call
from vectorshift.pipeline.pages import Walk
from vectorshift.pipeline.steps import Use
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]


@pytest.fixture
async def client(api: FakeVectorShift, style: CallStyle) -> AsyncIterator[Any]:
    async with style.client(api, "empty") as made:
        yield made


async def _next(style: CallStyle, pipelines: Any) -> Pipeline | None:
    found: Pipeline | None = await anext(pipelines, None) if style.prefix else next(pipelines, None)
    return found


async def test_2500_pipelines_come_up_once_each_in_their_order(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    ids = [api.add_pipeline("empty", f"p{number}") for number in range(2_500)]
    found = await style.all(style.iterator(Pipeline, "iterate", client=client))
    assert [pipeline.id for pipeline in found][2:] == ids
    assert [pipeline.name for pipeline in found][:3] == ["empty-assistant", "empty-summary", "p0"]
    assert type(found[0]) is Pipeline
    assert len(api.requests) == 27
    assert {request.query["limit"] for request in api.requests} == {"100"}


async def test_the_list_is_read_when_the_first_pipeline_is_asked_for(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    for number in range(3):
        api.add_pipeline("empty", f"p{number}")
    pipelines = style.iterator(Pipeline, "iterate", page_size=3, client=client)
    assert api.requests == []
    for _ in range(5):
        await style.next(pipelines)
    assert [request.query["offset"] for request in api.requests] == ["0", "3", "5"]


async def test_what_is_asked_for_is_sent(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    id = api.add_pipeline("globex", "theirs", folder_id="f1", shared_with=["empty"])
    given = {"include_shared": True, "folder_id": "f1", "page_size": 7}
    (found,) = await style.all(style.iterator(Pipeline, "iterate", client=client, **given))
    assert found.id == id
    expected = {
        "include_shared": "true",
        "verbose": "true",
        "folder_id": "f1",
        "offset": "0",
        "limit": "7",
    }
    assert dict(api.requests[0].query) == expected


async def test_what_comes_up_uses_the_client_that_was_named(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    first, _ = await style.all(style.iterator(Pipeline, "iterate", client=client))
    await style.call(first, "run", {})
    assert api.requests[-1].org == "empty"


@pytest.mark.parametrize("page_size", [0, -1])
async def test_pages_of_nothing_are_refused(style: CallStyle, client: Any, page_size: int) -> None:
    with pytest.raises(ValueError, match="page_size"):
        style.iterator(Pipeline, "iterate", page_size=page_size, client=client)


@pytest.mark.parametrize("body", [None, "[1]"], ids=["refused", "no object"])
async def test_a_page_that_could_not_be_had_is_an_error_and_is_asked_for_again(
    api: FakeVectorShift, style: CallStyle, client: Any, body: str | None
) -> None:
    api.add_pipeline("empty", "p0")
    pipelines = style.iterator(Pipeline, "iterate", page_size=2, client=client)
    for _ in range(2):
        api.fail_next(200 if body else 401, body=body)
        with pytest.raises(VectorshiftApiError):
            await style.next(pipelines)
    found = await style.all(pipelines)
    assert [each.name for each in found] == ["empty-assistant", "empty-summary", "p0"]
    assert [request.query["offset"] for request in api.requests] == ["0", "0", "0", "2", "3"]
    assert await style.all(pipelines) == []


async def test_a_wait_that_was_cancelled_cuts_nothing_off(api: FakeVectorShift) -> None:
    api.add_pipeline("empty", "p0")
    async with AsyncVectorShift(api.create_key(org="empty"), base_url=api.base_url) as client:
        pipelines = Pipeline.aiterate(page_size=2, client=client)
        api.latency = 30.0

        async def wait() -> None:
            await anext(pipelines)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            while not api.in_flight:
                await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
        api.latency = 0.0
        found = [each async for each in pipelines]
    assert [each.name for each in found] == ["empty-assistant", "empty-summary", "p0"]


async def test_tasks_that_share_an_iterator_get_each_pipeline_once(api: FakeVectorShift) -> None:
    ids = [api.add_pipeline("empty", f"p{number}") for number in range(20)]
    found: list[str] = []
    async with AsyncVectorShift(api.create_key(org="empty"), base_url=api.base_url) as client:
        pipelines = Pipeline.aiterate(page_size=3, client=client)

        async def work() -> None:
            async for pipeline in pipelines:
                found.append(pipeline.id)  # noqa: PERF401

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(work)
    assert len(found) == 22
    assert set(found) > set(ids)


async def test_pipelines_that_are_deleted_and_made_meanwhile_do_no_harm(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    ids = [api.add_pipeline("empty", f"p{number}") for number in range(10)]
    found = []
    pipelines = style.iterator(Pipeline, "iterate", page_size=3, client=client)
    for number in range(9):
        found.append((await style.next(pipelines)).id)
        if number == 4:
            await style.call(Pipeline(found[0], client=client), "delete")
            api.add_pipeline("empty", "late")
    found += [each.id for each in await style.all(pipelines)]
    assert len(found) == len(set(found))
    assert set(ids) < set(found)


@pytest.mark.parametrize(
    ("page_size", "every"), [(100, 1), (100, 2), (7, 1), (7, 3), (1, 1), (2, 1)]
)
async def test_pipelines_that_the_loop_itself_deletes_take_none_of_the_others_with_them(
    api: FakeVectorShift, style: CallStyle, client: Any, page_size: int, every: int
) -> None:
    ids = [
        api.add_pipeline("empty", f"p{number}") for number in range(250 if page_size == 100 else 40)
    ]
    found = []
    pipelines = style.iterator(Pipeline, "iterate", page_size=page_size, client=client)
    while (pipeline := await _next(style, pipelines)) is not None:
        found.append(pipeline.id)
        if len(found) % every == 0:
            await style.call(pipeline, "delete")
    assert found[2:] == ids


# --- Servers of other kinds, by the pages that they give ---


def walk_of(page_size: int = 10) -> Walk[str]:
    walk = Walk(cast("Any", None), {}, page_size, lambda id, raw: id)
    walk.client = cast("Any", None)
    return walk


def walked(
    answer: Callable[[int, int, int], list[Any]], page_size: int = 10, walk: Walk[str] | None = None
) -> tuple[list[str], int]:
    """Walk over what `answer(number, offset, limit)` gives; return the ids and how many pages were
    asked for.
    """
    walk = walk or walk_of(page_size)
    found: list[str] = []
    asked = 0
    while True:
        steps, reply = walk.next(), None
        assert isinstance(next(steps), Use)
        try:
            while True:
                step: Any = steps.send(reply)
                offset, limit = step.query["offset"], step.query["limit"]
                objects = answer(asked, offset, limit)
                ids = [each["id"] for each in objects]
                reply = step.parse({"objects": objects, "object_ids": ids})
                asked += 1
                assert asked < 10_000, "it does not end"
        except StopIteration as end:
            if end.value is None:
                return found, asked
            found.append(end.value)


def objects(*numbers: int) -> list[Any]:
    return [{"id": f"p{number}"} for number in numbers]


def names(*numbers: int) -> list[str]:
    return [f"p{number}" for number in numbers]


def test_a_server_that_ignores_offset_and_limit_is_soon_left() -> None:
    assert walked(lambda number, offset, limit: objects(*range(250))) == (names(*range(250)), 3)


def test_a_server_that_ignores_the_limit_alone_is_asked_twice() -> None:
    assert walked(lambda number, offset, limit: objects(*range(250))[offset:]) == (
        names(*range(250)),
        2,
    )


@pytest.mark.parametrize(("most", "pages"), [(1, 26), (2, 14), (4, 8)])
def test_a_server_that_gives_fewer_than_it_is_asked_for_is_walked_to_its_end(
    most: int, pages: int
) -> None:
    found, asked = walked(
        lambda number, offset, limit: objects(*range(25))[offset:][: min(limit, most)]
    )
    assert (found, asked) == (names(*range(25)), pages)


def test_a_server_that_rounds_the_offset_to_whole_pages_is_walked_to_its_end() -> None:
    found, asked = walked(
        lambda number, offset, limit: objects(*range(25))[offset // limit * limit :][:limit]
    )
    assert (found, asked) == (names(*range(25)), 5)


def test_an_empty_server_is_asked_once() -> None:
    assert walked(lambda number, offset, limit: []) == ([], 1)


def test_a_page_that_could_not_be_had_is_the_next_that_is_asked_for() -> None:
    walk = walk_of()
    asked: list[int] = []

    def answer(number: int, offset: int, limit: int) -> list[Any]:
        asked.append(offset)
        if len(asked) == 2:
            raise ConnectionError
        return objects(*range(25))[offset : offset + limit]

    with pytest.raises(ConnectionError):
        walked(answer, walk=walk)
    assert walked(answer, walk=walk)[0] == names(*range(25))
    assert asked == [0, 10, 10, 20, 25]


@pytest.mark.parametrize("more", [1, 2, 3, 8, 30])
def test_pages_without_anything_new_in_the_midst_do_not_end_the_walk(more: int) -> None:
    """As many pipelines are made behind the third page as push what is known over one page or
    several.
    """

    def answer(number: int, offset: int, limit: int) -> list[Any]:
        return objects(*(range(100, 100 + more) if number > 3 else ()), *range(20))[
            offset : offset + limit
        ]

    found, _ = walked(answer, 3)
    assert set(names(*range(20))) <= set(found)
    assert len(found) == len(set(found))


def test_a_server_that_shuffles_the_same_pages_for_ever_is_left() -> None:
    found, asked = walked(
        lambda number, offset, limit: objects(*(range(5) if number % 2 else range(4, -1, -1)))
    )
    assert (sorted(found), asked) == (names(*range(5)), 3)


def test_ids_alone_are_enough() -> None:
    walk: Walk[Any] = Walk(cast("Any", None), {}, 10, lambda id, raw: (id, raw))
    walk.client = cast("Any", None)
    steps = walk.next()
    assert isinstance(next(steps), Use)
    call: Any = steps.send(None)
    assert isinstance(steps.send(call.parse({"object_ids": [{"$oid": "a"}, "b"]})), Call)
    with pytest.raises(StopIteration) as end:
        steps.send(call.parse({"object_ids": []}))
    assert end.value.value == ("a", {})


@given(st.lists(st.lists(st.integers(0, 30), max_size=5), max_size=30), st.integers(0, 30))
def test_any_server_is_walked_to_an_end_with_nothing_twice(
    pages: list[list[int]], then: int
) -> None:
    def answer(number: int, offset: int, limit: int) -> list[Any]:
        return objects(*pages[number]) if number < len(pages) else objects(then, number % 2)

    found, asked = walked(answer)
    assert len(found) == len(set(found))
    assert asked <= 3 * len(pages) + 25


@settings(max_examples=300)
@given(
    st.integers(0, 40),
    st.integers(1, 12),
    st.integers(1, 100),
    st.integers(0, 40),
    st.integers(0, 100),
)
def test_what_is_there_comes_up_once_whatever_is_made_while_the_list_is_read(
    many: int, page_size: int, most: int, page: int, made: int
) -> None:
    there = list(range(many))

    def answer(number: int, offset: int, limit: int) -> list[Any]:
        if number == page:
            there[:0] = range(1000, 1000 + made)
        return objects(*there[offset : offset + min(limit, most)])

    found, asked = walked(answer, page_size)
    assert len(found) == len(set(found))
    assert set(names(*range(many))) <= set(found)
    assert asked <= 2 * (many + made) + 2


@given(st.integers(0, 400), st.integers(1, 120))
def test_a_list_that_stays_as_it_is_takes_a_page_more_than_it_has(
    many: int, page_size: int
) -> None:
    found, asked = walked(
        lambda number, offset, limit: objects(*range(many))[offset : offset + limit], page_size
    )
    assert found == names(*range(many))
    assert asked == 1 + (many + page_size - 1) // page_size
