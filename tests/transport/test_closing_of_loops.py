"""`LoopBoundContext`: whoever comes first closes what is open, once, and the others neither fail
nor hurry on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift.transport.closing import LoopBoundContext

if TYPE_CHECKING:
    from contextlib import AsyncExitStack


async def both(first: str) -> tuple[list[str], list[Any]]:
    """Leave a block while the event loop closes what it has; return what happened, and what the
    loop complains of.
    """
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    seen: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        begun.set()
        await go_on.wait()
        seen.append("closed")

    async def begin(held: AsyncExitStack) -> str:
        held.push_async_callback(close)
        return "open"

    async def leave() -> None:
        await opening.__aexit__(None, None, None)
        seen.append("left")

    async def end() -> None:
        await loop.shutdown_asyncgens()
        seen.append("ended")

    opening = LoopBoundContext(begin)
    assert await opening.__aenter__() == "open"
    tasks = [asyncio.create_task(leave() if first == "leave" else end())]
    await begun.wait()
    tasks.append(asyncio.create_task(end() if first == "leave" else leave()))
    for _ in range(5):
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*tasks)
    return seen, complaints


def test_an_event_loop_that_ends_waits_for_the_block_that_is_being_left() -> None:
    seen, complaints = asyncio.run(both("leave"))
    assert (seen[0], sorted(seen), complaints) == ("closed", ["closed", "ended", "left"], [])


def test_a_block_that_is_left_while_the_event_loop_ends_closes_nothing_twice() -> None:
    seen, complaints = asyncio.run(both("end"))
    assert (sorted(seen), complaints) == (["closed", "ended", "left"], [])


def test_what_was_begun_is_closed_when_opening_fails() -> None:
    closed: list[int] = []

    async def begin(held: AsyncExitStack) -> None:
        held.callback(closed.append, 1)
        raise ValueError("no")

    async def main() -> None:
        async with LoopBoundContext(begin):
            pass

    with pytest.raises(ValueError, match="no"):
        asyncio.run(main())
    assert closed == [1]


def test_a_loop_that_ends_and_a_block_that_is_left_do_not_meet_in_the_keeper() -> None:
    async def begin(held: AsyncExitStack) -> str:
        return "nothing that takes time to close"

    async def main() -> None:
        opening = LoopBoundContext(begin)
        await opening.__aenter__()
        await asyncio.gather(
            opening.__aexit__(None, None, None), opening._finalizer._generator.aclose()
        )

    asyncio.run(main())
