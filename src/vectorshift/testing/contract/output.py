"""Collects all that is said while a provider is asked: log lines, warnings, and what is written on
the two outputs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["LogText", "everything_told"]

_OUTPUTS = (1, 2)


class LogText(logging.Handler):
    """Every log record in full, with its arguments and extras, every warning, and every line of
    output.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.output = io.StringIO()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what the record shows, whoever formats it."""
        self.lines.append(f"{record.name}: {self.format(record)} {vars(record)}")

    def __call__(self) -> list[str]:
        """Return what was told so far; what was written past `sys.stdout` only after the block."""
        return [*self.lines, *self.output.getvalue().splitlines()]


@contextlib.contextmanager
def everything_told() -> Generator[LogText, None, None]:
    """Collect all that is told in the block, whatever its level, and keep it from the test's
    report.
    """
    told = LogText()
    with (
        _loggers(told),
        _warnings(told),
        _descriptors(told),
        contextlib.redirect_stdout(told.output),
        contextlib.redirect_stderr(told.output),
    ):
        yield told


@contextlib.contextmanager
def _loggers(told: LogText) -> Generator[None, None, None]:
    root = logging.getLogger()
    every: list[object] = [root, *logging.Logger.manager.loggerDict.values()]
    loggers = [each for each in every if isinstance(each, logging.Logger)]
    before = [(each, each.level, each.disabled, each.handlers) for each in loggers]
    disabled = logging.root.manager.disable
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
        logger.handlers = [told] if logger is root or not logger.propagate else []
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logging.disable(disabled)
        for logger, level, off, handlers in before:
            logger.setLevel(level)
            logger.disabled, logger.handlers = off, handlers


@contextlib.contextmanager
def _warnings(told: LogText) -> Generator[None, None, None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            told.lines.extend(f"{each.category.__name__}: {each.message}" for each in caught)


@contextlib.contextmanager
def _descriptors(told: LogText) -> Generator[None, None, None]:
    """Collect what is written on descriptors 1 and 2: by `os.write`, by libraries in C, by programs
    that are run.
    """
    kept: dict[int, int] = {}
    with tempfile.TemporaryFile() as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor in _OUTPUTS:
            with contextlib.suppress(OSError):  # it is closed
                kept[descriptor] = os.dup(descriptor)
                os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            for descriptor, before in kept.items():
                os.dup2(before, descriptor)
                os.close(before)
            file.seek(0)
            told.lines.extend(file.read().decode(errors="replace").splitlines())
