"""Each code and class of AWS's failures, as a small endpoint or botocore itself gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.records import SECRET

from vectorshift import errors
from vectorshift.providers.aws import AwsSecretsManagerProvider
from vectorshift.providers.aws.arguments import AwsArguments
from vectorshift.providers.aws.errors import SecretLocation, answered, outcome

if TYPE_CHECKING:
    from tests.providers.aws.conftest import Failure

    from vectorshift.testing import FakeSecretsManagerAgent

TOKEN = "FwoGsessionTokenNeverToBeSeen"
ARN = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:prod/vs-AbCdEf"
RESOURCE = "arn:aws:secretsmanager:eu-central-1:*:secret:prod/vs-??????"
DENIED, CONFIGURATION, UNAVAILABLE = (
    errors.CredentialDeniedError,
    errors.CredentialConfigurationError,
    errors.CredentialStoreUnavailableError,
)


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (400, "AccessDeniedException", DENIED, f"secretsmanager:GetSecretValue on {RESOURCE}"),
        (400, "DecryptionFailure", DENIED, "kms:Decrypt"),
        (400, "ExpiredTokenException", DENIED, "aws sso login"),
        (400, "UnrecognizedClientException", DENIED, "does not recognise"),
        (400, "InvalidSignatureException", DENIED, "clock"),
        (403, "SomethingNew", DENIED, "SomethingNew"),
        (400, "InvalidRequestException", CONFIGURATION, "version_stage="),
        (400, "InvalidParameterException", CONFIGURATION, "secret_id="),
        (400, "SomethingNew", CONFIGURATION, "SomethingNew"),
        (400, "ThrottlingException", UNAVAILABLE, "ThrottlingException"),
        (500, "InternalServiceError", UNAVAILABLE, "InternalServiceError"),
        (503, "SomethingNew", UNAVAILABLE, "SomethingNew"),
    ],
)  # fmt: skip
def test_each_code_has_its_outcome_and_its_fix(
    fake: Any,
    status: int,
    code: str,
    kind: type[errors.CredentialError],
    words: str,
    failure: Failure,
) -> None:
    fake.fails(status, code, f"x-amz-security-token:{TOKEN}")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is kind
    assert words in str(error)
    assert "eu-central-1" in str(error)
    assert str(error).startswith("aws:prod/vs: ")
    assert len(fake.asked) == (2 if kind is UNAVAILABLE else 1)


def test_a_denial_says_who_was_denied(fake: Any, failure: Failure) -> None:
    who = "arn:aws:sts::123456789012:assumed-role/web/i-1"
    fake.fails(
        400,
        "AccessDeniedException",
        f"User: {who} is not authorized to perform: x because {SECRET}",
    )
    error = failure(AwsSecretsManagerProvider(ARN))
    assert f"to {who}." in str(error)
    assert str(error).endswith(f"on {ARN}.")


def test_an_sso_role_that_is_not_assigned_names_the_profile() -> None:
    place = SecretLocation(given=AwsArguments(secret_id="prod/vs"), region="eu-central-1")
    error = answered(
        code="ForbiddenException",
        text="No access",
        status=403,
        place=place,
        operation="GetRoleCredentials",
    )
    assert type(error) is errors.CredentialDeniedError
    assert "Check sso_account_id and sso_role_name in the AWS profile" in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "Access to KMS is not allowed",
        "The ciphertext refers to a customer master key that does not exist, does not exist in"
        " this region, or you are not allowed to access.",
    ],
)
def test_a_denial_by_kms_names_kms(words: str, fake: Any, failure: Failure) -> None:
    fake.fails(400, "AccessDeniedException", words)
    assert "kms:Decrypt" in str(failure(AwsSecretsManagerProvider("prod/vs")))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "null"),
        (200, "[1]"),
        (200, "[" * 100_000),
        (200, '{"SecretString": 5}'),
        (200, '{"SecretBinary": 5}'),
        (200, '{"SecretString": "vs-a", "CreatedDate": 1e300}'),
        (200, '{"SecretString": "vs-a", "CreatedDate": NaN}'),
        (400, '{"__type": {"a": 1}}'),
        (400, '{"__type": ["AccessDeniedException"]}'),
    ],
)
def test_something_else_at_the_endpoint_is_a_wrong_setting(
    fake: Any, status: int, body: str, failure: Failure
) -> None:
    fake.says(status, body)
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is errors.CredentialConfigurationError
    assert "endpoint" in str(error).lower()


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 408, 451])
def test_an_answer_without_a_code_is_of_a_proxy_and_may_be_another_in_a_second(
    fake: Any, status: int, failure: Failure
) -> None:
    fake.says(status, "<html>Blocked</html>")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is errors.CredentialStoreUnavailableError
    assert f"is not AWS (HTTP {status})" in str(error)


@pytest.mark.usefixtures("role_profile")
def test_a_proxy_s_answer_for_sts_is_unavailable_too(fake: Any, failure: Failure) -> None:
    fake.says(403, "<html>Blocked</html>", operation="sts")
    error = failure(AwsSecretsManagerProvider("prod/vs", profile="r"))
    assert type(error) is errors.CredentialStoreUnavailableError


def test_a_refusal_of_the_agent_s_role_is_none_of_the_secret(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    text = (
        "User: arn:aws:sts::111122223333:assumed-role/app/i is not authorized to perform:"
        " sts:AssumeRole on resource: arn:aws:iam::444455556666:role/reader"
    )
    agent.fail(400, f'{{"__type":"AccessDeniedException", "message":"{text}"}}')
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    assert type(error) is errors.CredentialDeniedError
    assert "AWS refused sts:AssumeRole (AccessDeniedException)" in str(error)
    assert "secretsmanager:" not in str(error)


STS_ERROR = "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"


@pytest.mark.usefixtures("role_profile")
@pytest.mark.parametrize(
    "code", ["AccessDenied", "ResourceNotFoundException", "InvalidRequestException"]
)
def test_a_refusal_of_the_role_says_nothing_about_the_secret(
    fake: Any, code: str, failure: Failure
) -> None:
    fake.says(403, STS_ERROR.format(code, "deleted"), operation="sts")
    error = failure(AwsSecretsManagerProvider("prod/vs", profile="r"))
    assert type(error) is errors.CredentialDeniedError
    assert "AssumeRole" in str(error)


def _failures() -> list[tuple[Exception, type[errors.CredentialError], str]]:
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    proxy = f"http://user:{SECRET}@127.0.0.1:9"
    return [
        (
            boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            CONFIGURATION,
            "AWS_SECRET_ACCESS_KEY is missing (env)",
        ),
        (boto.NoRegionError(), CONFIGURATION, "VECTORSHIFT_AWS_REGION"),
        (boto.SSLError(endpoint_url="u", error="e"), CONFIGURATION, "AWS_CA_BUNDLE"),
        (boto.UnauthorizedSSOTokenError(), CONFIGURATION, "aws sso login --profile p"),
        (boto.SSOTokenLoadError(error_msg=SECRET), CONFIGURATION, "aws sso login --profile p"),
        (
            boto.TokenRetrievalError(provider="sso", error_msg=SECRET),
            CONFIGURATION,
            "aws sso login",
        ),
        (ResponseParserError(SECRET), CONFIGURATION, "VECTORSHIFT_AWS_ENDPOINT_URL"),
        (
            boto.CredentialRetrievalError(provider="p", error_msg=SECRET),
            UNAVAILABLE,
            "CredentialRetrieval",
        ),
        (boto.MetadataRetrievalError(error_msg=SECRET), UNAVAILABLE, "MetadataRetrievalError"),
        (boto.ProxyConnectionError(proxy_url=proxy), UNAVAILABLE, "ProxyConnectionError"),
        (boto.ConnectTimeoutError(endpoint_url="u"), UNAVAILABLE, "ConnectTimeoutError"),
        (boto.ReadTimeoutError(endpoint_url="u"), UNAVAILABLE, "ReadTimeoutError"),
    ]


@pytest.mark.parametrize(
    ("error", "kind", "words"), _failures(), ids=lambda value: type(value).__name__
)
def test_each_failure_of_botocore_has_its_outcome(
    error: Exception, kind: type[errors.CredentialError], words: str
) -> None:
    answer = outcome(
        error,
        SecretLocation(given=AwsArguments(secret_id="s", profile="p"), region="eu-central-1"),
    )
    assert type(answer) is kind
    assert words in str(answer)
    assert SECRET not in str(answer)


def test_what_is_no_failure_of_aws_is_told_by_its_type_alone(failure: Failure) -> None:
    class Broken:
        def get_secret_value(self, **request: str) -> Any:
            raise KeyError(SECRET)

    error = failure(AwsSecretsManagerProvider("prod/vs", client=Broken()))
    assert type(error) is errors.CredentialConfigurationError
    assert "KeyError" in str(error)


MARKED = "You can't perform this operation on the secret because it was marked for deletion."
MARKED_IN_MOTO = "You tried to perform the operation on a secret that's currently marked deleted."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (MARKED, errors.CredentialRevokedError),
        (MARKED_IN_MOTO, errors.CredentialRevokedError),
        (
            "An error occurred (InvalidRequestException) when calling the GetSecretValue operation:"
            " You tried to                 perform the operation on a secret that's currently"
            " marked deleted.",
            errors.CredentialRevokedError,
        ),
        ("You can't delete secret prod/vs that still has replica regions", CONFIGURATION),
        ("The KMS key is pending deletion.", CONFIGURATION),
        ("The rotation function of the secret was deleted.", CONFIGURATION),
        ("A replica of the secret was marked for deletion.", CONFIGURATION),
        ("deleted", CONFIGURATION),
    ],
)
@pytest.mark.parametrize("agent_url", [None, "agent"])
def test_only_what_aws_says_of_this_very_secret_is_a_revocation(
    text: str,
    kind: type[errors.CredentialError],
    agent_url: str | None,
    fake: Any,
    agent: FakeSecretsManagerAgent,
    failure: Failure,
) -> None:
    if agent_url:
        agent.fail(400, f'{{"__type":"InvalidRequestException", "message":"{text}"}}')
        error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    else:
        fake.fails(400, "InvalidRequestException", text)
        error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            "operation error: ResourceNotFoundException: can't find it",
            errors.CredentialNotFoundError,
        ),
        ("a page about ResourceNotFoundException", UNAVAILABLE),
        ("<p>ResourceNotFoundException</p>", UNAVAILABLE),
        ("no secret named My-ResourceNotFoundException: see there", UNAVAILABLE),
        ("missing parameter secretId", CONFIGURATION),
        (f"operation error: InvalidRequestException: {MARKED}", errors.CredentialRevokedError),
        (f"operation error: AccessDeniedException: {MARKED}", DENIED),
    ],
)
def test_only_a_code_that_the_extension_reports_counts(
    body: str, kind: type[errors.CredentialError], agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    agent.fail(400, body)
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    assert type(error) is kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not authorized to perform: kms:Decrypt on resource: x", "Allow the action kms:Decrypt"),
        (
            "not authorized: the tag arn:aws:kms:eu-central-1:1:key/1 is missing",
            "secretsmanager:GetSecretValue",
        ),
    ],
)
def test_only_an_action_of_kms_is_a_denial_by_kms(
    text: str, words: str, fake: Any, failure: Failure
) -> None:
    fake.fails(400, "AccessDeniedException", text)
    assert words in str(failure(AwsSecretsManagerProvider("prod/vs")))
