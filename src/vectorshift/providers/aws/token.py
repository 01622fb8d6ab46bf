"""The token that the Secrets Manager Agent wants to see: it keeps forged requests of other programs
away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vectorshift.credentials.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN_FILE", "Token", "find_token"]

TOKEN_FILE: Final = "/var/run/awssmatoken"
_VARIABLES: Final = ("AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
_FILE: Final = "file://"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the printable place that it was found at."""

    secret: Secret
    place: str


def find_token(environ: Mapping[str, str], token_file: str) -> Token | str:
    """Return the token, in the order in which the Agent itself looks; or say what is wrong, without
    it.

    Files are read each time: a restarted Agent has another token.

    Args:
        environ: the environment; a variable may hold the token, or `file://` and a path.
        token_file: the file to read if no variable is set.
    """
    for name in _VARIABLES:
        value = environ.get(name, "").strip()
        if value.startswith(_FILE):
            return _in_file(
                value.removeprefix(_FILE), f"{name} names {value.removeprefix(_FILE)}, which"
            )
        if value:
            return _checked(value, name)
    return _in_file(token_file, f"no token for the Agent is given with AWS_TOKEN, and {token_file}")


def _in_file(path: str, subject: str) -> Token | str:
    try:
        text = Path(path).read_text("utf-8").strip()
    except OSError as error:
        flaw = (error.strerror or type(error).__name__).lower()
        return (
            f"{subject} cannot be read: {flaw}. Let AWS_TOKEN hold the Agent's token, or file://"
            " and a path."
        )
    except ValueError:
        text = "\n"
    return _checked(text, path)


def _checked(text: str, place: str) -> Token | str:
    if re.fullmatch(r"[!-~]+", text):
        return Token(Secret(text), place)
    flaw = "holds a character that cannot stand in a header" if text else "is empty"
    return (
        f"the Agent's token in {place} {flaw}. Let AWS_TOKEN hold it, or file:// and the path of"
        " its file."
    )
