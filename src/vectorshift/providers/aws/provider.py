"""The provider that reads a key from AWS Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from vectorshift.errors import CredentialError, CredentialNotFoundError, CredentialStoreUnavailableError
from vectorshift.providers.aws.client import ClientSource
from vectorshift.providers.aws.errors import Place, outcome
from vectorshift.providers.aws.logs import hushed
from vectorshift.providers.aws.value import credential_in
from vectorshift.providers.base import Answer, AnsweringProvider, Ask, Description

if TYPE_CHECKING:
    from typing_extensions import Self

    from vectorshift.providers.aws.client import AwsClient
    from vectorshift.settings import Settings

__all__ = ["AwsSecretsManagerProvider"]

_CURRENT = "AWSCURRENT"


class AwsSecretsManagerProvider(AnsweringProvider):
    """Reads a key from AWS Secrets Manager: a whole secret, or one field of a secret that is a JSON object.

    Nothing is imported or contacted before the first read. The region is `region`, else the one in the ARN,
    else `AWS_DEFAULT_REGION`, else `AWS_REGION`, else the AWS profile's; a session's own region stands in for
    the last three. One client is made, kept, and used by all threads. When AWS does not accept our
    credentials, the next read looks for them anew. A read waits for a connection for at most 2 s, for an
    answer for at most 3 s, and tries twice.

    Args:
        secret_id: the secret's name or ARN; it is the source as well, such as `aws:prod/vs`.
        field: the field that is the key, if the secret is a JSON object; the whole secret if None.
        version_stage: the staging label of the version to read.
        version_id: one particular version. It is read whether it is current or not, unless a stage other
            than `AWSCURRENT` is named as well, which it then has to carry.
        region: the AWS region.
        profile: the AWS profile; AWS's own chain of credentials if None.
        endpoint_url: where to send requests instead of to the region's endpoint.
        session: a `boto3.Session` to make the client with; `profile` is then not used.
        client: a Secrets Manager client of boto3 to use as it is; no other setting of AWS's is then used.
        on_error: `"continue"` if another source may answer when this one fails.
        on_missing: `"stop"` if no other source may answer when there is no such secret.
        ttl: seconds for which an answer is fresh, or None for the common setting.

    Raises:
        ValueError: `secret_id` is blank.
    """

    name = "aws"
    remote = True

    def __init__(
        self,
        secret_id: str,
        *,
        field: str | None = None,
        version_stage: str = _CURRENT,
        version_id: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        session: Any = None,
        client: Any = None,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
        ttl: float | None = None,
    ) -> None:
        if not secret_id.strip():
            raise ValueError("secret_id has to be the name or the ARN of a secret.")
        self.on_error = on_error
        self.on_missing = on_missing
        self.ttl = ttl
        self._source = f"aws:{secret_id}#{field}" if field else f"aws:{secret_id}"
        self._secret_id = secret_id
        self._field = field or None
        self._profile = profile
        self._given: AwsClient | None = client
        self._clients = ClientSource(
            source=self._source,
            secret_id=secret_id,
            region=region,
            profile=profile,
            endpoint_url=endpoint_url,
            session=session,
        )
        # Policies may demand a stage. A pinned version need not be current: there the default is left out.
        self._request = {"SecretId": secret_id}
        if version_id:
            self._request["VersionId"] = version_id
        if not version_id or version_stage != _CURRENT:
            self._request["VersionStage"] = version_stage
        self._unsupported: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the provider that the settings ask for, or None if they name no secret."""
        if not (settings.aws_secret_id and settings.aws_secret_id.strip()):
            return None
        made = cls(
            settings.aws_secret_id,
            field=settings.aws_field,
            version_stage=settings.aws_version_stage,
            version_id=settings.aws_version_id,
            region=settings.aws_region,
            profile=settings.aws_profile,
            endpoint_url=settings.aws_endpoint_url,
            on_error=settings.aws_on_error,
            on_missing=settings.aws_on_missing,
            ttl=settings.aws_cache_ttl,
        )
        if settings.aws_agent_url:
            made._unsupported = (
                "VECTORSHIFT_AWS_AGENT_URL is set, and this version cannot read from the "
                "Secrets Manager Agent. Unset it, and the key is read from AWS itself."
            )
        return made

    def describe(self) -> Description:
        """Say which secret would be read, and in which region as far as this is known without boto3."""
        detail = f"region {self._region or 'of the AWS profile'}"
        return Description(configured=True, source=self._source, detail=detail, locator=True)

    def close(self) -> None:
        """Close our own client's connections; a client that was handed in stays open."""
        self._clients.close()

    @property
    def _region(self) -> str | None:
        if self._given is None:
            return self._clients.region
        meta = getattr(self._given, "meta", None)
        return getattr(meta, "region_name", None)

    def lookup(self, ask: Ask) -> Answer:
        """Read the secret, with botocore's telling log lines kept back."""
        if self._unsupported:
            return self.wrong(f"{self._source}: {self._unsupported}")
        client = self._given
        with hushed():
            try:
                if client is None:
                    made = self._clients.get()
                    if isinstance(made, CredentialError):
                        return made
                    client = made
                response = client.get_secret_value(**self._request)
            except Exception as error:
                return self._failed(error, client)
        return credential_in(response, source=self._source, field=self._field)

    def _failed(self, error: Exception, client: AwsClient | None) -> CredentialError:
        place = Place(
            source=self._source,
            secret_id=self._secret_id,
            region=self._region or "unknown",
            profile=self._profile,
        )
        answer = outcome(error, place) or self.unmapped(error)
        passing = isinstance(answer, CredentialNotFoundError | CredentialStoreUnavailableError)
        if client is not None and not passing:
            self._clients.forget(client)
        return answer
