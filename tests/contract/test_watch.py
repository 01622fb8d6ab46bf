"""The kit's watch for what blocks an event loop, where no blockbuster looks."""

from __future__ import annotations

import asyncio
import threading
import time

from vectorshift.testing.contract.watch import watched


def test_a_computation_that_holds_the_loop_is_noticed_with_its_place() -> None:
    async def hold() -> str:
        watch = next(each for each in threading.enumerate() if each.name == "vectorshift-watch")
        give_up = time.monotonic() + 60
        while watch.is_alive() and time.monotonic() < give_up:  # it ends when it has seen enough
            for _ in range(1_000_000):
                pass
        return "held"

    answer, place = asyncio.run(watched(hold))
    assert answer == "held"
    assert "test_watch.py:" in place


def test_what_awaits_is_not_accused() -> None:
    async def wait() -> str:
        await asyncio.sleep(0.3)
        return "waited"

    assert asyncio.run(watched(wait)) == ("waited", "")
