"""Drop library frames from what leaves this package: their locals may hold a key.

httpx, h11, TLS, botocore and the event loops hold a request as it is sent, and crash reporters show
the locals of every frame. An exception may hit there that no library foresaw: a cancellation,
Ctrl-C, a soft limit that a signal handler raises, a stack that is full.
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
    "strip_library_frames",
    "stripped",
]

P = ParamSpec("P")
T = TypeVar("T")

_PACKAGES: Final = frozenset(
    {"anyio", "boto3", "botocore", "certifi", "dotenv", "h11", "h2", "hpack"}
    | {"httpcore", "httpcore2", "httpx", "httpx2", "hvac", "hyperframe", "idna", "outcome"}
    | {"requests", "sniffio", "socksio", "tenacity", "trio", "urllib3", "uvloop"}
    # instrumentation, which wraps the functions of those
    | {"ddtrace", "elasticapm", "newrelic", "opentelemetry", "sentry_sdk", "wrapt"}
)
_LIBRARIES: Final = sys.stdlib_module_names | _PACKAGES
_NO_ROOM: Final = (RecursionError, MemoryError)


def strip_library_frames(work: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function: an exception leaves it as the same object, without the frames of libraries.

    Frames of the caller's own stay, such as those of a hook, and so do ours in an error of ours.
    Near the recursion limit, where no call is possible, all frames below go.
    """

    @wraps(work)
    def call(*args: P.args, **given: P.kwargs) -> T:
        before = sys.exc_info()[1]
        try:
            return work(*args, **given)
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904  # what it was raised from stays

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
    """Strip an error, and all that it was raised from, and return it, to be raised again.

    What libraries raised among themselves is unlinked: a text of theirs may have the key.

    Args:
        error: the error that is being raised; the first frame of its traceback is added again.
        before: what the caller was handling, which is left as it is.
    """
    try:
        _strip(error, before)
    except _NO_ROOM:
        error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


def _strip(error: BaseException, before: BaseException | None) -> None:
    found = list(_related(error, {id(before)}))
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


def _related(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and the members of groups."""
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
    """Note where it was raised, as the frame is gone."""
    place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    note = f"(vectorshift removed library frames, whose locals may hold a key: {place})"
    if sys.version_info >= (3, 11) and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def callers_own(error: Exception) -> BaseException | None:
    """Return the error that the caller's signal handler raised within a library, if it was that.

    `TimeoutError` is what most handlers raise, and httpcore takes it for one of its own. A full
    stack, or memory, is the caller's as well, and no fault of what is asked; botocore hides it
    behind an error of its own.
    """
    if isinstance(error, _NO_ROOM):
        return error
    for each in _related(error, set()):
        entries = list(_entries(each.__traceback__))
        if not entries or _stays(entries[0]):
            continue
        if isinstance(each, _NO_ROOM) or any(map(_is_handler, entries)):
            return each
    return None


def _is_handler(trace: TracebackType) -> bool:
    """Return whether this frame is of a signal handler: one gets the frame that it interrupts."""
    if not _stays(trace):
        return False
    given: list[Any] = list(trace.tb_frame.f_locals.values())
    for value in tuple(given):
        given += value if isinstance(value, tuple) else ()
    return any(isinstance(each, FrameType) for each in given)


def raise_callers_own(error: Exception) -> None:
    """Raise what `callers_own` finds; return if that is nothing."""
    if (own := callers_own(error)) is not None:
        raise own from None
