"""Redact keys that the server echoes in what httpx and httpcore log of our calls."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

from vectorshift.credentials.redact import redact

if TYPE_CHECKING:
    from vectorshift.client.engine import CallState

__all__ = ["CURRENT"]

CURRENT: ContextVar[CallState | None] = ContextVar("vectorshift_call", default=None)
"""The call that this context is making, if any. Its keys are logged as fingerprints.

Restore the previous value with `set`, not with a token: the call may end in another context, as
that of a dropped task does.
"""


def _redact(record: logging.LogRecord) -> bool:
    call_state = CURRENT.get()
    if call_state is not None:
        text = record.getMessage()
        if (clean := redact(text, call_state.secrets())) != text:
            record.msg, record.args = clean, None
    return True


def _drop_debug(record: logging.LogRecord) -> bool:
    """Drop the DEBUG records of HTTP/2's header encoder: they hold all headers as bytes."""
    return CURRENT.get() is None or record.levelno > logging.DEBUG


# A logger runs its filters only for records that it logs: when it is off, they cost nothing.
_HTTPCORE = ("connection", "http11", "http2", "proxy", "socks")
for _name in ("httpx", *(f"httpcore.{part}" for part in _HTTPCORE)):
    logging.getLogger(_name).addFilter(_redact)
for _name in ("hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_drop_debug)
