"""Read a key from a prompt or from standard input, without showing it."""

from __future__ import annotations

import sys
import warnings
from getpass import GetPassWarning, getpass

from vectorshift._platform.files import text_of
from vectorshift._platform.urls import has_control_characters
from vectorshift.credentials.guard import unwrap
from vectorshift.credentials.values import LONGEST_KEY, Secret, parse_key
from vectorshift.errors import CredentialConfigurationError

__all__ = ["read_key"]

_PASTE, _PASTED = "\x1b[200~", "\x1b[201~"
"""A terminal may send these marks before and after a pasted text."""


def read_key(question: str, *, provider: str) -> Secret | None:
    """Return a key from a prompt at the terminal, without echo, else from standard input. None if
    it is empty.

    Args:
        question: the text before the cursor.
        provider: the name for errors.

    Raises:
        CredentialConfigurationError: the text cannot be a key.
    """
    asks = sys.stdin.isatty()
    source = "the prompt" if asks else "standard input"
    text = _asked(question) if asks else _piped()
    if text is None:
        raise CredentialConfigurationError(f"{source} is not UTF-8 text.", source, provider)
    if not text.reveal().strip():
        return None
    if asks and has_control_characters(text.reveal().strip()):  # Ctrl-V, where it does not paste
        raise CredentialConfigurationError(
            "the prompt got a control character. Paste as this terminal does, perhaps with"
            " Ctrl-Shift-V, or give the key on standard input.",
            source,
            provider,
        )
    return unwrap(parse_key(text.reveal(), source=source, provider=provider))


def _asked(question: str) -> Secret:
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)  # getpass would show the key
        try:
            return Secret(getpass(question).removeprefix(_PASTE).removesuffix(_PASTED))
        except EOFError:  # Ctrl-D
            print(file=sys.stderr)  # the cursor is still on the line of the question
            return Secret("")
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise


def _piped() -> Secret | None:
    text = text_of(sys.stdin.buffer.read(LONGEST_KEY + 1024))
    return None if text is None else Secret(text)
