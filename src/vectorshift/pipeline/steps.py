"""How a sequence of calls is written once and driven sync or async.

A sequence is a generator. It yields what is to be done, a `Call`, a `ThreadWork` or a `Wait`, is
sent what came of it or has thrown into it what went wrong, and returns its result.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vectorshift._platform.background import arun_blocking
from vectorshift.client.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["Step", "Steps", "ThreadWork", "Wait", "aperform", "perform"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ThreadWork:
    """Do work that reads files. An async caller has it done in a thread."""

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so many seconds pass."""

    seconds: float


Step = Call | ThreadWork | Wait
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


def _do(client: VectorShift, step: Step) -> Any:
    if isinstance(step, Call):
        return client.call(step)
    return step.work() if isinstance(step, ThreadWork) else client.clock.sleep(step.seconds)


async def _ado(client: AsyncVectorShift, step: Step) -> Any:
    if isinstance(step, Call):
        return await client.call(step)
    return await (
        arun_blocking(step.work)
        if isinstance(step, ThreadWork)
        else client.clock.asleep(step.seconds)
    )
