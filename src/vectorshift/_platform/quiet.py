"""Keep a store's answers out of what a library logs while it reads for us."""

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
    """Drop DEBUG records. Remove exceptions from others, as their frames hold tokens."""
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
    """Drop the DEBUG records of these loggers and those below them, in this block and context.
    Records of other code are untouched, whatever the level of the logger.

    A logger that is created inside the block is covered only if it is named here in full.

    Args:
        loggers: their names, such as `botocore.parsers` or `google`.
    """
    there = [name for name in list(logging.root.manager.loggerDict) if _covers(loggers, name)]
    for name in {*loggers, *there}:
        # the filter is added once, and stays: another thread may be in such a block
        logging.getLogger(name).addFilter(_let_pass)
    token = _loggers.set((*_loggers.get(), *loggers))
    try:
        yield
    finally:
        _loggers.reset(token)
