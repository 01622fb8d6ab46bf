"""Drop library frames from exceptions that leave this package: their locals may hold a key.

While httpx, h11, TLS, botocore or an event loop sends a request, its frames hold the request. Crash
reporters show the locals of every frame. Any exception may be raised there: a cancellation, Ctrl-C,
a time limit of a signal handler, a RecursionError.
"""

from __future__ import annotations

import sys
from functools import wraps
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from vectorshift.errors import VectorshiftError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = [
    "astrip_library_frames",
    "callers_own",
    "raise_callers_own",
    "related",
    "strip_library_frames",
    "stripped",
]

P = ParamSpec("P")
T = TypeVar("T")

_PACKAGES: Final = frozenset(
    {"anyio", "boto3", "botocore", "certifi", "dotenv", "h11", "h2", "hpack"}
    | {"httpcore", "httpcore2", "httpx", "httpx2", "hvac", "hyperframe", "idna", "outcome"}
    | {"requests", "sniffio", "socksio", "tenacity", "trio", "urllib3", "uvloop"}
    # instrumentation that wraps functions of these
    | {"ddtrace", "elasticapm", "newrelic", "opentelemetry", "sentry_sdk", "wrapt"}
)
_LIBRARIES: Final = sys.stdlib_module_names | _PACKAGES
_NO_ROOM: Final = (RecursionError, MemoryError)


def strip_library_frames(work: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function: its exceptions stay the same objects, but lose the frames of libraries.

    Frames of the caller's code stay, such as those of a hook. Our frames stay in our own errors.
    Near the recursion limit, where no call is possible, all frames below are dropped.
    """

    @wraps(work)
    def call(*args: P.args, **given: P.kwargs) -> T:
        before = sys.exc_info()[1]
        try:
            return work(*args, **given)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904  # its cause stays

    return call


def astrip_library_frames(
    work: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Wrap a coroutine function as `strip_library_frames` does."""

    @wraps(work)
    async def call(*args: P.args, **given: P.kwargs) -> T:
        before = sys.exc_info()[1]
        try:
            return await work(*args, **given)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904

    return call


def stripped(error: BaseException, before: BaseException | None) -> BaseException:
    """Strip an error and its causes and contexts; return it, to be raised again.

    Exceptions that are purely from libraries are unlinked: their text may have the key.

    Args:
        error: the error being raised. Raising it again adds the first frame of its traceback.
        before: the exception that the caller was handling. It is not changed.
    """
    try:
        _strip(error, before)
    except _NO_ROOM:
        error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


def _strip(error: BaseException, before: BaseException | None) -> None:
    found = list(related(error, {id(before)}))
    theirs: set[int] = set()
    for each in found:
        trace = each.__traceback__
        entries = list(_entries(trace.tb_next if trace and each is error else trace))
        ours_stay = isinstance(each, VectorshiftError)
        kept: TracebackType | None = None
        dropped: TracebackType | None = None
        for at in reversed(entries):
            if _stays(at, ours_stay=ours_stay):
                at.tb_next = kept
                kept = at
            else:
                dropped = dropped or at
        each.__traceback__ = kept
        if dropped is None or ours_stay:
            continue
        if kept is None and each is not error:
            theirs.add(id(each))
        elif isinstance(each, Exception):
            _note(each, dropped)
    for each in found:
        suppresses, cause, context = each.__suppress_context__, each.__cause__, each.__context__
        while context is not None and id(context) in theirs:
            context = context.__context__
        each.__cause__ = None if id(cause) in theirs else cause
        each.__context__, each.__suppress_context__ = context, suppresses


def related(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and the members of groups, without those seen."""
    left: list[Any] = [error]
    while left:
        each = left.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        members = getattr(each, "exceptions", ())
        left += [each.__cause__, each.__context__]
        left += members if isinstance(members, list | tuple) else ()


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _stays(trace: TracebackType, *, ours_stay: bool = False) -> bool:
    package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    return ours_stay if package == "vectorshift" else package not in _LIBRARIES


def _note(error: Exception, last: TracebackType) -> None:
    """Add a note on where the error was raised, as the frame is gone."""
    place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    note = f"(vectorshift removed library frames, whose locals may hold a key: {place})"
    if sys.version_info >= (3, 11) and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def callers_own(error: Exception) -> BaseException | None:
    """Return the error that a signal handler of the caller raised inside a library, or None.

    Most handlers raise `TimeoutError`, and httpcore takes that for its own error. RecursionError
    and MemoryError count as the caller's, too. botocore wraps them in its own errors.
    """
    if isinstance(error, _NO_ROOM):
        return error
    for each in related(error, set()):
        entries = list(_entries(each.__traceback__))
        if not entries or _stays(entries[0]):
            continue
        if isinstance(each, _NO_ROOM) or any(map(_is_handler, entries)):
            return each
    return None


def _is_handler(trace: TracebackType) -> bool:
    """Return whether this frame is a signal handler: one argument is the interrupted frame."""
    if not _stays(trace):
        return False
    given: list[Any] = list(trace.tb_frame.f_locals.values())
    for value in tuple(given):
        given += value if isinstance(value, tuple) else ()
    return any(isinstance(each, FrameType) for each in given)


def raise_callers_own(error: Exception) -> None:
    """Raise the error that `callers_own` finds, if any."""
    if (own := callers_own(error)) is not None:
        raise own from None
