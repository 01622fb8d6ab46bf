"""The AWS client: its region, its endpoint, and the one copy of it that a process keeps."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.urls import is_loopback
from vectorshift.errors import CredentialConfigurationError, CredentialError
from vectorshift.providers.aws.errors import missing_credentials
from vectorshift.providers.aws.location import SecretLocation
from vectorshift.providers.aws.session import new_session, read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AwsClient", "ClientSource", "known_region"]

_NOT_A_URL: Final = (
    "the endpoint is not a URL. Let VECTORSHIFT_AWS_ENDPOINT_URL "
    "(or AWS_ENDPOINT_URL_SECRETS_MANAGER) begin with https:// and name a host."
)
_PLAIN_HTTP: Final = (
    "plain HTTP would show the key and the AWS session token to the network. Let"
    " VECTORSHIFT_AWS_ENDPOINT_URL (or AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL,"
    " endpoint_url of the AWS profile) begin with https://. For a stand-in in a closed network hand"
    " in a client of your own: AwsSecretsManagerProvider(..., client=...)."
)


class AwsClient(Protocol):
    """What is used of a Secrets Manager client of boto3."""

    def get_secret_value(self, **request: str) -> dict[str, Any]:
        """Read a secret."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def known_region(setting: str | None, secret_id: str, environ: Mapping[str, str]) -> str | None:
    """Return the region that setting, ARN or environment name, in this order; AWS's own files are
    not read.

    botocore ignores `AWS_REGION`, which Lambda and ECS set.
    """
    in_arn = (
        secret_id.split(":")[3]
        if secret_id.startswith("arn:") and secret_id.count(":") >= 6
        else None
    )
    return (
        setting or in_arn or environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or None
    )


class ClientSource:
    """Makes the client when it is first needed, and keeps it. Thread-safe; a fork's child makes its
    own.

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
        self._endpoint_url = endpoint_url or None
        self._given = session
        self._region: str | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # held for no contact
        self._login_lock = threading.Lock()
        self._session: Any = None
        self._client: AwsClient | None = None

    @property
    def place(self) -> SecretLocation:
        """Where the secret is looked for, as far as this is known without boto3."""
        region = self._region or self._known_region() or getattr(self._given, "region_name", None)
        return SecretLocation(
            source=self._source, secret_id=self._secret_id, region=region, profile=self._profile
        )

    def get(self) -> AwsClient | CredentialError:
        """Return the client, with AWS credentials that are good, or say what is missing. Raises
        what boto3 raises.

        Looking for AWS credentials can take seconds, which `close` and `forget` do not wait for.
        That and making a client are not thread-safe, using one is.
        """
        with self._lock:
            session = self._session or self._new_session()
            if isinstance(session, CredentialError):
                return session
            self._session = session
        with self._login_lock:
            credentials = session.get_credentials()
        if credentials is None:
            self.forget()
            return missing_credentials(self.place)
        credentials.get_frozen_credentials()  # asks STS or SSO, if that is due
        with self._lock:
            if self._client is not None and self._session is session:
                return self._client
            made: AwsClient | CredentialConfigurationError = self._new_client(session)
            if self._session is session and not isinstance(made, CredentialConfigurationError):
                self._client = (
                    made  # else it was forgotten meanwhile, and has AWS credentials of before
                )
            return made

    def forget(self) -> None:
        """Look for AWS credentials anew, and make a new client, at the next need."""
        with self._lock:
            self._session = self._client = None

    def close(self) -> None:
        """Close the connections of the client, if there is one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _new_session(self) -> Any:
        """Return the session, with its region decided: left to botocore, that is told after a wait
        for metadata.
        """
        if flaw := _flaw(self._endpoint_url or _endpoint_of(os.environ) or ""):
            return self._wrong(flaw)
        region = self._known_region()
        try:
            session = self._given or new_session(profile=self._profile, region=region)
        except ImportError:
            return self._wrong(
                "AWS Secrets Manager needs boto3. Run: pip install 'vectorshift[aws]'"
            )
        self._region = region or session.region_name or os.environ.get("AWS_REGION")
        if self._region:
            return session
        return self._wrong(
            "no AWS region is known. Set VECTORSHIFT_AWS_REGION, such as eu-central-1, or name the"
            " secret by its ARN."
        )

    def _known_region(self) -> str | None:
        return known_region(
            self._setting, self._secret_id, os.environ if self._given is None else {}
        )

    def _new_client(self, session: Any) -> Any:
        url = self._endpoint_url or _endpoint_of(os.environ) or ""
        # What this machine answers itself, no proxy has to see.
        config = read_config(direct=is_loopback(urlsplit(url).hostname or ""))
        client = session.client(
            "secretsmanager",
            config=config,
            region_name=self._region,
            endpoint_url=self._endpoint_url,
        )
        if flaw := _flaw(client.meta.endpoint_url):  # AWS's own files may name an endpoint as well
            client.close()
            return self._wrong(flaw)
        return client

    def _wrong(self, text: str) -> CredentialConfigurationError:
        return CredentialConfigurationError(
            f"{self._source}: {text}", source=self._source, provider="aws"
        )


def _endpoint_of(environ: Mapping[str, str]) -> str | None:
    """Return the endpoint that the environment names, as botocore reads it."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or environ.get("AWS_ENDPOINT_URL")


def _flaw(endpoint_url: str) -> str | None:
    """Say what keeps requests from being sent to an endpoint; None if nothing does, or if it is
    AWS's own.
    """
    if not endpoint_url:
        return None
    try:
        parts = urlsplit(endpoint_url)
        host, scheme = parts.hostname, parts.scheme
    except ValueError:
        return _NOT_A_URL
    if not host or scheme not in ("https", "http"):
        return _NOT_A_URL
    return None if scheme == "https" or is_loopback(host) else _PLAIN_HTTP
