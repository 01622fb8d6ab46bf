"""Notices what blocks an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Self

__all__ = ["watched"]

T = TypeVar("T")

_LOOK_EVERY = 0.02
_LOOKS = 10
"""So many looks in a row, each at a loop that made no step since the last, and it counts as
blocked.
"""

_COMPUTES = 0.08
"""Seconds of computing in one step, and it counts as blocked."""


async def watched(work: Callable[[], Awaitable[T]]) -> tuple[T, str]:
    """Await `work` on this loop; return what it returns, and where it blocked the loop, or an empty
    string.

    With blockbuster installed, each blocking call raises its `BlockingError`, however short it is.
    A thread looks after the loop in any case. It counts looks and not seconds, so that a machine
    under load accuses nobody.
    """
    watch = _Watch()
    gc.disable()  # a collection is no computation of theirs
    beat = asyncio.ensure_future(watch.beat())
    with watch:
        await asyncio.sleep(0)
        with _blockbuster():
            answer = await work()
        await asyncio.sleep(2 * _LOOK_EVERY)  # for the last step to be seen
    gc.enable()
    beat.cancel()
    if not watch.place and watch.longest > _COMPUTES:
        return answer, f"a computation of {watch.longest:.2f} s"
    return answer, watch.place


def _blockbuster() -> contextlib.AbstractContextManager[object]:
    if find_spec("blockbuster") is None:
        return contextlib.nullcontext()
    from blockbuster import blockbuster_ctx

    return blockbuster_ctx()


class _Watch:
    """Looks at the loop's thread, from one of its own."""

    def __init__(self) -> None:
        self.place, self.longest = "", 0.0
        self._watched = threading.get_ident()
        self._beats = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="vectorshift-watch", daemon=True)

    async def beat(self) -> None:
        used = time.thread_time()
        while True:
            self._beats += 1
            await asyncio.sleep(_LOOK_EVERY / 4)
            used, before = time.thread_time(), used
            self.longest = max(self.longest, used - before)

    def _look(self) -> None:
        seen, still = -1, 0
        while not self._ended.wait(_LOOK_EVERY) and not self.place:
            beats = self._beats
            still = still + 1 if beats == seen else 0
            seen = beats
            if still >= _LOOKS:
                frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
                frame = frames.get(self._watched)
                self.place = (
                    "somewhere"
                    if frame is None
                    else f"at {frame.f_code.co_filename}:{frame.f_lineno}"
                )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
