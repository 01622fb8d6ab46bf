"""Keep the headers and bodies that botocore logs at DEBUG out of the logs during our calls."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from vectorshift._platform.quiet import quiet

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
    """Return whether the caller is in a read of ours."""
    return _reading.get()


@contextmanager
def quiet_botocore() -> Generator[None]:
    """Drop botocore's DEBUG lines in this block and this context; those of others are untouched."""
    token = _reading.set(True)
    try:
        with quiet(*_TALKATIVE):
            yield
    finally:
        _reading.reset(token)
