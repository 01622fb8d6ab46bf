"""A VectorShift key from Google Secret Manager, by Google's client library."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialProvider,
    Description,
    PluginSettings,
    Settings,
)
from vectorshift.plugins import StoreUrl, error_for_exception, quiet

SECRET = "^projects/[^/]+/(locations/[^/]+/)?secrets/[^/]+$"


class GcpSettings(PluginSettings):
    """`VECTORSHIFT_GCP_SECRET`, such as `projects/acme/secrets/vectorshift`."""

    secret: Annotated[str, Field(pattern=SECRET)] | None = None
    version: str = "latest"
    endpoint: StoreUrl | None = None
    timeout: Annotated[float, Field(gt=0, le=60)] = 5.0


class GcpProvider(CredentialProvider):
    """Reads a version of a secret, with the application's default credentials."""

    name = "gcp"

    def __init__(
        self, secret: str, *, version: str = "latest", endpoint: str = "", timeout: float = 5.0
    ) -> None:
        self._place, self._timeout = f"{secret}/versions/{version}", timeout
        self._options = {"api_endpoint": endpoint} if endpoint else {}
        self._source = f"gcp:{secret}"

    @classmethod
    def from_settings(cls, settings: Settings) -> GcpProvider | None:
        """Return the provider, or None if no secret is set."""
        own = GcpSettings.of(settings, "gcp")
        if own.secret is None:
            return None
        about = {"version": own.version, "endpoint": own.endpoint or "", "timeout": own.timeout}
        return cls(own.secret, **about)  # type: ignore[arg-type]

    def describe(self) -> Description:
        """Say which secret would be read."""
        return Description(configured=True, source=self._source)

    def get_credential(self) -> Credential:
        """Ask once, over REST: a channel of gRPC does not outlive a fork."""
        from google.cloud import secretmanager  # takes a tenth of a second

        try:
            with (
                quiet("google", "urllib3", "requests"),
                secretmanager.SecretManagerServiceClient(
                    transport="rest", client_options=self._options
                ) as client,
            ):
                found = client.access_secret_version(
                    name=self._place, timeout=self._timeout, retry=None
                )
                key, version = found.payload.data.decode(), found.name.rpartition("/")[2]
        except UnicodeDecodeError:
            raise CredentialConfigurationError(f"{self._source} is no text.") from None
        except Exception as error:
            raise (error_for_exception(error, source=self._source) or error) from None
        return Credential(secret=key, source=self._source, provider=self.name, version=version)
