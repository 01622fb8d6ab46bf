"""Read a failed answer: the message in its body, and `Retry-After`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MESSAGE_FIELDS", "abbreviated", "error_sentence", "printable", "seconds"]

MESSAGE_FIELDS = ("error", "message", "detail", "errors")
"""The fields of the API's message; the first that is not empty counts."""

_A_YEAR = 31_536_000.0
_LONG = 10_000
"""Longer bodies are not indented: deep nesting could make a thousand characters of one."""
_MAX_LENGTH = 2_000


def error_sentence(body: str) -> str:
    """Return the message in a body: its `error`, `message`, `detail` or `errors`, or the body."""
    try:
        text = _sentence(body)
    except (ValueError, RecursionError):  # not JSON, or nested too deep
        text = body.strip()
    # JSON may hold a lone surrogate, which cannot be printed.
    return printable(text.encode("utf-8", "replace").decode(), kept="\n\t")


def printable(text: str, *, kept: str = "") -> str:
    """Return the text with `?` for control characters, except those in `kept`: they could hide or
    forge lines on a terminal.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else "?" for each in text)


def abbreviated(sentence: str) -> str:
    """Return a sentence; of a long one, the beginning and the length."""
    if len(sentence) <= _MAX_LENGTH:
        return sentence
    return f"{sentence[:_MAX_LENGTH]} ... ({len(sentence):,} characters)"


def _sentence(body: str) -> str:
    import json

    parsed: Any = json.loads(body)
    if not isinstance(parsed, dict):
        return body.strip()
    parsed = cast("dict[str, Any]", parsed)
    for name in MESSAGE_FIELDS:
        text = parsed.get(name)
        if isinstance(text, dict):
            text = cast("dict[str, Any]", text).get("message") or json.dumps(text)
        if isinstance(text, list):
            text = "; ".join(str(each) for each in cast("Sequence[object]", text))
        if text:
            return str(text)
    return json.dumps(parsed, indent=2 if len(body) < _LONG else None)


def seconds(header: str | None) -> float | None:
    """Return the seconds of `Retry-After`: a number, or an HTTP date (RFC 9110, section 10.2.3).

    At most a year, also for `inf`: longer waits could overflow.
    """
    if header is None:
        return None
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime
    from math import isnan

    try:
        wait = float(header)
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)  # "-0000" is UTC
        wait = (at - datetime.now(timezone.utc)).total_seconds()
    return None if isnan(wait) else min(max(0.0, wait), _A_YEAR)
