"""Read a secret with boto3: its session, and the one client that a process keeps.

boto3 and botocore are imported at the first read.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.frames import raise_callers_own
from vectorshift._platform.urls import is_loopback
from vectorshift.errors import (
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws.errors import SecretLocation, missing_credentials, outcome
from vectorshift.providers.aws.logs import quiet_botocore
from vectorshift.providers.aws.value import credential_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.resolving import Result
    from vectorshift.providers.aws.arguments import AwsArguments

__all__ = ["AwsClient", "SecretsManager", "known_region"]

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
    """The methods of a Secrets Manager client of boto3 that are used."""

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


class SecretsManager:
    """Reads a secret with a client of boto3, which is made at first use. Thread-safe; a fork's
    child makes its own client.

    Args:
        arguments: those of the provider.
    """

    def __init__(self, arguments: AwsArguments) -> None:
        self._arguments = arguments
        self._region: str | None = None
        self._process: int | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # held for no contact
        self._login_lock = threading.Lock()
        self._session: Any = None
        self._client: AwsClient | None = None

    @property
    def region(self) -> str | None:
        """The region that is asked, as far as this is known without boto3."""
        given = self._arguments
        if given.client is not None:
            return getattr(getattr(given.client, "meta", None), "region_name", None)
        return self._region or self._known_region() or getattr(given.session, "region_name", None)

    def read(self) -> Result:
        """Read the secret, with botocore's DEBUG lines kept back. Raises unknown exceptions."""
        client = self._arguments.client
        if client is not None and (flaw := self._used_by_another_process()) is not None:
            return flaw
        logged_in = client is not None
        with quiet_botocore():
            try:
                if client is None:
                    client = self.client()
                    if isinstance(client, CredentialError):
                        return client
                logged_in = True
                response = client.get_secret_value(**self._arguments.query)
            except Exception as error:
                raise_callers_own(error)
                failure = outcome(error, self._place, login=not logged_in)
                if not isinstance(
                    failure, CredentialNotFoundError | CredentialStoreUnavailableError
                ):
                    self.forget()
                if failure is None:
                    raise
                return failure
        return credential_in(response, self._arguments)

    def client(self) -> AwsClient | CredentialError:
        """Return the client, with good AWS credentials, or the error that says what is missing.

        The search for AWS credentials can take seconds; `close` and `forget` do not wait for it.
        Neither that nor making a client is thread-safe; using one is. Raises what boto3 raises.
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
            return missing_credentials(self._place)
        credentials.get_frozen_credentials()  # asks STS or SSO, if that is due
        with self._lock:
            if self._client is not None and self._session is session:
                return self._client
            made: AwsClient | CredentialError = self._new_client(session)
            # a session that was forgotten meanwhile has old AWS credentials
            if self._session is session and not isinstance(made, CredentialError):
                self._client = made
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

    @property
    def _place(self) -> SecretLocation:
        given = self._arguments
        return SecretLocation(
            source=given.source,
            secret_id=given.secret_id,
            region=self.region,
            profile=None if given.client is not None else given.profile,
        )

    def _used_by_another_process(self) -> CredentialError | None:
        """Return an error if a client that was handed in has been used by a parent process: on its
        connections the two would read each other's secrets.
        """
        self._process = self._process or os.getpid()
        if self._process == os.getpid():
            return None
        return self._arguments.wrong(
            "the boto3 client that was handed in as client has been used by"
            f" another process, {self._process}, of which this one is a fork. They would share its"
            " connections and read each other's answers. Hand in session=boto3.Session(), of which"
            " each process makes its own client, or make the client in the child."
        )

    def _new_session(self) -> Any:
        """Return the session. Without a region, botocore would first wait for metadata."""
        if flaw := _flaw(self._arguments.endpoint_url or _endpoint_of(os.environ) or ""):
            return self._arguments.wrong(flaw)
        region = self._known_region()
        try:
            session = self._arguments.session or new_session(
                profile=self._arguments.profile, region=region
            )
        except ImportError:
            return self._arguments.wrong(
                "AWS Secrets Manager needs boto3. Run: pip install 'vectorshift[aws]'"
            )
        self._region = region or session.region_name or os.environ.get("AWS_REGION")
        if self._region:
            return session
        return self._arguments.wrong(
            "no AWS region is known. Set VECTORSHIFT_AWS_REGION, such as eu-central-1, or name the"
            " secret by its ARN."
        )

    def _known_region(self) -> str | None:
        given = self._arguments
        return known_region(
            given.region, given.secret_id, os.environ if given.session is None else {}
        )

    def _new_client(self, session: Any) -> Any:
        url = self._arguments.endpoint_url or _endpoint_of(os.environ) or ""
        # no proxy for a server on this machine
        config = read_config(direct=is_loopback(urlsplit(url).hostname or ""))
        client = session.client(
            "secretsmanager",
            config=config,
            region_name=self._region,
            endpoint_url=self._arguments.endpoint_url,
        )
        if flaw := _flaw(client.meta.endpoint_url):  # AWS's own files may name an endpoint as well
            client.close()
            return self._arguments.wrong(flaw)
        return client


def _endpoint_of(environ: Mapping[str, str]) -> str | None:
    """Return the endpoint that the environment names, as botocore reads it."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or environ.get("AWS_ENDPOINT_URL")


def _flaw(endpoint_url: str) -> str | None:
    """Return why requests must not be sent to an endpoint, or None. AWS's own is empty or https."""
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


# The defaults of 60 s each outlast every caller's patience.
_READ_WAITS: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 3,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
# For the inner clients of STS and SSO. One attempt: the next call of ours is the second one, and
# what hangs here is waited for before the read has even begun.
_LOGIN_WAITS: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 2,
    "retries": {"mode": "standard", "total_max_attempts": 1},
}


def read_config(*, direct: bool) -> Any:
    """Return the configuration of the Secrets Manager client.

    Args:
        direct: no proxy of the environment is to see the requests.
    """
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    return Config(**_READ_WAITS, **({"proxies": {}} if direct else {}))


def new_session(*, profile: str | None, region: str | None) -> Any:
    """Return a `boto3.Session`. Raises what botocore raises for a profile that there is not.

    botocore's own waits for a machine's metadata service are kept: one second a request, two
    requests. `AWS_METADATA_SERVICE_TIMEOUT` and `AWS_METADATA_SERVICE_NUM_ATTEMPTS` change them.
    """
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    import botocore.session  # pyright: ignore[reportMissingTypeStubs]
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    own: Any = botocore.session.Session()
    # a web identity's STS client ignores the config of our own client
    own.set_default_client_config(Config(**_LOGIN_WAITS))
    session: Any = boto3.Session(botocore_session=own, profile_name=profile, region_name=region)
    _shorten_container_waits(own.get_component("credential_provider"))
    return session


def _shorten_container_waits(resolver: Any) -> None:
    """Let the credentials endpoint of ECS and EKS cost at most 2.2 s; botocore's own waits for it
    add up to 9 s.
    """
    from botocore.credentials import ContainerProvider  # pyright: ignore[reportMissingTypeStubs]
    from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]
    from botocore.utils import ContainerMetadataFetcher  # pyright: ignore[reportMissingTypeStubs]

    class ShortContainerFetcher(ContainerMetadataFetcher):  # type: ignore[misc]
        RETRY_ATTEMPTS = 2

    def short_sleep(_: float) -> None:
        time.sleep(0.1)

    for each in resolver.providers:
        if isinstance(each, ContainerProvider):
            # In place: a profile's `credential_source` refers to this very one.
            fetcher = ShortContainerFetcher(session=URLLib3Session(timeout=1), sleep=short_sleep)
            each._fetcher = fetcher  # pyright: ignore[reportPrivateUsage]
