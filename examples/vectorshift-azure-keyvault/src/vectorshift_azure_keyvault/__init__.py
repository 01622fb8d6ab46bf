"""A VectorShift key from Azure Key Vault, by Microsoft's client libraries."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vectorshift import Credential, CredentialProvider, Description, PluginSettings, Settings
from vectorshift.plugins import StoreUrl, error_for_exception, quiet

LOGGERS = ("azure", "msal", "urllib3", "requests")


class AzureKeyvaultSettings(PluginSettings):
    """`VECTORSHIFT_AZURE_KEYVAULT_URL`, such as `https://acme.vault.azure.net`."""

    url: StoreUrl | None = None
    secret: Annotated[str, Field(pattern="^[0-9A-Za-z-]+$")] = "vectorshift"
    timeout: Annotated[float, Field(gt=0, le=60)] = 4.0


class AzureKeyvaultProvider(CredentialProvider):
    """Reads a secret, with whatever `DefaultAzureCredential` finds."""

    name = "azure-keyvault"

    def __init__(self, url: str, secret: str = "vectorshift", *, timeout: float = 4.0) -> None:
        self._url, self._secret, self._timeout = url, secret, timeout
        self._source = f"azure-keyvault:{url}/secrets/{secret}"

    @classmethod
    def from_settings(cls, settings: Settings) -> AzureKeyvaultProvider | None:
        """Return the provider, or None if no URL is set."""
        own = AzureKeyvaultSettings.of(settings, "azure-keyvault")
        return cls(own.url, own.secret, timeout=own.timeout) if own.url else None

    def describe(self) -> Description:
        """Say which secret would be read."""
        return Description(configured=True, source=self._source)

    def get_credential(self) -> Credential:
        """Log in and ask once. The clients are made here and closed here, so that forks and
        `close` harm none.
        """
        from azure.identity import DefaultAzureCredential  # takes a tenth of a second
        from azure.keyvault.secrets import SecretClient

        limits = {"connection_timeout": self._timeout, "read_timeout": self._timeout}
        once = {**limits, "retry_total": 0}  # its retries would sleep for as long as Azure says
        try:
            with (
                quiet(*LOGGERS),
                DefaultAzureCredential(**once) as login,
                SecretClient(self._url, login, **once) as client,
            ):
                found = client.get_secret(self._secret)
        except Exception as error:
            raise (error_for_exception(error, source=self._source) or error) from None
        return Credential(
            secret=found.value or "",
            source=self._source,
            provider=self.name,
            version=found.properties.version,
            expires_at=found.properties.expires_on,
        )
