"""Keeps what botocore logs at DEBUG, headers and bodies, out of the logs while a call of ours runs."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["hushed"]

# The loggers whose lines, or the frames of whose `exc_info`, hold a response's body (the secret, or the
# session token that STS and SSO hand out) or a request's headers (the session token).
_TALKATIVE = (
    "botocore.auth",
    "botocore.credentials",
    "botocore.crt.auth",
    "botocore.endpoint",
    "botocore.httpsession",
    "botocore.parsers",
    "botocore.retryhandler",
    "botocore.utils",
)

_hushed: ContextVar[bool] = ContextVar("vectorshift_aws_hushed", default=False)


def _let_pass(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG or not _hushed.get()


@contextmanager
def hushed() -> Generator[None]:
    """Drop botocore's telling DEBUG lines in this block and this context; those of others are untouched.

    The filter stays installed: taking it away would uncover a call that still runs in another thread.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_let_pass)  # adds it once, however often it is called
    token = _hushed.set(True)
    try:
        yield
    finally:
        _hushed.reset(token)
