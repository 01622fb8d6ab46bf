"""Write a key to the dotenv file that `VECTORSHIFT_ENV_FILE` names."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift._platform.files import absolute
from vectorshift.credentials.values import Credential, Secret, parse_key
from vectorshift.errors import CredentialError
from vectorshift.rotation.replacement import read_to_replace, replace_file
from vectorshift.rotation.target import RotationError, RotationTarget

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["DotenvTarget", "with_value"]

_VARIABLE: Final = "VECTORSHIFT_API_KEY"
_ASSIGNMENT: Final = re.compile(
    rf"(?P<name>\s*(?:export[^\S\r\n]+)?'?{_VARIABLE}'?[^\S\r\n]*=[^\S\r\n]*)"
    r"(?P<value>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\r\n]*?)"
    r"(?P<behind>(?:\s+\#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r)?)",
    re.DOTALL,
)


class DotenvTarget(RotationTarget):
    """The line of the key in a dotenv file that the user named.

    Args:
        settings: the settings that name the file.
    """

    name = "dotenv"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        if not settings.env_file:
            raise RotationError(
                "VECTORSHIFT_ENV_FILE is not set. A .env that is only found is not written to. "
                "Name the file: VECTORSHIFT_ENV_FILE=./.env"
            )
        self._path = absolute(settings.env_file)
        self.source = f"dotenv:{self._path}"
        self._content = Secret("")

    def read(self) -> Credential:
        """Read the file."""
        content = read_to_replace(self._path)
        found = assignments_in(content.reveal().removeprefix("\ufeff"))
        if flaw := found.contradiction([_VARIABLE]) or found.flaw:
            raise RotationError(f"{self.source}: {flaw}")
        key = parse_key(found.values.get(_VARIABLE, ""), source=self.source, provider="dotenv")
        if isinstance(key, CredentialError):
            raise key
        self._content = content
        return Credential(secret=key, source=self.source, provider="dotenv")

    def write(self, key: Secret) -> None:
        """Replace the file. Only the value of one variable changes."""
        changed = with_value(self._content, key)
        if changed is None:
            raise RotationError(
                f"{self.source}: the line of {_VARIABLE} cannot be changed safely. Write it as "
                f"{_VARIABLE}=... and run this again."
            )
        replace_file(self._path, changed, expected=self._content)


def with_value(content: Secret, key: Secret) -> Secret | None:
    """Return the content with the key replaced in each line that sets it, and nothing else changed;
    None if that is impossible.
    """
    from dotenv.parser import parse_stream

    text = content.reveal().removeprefix("\ufeff")
    start = content.reveal().removesuffix(text)
    written = [
        _changed(each.original.string, key) if each.key == _VARIABLE else each.original.string
        for each in parse_stream(io.StringIO(text, newline=""))
    ]
    changed = "".join(written)
    wanted = {**assignments_in(text).values, _VARIABLE: key.reveal()}
    return Secret(start + changed) if assignments_in(changed).values == wanted else None


def _changed(line: str, key: Secret) -> str:
    found = _ASSIGNMENT.fullmatch(line)
    if found is None:
        return line
    value, plain = found["value"], key.reveal()
    quote = value[:1] if value[:1] in ("'", '"') else ""
    if not quote and re.search(r"[\"'`$\\#]", plain):
        quote = "'"
    if quote:
        plain = re.sub(rf"[\\{quote}]", lambda special: "\\" + special[0], plain)
    return f"{found['name']}{quote}{plain}{quote}{found['behind']}"
