"""The provider that reads a key from AWS Secrets Manager."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from vectorshift._platform.arguments import UNSET, Unset, check, name_arguments
from vectorshift._platform.urls import has_control_characters
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import (
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws.agent import Agent
from vectorshift.providers.aws.client import ClientSource
from vectorshift.providers.aws.errors import outcome
from vectorshift.providers.aws.location import SecretLocation
from vectorshift.providers.aws.logs import quiet_botocore
from vectorshift.providers.aws.secret_ids import flaw_of
from vectorshift.providers.aws.value import credential_in

if TYPE_CHECKING:
    from typing_extensions import Self

    from vectorshift.credentials.values import Credential
    from vectorshift.providers.aws.client import AwsClient
    from vectorshift.settings import Settings

__all__ = ["AwsSecretsManagerProvider"]

_CURRENT = "AWSCURRENT"
_PREFIX = "VECTORSHIFT_AWS_"


class AwsSecretsManagerProvider(BaseProvider):
    """Reads a key from AWS Secrets Manager: a whole secret, or one field of a secret that is a JSON
    object.

    Nothing is imported or contacted before the first read. The region is `region`, else the one in
    the ARN, else `AWS_DEFAULT_REGION`, else `AWS_REGION`, else the AWS profile's; a session's own
    region stands in for the last three. A `region` that is not the ARN's is an error. One client is
    made, kept, and used by all threads. When AWS does not accept our credentials, the next read
    looks for them anew. A read waits for a connection for at most 2 s, for an answer for at most
    3 s, and tries twice. An endpoint in plain HTTP is refused unless it is on loopback.

    With `agent_url` the Secrets Manager Agent, or the Lambda extension, is asked instead, without
    boto3.

    Args:
        secret_id: the secret's name or ARN; it is the source as well, such as `aws:prod/vs`.
        field: the field that is the key, if the secret is a JSON object; the whole secret if None.
        version_stage: the staging label of the version to read.
        version_id: one particular version. It is read whether it is current or not, unless a stage
            other than `AWSCURRENT` is named as well, which it then has to carry.
        region: the AWS region.
        profile: the AWS profile; AWS's own chain of credentials by default.
        endpoint_url: where to send requests instead of to the region's endpoint.
        session: a `boto3.Session` to make the client with; `profile` is then not used.
        client: a Secrets Manager client of boto3 to use as it is; no other setting of AWS's is then
            used.
        agent_url: where the Secrets Manager Agent listens, such as `http://localhost:2773`. It has
            AWS credentials and an endpoint of its own; `region` is then compared with what it
            answers.
        on_error: `"continue"` if another source may answer when this one fails.
        on_missing: `"stop"` if no other source may answer when there is no such secret.
        ttl: seconds for which an answer is fresh, or None for the common setting.

    Raises:
        TypeError: `secret_id`, or an argument that decides on the server or the identity, is None
            or of another type. What is left out is boto3's own default.
        ValueError: one of them is blank.
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
        region: str | Unset = UNSET,
        profile: str | Unset = UNSET,
        endpoint_url: str | Unset = UNSET,
        session: Any = UNSET,
        client: Any = UNSET,
        agent_url: str | Unset = UNSET,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
        ttl: float | None = None,
    ) -> None:
        check({"secret_id": secret_id, "version_stage": version_stage}, str)
        secret_id = secret_id.strip()
        if not secret_id or has_control_characters(secret_id):
            raise ValueError("secret_id has to be the name or the ARN of a secret.")
        self._region, self._profile = _text("region", region), _text("profile", profile)
        url, at_agent = _text("endpoint_url", endpoint_url), _text("agent_url", agent_url)
        session, client = _object("session", session), _object("client", client)
        self.on_error = on_error
        self.on_missing = on_missing
        self.ttl = ttl
        self._source = f"aws:{secret_id}#{field}" if field else f"aws:{secret_id}"
        self._secret_id = secret_id
        self._field = field or None
        self._in_code = True
        self._given: AwsClient | None = client
        self._process: int | None = None
        self._clients = ClientSource(
            source=self._source,
            secret_id=secret_id,
            region=self._region,
            profile=self._profile,
            endpoint_url=url,
            session=session,
        )
        self._request = _request(secret_id, version_stage, version_id)
        self._refused = False
        self._agent: Agent | None = None
        if at_agent:
            self._agent = Agent(
                at_agent,
                source=self._source,
                request=self._request,
                field=self._field,
                region=self._region,
            )
        beside = {
            "PROFILE": self._profile,
            "ENDPOINT_URL": url,
            "SESSION": session,
            "CLIENT": client,
        }
        self._idle = [_PREFIX + name for name, value in beside.items() if at_agent and value]

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the provider that the settings ask for, or None if they name no secret."""
        if not (settings.aws_secret_id and settings.aws_secret_id.strip()):
            return None
        optional = {
            "region": settings.aws_region,
            "profile": settings.aws_profile,
            "endpoint_url": settings.aws_endpoint_url,
            "agent_url": settings.aws_agent_url,
        }
        given: dict[str, Any] = {name: value for name, value in optional.items() if value}
        made = cls(
            settings.aws_secret_id,
            field=settings.aws_field,
            version_stage=settings.aws_version_stage,
            version_id=settings.aws_version_id,
            on_error=settings.aws_on_error,
            on_missing=settings.aws_on_missing,
            ttl=settings.aws_cache_ttl,
            **given,
        )
        made._in_code = False
        return made

    def describe(self) -> Description:
        """Say which secret would be read, and by way of what, as far as this is known without
        boto3.
        """
        detail = f"region {self._place.region or 'of the AWS profile'}"
        if self._agent is not None:
            detail = f"through the Agent at {self._agent.address}"
        return Description(configured=True, source=self._source, detail=detail, locator=True)

    def invalidate(self, rejected: Credential) -> None:
        """Let the next read bring what AWS has now, past the Agent's cache. Does no I/O."""
        self._refused = True

    def close(self) -> None:
        """Close our own client's connections; a client that was handed in stays open."""
        self._clients.close()

    @property
    def _place(self) -> SecretLocation:
        if self._given is None:
            return self._clients.place
        region = getattr(getattr(self._given, "meta", None), "region_name", None)
        return SecretLocation(source=self._source, secret_id=self._secret_id, region=region)

    def resolve(self, request: LookupRequest) -> Result:
        """Read the secret, with botocore's telling log lines kept back."""
        answer = self._read(request)
        if isinstance(answer, CredentialError) and self._in_code:
            name_arguments(answer, _PREFIX)
        return answer

    def _read(self, request: LookupRequest) -> Result:
        if flaw := self._flaw():
            return self.wrong(f"{self._source}: {flaw}")
        if self._agent is not None:
            return self._through(self._agent, request)
        client, login = self._given, self._given is None
        if client is not None and (inherited := self._is_inherited()) is not None:
            return inherited
        with quiet_botocore():
            try:
                if client is None:
                    made = self._clients.get()
                    if isinstance(made, CredentialError):
                        return made
                    client, login = made, False
                response = client.get_secret_value(**self._request)
            except Exception as error:
                return self._failed(error, login=login)
        return credential_in(response, source=self._source, field=self._field)

    def _flaw(self) -> str | None:
        """Say what is wrong with the secret's name or ARN."""
        region, region_from = self._region, f"{_PREFIX}REGION"
        if self._given is not None and self._agent is None:
            region, region_from = self._place.region, "the region of the client"
        return flaw_of(self._secret_id, region=region, region_from=region_from)

    def _is_inherited(self) -> CredentialError | None:
        """Return an error if a client that was handed in has been used by a parent process: on its
        connections the two would read each other's secrets.
        """
        self._process = self._process or os.getpid()
        if self._process == os.getpid():
            return None
        return self.wrong(
            f"{self._source}: the boto3 client that was handed in as client has been used by"
            f" another process, {self._process}, of which this one is a fork. They would share its"
            " connections and read each other's answers. Hand in session=boto3.Session(), of which"
            " each process makes its own client, or make the client in the child."
        )

    def _through(self, agent: Agent, request: LookupRequest) -> Result:
        if self._idle:
            names = ", ".join(self._idle)
            return self.wrong(
                f"{self._source}: VECTORSHIFT_AWS_AGENT_URL is set beside {names},"
                " which the Agent would not use: it has AWS credentials and an endpoint of its"
                " own. Unset one or the other."
            )
        refresh = self._refused or request.rejected is not None
        self._refused = False  # before the read: a refusal during it asks for another one
        try:
            answer = agent.read(refresh=refresh)
        except Exception as error:  # its frames hold the token
            return self.unmapped(error)
        if refresh and isinstance(
            answer, CredentialError
        ):  # the Agent's cache may still hold what was refused
            self._refused = True
        return answer

    def _failed(self, error: Exception, *, login: bool) -> CredentialError:
        answer = outcome(error, self._place, login=login) or self.unmapped(error)
        if not isinstance(answer, CredentialNotFoundError | CredentialStoreUnavailableError):
            self._clients.forget()
        return answer


def _text(name: str, value: str | Unset) -> str | None:
    """Return what was given, or None. Blank or None it would mean "whatever the environment
    says".
    """
    check({name: value}, str)
    if isinstance(value, Unset):
        return None
    if not value.strip():
        raise ValueError(f"{name} must not be blank. Leave it out for its default.")
    return value.strip()


def _object(name: str, value: Any) -> Any:
    if value is None:
        raise TypeError(f"{name} must not be None. Leave it out for its default.")
    return None if value is UNSET else value


def _request(secret_id: str, version_stage: str, version_id: str | None) -> dict[str, str]:
    """Return what to ask for. Policies may demand a stage; it is left out for a pinned version,
    current or not.
    """
    request = {"SecretId": secret_id}
    if version_id:
        request["VersionId"] = version_id
    if not version_id or version_stage != _CURRENT:
        request["VersionStage"] = version_stage
    return request
