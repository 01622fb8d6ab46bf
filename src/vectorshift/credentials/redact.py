"""Keeps keys that a server echoes out of what is shown: each stands there as its fingerprint."""

from __future__ import annotations

import html.entities
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vectorshift.credentials.values import Secret

__all__ = ["redact", "redactor"]

_MOST = 8
"""Backslashes that may stand before a quote or a slash: it was escaped three times over."""


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return text of the server's with the secrets that it echoes replaced by their fingerprints.

    They are found as they are, and with characters that are escaped as those of Python, JSON, URLs
    and HTML are.
    """
    return redactor(secrets)(text)


def redactor(secrets: Iterable[Secret]) -> Callable[[str], str]:
    """Return what does as `redact`, for several texts."""
    known = {secret.reveal(): secret.fingerprint for secret in secrets if secret.reveal()}
    if not known:
        return lambda text: text
    plain = sorted(known, key=len, reverse=True)  # a key may be the beginning of another
    any_of_them = re.compile("|".join(f"({_pattern(each)})" for each in plain))
    # In one pass: a short key may be part of a fingerprint.
    return lambda text: any_of_them.sub(
        lambda found: known[plain[(found.lastindex or 1) - 1]], text
    )


def _pattern(plain: str) -> str:
    return re.sub(r"(\\*)([^\\]|$)", _escaped, plain)


def _escaped(found: re.Match[str]) -> str:
    """Return a pattern for a character of a key, and the backslashes before it, however they are
    escaped.

    An error whose text has the `repr` of bytes is logged with its own `repr`.
    """
    backslashes, then = found.groups()
    least = len(backslashes)
    most = _MOST * least + (_MOST if least or then in tuple("'\"/") else 0)
    before = f"(?:{_any_way('')}){{{least},{most}}}" if most else ""
    return before + (f"(?:{re.escape(then)}|{_any_way(then)})" if then else "")


def _any_way(character: str) -> str:
    """Return the ways to escape a character; a backslash, if it is empty, and that also as it
    is.
    """
    number = ord(character or "\\")
    ways = [
        rf"\\{{1,{_MOST}}}u{number:04x}",
        f"%{number:02x}",
        f"&#0*{number};",
        f"&#x0*{number:x};",
    ]
    if number in html.entities.codepoint2name:
        ways.append(f"&{html.entities.codepoint2name[number]};")
    if not character:
        ways.append(r"\\")
    return f"(?i:{'|'.join(ways)})"
