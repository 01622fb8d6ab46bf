"""A denial has AWS's own reason, and advice that helps: AWS's sentences, as AWS writes them, from a
small endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import AwsSecretsManagerProvider, CredentialDeniedError

if TYPE_CHECKING:
    from tests.providers.aws.conftest import Failure

    from vectorshift.testing import FakeSecretsManagerAgent

WHO = "arn:aws:sts::444455556666:assumed-role/web/i-1"
HEAD = "arn:aws:secretsmanager:eu-central-1:444455556666:secret"
FULL = f"{HEAD}:prod/vs-AbCdEf"
ALLOW = "Allow the action secretsmanager:GetSecretValue on"


def says(resource: str, why: str, action: str = "secretsmanager:GetSecretValue") -> str:
    return f"User: {WHO} is not authorized to perform: {action} on resource: {resource} {why}"


def no(policy: str) -> str:
    return f"because no {policy} allows the secretsmanager:GetSecretValue action"


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            no("identity-based policy"),
            f"as no identity-based policy allows it. {ALLOW} {FULL} in an IAM policy of the caller",
        ),
        (
            no("VPC endpoint policy"),
            f"as no VPC endpoint policy allows it. {ALLOW} {FULL} in the policy of the VPC end",
        ),
        (no("resource-based policy"), f"{ALLOW} {FULL} in the secret's own policy"),
        (no("permissions boundary"), f"{ALLOW} {FULL} in the permissions boundary of the role"),
        (no("session policy"), f"{ALLOW} {FULL} in the session policy of the role"),
        (no("service control policy"), "in the service control policy (SCP) of the AWS org"),
        (
            "with an explicit deny in a service control policy",
            "because of an explicit deny in the service control policy (SCP) of the AWS "
            "organization. Change that policy",
        ),
        ("with an explicit deny in a VPC endpoint policy", "in the policy of the VPC endpoint."),
        ("with an explicit deny in a resource-based policy", "in the secret's own policy."),
        ("with an explicit deny in an identity-based policy", "in an IAM policy of the caller."),
        ("with an explicit deny", f". {ALLOW} {FULL}."),
        ("because no new kind of policy allows it", f". {ALLOW} {FULL}."),
        ("", f". {ALLOW} {FULL}."),
    ],
)
def test_the_reason_of_a_denial_is_kept(fake: Any, why: str, words: str, failure: Failure) -> None:
    fake.fails(400, "AccessDeniedException", says(FULL, why))
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialDeniedError
    assert f"to {WHO}" in str(error)
    assert words in str(error)
    assert ("Allow" in str(error)) is ("deny in" not in why)


@pytest.mark.parametrize(
    ("asked", "named", "resource"),
    [
        ("prod/vs", FULL, FULL),
        ("prod/vs", None, "arn:aws:secretsmanager:eu-central-1:*:secret:prod/vs-??????"),
        (f"{HEAD}:prod/vs", FULL, FULL),
        (f"{HEAD}:prod/vs", f"{HEAD}:prod/vs", f"{HEAD}:prod/vs-??????"),
        (f"{HEAD}:prod/vs", None, f"{HEAD}:prod/vs-??????"),
        (FULL, FULL, FULL),
    ],
)
def test_the_resource_is_one_that_a_policy_can_match(
    fake: Any, asked: str, named: str | None, resource: str, failure: Failure
) -> None:
    text = says(named, no("identity-based policy")) if named else ""
    fake.fails(400, "AccessDeniedException", text)
    error = failure(AwsSecretsManagerProvider(asked))
    assert f"{ALLOW} {resource}" in str(error)
    assert "six characters" not in str(error)


def test_a_partial_arn_whose_name_ends_like_a_whole_one_is_told(
    fake: Any, failure: Failure
) -> None:
    arn = f"{HEAD}:test-secret"
    fake.fails(400, "AccessDeniedException", says(arn, no("identity-based policy")))
    error = failure(AwsSecretsManagerProvider(arn))
    assert "If the name itself ends in a dash and six characters" in str(error)


def test_a_bare_name_that_aws_repeats_is_a_typo_or_another_accounts(
    fake: Any, failure: Failure
) -> None:
    fake.fails(400, "AccessDeniedException", says("bogus", no("identity-based policy")))
    error = failure(AwsSecretsManagerProvider("bogus"))
    assert type(error) is CredentialDeniedError
    assert "Account 444455556666 seems to have no secret of this name there" in str(error)
    assert "needs its full ARN" in str(error)
    assert "Allow" not in str(error)


@pytest.mark.parametrize("through", ["boto3", "agent"])
def test_another_accounts_secret_under_the_default_key_is_told(
    fake: Any, agent: FakeSecretsManagerAgent, through: str, failure: Failure
) -> None:
    text = (
        "You can't access a secret from a different AWS account if you encrypt the secret with the"
        " default KMS service key."
    )
    fake.fails(400, "InvalidRequestException", text)
    agent.fail(400, f'{{"__type":"InvalidRequestException", "message":"{text}"}}')
    given: dict[str, Any] = {"agent_url": agent.url} if through == "agent" else {}
    error = failure(AwsSecretsManagerProvider(FULL, **given))
    assert type(error) is CredentialDeniedError
    assert "Encrypt it with a customer managed KMS key" in str(error)
    assert "VERSION" not in str(error)


def test_a_denial_through_the_agent_has_its_reason_too(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    text = says(FULL, no("VPC endpoint policy"))
    agent.fail(400, f'{{"__type":"AccessDeniedException", "message":"{text}"}}')
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    assert "secretsmanager:DescribeSecret on" in str(error)
    assert str(error).endswith("in the policy of the VPC endpoint.")
