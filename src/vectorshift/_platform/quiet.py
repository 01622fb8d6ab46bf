"""Keep what a library logs of a store's answers out of the logs while it reads for us."""

from __future__ import annotations

import logging
from collections.abc import Generator  # at run time, for tools that read annotations
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["quiet"]

_loggers: ContextVar[tuple[str, ...]] = ContextVar("vectorshift_quiet", default=())


def _covers(names: tuple[str, ...], logger: str) -> bool:
    return any(logger == name or logger.startswith(f"{name}.") for name in names)


def _let_pass(record: logging.LogRecord) -> bool:
    """Drop DEBUG lines; strip the frames of exceptions, which hold tokens, from all others."""
    if not _covers(_loggers.get(), record.name):
        return True
    if record.levelno <= logging.DEBUG:
        return False
    if record.exc_info:
        kind = record.exc_info[0]
        record.msg = f"{record.getMessage()} ({kind.__name__ if kind else 'unknown'})"
        record.args = record.exc_info = record.exc_text = None
    return True


@contextmanager
def quiet(*loggers: str) -> Generator[None]:
    """Drop the DEBUG lines of these loggers, and of those below them, in this block and this
    context. Lines that other code causes are untouched, whatever the level of the logger.

    A logger that is first made within the block is covered if it is named here in full.

    Args:
        loggers: their names, such as `botocore.parsers` or `google`.
    """
    there = [name for name in list(logging.root.manager.loggerDict) if _covers(loggers, name)]
    for name in {*loggers, *there}:
        # it is added once, and stays: another thread may be in such a block
        logging.getLogger(name).addFilter(_let_pass)
    token = _loggers.set((*_loggers.get(), *loggers))
    try:
        yield
    finally:
        _loggers.reset(token)
