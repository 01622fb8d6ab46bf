"""A key in the environment, or in a file that the environment names."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vectorshift.credentials import Credential, parse_key
from vectorshift.errors import CredentialError, CredentialNotFoundError
from vectorshift.files import Content, KeyFile, unreadable
from vectorshift.providers.answering import Answer, AnsweringProvider, Ask
from vectorshift.providers.base import Description

if TYPE_CHECKING:
    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["EnvProvider"]

VARIABLE = "VECTORSHIFT_API_KEY"


class EnvProvider(AnsweringProvider):
    """Answer with the environment variable, which is read on every call, or with the key file.

    Args:
        variable: the environment variable that holds the key.
        file: a file that holds the key, as `VECTORSHIFT_API_KEY_FILE` names it; it is looked at once a second.
    """

    name = "env"
    remote = False

    def __init__(self, variable: str = VARIABLE, *, file: str | os.PathLike[str] | None = None) -> None:
        self.variable = variable
        self._source = f"env:{variable}"
        self._unset = self._not_found(f"{variable} is not set.")
        self._seen: tuple[str, Answer] = ("", self._not_found(f"{variable} is set but empty."))
        self._file = None
        self.blocks = file is not None
        if file is not None:
            path = Path(file).absolute()
            self._file_source = f"file:{path}"
            self._file = KeyFile(path, self._read_file, source=self._file_source, provider=self.name)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the provider for `VECTORSHIFT_API_KEY` and `VECTORSHIFT_API_KEY_FILE`."""
        return cls(file=settings.api_key_file)

    def __reduce__(self) -> tuple[Any, ...]:
        """Take the names along to another process, and not the key that was seen under them."""
        return partial(type(self), file=None if self._file is None else self._file.path), (self.variable,)

    def describe(self) -> Description:
        """Say which variable or which file is looked at."""
        if self._file is not None:
            return Description(configured=True, source=self._file_source, detail=f"{self.variable}_FILE")
        return Description(configured=self.variable in os.environ, source=self._source)

    def peek(self) -> Answer | None:
        """Answer with the variable of this moment, or with the key file as it was within the last second."""
        text = os.environ.get(self.variable)
        if text is None:
            return self._unset if self._file is None else self._file.peek()
        seen = self._seen
        if seen[0] != text:
            seen = self._seen = (text, self._parse(text))
        if self._file is None or isinstance(seen[1], CredentialNotFoundError):
            return seen[1] if self._file is None else self._file.peek()
        return self.wrong(
            f"{self.variable} is set, and so is the file {self._file_source} ({self.variable}_FILE). "
            "Unset the one that you do not mean."
        )

    def lookup(self, ask: Ask) -> Answer:
        """Answer with the variable, or with the key file as it is now."""
        if self._file is None:
            return self.peek() or self._unset
        if os.environ.get(self.variable, "").strip():
            return self.peek() or self._unset
        return self._file.look()

    def _parse(self, text: str) -> Answer:
        secret = parse_key(text, source=self._source, provider=self.name, blank="not found")
        if isinstance(secret, CredentialError):
            return secret
        return Credential(secret=secret, source=self._source, provider=self.name)

    def _read_file(self, content: Content) -> Answer:
        source = self._file_source
        if isinstance(content, OSError):
            return unreadable(content, source=source, provider=self.name)
        secret = parse_key(content.decode("utf-8-sig", "replace"), source=source, provider=self.name)
        if isinstance(secret, CredentialError):
            return secret
        return Credential(secret=secret, source=source, provider=self.name)

    def _not_found(self, message: str) -> CredentialNotFoundError:
        return CredentialNotFoundError(message, source=self._source, provider=self.name)
