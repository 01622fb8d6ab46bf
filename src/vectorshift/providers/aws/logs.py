"""Our calls of botocore: the deadline of each, without its DEBUG records."""

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
"""Seconds for a call without a deadline."""

# Records of these loggers, or the frames in their `exc_info`, hold secrets. A response's body has
# the secret, or the session token of STS, SSO and metadata services. A request's headers have the
# session token.
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
    """Return the deadline of our current call, or None outside of one."""
    return _ends.get()


@contextmanager
def quiet_botocore(deadline: float | None = None) -> Generator[None]:
    """Drop botocore's DEBUG records in this block and context, not those of other code.

    Args:
        deadline: until when the caller waits, in seconds of `time.monotonic`; None for 60 s.
    """
    token = _ends.set(time.monotonic() + _LONGEST if deadline is None else deadline)
    try:
        with quiet(*_TALKATIVE):
            yield
    finally:
        _ends.reset(token)
