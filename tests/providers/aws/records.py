"""Every log record of a test, with all that a handler could find in it."""

from __future__ import annotations

import logging
import traceback

__all__ = ["SECRET", "TOKEN", "Everything"]

# Global, so that no frame of a test holds them.
SECRET = "vs-Xq7fL0nevertobeseen"
TOKEN = "FwoGsessionTokenNeverToBeSeen"


class Everything(logging.Handler):
    """Keeps each record as text, with the locals of the frames that came with it."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage() + repr(record.args)
        kind, error, frames = record.exc_info or (None, None, None)
        if kind and error:
            trace = traceback.TracebackException(kind, error, frames, capture_locals=True)
            text += "".join(trace.format())
        self.lines.append((record.name, text))

    def leaks(self) -> set[str]:
        return {name for name, text in self.lines if SECRET in text or TOKEN in text}
