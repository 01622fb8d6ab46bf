"""Replace keys in a server's text by their fingerprints: a server may echo the key of a request."""

from __future__ import annotations

import html.entities
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vectorshift.credentials.values import Secret

__all__ = ["redact", "redactor", "without_part"]


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return the text with each secret replaced by its fingerprint.

    It finds plain secrets, and those that JSON, URLs or HTML escape.
    """
    return redactor(secrets)(text)


def redactor(secrets: Iterable[Secret]) -> Callable[[str], str]:
    """Return a function that redacts several texts."""
    known = {secret.reveal(): secret.fingerprint for secret in secrets if secret.reveal()}
    if not known:
        return lambda text: text
    keys = sorted(known, key=len, reverse=True)  # a key may be the beginning of another
    any_key = re.compile("|".join(f"({_any_spelling(key)})" for key in keys))
    names = [known[key] for key in keys]
    # In one pass: a fingerprint may contain a short key.
    return lambda text: any_key.sub(lambda found: names[cast("int", found.lastindex) - 1], text)


def without_part(text: str, secrets: Iterable[Secret]) -> str:
    """Return a redacted text that was cut off, without what may be a partial secret at its end."""
    for key in {secret.reveal() for secret in secrets if len(secret.reveal()) > _LEAST_PART}:
        beginning = re.compile(_any_spelling(key[:_LEAST_PART]))
        if found := beginning.search(text, max(0, len(text) - _LONGEST_ESCAPE * len(key))):
            text = text[: found.start()]
    return text


_LEAST_PART = 4
_LONGEST_ESCAPE = 9


def _any_spelling(key: str) -> str:
    pairs: list[tuple[str, str]] = re.findall(r"(\\*)([^\\]?)", key)
    return "".join(_spelling(len(run), character) for run, character in pairs)


def _spelling(run: int, character: str) -> str:
    """Return a pattern for backslashes and the character after them, plain or escaped.

    Each level of JSON doubles the backslashes: a quote in JSON in JSON in JSON has seven. One
    quantifier covers the backslashes of the run and of the character: with two, the search would
    backtrack, and a key of n such pairs would take 8**n steps.
    """
    escaped_run = f"{_escapes(chr(92))}{{{run}}}"
    if not character:
        return rf"(?:{escaped_run}|\\{{{run},{8 * run}}})" if run else ""
    quoted = 7 if character in "\"'/" else 0
    forms = [rf"\\{{{run},{8 * run + quoted}}}{re.escape(character)}", _escapes(character, run)]
    if run:
        forms.insert(0, escaped_run + _spelling(0, character))
    return f"(?:{'|'.join(forms)})"


def _escapes(character: str, run: int = 0) -> str:
    """Return a pattern for a character that is escaped, after a run of backslashes."""
    number = ord(character)
    ways = [f"%{number:02x}", f"&#0*{number};", f"&#x0*{number:x};"]
    if number in html.entities.codepoint2name:
        ways.append(f"&{html.entities.codepoint2name[number]};")
    # JSON may be a string in other JSON: then two or four backslashes precede a `u`.
    in_json = rf"\\{{{run + 1},{8 * run + 4}}}u{number:04x}"
    return rf"(?i:{in_json}|\\{{{run},{8 * run}}}(?:{'|'.join(ways)}))"
