"""The AWS client: its region, its timeouts, and the one copy of it that a process keeps."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from vectorshift.errors import CredentialConfigurationError
from vectorshift.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AwsClient", "ClientSource", "known_region"]

# The defaults of 60 s each outlast every caller's patience.
_TIMES: Final[Mapping[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 3,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}


class AwsClient(Protocol):
    """What is used of a Secrets Manager client of boto3."""

    def get_secret_value(self, **request: str) -> dict[str, Any]:
        """Read a secret."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def known_region(setting: str | None, secret_id: str, environ: Mapping[str, str]) -> str | None:
    """Return the region that setting, ARN or environment name, in this order; AWS's own files are not read.

    botocore ignores `AWS_REGION`, which Lambda and ECS set.
    """
    in_arn = secret_id.split(":")[3] if secret_id.startswith("arn:") and secret_id.count(":") >= 6 else None
    return setting or in_arn or environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or None


class ClientSource:
    """Makes the client when it is first needed, and keeps it. Thread-safe; a fork's child makes its own.

    Args:
        source: the printable source, for messages.
        secret_id: the secret's name or ARN; an ARN knows its region.
        region: the region, which wins over all others.
        profile: the AWS profile for a session of our own.
        endpoint_url: where to send requests instead of to the region's endpoint.
        session: a `boto3.Session` of the user's, or None for one of our own.
    """

    def __init__(
        self,
        *,
        source: str,
        secret_id: str,
        region: str | None,
        profile: str | None,
        endpoint_url: str | None,
        session: Any,
    ) -> None:
        self._source = source
        self._secret_id = secret_id
        self._setting = region
        self._profile = profile
        self._endpoint_url = endpoint_url
        self._session = session
        self._region: str | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._client: AwsClient | None = None

    @property
    def region(self) -> str | None:
        """The region that was decided, or that would be as far as this is known without boto3."""
        return self._region or known_region(self._setting, self._secret_id, os.environ)

    def get(self) -> AwsClient | CredentialConfigurationError:
        """Return the client, or say what is missing for one. Raises what boto3 raises.

        Making it looks for AWS credentials, which can take seconds; it is not thread-safe, using it is.
        """
        with self._lock:
            if self._client is not None:
                return self._client
            made: AwsClient | CredentialConfigurationError = self._make()
            if not isinstance(made, CredentialConfigurationError):
                self._client = made
            return made

    def forget(self, client: AwsClient) -> None:
        """Make a new client, with the AWS credentials of then, at the next need; no effect on a newer one."""
        with self._lock:
            if self._client is client:
                self._client = None

    def close(self) -> None:
        """Close the connections of the client, if there is one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _make(self) -> Any:
        host = self._host()
        if not host:
            return self._wrong(
                "the endpoint is not a URL. Let VECTORSHIFT_AWS_ENDPOINT_URL "
                "(or AWS_ENDPOINT_URL_SECRETS_MANAGER) begin with https:// and name a host."
            )
        try:
            import boto3  # pyright: ignore[reportMissingTypeStubs]
            import botocore.session  # pyright: ignore[reportMissingTypeStubs]
            from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
        except ImportError:
            return self._wrong("AWS Secrets Manager needs boto3. Run: pip install 'vectorshift[aws]'")
        times: Any = Config(**_TIMES)
        session: Any = self._session
        region = known_region(self._setting, self._secret_id, os.environ if session is None else {})
        if session is None:
            own: Any = botocore.session.Session()
            own.set_default_client_config(times)  # for the inner STS client of a web identity, too
            session = boto3.Session(botocore_session=own, profile_name=self._profile)
        # Left to botocore, a missing region would be told only after a wait for the metadata service.
        self._region = region or session.region_name or os.environ.get("AWS_REGION")
        if not self._region:
            return self._wrong(
                "no AWS region is known. Set VECTORSHIFT_AWS_REGION, such as eu-central-1, "
                "or name the secret by its ARN."
            )
        # What this machine answers itself, no proxy has to see.
        direct: Any = Config(proxies={}) if host in ("localhost", "127.0.0.1", "::1") else Config()
        place = {"region_name": self._region, "endpoint_url": self._endpoint_url or None}
        return session.client("secretsmanager", config=times.merge(direct), **place)

    def _host(self) -> str | None:
        """Return the host that requests will go to, a stand-in for AWS's own, None for what is no URL."""
        names = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL")
        url = self._endpoint_url or next(filter(None, map(os.environ.get, names)), "https://aws")
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        return parts.hostname if parts.scheme in ("https", "http") else None

    def _wrong(self, text: str) -> CredentialConfigurationError:
        return CredentialConfigurationError(f"{self._source}: {text}", source=self._source, provider="aws")
