"""One contact of a `CachingProvider` with its store: who waits for it, and who must not, as it
stands inside it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vectorshift.credentials.values import Credential

if TYPE_CHECKING:
    from collections.abc import Collection

    from vectorshift._platform.background import BackgroundTask
    from vectorshift.cache.policy import Instant
    from vectorshift.credentials.resolving import LookupRequest, Result

__all__ = ["GIVEN_UP_AFTER", "MAX_REFRESHES", "Refresh", "entered", "is_inside", "settles"]

MAX_REFRESHES: Final = 2
"""How many may be under way at once: a second one, when the first seems frozen."""
GIVEN_UP_AFTER: Final = 60.0
"""Seconds after which a load is thought to be gone for good, unless `load_timeout` is long."""


@dataclass(eq=False, slots=True)
class Refresh:
    """One contact with the store. `answer` is set before the flight lands; it counts if no newer
    load began.

    Args:
        began: the moment at which it was begun.
    """

    began: Instant
    around: tuple[Refresh, ...] = field(init=False)
    task: BackgroundTask[None] = field(init=False)
    answer: Result | None = None
    counts: bool = False

    def __post_init__(self) -> None:
        self.around = tuple(
            load for load in _inside.get() if load.answer is None
        )  # a context outlives its load


_inside: ContextVar[tuple[Refresh, ...]] = ContextVar("vectorshift.cache.refresh", default=())


def entered(load: Refresh) -> None:
    """Take note that what runs from here on runs in this load, and in those in which it was
    begun.
    """
    _inside.set((*load.around, load))


def is_inside(loads: Collection[Refresh]) -> bool:
    """Whether the caller runs in one of these loads, as a log handler does: to wait would be to
    wait for itself.
    """
    return any(load in loads for load in _inside.get())


def settles(
    load: Refresh, known: Credential | None, request: LookupRequest, asked: Instant
) -> bool:
    """Whether a load answers this caller. One whom the known key will not do is answered by another
    key, or by a load that began after it asked.
    """
    if not (load.counts and (request.forced or request.rejected is not None)):
        return load.counts
    answer = load.answer
    if isinstance(answer, Credential) and (known is None or answer.secret != known.secret):
        return True
    return load.began[1] >= asked[1]
