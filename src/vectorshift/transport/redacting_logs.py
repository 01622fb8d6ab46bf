"""Keeps a key that the server echoes out of what httpx and httpcore log of our calls: status lines
and headers.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

from vectorshift.credentials.redact import redact

if TYPE_CHECKING:
    from vectorshift.client.engine import CallState

__all__ = ["redacting_logs"]

_call: ContextVar[CallState | None] = ContextVar("vectorshift_call_on_its_way", default=None)


class redacting_logs:
    """For a `with` block in which bytes of a call are sent or read: this context logs its keys as
    fingerprints.

    The block may end in another context than it began in, as that of a task does that is thrown
    away.
    """

    __slots__ = ("_before", "_exchange")

    def __init__(self, call_state: CallState) -> None:
        self._exchange = call_state

    def __enter__(self) -> None:
        self._before = _call.get()
        _call.set(self._exchange)

    def __exit__(self, *_: object) -> None:
        _call.set(self._before)


def _mask(record: logging.LogRecord) -> bool:
    call_state = _call.get()
    if call_state is not None:
        text = record.getMessage()
        if (clean := redact(text, call_state.secrets())) != text:
            record.msg, record.args = clean, None
    return True


def _drop(record: logging.LogRecord) -> bool:
    """Drop what the coder of HTTP/2 headers tells at DEBUG: all of them, and also as the bytes that
    are sent.
    """
    return _call.get() is None or record.levelno > logging.DEBUG


# A logger asks its filters only about what it is to log, so they cost nothing where these loggers
# are off.
for _name in (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
):
    logging.getLogger(_name).addFilter(_mask)
for _name in ("hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_drop)
