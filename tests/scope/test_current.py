"""Where a `using` block is seen: in tasks, threads, executors and generators, and by none of their
siblings.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import logging
import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from tests.fakes import Rotating
from tests.organisations import aseen, seen

import vectorshift
from vectorshift import CredentialConfigurationError, ProviderChain, get_credential, using
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def test_blocks_of_tasks_do_not_leak_to_their_siblings_or_their_parent(
    api: FakeVectorShift,
) -> None:
    async def child(name: str, turns: int) -> list[str]:
        found: list[str] = []
        for turn in range(turns):
            with using(api.create_key(org=f"{name}-{turn}")):
                found.append(await aseen())
                await asyncio.sleep(0)
                found.append(await aseen())
        return found

    async def main() -> None:
        with using(api.create_key(org="parent")):
            children = [asyncio.create_task(child(f"task{number}", 3)) for number in range(20)]
            assert await aseen() == "parent"
            for number, found in enumerate(await asyncio.gather(*children)):
                assert found == [f"task{number}-{turn}" for turn in range(3) for _ in range(2)]
            assert await aseen() == "parent"
        await vectorshift.aclose()

    asyncio.run(main())


def test_a_task_keeps_the_block_that_it_was_started_in_when_that_has_ended(
    api: FakeVectorShift,
) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def late() -> str:
            await begun.wait()
            return await aseen()

        with using(api.create_key(org="block")):
            task = asyncio.create_task(late())
        begun.set()
        assert (await aseen(), await task) == ("process", "block")
        await vectorshift.aclose()

    asyncio.run(main())


def test_threads_and_executors_see_the_process_unless_the_context_is_copied(
    api: FakeVectorShift,
) -> None:
    with using(api.create_key(org="block")), concurrent.futures.ThreadPoolExecutor(1) as pool:
        copied = contextvars.copy_context()
        assert pool.submit(seen).result() == "process"
        assert pool.submit(copied.run, seen).result() == "block"
        assert pool.submit(seen).result() == "process"
    assert copied.run(seen) == "block"
    assert seen() == "process"


def test_event_loops_hand_the_block_to_to_thread_and_not_to_run_in_executor(
    api: FakeVectorShift,
) -> None:
    async def main() -> list[str]:
        with using(api.create_key(org="block")):
            loop, copied = asyncio.get_running_loop(), contextvars.copy_context()
            return [
                await asyncio.to_thread(seen),
                await loop.run_in_executor(None, seen),
                await loop.run_in_executor(None, copied.run, seen),
            ]

    assert asyncio.run(main()) == ["block", "process", "block"]


def test_blocks_in_threads_at_once_do_not_leak_to_one_another(api: FakeVectorShift) -> None:
    together = threading.Barrier(16)

    def tenant(number: int) -> list[str]:
        found: list[str] = []
        for turn in range(5):
            with using(api.create_key(org=f"thread{number}-{turn}")):
                together.wait(30)
                found.append(seen())
        return found

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for number, found in enumerate(pool.map(tenant, range(16))):
            assert found == [f"thread{number}-{turn}" for turn in range(5)]
    assert seen() == "process"


def test_what_a_generator_asks_is_asked_as_whoever_advances_it(api: FakeVectorShift) -> None:
    def pages() -> Iterator[str]:
        for _ in range(3):
            yield seen()

    begun = pages()
    with using(api.create_key(org="block")):
        assert next(begun) == "block"
    assert next(begun) == "process"
    with using(api.create_key(org="another")):
        assert next(begun) == "another"


def test_a_block_in_a_generator_is_seen_by_whoever_advances_it_until_it_is_left(
    api: FakeVectorShift,
) -> None:
    """So it is with every context variable (PEP 568 was not accepted); docs/scope.md says it."""

    def pages() -> Iterator[str]:
        with using(api.create_key(org="block")):
            yield seen()

    begun = pages()
    assert next(begun) == "block"
    assert seen() == "block"
    assert list(begun) == []
    assert seen() == "process"


def test_a_block_in_an_async_generator_stays_in_the_task_that_advances_it(
    api: FakeVectorShift,
) -> None:
    async def pages(name: str) -> AsyncIterator[str]:
        with using(api.create_key(org=name)):
            for _ in range(3):
                yield await aseen()
                await asyncio.sleep(0)

    async def read(name: str) -> list[str]:
        return [page async for page in pages(name)]

    async def main() -> None:
        found = await asyncio.gather(*(read(f"org{number}") for number in range(10)))
        assert found == [[f"org{number}"] * 3 for number in range(10)]
        assert await aseen() == "process"
        await vectorshift.aclose()

    asyncio.run(main())


def test_one_block_object_may_be_entered_by_many_tasks_and_threads(api: FakeVectorShift) -> None:
    block, together = using(api.create_key(org="block")), threading.Barrier(8)

    def thread(_: int) -> tuple[str, str]:
        with block:
            together.wait(30)
            inside = seen()
            together.wait(30)
        return inside, seen()

    async def task(turns: int) -> tuple[str, str]:
        with block:
            for _ in range(turns):  # they leave in another order than they came
                await asyncio.sleep(0)
            inside = await aseen()
        return inside, await aseen()

    async def main() -> list[tuple[str, str]]:
        found = await asyncio.gather(*map(task, (9, 1, 5, 3)))
        await vectorshift.aclose()
        return found

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(thread, range(8))) == {("block", "process")}
    assert set(asyncio.run(main())) == {("block", "process")}


def test_blocks_that_end_in_another_order_than_they_began_leave_nothing_behind(
    api: FakeVectorShift,
) -> None:
    def page(name: str) -> Iterator[str]:
        with using(api.create_key(org=name)):
            yield seen()

    first, second = page("first"), page("second")
    assert (next(first), next(second)) == ("first", "second")
    assert list(first) == []
    assert seen() == "second"
    assert list(second) == []
    assert seen() == "process"


def test_any_number_of_blocks_may_stand_in_the_one_that_ends_first() -> None:
    outer, inner = using("vs-outer"), using("vs-inner")
    outer.__enter__()
    for _ in range(2_000):
        inner.__enter__()
    outer.__exit__()
    for _ in range(2_000):
        assert DEFAULT_SCOPE.scope == "using"
        assert vectorshift.get_credential().secret.reveal() == "vs-inner"
        inner.__exit__()
    assert DEFAULT_SCOPE.scope == "process"


def test_a_block_of_the_credentials_in_force_keeps_those(api: FakeVectorShift) -> None:
    with using(api.create_key(org="block")):
        again = using(DEFAULT_SCOPE)
    with again:
        assert seen() == "block"
    assert seen() == "process"


def test_a_block_that_ends_in_another_context_says_that_it_may_not_have_been_seen(
    api: FakeVectorShift,
) -> None:
    block = using(api.create_key(org="block"))
    contextvars.copy_context().run(block.__enter__)
    assert seen() == "process"
    with pytest.raises(RuntimeError, match="another task or thread"):
        block.__exit__()


# --- A block that begins and ends in different places ---


def in_thread(call: Callable[[], object]) -> None:
    """Run it in a thread whose context ends with it."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, call).result()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    caplog.clear()
    return found


def test_a_call_that_does_not_see_a_block_whose_context_has_ended_warns_once(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    block = using(api.create_key(org="block"))
    in_thread(block.__enter__)
    assert seen() == "process"
    (warning,) = warnings(caplog)
    assert "using block was entered in a task or thread that ended" in warning
    assert (seen(), warnings(caplog)) == ("process", [])
    with pytest.raises(RuntimeError, match="another task or thread"):
        block.__exit__()
    assert (seen(), warnings(caplog)) == ("process", [])


def test_an_async_call_that_does_not_see_such_a_block_warns_too(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        block = using(api.create_key(org="block"))

        async def enter() -> None:
            block.__enter__()

        await asyncio.create_task(enter())
        while not (warned := warnings(caplog)):  # the loop may still hold the task's context
            org = await aseen()
        assert len(warned) == 1
        with pytest.raises(RuntimeError):
            block.__exit__()
        await vectorshift.aclose()
        return org

    assert asyncio.run(main()) == "process"


def test_blocks_that_are_left_or_that_nobody_can_leave_any_more_warn_of_nothing(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        with using(api.create_key(org="block")), using(api.create_key(org="inner")):
            assert seen() == "inner"

    def pages() -> Iterator[str]:
        with using(api.create_key(org="page")):
            yield seen()

    kept = using(api.create_key(org="kept"))

    def work_in_kept() -> None:
        with kept:
            assert seen() == "kept"

    in_thread(work)
    in_thread(work_in_kept)
    first, second = pages(), pages()
    assert (next(first), next(second)) == ("page", "page")
    del first, second
    in_thread(lambda: using(api.create_key(org="for good")).__enter__())
    with using(api.create_key(org="block")):
        held = contextvars.copy_context()
    assert held.run(seen) == "block"
    del held
    gc.collect()
    assert (seen(), warnings(caplog)) == ("process", [])


def test_calls_behind_a_block_that_was_left_in_another_thread_fail(api: FakeVectorShift) -> None:
    """As where an executor runs the beginning of a block, and keeps its thread."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        block = using(api.create_key(org="block"))
        pool.submit(block.__enter__).result()
        assert pool.submit(seen).result() == "block"
        with pytest.raises(RuntimeError, match="another task or thread"):
            block.__exit__()
        for call in (seen, vectorshift.get_credential, vectorshift.warm_up):
            with pytest.raises(CredentialConfigurationError, match="left in another task"):
                pool.submit(call).result()
        with pytest.raises(CredentialConfigurationError, match="left in another task"):
            pool.submit(lambda: asyncio.run(aseen())).result()
        assert pool.submit(vectorshift.explain).result().outcome == "failed"
        with using(api.create_key(org="next")):
            copied = contextvars.copy_context()
        assert pool.submit(copied.run, seen).result() == "next"
    assert seen() == "process"


async def _pages(api: FakeVectorShift) -> AsyncIterator[str]:
    with using(api.create_key(org="block")):
        yield await aseen()
        yield await aseen()


def test_the_rest_of_a_task_fails_where_its_async_generator_was_ended_by_another(
    api: FakeVectorShift,
) -> None:
    async def main() -> None:
        begun = _pages(api)
        assert await anext(begun) == "block"

        async def end() -> None:
            with pytest.raises(RuntimeError):
                await begun.aclose()  # type: ignore[attr-defined]

        await contextvars.Context().run(asyncio.create_task, end())
        with pytest.raises(CredentialConfigurationError, match="left in another task"):
            await aseen()
        await vectorshift.aclose()

    asyncio.run(main())


def test_the_rest_of_a_task_fails_behind_a_loop_over_an_async_generator_that_was_broken_off(
    api: FakeVectorShift,
) -> None:
    """asyncio ends the generator in a copy of the context: in that of the loop the block stays."""

    async def main() -> None:
        async for page in _pages(api):
            assert page == "block"
            break
        await asyncio.sleep(0.01)
        with pytest.raises(CredentialConfigurationError, match="left in another task"):
            await aseen()
        with using(api.create_key(org="another")):
            assert await aseen() == "another"
        await vectorshift.aclose()

    asyncio.run(main())


def test_a_task_goes_on_in_a_block_that_its_parent_has_left(api: FakeVectorShift) -> None:
    async def later() -> str:
        await asyncio.sleep(0.01)
        return await aseen()

    async def main() -> None:
        with using(api.create_key(org="block")):
            child = asyncio.create_task(later())
        assert (await child, await aseen()) == ("block", "process")
        await vectorshift.aclose()

    asyncio.run(main())


def test_a_task_goes_on_in_a_block_that_is_left_after_the_task_that_entered_it_has_ended(
    api: FakeVectorShift,
) -> None:
    block, children = using(api.create_key(org="block")), list[asyncio.Task[str]]()
    contexts = list[contextvars.Context]()

    async def later() -> str:
        await asyncio.sleep(0.05)
        return await aseen()

    async def begin() -> None:
        block.__enter__()
        contexts.append(contextvars.copy_context())
        children.append(asyncio.create_task(later()))

    async def end() -> None:
        block.__exit__()

    async def main() -> None:
        begun = asyncio.create_task(begin())  # kept, as a runner keeps it
        await begun
        await contexts[0].run(asyncio.create_task, end())
        assert begun.done()
        assert await children[0] == "block"
        await vectorshift.aclose()

    asyncio.run(main())


def test_a_block_may_end_in_another_task_once_the_first_has_ended(api: FakeVectorShift) -> None:
    """So pytest-asyncio runs the halves of a fixture, and a test that sees the block."""
    block, contexts = using(api.create_key(org="block")), list[contextvars.Context]()

    async def begin() -> None:
        block.__enter__()
        contexts.append(contextvars.copy_context())

    async def end() -> None:
        block.__exit__()

    async def main() -> None:
        await asyncio.create_task(begin())
        await contexts[0].run(asyncio.create_task, end())
        assert await contexts[0].run(asyncio.create_task, aseen()) == "block"
        await vectorshift.aclose()

    asyncio.run(main())


def test_a_block_that_others_have_entered_as_well_goes_on_for_them(api: FakeVectorShift) -> None:
    block = using(api.create_key(org="block"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, block:
        pool.submit(block.__enter__).result()
        with pytest.raises(RuntimeError):
            contextvars.Context().run(block.__exit__)
        assert seen() == "block"


@pytest.mark.anyio
async def test_a_block_is_seen_in_the_threads_and_nurseries_of_both_kinds_of_event_loop(
    api: FakeVectorShift,
) -> None:
    found: list[str] = []

    async def task() -> None:
        found.append(await aseen())

    async with anyio.create_task_group() as tasks:
        with using(api.create_key(org="block")):
            found.append(await anyio.to_thread.run_sync(seen))
            tasks.start_soon(task)
    assert found == ["block", "block"]
    await vectorshift.aclose()


A, B = "vs-organisation-a", "vs-organisation-b"


def key() -> str:
    return get_credential().secret.reveal()


@pytest.mark.usefixtures("forgotten")
def test_a_block_for_each_request_does_not_read_the_store_each_time() -> None:
    tenant = Rotating(A, remote=True)
    for _ in range(5):
        with using(tenant):
            assert key() == A
    assert tenant.asked == 1


@pytest.mark.usefixtures("forgotten")
def test_using_is_no_decorator() -> None:
    with pytest.raises(TypeError):

        @using(A)  # type: ignore[operator]
        async def work() -> None: ...


@pytest.mark.usefixtures("forgotten")
def test_a_block_that_is_never_entered_warns_that_it_has_no_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(TypeError):
        using(None)
    with using(A):
        pass
    gc.collect()
    assert caplog.messages == []
    using(A)
    gc.collect()
    (told,) = caplog.messages
    assert told.startswith("vectorshift.using(...) without `with` has no effect: ")


@pytest.mark.usefixtures("forgotten")
def test_a_chain_that_is_falsy_is_still_the_one_of_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Falsy(ProviderChain):
        def __len__(self) -> int:
            return 0

    monkeypatch.setenv("VECTORSHIFT_API_KEY", B)
    with using(Falsy([ExplicitProvider(A)])):
        assert key() == A
