"""Drop library frames from BaseExceptions: their locals may hold the key.

A cancellation or Ctrl-C may hit within h11, TLS or an event loop's transport, whose frames hold the
request as it is sent. Crash reporters show the locals of every frame. An `Exception` keeps its
frames: those of httpx become errors of ours, and those of hooks are the caller's.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["astrip_library_frames", "strip_library_frames"]

P = ParamSpec("P")
T = TypeVar("T")


def strip_library_frames(work: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function: a BaseException leaves it as the same object, without the frames below.

    The frames above are added as ever, and its context is what the caller was handling.
    """

    @wraps(work)
    def call(*args: P.args, **given: P.kwargs) -> T:
        try:
            return work(*args, **given)
        except Exception:
            raise
        except BaseException as error:
            found = [error]
        # Beyond the block, so that Python sets the caller's context. Popped, so that this frame,
        # which is part of its traceback, does not hold it.
        raise _stripped(found.pop())

    return call


def astrip_library_frames(work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Wrap a coroutine function as `strip_library_frames` does."""

    @wraps(work)
    async def call(*args: P.args, **given: P.kwargs) -> T:
        try:
            return await work(*args, **given)
        except Exception:
            raise
        except BaseException as error:
            found = [error]
        raise _stripped(found.pop())

    return call


def _stripped(error: BaseException) -> BaseException:
    members: tuple[Any, ...] = getattr(error, "exceptions", ())  # of a group
    for each in members:
        _stripped(each)
    error.__cause__ = error.__context__ = None
    error.__suppress_context__ = False  # setting a cause has set it
    return error.with_traceback(None)
