"""Keep the headers and bodies that botocore logs at DEBUG out of the logs during our calls."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["is_reading", "quiet_botocore"]

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

_reading: ContextVar[bool] = ContextVar("vectorshift_aws_reading", default=False)


def is_reading() -> bool:
    """Whether the caller is in a read of ours."""
    return _reading.get()


def _let_pass(record: logging.LogRecord) -> bool:
    """Drop DEBUG lines; strip the frames of exceptions, which hold tokens, from all others."""
    if not _reading.get():
        return True
    if record.levelno <= logging.DEBUG:
        return False
    if record.exc_info:
        kind = record.exc_info[0]
        record.msg, record.args = (
            f"{record.getMessage()} ({kind.__name__ if kind else 'unknown'})",
            None,
        )
        record.exc_info = record.exc_text = None
    return True


@contextmanager
def quiet_botocore() -> Generator[None]:
    """Drop botocore's DEBUG lines in this block and this context; those of others are untouched.

    The filter stays installed, as another thread may still be in such a block.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_let_pass)  # adds it once, however often it is called
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)
