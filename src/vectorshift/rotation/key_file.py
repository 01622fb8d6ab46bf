"""Write a key to the file that `VECTORSHIFT_API_KEY_FILE` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift._platform.files import absolute
from vectorshift.credentials.values import Credential, Secret, parse_key
from vectorshift.errors import CredentialError
from vectorshift.rotation.replacement import read_to_replace, replace_file
from vectorshift.rotation.target import RotationError, RotationTarget

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["KeyFileTarget"]


class KeyFileTarget(RotationTarget):
    """A file that holds only the key.

    Args:
        settings: the settings that name the file.
    """

    name = "file"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        if settings.api_key_file is None:
            raise RotationError(
                "VECTORSHIFT_API_KEY_FILE is not set: there is no key file to write. To change a "
                "systemd credential, change the file that LoadCredential= names."
            )
        self._path = absolute(settings.api_key_file)
        self.source = f"file:{self._path}"
        self._content, self._old = Secret(""), Secret("")

    def read(self) -> Credential:
        """Read the file."""
        content = read_to_replace(self._path)
        key = parse_key(content.reveal().removeprefix("\ufeff"), source=self.source, provider="env")
        if isinstance(key, CredentialError):
            raise key
        self._content, self._old = content, key
        return Credential(secret=key, source=self.source, provider="env")

    def write(self, key: Secret) -> None:
        """Replace the file. White space around the key stays."""
        changed = Secret(self._content.reveal().replace(self._old.reveal(), key.reveal(), 1))
        replace_file(self._path, changed, expected=self._content)
