"""A key in a dotenv file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from vectorshift.credentials import Credential, parse_key
from vectorshift.errors import CredentialError, CredentialNotFoundError
from vectorshift.events import log
from vectorshift.files import Content, KeyFile, unreadable
from vectorshift.providers.answering import Answer, AnsweringProvider, Ask
from vectorshift.providers.base import Description

if TYPE_CHECKING:
    import os

    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["DotenvProvider"]

VARIABLE = "VECTORSHIFT_API_KEY"
_DESTINATION = "VECTORSHIFT_BASE_URL"
_PREFIX = "VECTORSHIFT_"


class DotenvProvider(AnsweringProvider):
    """Answer with `VECTORSHIFT_API_KEY` from a dotenv file, which is looked at once a second at most.

    A file that is named has to be there, and may hold settings as well, which `Settings.load` reads. A `.env` that is
    merely found in the working directory of first use may supply the key and nothing else: whoever can put a
    file there must not be able to say where the key is sent. Values are taken as they stand, without interpolation, and
    `os.environ` is never written.

    Args:
        path: the file that the user names, or None to look for `.env` in the working directory.
    """

    name = "dotenv"
    remote = False

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.named = path is not None
        self.path = (Path(path) if path is not None else Path(".env")).absolute()
        self._source = f"dotenv:{self.path}"
        self._file = KeyFile(self.path, self._read, source=self._source, provider=self.name)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the provider for `VECTORSHIFT_ENV_FILE`; None if that is set to nothing."""
        return None if settings.env_file == "" else cls(settings.env_file)

    def describe(self) -> Description:
        """Say which file is looked at."""
        return Description(configured=True, source=self._source, detail="named" if self.named else "found")

    def peek(self) -> Answer | None:
        """Answer with the file as it was within the last second."""
        return self._file.peek()

    def lookup(self, ask: Ask) -> Answer:
        """Answer with the file as it is now."""
        return self._file.look()

    def winner_warning(self, below: list[str]) -> str | None:
        """Warn of a file that was merely found and hides a configured store."""
        if self.named or not below:
            return None
        stores = " and ".join(below) + (" is" if len(below) == 1 else " are")
        return (
            f"The API key comes from {self._source}, a file that was merely found, although {stores} configured. "
            "Name it with VECTORSHIFT_ENV_FILE if you mean it."
        )

    def _read(self, content: Content) -> Answer:
        if isinstance(content, OSError):
            if self.named:
                return unreadable(content, source=self._source, provider=self.name)
            if isinstance(content, FileNotFoundError | IsADirectoryError | NotADirectoryError):
                return self._not_found(f"{self.path} does not exist.")
            return unreadable(content, source=self._source, provider=self.name)
        from dotenv import dotenv_values

        text = _decoded(content)
        if text is None:
            return self.wrong(
                f"{self._source} is not UTF-8 text. Save it as UTF-8, or leave it out: VECTORSHIFT_ENV_FILE="
            )
        return self._answer(dotenv_values(stream=io.StringIO(text), interpolate=False))

    def _answer(self, values: dict[str, str | None]) -> Answer:
        text = values.get(VARIABLE)
        others = sorted(name for name in values if name.startswith(_PREFIX) and name != VARIABLE)
        if text is None:
            ignored = f" Its settings are ignored: {', '.join(others)}." if others and not self.named else ""
            return self._not_found(f"{self.path} has no {VARIABLE}.{ignored}")
        secret = parse_key(text, source=self._source, provider=self.name, blank="not found")
        if isinstance(secret, CredentialError):
            return secret
        if not self.named and others:
            if _DESTINATION in others:
                return self.wrong(
                    f"{self._source} supplies the key and also sets {_DESTINATION}, but it was found, not named. "
                    f"If you trust it to say where the key is sent, name it: VECTORSHIFT_ENV_FILE={self.path}"
                )
            log.warning("%s was merely found, so its other settings are ignored: %s.", self._source, ", ".join(others))
        return Credential(secret=secret, source=self._source, provider=self.name)

    def _not_found(self, message: str) -> CredentialNotFoundError:
        return CredentialNotFoundError(message, source=self._source, provider=self.name)


def _decoded(content: bytes) -> str | None:
    """Return the text, or None: the decoder's own exception would carry the whole file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
