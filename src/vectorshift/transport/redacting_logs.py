"""Keep a key that the server echoes out of what httpx and httpcore log of our calls."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

from vectorshift.credentials.redact import redact

if TYPE_CHECKING:
    from vectorshift.client.engine import CallState

__all__ = ["CURRENT"]

CURRENT: ContextVar[CallState | None] = ContextVar("vectorshift_call", default=None)
"""The call that this context sends or reads for, if any: its keys are logged as fingerprints.

Whoever sets it sets the value before again, and resets no token: the end may come in another
context, as that of a dropped task does.
"""


def _redact(record: logging.LogRecord) -> bool:
    call_state = CURRENT.get()
    if call_state is not None:
        text = record.getMessage()
        if (clean := redact(text, call_state.secrets())) != text:
            record.msg, record.args = clean, None
    return True


def _drop_debug(record: logging.LogRecord) -> bool:
    """Drop what HTTP/2's coder of headers tells at DEBUG: all of them, and as the bytes sent."""
    return CURRENT.get() is None or record.levelno > logging.DEBUG


# A logger asks its filters only about what it is to log: where it is off, they cost nothing.
_HTTPCORE = ("connection", "http11", "http2", "proxy", "socks")
for _name in ("httpx", *(f"httpcore.{part}" for part in _HTTPCORE)):
    logging.getLogger(_name).addFilter(_redact)
for _name in ("hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_drop_debug)
