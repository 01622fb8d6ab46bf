"""The kit's watch for what blocks an event loop, where no blockbuster looks."""

from __future__ import annotations

import asyncio
import time

from vectorshift.testing.contract.watch import watched


def test_a_computation_that_holds_the_loop_is_noticed_with_its_place() -> None:
    async def hold() -> str:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
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
