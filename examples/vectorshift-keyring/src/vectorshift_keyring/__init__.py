"""A VectorShift key from the keyring of the operating system."""

from __future__ import annotations

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
    Settings,
)


class KeyringSettings(PluginSettings):
    """`VECTORSHIFT_KEYRING_SERVICE` and `VECTORSHIFT_KEYRING_USERNAME`."""

    service: str = "vectorshift"
    username: str = "api_key"


class KeyringProvider(CredentialProvider):
    """Reads the key from whatever `keyring` finds: Keychain, Credential Manager, Secret Service,
    KWallet.

    It is remote, although nothing leaves the machine: a read may ask a person to unlock the
    keyring, so it is done once an hour, in a thread, and not on every call.
    """

    name = "keyring"
    ttl = 3600.0

    def __init__(self, service: str = "vectorshift", username: str = "api_key") -> None:
        self._place = service, username
        self._source = f"keyring:{service}/{username}"

    @classmethod
    def from_settings(cls, settings: Settings) -> KeyringProvider:
        """Return the provider. To name it in `VECTORSHIFT_PROVIDERS` is enough."""
        own = KeyringSettings.of(settings, "keyring")
        return cls(own.service, own.username)

    def describe(self) -> Description:
        """Say where the key is looked for."""
        return Description(configured=True, source=self._source)

    def get_credential(self) -> Credential:
        """Read the keyring."""
        failure, key = None, None
        try:
            key = keyring.get_password(*self._place)
        except KeyringError as error:  # the backend's error may hold what it was given
            failure = self._meaning(error)
        if failure is not None:
            raise failure
        if key is None:
            put = f"keyring set {' '.join(self._place)}"
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
            return CredentialDeniedError(f"{self._source} is locked. Unlock it and try again.")
        what = type(error).__name__
        return CredentialStoreUnavailableError(f"{self._source}: the keyring failed ({what}).")
