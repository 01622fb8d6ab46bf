"""Where a cancellation or Ctrl-C hits there may be a key: in h11, in TLS, in an event loop's
transport.

Their frames hold the request as it is sent, or an answer that repeats its key, and crash reporters
show the locals of every frame. An `Exception` is another matter: those of httpx become errors of
ours, those of hooks are the caller's.
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
    """Let what is no `Exception` leave a function as the same object, with no frame of what the
    function called.

    The frames above it are added as ever, and its context is what was being handled there.
    """

    @wraps(work)
    def call(*args: P.args, **given: P.kwargs) -> T:
        try:
            return work(*args, **given)
        except Exception:
            raise
        except BaseException as error:
            found = error
        try:
            raise _stripped(
                found
            )  # beyond the block, so that Python gives it the context of the caller
        finally:
            del found  # it holds this frame

    return call


def astrip_library_frames(work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Do as `strip_library_frames` does."""

    @wraps(work)
    async def call(*args: P.args, **given: P.kwargs) -> T:
        try:
            return await work(*args, **given)
        except Exception:
            raise
        except BaseException as error:
            found = error
        try:
            raise _stripped(found)
        finally:
            del found

    return call


def _stripped(error: BaseException) -> BaseException:
    members: tuple[Any, ...] = getattr(error, "exceptions", ())  # of a group
    for each in members:
        _stripped(each)
    error.__cause__ = error.__context__ = None
    error.__suppress_context__ = False  # setting a cause has set it
    return error.with_traceback(None)
