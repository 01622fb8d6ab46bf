"""Replace keys in text of a server by their fingerprints: a server may echo the key it was sent."""

from __future__ import annotations

import html.entities
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vectorshift.credentials.values import Secret

__all__ = ["redact", "redactor", "without_part"]


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return a text with each of the secrets in it replaced by its fingerprint.

    Finds them as they are, and as JSON, URLs and HTML escape them.
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
    # In one pass: a short key may be part of a fingerprint.
    return lambda text: any_key.sub(lambda found: names[cast("int", found.lastindex) - 1], text)


def without_part(text: str, secrets: Iterable[Secret]) -> str:
    """Return a redacted text that was cut off, without the beginning of a secret at its end."""
    for key in {secret.reveal() for secret in secrets}:
        pieces = _pieces(key)
        spelled = {piece: re.compile(_spelling_of(piece)) for piece in pieces}
        for start in range(max(0, len(text) - _LONGEST_ESCAPE * len(key)), len(text)):
            end = start
            for count, piece in enumerate(pieces):
                found = spelled[piece].match(text, end)
                if found is None:
                    if count >= _LEAST_PART and _CUT_ESCAPE.fullmatch(text, end):
                        return text[:start]
                    break
                end = found.end()
    return text


_LEAST_PART = 4
_LONGEST_ESCAPE = 9
_CUT_ESCAPE = re.compile(r"([\\%&][\\#\w]{0,8})?")


def _any_spelling(key: str) -> str:
    pairs: list[tuple[str, str]] = re.findall(r"(\\*)([^\\]?)", key)
    return "".join(_spelling(len(run), character) for run, character in pairs)


def _pieces(key: str) -> list[str]:
    """Return the characters of a key, but with each run of backslashes in one."""
    return re.findall(r"\\+|[^\\]", key)


def _spelling_of(piece: str) -> str:
    return _spelling(len(piece), "") if piece[0] == "\\" else _spelling(0, piece)


def _spelling(run: int, character: str) -> str:
    """Return a pattern for backslashes and the character after them, plain or escaped.

    Each text within another doubles the backslashes: a quote in JSON in JSON in JSON has seven.
    One quantifier stands for those of the run and of the character: two would share them out in
    each way there is, which for a key of n such pairs takes 8**n steps.
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
    # A body of JSON may be a text within another: then a `u` has two backslashes, or four.
    in_json = rf"\\{{{run + 1},{8 * run + 4}}}u{number:04x}"
    return rf"(?i:{in_json}|\\{{{run},{8 * run}}}(?:{'|'.join(ways)}))"
