"""Our calls of botocore: until when each may take, and what it logs meanwhile at DEBUG."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from vectorshift._platform.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["quiet_botocore", "reading_ends"]

_LONGEST: Final = 60.0
"""Seconds for a call of which nobody knows how long its caller waits."""

# The loggers whose lines, or the frames of whose `exc_info`, hold a response's body (the secret, or
# the session token that STS, SSO and metadata services hand out) or a request's headers (the
# session token).
_TALKATIVE = (
    "botocore.auth",
    "botocore.credentials",
    "botocore.crt.auth",
    "botocore.endpoint",
    "botocore.handlers",
    "botocore.httpsession",
    "botocore.parsers",
    "botocore.retryhandler",
    "botocore.tokens",
    "botocore.utils",
)

_ends: ContextVar[float | None] = ContextVar("vectorshift_aws_reading_ends", default=None)


def reading_ends() -> float | None:
    """Return the moment until which the current call of ours may take; None outside of one."""
    return _ends.get()


@contextmanager
def quiet_botocore(deadline: float | None = None) -> Generator[None]:
    """Drop botocore's DEBUG lines in this block and this context; those of others are untouched.

    Args:
        deadline: until when the caller waits, in seconds of `time.monotonic`; None for 60 s.
    """
    token = _ends.set(time.monotonic() + _LONGEST if deadline is None else deadline)
    try:
        with quiet(*_TALKATIVE):
            yield
    finally:
        _ends.reset(token)
