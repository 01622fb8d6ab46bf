"""Write a method once, and get a sync and an async one.

Such a method is a generator of steps. It yields `Use` first, then each `Call`, `ThreadWork` or
`Wait`. The driver sends the result back, or throws the error, and returns what the generator
returns. `twins` makes two methods of it, `x` and `ax`. Type checkers and editors see both in
`__init__.pyi`, which `python -m tests.pipeline.stub` writes.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from vectorshift._platform.background import arun_blocking
from vectorshift.client.call import Call
from vectorshift.client.default import async_client, sync_client
from vectorshift.credentials.values import masked

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["Client", "Steps", "ThreadWork", "Use", "Wait", "aperform", "perform", "twins"]

T = TypeVar("T")
F = TypeVar("F")

if TYPE_CHECKING:
    Client = VectorShift | AsyncVectorShift
    """The type of a `client` argument: `VectorShift` for `x`, `AsyncVectorShift` for `ax`."""


class Use(NamedTuple):
    """Use this client for the following calls; None means that of the process.

    The result of the step is the client.
    """

    client: Any


class ThreadWork(NamedTuple):
    """Do work that reads files. For an async caller, it runs in a thread."""

    work: Callable[[], Any]


class Wait(NamedTuple):
    """Wait so many seconds."""

    seconds: float


Steps = Generator[Use | Call | ThreadWork | Wait, Any, T]


# --- The two drivers ---


def perform(steps: Steps[T]) -> T:
    """Carry out the steps. Return or raise what the generator does."""
    try:
        client = sync_client(cast("Use", next(steps)).client)
        step, result = steps.send(client), None
        while True:
            try:
                if isinstance(step, Call):
                    result = client.call(step)
                elif isinstance(step, ThreadWork):
                    result = step.work()
                else:
                    client.clock.sleep(cast("Wait", step).seconds)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        steps.close()


async def aperform(steps: Steps[T]) -> T:
    """Carry out the steps without blocking the event loop. Otherwise like `perform`."""
    try:
        client = async_client(cast("Use", next(steps)).client)
        step, result = steps.send(client), None
        while True:
            try:
                if isinstance(step, Call):
                    result = await client.call(step)
                elif isinstance(step, ThreadWork):
                    result = await arun_blocking(step.work)
                else:
                    await client.clock.asleep(cast("Wait", step).seconds)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        steps.close()


# --- The two methods ---


def twins(
    sync: Callable[..., Any] = perform, asynchronous: Callable[..., Any] = aperform
) -> Callable[[F], F]:
    """Make two methods of one. `x(...)` returns `sync(method(...))`, and `ax(...)` returns
    `asynchronous(method(...))`.

    Both have the arguments and the docstring of the method. In the annotations, `Client` and
    `Steps[T]` become the client and the result of each.
    """

    def decorate(method: F) -> F:
        return cast("F", _Twin(method, sync, asynchronous))

    return decorate


class _Twin:
    """One of the two methods, created at first access: most processes call two of thirty."""

    def __init__(self, method: Any, *drivers: Callable[..., Any]) -> None:
        self._method, (self._driver, *self._others) = method, drivers

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name
        for driver in self._others:
            twin = _Twin(self._method, driver)
            twin.__set_name__(owner, f"a{name}")
            setattr(owner, f"a{name}", twin)

    def __get__(self, instance: object, owner: type) -> Any:
        of_class = isinstance(self._method, classmethod)
        method: FunctionType = self._method.__func__ if of_class else self._method
        client = "VectorShift" if self._others else "AsyncVectorShift"
        made = _function(self._name, method, self._driver)
        made.__qualname__ = f"{self._owner.__qualname__}.{self._name}"
        made.__annotations__ = _annotations(method, self._driver, client)
        found: Any = classmethod(made) if of_class else made
        setattr(self._owner, self._name, found)
        return found.__get__(instance, owner)


_SOURCE = """
def make(_driver, _method, _masked):
    {}def {}({}): {}return {}_driver(_method({}))
    return {}
"""
_MASKED = "client = _masked(client) if client.__class__ is str else client; "
"""A key in place of a client is an error, and its traceback may show locals."""


def _function(name: str, method: FunctionType, driver: Callable[..., Any]) -> FunctionType:
    """Return a function with the arguments of `method` that passes its result to `driver`.

    It is compiled and has no `*args`. So Python itself rejects wrong arguments, with its usual
    message and at the call, even if an async caller awaits the result later.
    """
    code = method.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    positional, named = names[: code.co_argcount], names[code.co_argcount :]
    arguments = ", ".join([*positional, *(["*", *named] if named else [])])
    passed = ", ".join(f"{each}={each}" for each in names)
    words = ("async ", "await ") if iscoroutinefunction(driver) else ("", "")
    mask = _MASKED if "client" in names else ""
    source = _SOURCE.format(words[0], name, arguments, mask, words[1], passed, name)
    place = "\n" * (code.co_firstlineno - 3)  # tracebacks and inspect.getsource find the method
    scope: dict[str, Any] = {}
    exec(compile(place + source, code.co_filename, "exec"), method.__globals__, scope)  # noqa: S102
    made: FunctionType = scope["make"](driver, method, masked)
    made.__doc__, made.__module__ = method.__doc__, method.__module__
    made.__defaults__, made.__kwdefaults__ = method.__defaults__, method.__kwdefaults__
    return made


def _annotations(method: FunctionType, driver: Callable[..., Any], client: str) -> dict[str, str]:
    """Return the annotations of a method that `driver` drives, as text."""
    annotations = {
        name: re.sub(r"\bClient\b", client, text) for name, text in method.__annotations__.items()
    }
    inside = annotations["return"].partition("[")[2].removesuffix("]")
    annotations["return"] = re.sub(r"\bT\b", inside, driver.__annotations__["return"])
    return annotations
