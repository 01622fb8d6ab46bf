"""The provider that reads a key from AWS Secrets Manager or Parameter Store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset, text_with_arguments
from vectorshift._platform.frames import raise_callers_own
from vectorshift._platform.importing import load
from vectorshift._platform.public import Self
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialError
from vectorshift.providers.aws.agent import Agent
from vectorshift.providers.aws.arguments import CURRENT, PREFIX, AwsArguments
from vectorshift.providers.aws.locators import flaw_of

if TYPE_CHECKING:
    from vectorshift.providers.aws.client import BotoReader

__all__ = ["AwsSecretsManagerProvider", "reader_of"]


class AwsSecretsManagerProvider(BaseProvider):
    """Read the key from AWS Secrets Manager or from Parameter Store: a whole value, or one field of
    a JSON object.

    Nothing is imported or contacted before the first read. The region is `region`, else the one in
    the ARN, else `AWS_DEFAULT_REGION`, `AWS_REGION` or the AWS profile's. A session's own region
    replaces the last three. A `region` that differs from the ARN's is an error.

    All threads share one client. After AWS rejected our credentials, the next read looks for them
    again. A read waits at most 2 s for a connection and 3 s for an answer, and tries twice. Plain
    HTTP is allowed on loopback only.

    With `agent_url` the Secrets Manager Agent, or the Lambda extension, is asked instead, without
    boto3.

    Args:
        secret_id: the secret's name or ARN; it is the source as well, such as `aws:prod/vs`.
        parameter: instead of `secret_id`, the name or ARN of a parameter of Parameter Store, such
            as `/prod/vs`. Append `:3` or `:label` for one version. The source is `ssm:/prod/vs`.
        field: the field that has the key, if the value is a JSON object. `a.b` is the field `b` of
            the field `a`, unless a field has that name. The whole value if None.
        version_stage: the staging label of the version to read.
        version_id: one particular version. It need not be current. If you also name a stage other
            than `AWSCURRENT`, the version must have it.
        region: the AWS region.
        profile: the AWS profile; AWS's own chain of credentials by default.
        endpoint_url: the endpoint to use instead of the region's.
        session: a `boto3.Session` to create the client with. With a different `profile`, it is an
            error.
        client: a boto3 client for the store, used as it is. With a different `region`, or with
            `profile`, `endpoint_url` or `session`, it is an error.
        agent_url: where the Secrets Manager Agent listens, such as `http://localhost:2773`. It has
            its own AWS credentials and endpoint. An answer from another region than `region` is an
            error.
        agent_role_arn: the role that the agent assumes for the read, such as for a secret of
            another account.
        on_error: `"continue"` if another source may answer when this one fails.
        on_missing: `"stop"` if no other source may answer when there is no such secret.
        ttl: seconds for which an answer is fresh, or None for the common setting.

    Raises:
        TypeError: neither `secret_id` nor `parameter` is given; or one of them, or an argument for
            the server or the identity, is None or of another type. Omit an argument to use boto3's
            default.
        ValueError: one of these is blank.
    """

    name = "aws"
    remote = True

    def __init__(
        self,
        secret_id: str | Unset = UNSET,
        *,
        parameter: str | Unset = UNSET,
        field: str | None = None,
        version_stage: str = CURRENT,
        version_id: str | None = None,
        region: str | Unset = UNSET,
        profile: str | Unset = UNSET,
        endpoint_url: str | Unset = UNSET,
        session: Any = UNSET,
        client: Any = UNSET,
        agent_url: str | Unset = UNSET,
        agent_role_arn: str | Unset = UNSET,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
        ttl: float | None = None,
    ) -> None:
        self._arguments = AwsArguments.checked(
            secret_id=secret_id,
            parameter=parameter,
            field=field,
            version_stage=version_stage,
            version_id=version_id,
            region=region,
            profile=profile,
            endpoint_url=endpoint_url,
            session=session,
            client=client,
            agent_url=agent_url,
            agent_role_arn=agent_role_arn,
        )
        self.on_error = on_error
        self.on_missing = on_missing
        self.ttl = ttl
        self._in_code = True
        self._agent = Agent(self._arguments) if self._arguments.agent_url else None

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self | None:
        """Return the provider that the settings describe, or None if they name no secret."""
        if not (settings.aws_secret_id or settings.aws_parameter):
            return None
        made = cls(
            **AwsArguments.in_settings(settings),
            on_error=settings.aws_on_error,
            on_missing=settings.aws_on_missing,
            ttl=settings.aws_cache_ttl,
        )
        made._in_code = False
        return made

    @property
    def _reader(self) -> BotoReader:
        """The reader that asks AWS directly, created at first use."""
        if "_boto" not in vars(self):
            made = load("vectorshift.providers.aws.client").BotoReader(self._arguments)
            vars(self).setdefault("_boto", made)  # another thread may have been faster
        reader: BotoReader = vars(self)["_boto"]
        return reader

    def describe(self) -> Description:
        """Name the secret, and the region or the Agent, as far as known without boto3."""
        if self._agent is None:
            detail = f"region {self._reader.region or 'of the AWS profile'}"
        else:
            detail = f"through the Agent at {self._agent.address}"
        return Description(
            configured=True, source=self._arguments.source, detail=detail, locator=True
        )

    def invalidate(self, rejected: Credential) -> None:
        """Make the next read bypass the Agent's cache. Does no I/O."""
        if self._agent is not None:
            self._agent.invalidate()

    def close(self) -> None:
        """Close the connections of our own client. A client of the caller stays open."""
        if "_boto" in vars(self):
            self._reader.close()

    def resolve(self, request: LookupRequest) -> Result:
        """Read the secret, through the Agent or with boto3.

        boto3 fixes its time limits for all reads; see the class. The deadline of a request shortens
        only a `credential_process`.
        """
        answer = self._read(request)
        if isinstance(answer, CredentialError) and self._in_code:
            answer.message = text_with_arguments(answer.message, PREFIX, {})
        return answer

    def _read(self, request: LookupRequest) -> Result:
        if flaw := self._flaw():
            return self._arguments.wrong(flaw)
        try:
            if self._agent is None:
                return self._reader.read(request.deadline)
            return self._agent.read(rejected=request.rejected is not None)
        except Exception as error:  # its frames may hold tokens
            raise_callers_own(error)
            return self.unmapped(error)

    def _direct_reader(self) -> tuple[BotoReader, AwsArguments]:
        """Return the reader that asks AWS directly, not through an agent, and its arguments.

        Raises:
            CredentialConfigurationError: the arguments contradict each other.
        """
        if flaw := self._flaw():
            raise self._arguments.wrong(flaw)
        return self._reader, self._arguments

    def _flaw(self) -> str | None:
        """Return what is wrong with the arguments, as far as known without contact."""
        given = self._arguments
        if given.flaw:
            return given.flaw
        if self._agent is None and (unused := _unused(given)):
            passed, *names = unused
            return (
                f"{passed} is given beside {', '.join(names)}, which would not be used. Make"
                f" what you hand in as {passed} with them, or leave out one or the other."
            )
        if flaw := _foreign(given):
            return flaw
        region, region_from = given.region, f"{PREFIX}REGION"
        if given.client is not None and self._agent is None:
            region, region_from = self._reader.region, "the region of the client"
        if flaw := flaw_of(given.locator, given.store, region=region, region_from=region_from):
            return flaw
        idle = [
            PREFIX + name.upper()
            for name in ("profile", "endpoint_url", "session", "client")
            if getattr(given, name) is not None
        ]
        if self._agent is None or not idle:
            return None
        return (
            f"VECTORSHIFT_AWS_AGENT_URL is set together with {', '.join(idle)}, which the Agent "
            "would not use: it has its own AWS credentials and endpoint. Unset one or the other."
        )


def reader_of(settings: public.Settings) -> tuple[BotoReader, AwsArguments] | None:
    """Return a reader that asks AWS directly, not through an agent, and its arguments. None if the
    settings name no secret.

    Raises:
        CredentialConfigurationError: the settings contradict each other.
    """
    made = AwsSecretsManagerProvider.from_settings(settings)
    return None if made is None else made._direct_reader()  # pyright: ignore[reportPrivateUsage]


def _foreign(given: AwsArguments) -> str | None:
    """Return why the client or the session is not one of boto3 for the store, or None."""
    service = given.store.service
    if given.client is not None and not hasattr(given.client, given.store.method):
        return f"the client is not one of boto3 for {service}. Make it: boto3.client('{service}')"
    needs = ("client", "get_credentials", "region_name")
    is_session = all(hasattr(given.session, each) for each in needs)
    if given.session is not None and (isinstance(given.session, type) or not is_session):
        return "the session is not one of boto3. Make it: boto3.Session()"
    return None


def _unused(given: AwsArguments) -> list[str]:
    """Return the client or session argument, and the arguments that it would ignore.

    Another region or AWS profile may hold another organisation's key.
    """
    if given.client is not None:
        own = getattr(getattr(given.client, "meta", None), "region_name", None)
        beside = {
            "REGION": given.region is not None and given.region != own,
            "PROFILE": given.profile,
            "ENDPOINT_URL": given.endpoint_url,
            "SESSION": given.session,
        }
        passed = "CLIENT"
    else:
        own = getattr(given.session, "profile_name", None)
        other = given.profile is not None and given.profile != own
        beside = {"PROFILE": given.session is not None and other}
        passed = "SESSION"
    names = [PREFIX + name for name, is_unused in beside.items() if is_unused]
    return [PREFIX + passed, *names] if names else []
