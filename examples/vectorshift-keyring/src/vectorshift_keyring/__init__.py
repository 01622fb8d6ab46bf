"""A VectorShift key from the keyring of the operating system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keyring
from keyring.errors import InitError, KeyringError, KeyringLocked, NoKeyringError

from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialProvider,
    CredentialStoreUnavailableError,
    Description,
    PluginSettings,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from vectorshift import Settings

__all__ = ["KeyringProvider"]


class KeyringSettings(PluginSettings):
    """`VECTORSHIFT_KEYRING_SERVICE` and `VECTORSHIFT_KEYRING_USERNAME`."""

    service: str = "vectorshift"
    username: str = "api_key"


class KeyringProvider(CredentialProvider):
    """Reads the key from whatever `keyring` finds: Keychain, Credential Manager, Secret Service,
    KWallet.

    It is remote, although nothing leaves the machine: a read may ask a person to unlock the
    keyring, so it is done once an hour, in a thread, and not on every call.

    Args:
        service: the name of the service under which the key is kept.
        username: the name of the user under which it is kept.
    """

    name = "keyring"
    ttl = 3600.0

    def __init__(self, service: str = "vectorshift", username: str = "api_key") -> None:
        self._service, self._username = service, username
        self._source = f"keyring:{service}/{username}"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the provider. It needs no setting: naming it in `VECTORSHIFT_PROVIDERS` is
        enough.
        """
        own = KeyringSettings.of(settings, "keyring")
        return cls(own.service, own.username)

    def describe(self) -> Description:
        """Say where the key is looked for."""
        return Description(configured=True, source=self._source, locator=True)

    def get_credential(self) -> Credential:
        """Read the keyring. Raises as `CredentialProvider.get_credential` says."""
        key, failure = None, None
        try:
            key = keyring.get_password(self._service, self._username)
        except KeyringError as error:
            failure = self._meaning(
                error
            )  # raised below: an error of the backend may hold what it was given
        if failure is not None:
            raise failure
        if key is None:
            put = f"keyring set {self._service} {self._username}"
            raise CredentialNotFoundError(f"{self._source} holds nothing. Put the key there: {put}")
        return Credential(secret=key, source=self._source, provider=self.name)

    def _meaning(self, error: KeyringError) -> CredentialError:
        if isinstance(error, NoKeyringError | InitError):
            return CredentialConfigurationError(
                f"{self._source}: this machine has no keyring that works. Start a desktop session"
                " or its keyring service, install a backend for keyring, or leave keyring out of"
                " VECTORSHIFT_PROVIDERS."
            )
        if isinstance(error, KeyringLocked):
            return CredentialDeniedError(
                f"{self._source}: the keyring is locked. Unlock it and try again."
            )
        return CredentialStoreUnavailableError(
            f"{self._source}: the keyring failed ({type(error).__name__})."
        )
