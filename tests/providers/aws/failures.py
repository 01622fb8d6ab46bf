"""The table of failures: what was done, what the caller gets, after how many seconds.

`python -m tests.providers.aws.failures` prints it, as `docs/aws/failures.md` shows it. The seconds
are measured for that table alone; `patience` is what was asked of the sockets, which no load
changes.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.providers.aws.servers import FakeAws, Hanging, free_url
from tests.providers.patience import patience

from vectorshift import AwsSecretsManagerProvider, CredentialError, Settings
from vectorshift.testing import FakeSecretsManagerAgent, MotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Act = Callable[["Stage"], AwsSecretsManagerProvider]

__all__ = ["FAILURES", "Failure", "Got", "Stage", "stage"]

NAME = "prod/vectorshift"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


@dataclass(frozen=True)
class Stage:
    """The servers that a failure is acted out with, and a folder for AWS's files. Changes the
    environment.
    """

    moto: MotoServer
    fake: FakeAws
    agent: FakeSecretsManagerAgent
    hanging: Hanging
    home: Path

    def env(self, **variables: str) -> None:
        os.environ.update(variables)

    def config(self, text: str) -> None:
        (self.home / "config").write_text(text)


@dataclass(frozen=True)
class Failure:
    """What is done, what the caller is to get, and words of the fix that its message is to have."""

    done: str
    kind: str
    words: str
    act: Act

    def run(self, stage: Stage, *, skips: bool = False) -> Got:
        """Act it out in an environment of its own; skip all that it waits for, if that is said."""
        before = dict(os.environ)
        try:
            os.environ.update(
                AWS_CONFIG_FILE=str(stage.home / "config"), AWS_TOKEN=stage.agent.token
            )
            os.environ.update(AWS_EC2_METADATA_DISABLED="true", AWS_DEFAULT_REGION="eu-central-1")
            stage.config("")
            provider = self.act(stage)
            kind, message, began = "a credential", "", time.monotonic()
            with patience(stage.hanging.url if skips else None) as asked:
                try:
                    provider.get_credential()
                except CredentialError as error:
                    kind, message = type(error).__name__, error.message
            return Got(
                self, kind, message, time.monotonic() - began, asked.with_(stage.hanging.url)
            )
        finally:
            stage.agent.recover()
            os.environ.clear()
            os.environ.update(before)


@dataclass(frozen=True)
class Got:
    """What the caller got, with which message, after how many seconds, and how many it was ready to
    wait.
    """

    failure: Failure
    kind: str
    message: str
    seconds: float
    patience: float

    def row(self) -> str:
        return (
            f"| {self.failure.done} | `{self.kind}` | `{self.failure.words}` | {self.seconds:.1f} |"
        )


@contextlib.contextmanager
def stage(moto: MotoServer) -> Iterator[Stage]:
    """Set up the servers beside moto's."""
    with (
        FakeAws() as fake,
        FakeSecretsManagerAgent() as agent,
        Hanging() as hanging,
        tempfile.TemporaryDirectory() as home,
    ):
        yield Stage(moto, fake, agent, hanging, Path(home))


def _code(status: int, code: str, message: str = "") -> Act:
    """An endpoint fails with a code."""

    def act(stage: Stage) -> AwsSecretsManagerProvider:
        stage.fake.fails(status, code, message)
        return _at(stage, stage.fake.url)

    return act


def _through(status: int, body: str, times: int = 1) -> Act:
    """The Agent fails."""

    def act(stage: Stage) -> AwsSecretsManagerProvider:
        stage.agent.fail(status, body, times=times)
        return _agent(stage.agent.url)

    return act


def _by_settings(**given: str) -> AwsSecretsManagerProvider:
    made = AwsSecretsManagerProvider.from_settings(
        Settings(**{f"aws_{name}": value for name, value in given.items()})  # type: ignore[arg-type]
    )
    assert made is not None
    return made


def _moto(stage: Stage, **more: str) -> AwsSecretsManagerProvider:
    stage.env(**stage.moto.environment())
    return _by_settings(**{"secret_id": NAME, **more})


def _deleted(stage: Stage) -> AwsSecretsManagerProvider:
    stage.moto.put("failures/doomed", "vs-...")
    stage.moto.delete("failures/doomed")
    return _moto(stage, secret_id="failures/doomed")


def _object(stage: Stage, **more: str) -> AwsSecretsManagerProvider:
    stage.moto.put("failures/console", '{"key": "vs-...", "owner": "me"}')
    return _moto(stage, secret_id="failures/console", **more)


def _no_version(stage: Stage) -> AwsSecretsManagerProvider:
    stage.moto.put("failures/version", "vs-...")
    return _moto(stage, secret_id="failures/version", version_id="0" * 32)


def _nobody(stage: Stage, **variables: str) -> AwsSecretsManagerProvider:
    stage.env(**variables)
    return _by_settings(secret_id=NAME, endpoint_url=stage.fake.url)


def _web_identity(stage: Stage, sts: str) -> AwsSecretsManagerProvider:
    (stage.home / "jwt").write_text("e30.e30.x")
    identity = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(stage.home / "jwt"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
    }
    return _nobody(stage, AWS_ENDPOINT_URL_STS=sts, **identity)


def _sts_denies(stage: Stage) -> AwsSecretsManagerProvider:
    body = (
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        "</ErrorResponse>"
    )
    stage.fake.says(403, body, operation="sts")
    return _web_identity(stage, stage.fake.url)


def _sts_hangs(stage: Stage) -> AwsSecretsManagerProvider:
    return _web_identity(stage, stage.hanging.url)


def _metadata_hangs(stage: Stage) -> AwsSecretsManagerProvider:
    url = stage.hanging.url
    return _nobody(stage, AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=url)


def _container_hangs(stage: Stage) -> AwsSecretsManagerProvider:
    return _nobody(stage, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{stage.hanging.url}/role")


def _container_refuses(stage: Stage) -> AwsSecretsManagerProvider:
    return _nobody(stage, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{free_url()}/role")


def _metadata_fails(stage: Stage) -> AwsSecretsManagerProvider:
    url = stage.fake.url
    return _nobody(stage, AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=url)


def _profile(config: str) -> Act:
    """The settings name a profile `work` with this in AWS's file."""

    def act(stage: Stage) -> AwsSecretsManagerProvider:
        stage.config(
            f"[profile work]\n{config}\n[profile keys]\naws_access_key_id = a\n"
            "aws_secret_access_key = b\n"
        )
        return _by_settings(secret_id=NAME, profile="work", endpoint_url=stage.fake.url)

    return act


def _line_break(stage: Stage) -> AwsSecretsManagerProvider:
    stage.env(**{**KEYS, "AWS_ACCESS_KEY_ID": "testing\n"})
    return _by_settings(secret_id=NAME, endpoint_url=stage.fake.url)


def _no_profile(_: Stage) -> AwsSecretsManagerProvider:
    return _by_settings(secret_id=NAME, profile="nobody")


def _sso(stage: Stage) -> AwsSecretsManagerProvider:
    stage.config(
        "[profile work]\nsso_start_url = https://example.invalid/start\nsso_region = eu-central-1\n"
        "sso_account_id = 123456789012\nsso_role_name = reader\n"
    )
    return _by_settings(secret_id=NAME, profile="work", endpoint_url=stage.fake.url)


def _at(stage: Stage, url: str) -> AwsSecretsManagerProvider:
    stage.env(**KEYS)
    return _by_settings(secret_id=NAME, endpoint_url=url)


def _regionless(stage: Stage) -> AwsSecretsManagerProvider:
    del os.environ["AWS_DEFAULT_REGION"]
    return _by_settings(secret_id=NAME)


def _wrong_token(stage: Stage) -> AwsSecretsManagerProvider:
    stage.env(AWS_TOKEN="another")
    return _agent(stage.agent.url)


def _agent(url: str) -> AwsSecretsManagerProvider:
    return _by_settings(secret_id=NAME, agent_url=url)


MISSING, DENIED, REVOKED, CONFIGURATION, UNAVAILABLE = (
    "CredentialNotFoundError",
    "CredentialDeniedError",
    "CredentialRevokedError",
    "CredentialConfigurationError",
    "CredentialStoreUnavailableError",
)
REGION = "region eu-central-1"
KMS_SAYS = f"not authorized to perform: kms:Decrypt on resource: {KMS_KEY}"
DENIAL = '{"__type":"AccessDeniedException", "message":"no"}'
INTERNAL = '{"__type":"InternalFailure"}'
NOT_READY = "not ready to serve traffic, please wait"
READ = f"not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:x:{NAME}"
RESOURCE = (
    f"secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:*:secret:{NAME}-??????"
)

FAILURES = (
    Failure("no such secret", MISSING, "in region us-east-1", _moto),
    Failure("no such version", MISSING, "VECTORSHIFT_AWS_VERSION_ID", _no_version),
    Failure(
        "the secret is scheduled for deletion",
        REVOKED,
        "aws secretsmanager restore-secret",
        _deleted,
    ),
    Failure(
        "a key/value secret of the console, no field named",
        CONFIGURATION,
        "the fields: key, owner",
        _object,
    ),
    Failure(
        "the named field is not there",
        CONFIGURATION,
        "key, owner",
        partial(_object, field="api_key"),
    ),
    Failure("the policy does not allow it", DENIED, RESOURCE, _code(400, "AccessDeniedException")),
    Failure(
        "the policy of the VPC endpoint does not allow it",
        DENIED,
        "in the policy of the VPC endpoint",
        _code(400, "AccessDeniedException", f"{READ} because no VPC endpoint policy allows it"),
    ),
    Failure(
        "a service control policy denies it",
        DENIED,
        "the service control policy (SCP)",
        _code(
            400,
            "AccessDeniedException",
            f"{READ} with an explicit deny in a service control policy",
        ),
    ),
    Failure(
        "the account has no secret of this name",
        DENIED,
        "seems to have no secret of this name",
        _code(400, "AccessDeniedException", f"not authorized: x on resource: {NAME} because"),
    ),
    Failure(
        "another account's secret, under the default KMS key",
        DENIED,
        "a customer managed KMS key",
        _code(
            400,
            "InvalidRequestException",
            "You can't access a secret from a different AWS account if you encrypt the secret with"
            " the default KMS service key.",
        ),
    ),
    Failure(
        "KMS does not allow it",
        DENIED,
        f"on {KMS_KEY}",
        _code(400, "AccessDeniedException", KMS_SAYS),
    ),
    Failure("decryption fails", DENIED, "kms:Decrypt", _code(400, "DecryptionFailure")),
    Failure(
        "the AWS session token has expired",
        DENIED,
        "aws sso login",
        _code(400, "ExpiredTokenException"),
    ),
    Failure(
        "AWS does not know the access key",
        DENIED,
        REGION,
        _code(400, "UnrecognizedClientException"),
    ),
    Failure(
        "the signature does not fit: key or clock",
        DENIED,
        "clock",
        _code(403, "InvalidSignatureException"),
    ),
    Failure("STS refuses the role", DENIED, "sts:AssumeRoleWithWebIdentity", _sts_denies),
    Failure("the SSO session is over", CONFIGURATION, "aws sso login --profile work", _sso),
    Failure(
        "a profile of 'aws login', without botocore[crt]",
        CONFIGURATION,
        "pip install 'botocore[crt]'",
        _profile("login_session = arn:aws:iam::123456789012:user/me"),
    ),
    Failure(
        "a profile with mfa_serial",
        CONFIGURATION,
        "--serial-number arn:aws:iam::123456789012:mfa/me --token-code CODE",
        _profile(
            "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\n"
            "mfa_serial = arn:aws:iam::123456789012:mfa/me"
        ),
    ),
    Failure(
        "a credential_process fails",
        UNAVAILABLE,
        "ended with status 3 and said: log in first",
        _profile("credential_process = sh -c 'echo log in first >&2; exit 3'"),
    ),
    Failure(
        "a credential_process is not there",
        CONFIGURATION,
        "cannot be run",
        _profile("credential_process = /nowhere/tool"),
    ),
    Failure(
        "a line break in AWS_ACCESS_KEY_ID",
        CONFIGURATION,
        "AWS_ACCESS_KEY_ID holds a line break",
        _line_break,
    ),
    Failure(
        "no AWS credentials, no metadata service", CONFIGURATION, "VECTORSHIFT_AWS_PROFILE", _nobody
    ),
    Failure(
        "no AWS credentials, the metadata service hangs",
        UNAVAILABLE,
        "no answer in time",
        _metadata_hangs,
    ),
    Failure(
        "the machine's metadata service answers 404",
        UNAVAILABLE,
        "gives none (HTTP 404)",
        _metadata_fails,
    ),
    Failure(
        "the container's credentials endpoint refuses connections",
        UNAVAILABLE,
        "the container's metadata service",
        _container_refuses,
    ),
    Failure(
        "the container's credentials endpoint hangs",
        UNAVAILABLE,
        "metadata service",
        _container_hangs,
    ),
    Failure("a web identity (IRSA), and STS hangs", UNAVAILABLE, "Check STS", _sts_hangs),
    Failure("no such AWS profile", CONFIGURATION, "VECTORSHIFT_AWS_PROFILE", _no_profile),
    Failure("no region is known", CONFIGURATION, "VECTORSHIFT_AWS_REGION", _regionless),
    Failure("AWS throttles", UNAVAILABLE, REGION, _code(400, "ThrottlingException")),
    Failure("AWS fails inside", UNAVAILABLE, REGION, _code(500, "InternalServiceError")),
    Failure("nothing listens at the endpoint", UNAVAILABLE, REGION, lambda s: _at(s, free_url())),
    Failure(
        "the endpoint hangs",
        UNAVAILABLE,
        "any VPC endpoint or proxy",
        lambda s: _at(s, s.hanging.url),
    ),
    Failure(
        "the endpoint is plain HTTP beyond loopback",
        CONFIGURATION,
        "https://",
        lambda s: _at(s, "http://sm.lan"),
    ),
    Failure("Agent: a wrong token", DENIED, "AWS_TOKEN", _wrong_token),
    Failure("Agent: AWS denies it", DENIED, "secretsmanager:DescribeSecret", _through(400, DENIAL)),
    Failure(
        "Agent: it has no AWS credentials", UNAVAILABLE, "The Agent's log", _through(500, INTERNAL)
    ),
    Failure(
        "Lambda extension: its one text for every failure",
        UNAVAILABLE,
        "CloudWatch",
        _through(400, "an unexpected error occurred while executing request"),
    ),
    Failure(
        "Agent: it does not come up",
        UNAVAILABLE,
        "not ready yet",
        _through(400, NOT_READY, times=9),
    ),
    Failure(
        "Agent: nothing listens", UNAVAILABLE, "Start it, or correct", lambda s: _agent(free_url())
    ),
    Failure(
        "Agent: it hangs", UNAVAILABLE, "did not answer in time", lambda s: _agent(s.hanging.url)
    ),
    Failure(
        "Agent: plain HTTP beyond loopback",
        CONFIGURATION,
        "http://localhost:2773",
        lambda s: _agent("http://a.lan"),
    ),
)


def main() -> None:
    """Act each failure out, and print the table."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "VECTORSHIFT_"))]:
        del os.environ[name]
    print(
        "| what was done | the caller gets | the message says | after s |\n| --- | --- | --- |"
        " --- |"
    )
    with MotoServer() as moto, stage(moto) as acted:
        for failure in FAILURES:
            print(failure.run(acted).row(), flush=True)


if __name__ == "__main__":
    main()
