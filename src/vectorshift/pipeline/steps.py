"""How a sequence of calls is written once and driven in either colour.

A sequence is a generator. It yields what is to be done, a `Call`, a `Load` or a `Wait`, is sent what came of it or has
thrown into it what went wrong, and returns its result.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vectorshift.calls import Call
from vectorshift.flight import arun_blocking

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["AsyncDraw", "Load", "Step", "Steps", "Wait", "aperform", "draw", "perform"]

T = TypeVar("T")
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Load:
    """Do work that reads files. An async caller has it done in a thread."""

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so many seconds pass."""

    seconds: float


Step = Call | Load | Wait
Steps = Generator[Step, Any, T]


def perform(client: VectorShift, steps: Steps[T]) -> T:
    """Do what a sequence yields, and return its result or raise what it raises."""
    try:
        step = next(steps)
        while True:
            try:
                answer = _do(client, step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


async def aperform(client: AsyncVectorShift, steps: Steps[T]) -> T:
    """Do what a sequence yields, without blocking the event loop. Otherwise as `perform`."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await _ado(client, step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


def draw(
    client: VectorShift, steps: Generator[Call | F, Any, None], made: Callable[[F], T]
) -> Generator[T, None, None]:
    """Make the calls that a sequence yields, as late as can be, and hand on what is made of all else that it yields."""
    step = next(steps, None)
    while step is not None:
        if isinstance(step, Call):
            step = _next(steps, client.call(step))
        else:
            yield made(step)
            step = _next(steps, None)


class AsyncDraw(AsyncIterator[T], Generic[F, T]):
    """What `draw` is, without blocking the event loop.

    An iterator and no generator: one that is left in the middle is nothing that an event loop has to clean up.
    """

    def __init__(self, client: AsyncVectorShift, steps: Generator[Call | F, Any, None], made: Callable[[F], T]) -> None:
        self._client, self._steps, self._made = client, steps, made

    async def __anext__(self) -> T:
        step = _next(self._steps, None)
        while isinstance(step, Call):
            step = _next(self._steps, await self._call(step))
        if step is None:
            raise StopAsyncIteration
        return self._made(step)

    async def _call(self, call: Call) -> Any:
        try:
            return await self._client.call(call)
        except BaseException:
            self._steps.close()
            raise


def _do(client: VectorShift, step: Step) -> Any:
    if isinstance(step, Call):
        return client.call(step)
    return step.work() if isinstance(step, Load) else client.clock.sleep(step.seconds)


async def _ado(client: AsyncVectorShift, step: Step) -> Any:
    if isinstance(step, Call):
        return await client.call(step)
    return await (arun_blocking(step.work) if isinstance(step, Load) else client.clock.asleep(step.seconds))


def _next(steps: Generator[Call | F, Any, None], answer: Any) -> Call | F | None:
    try:
        return steps.send(answer)
    except StopIteration:
        return None
