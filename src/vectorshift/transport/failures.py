"""A failed attempt as a value, and whether its call may be sent again. No I/O, and no library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vectorshift.errors import VectorshiftError

__all__ = ["AttemptFailure", "RetrySafety", "repeat_after_status"]


class RetrySafety(Enum):
    """Which calls may be sent again after a failure."""

    NEVER = "another attempt would fail as this one did"
    IDEMPOTENT = "it may have been carried out: only what does no harm twice"
    ANY = "it was not carried out"


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """What came of an attempt that failed.

    Args:
        error: what the caller gets if there is no further attempt.
        repeat: which calls may be sent again.
    """

    error: VectorshiftError
    repeat: RetrySafety


def repeat_after_status(status: int, retry_after: float | None) -> RetrySafety:
    """Return what a status says of whether the call was carried out.

    429 says that it was not, and so does 503 with `Retry-After`: the server asks to be called
    again. A 408 or another 5xx says nothing of that: a gateway sends it as well when what is behind
    it did its work too slowly.
    """
    if status == 429 or (status == 503 and retry_after is not None):
        return RetrySafety.ANY
    return RetrySafety.IDEMPOTENT if status == 408 or status >= 500 else RetrySafety.NEVER
