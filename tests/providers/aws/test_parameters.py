"""Parameter Store: the same provider with another locator, on moto and on the stand-in for the
Lambda extension.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.records import SECRET

from vectorshift import AwsSecretsManagerProvider, ProviderChain, Settings, errors
from vectorshift.credentials.resolving import REFRESH_REQUEST, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.aws.conftest import Failure
    from tests.providers.aws.records import Everything

    from vectorshift.testing import FakeSecretsManagerAgent
    from vectorshift.testing.moto import MotoServer

ARN = "arn:aws:ssm:us-east-1:123456789012:parameter/prod/vs"


def by_settings(**given: Any) -> AwsSecretsManagerProvider:
    values = {f"aws_{name}": value for name, value in given.items()}
    made = AwsSecretsManagerProvider.from_settings(Settings(**values))
    assert made is not None
    return made


@pytest.fixture(params=["code", "settings"])
def make(request: pytest.FixtureRequest) -> Callable[..., AwsSecretsManagerProvider]:
    return AwsSecretsManagerProvider if request.param == "code" else by_settings


def test_a_parameter_is_read_with_its_version_and_its_own_source(
    aws: MotoServer, make: Any, everything: Everything
) -> None:
    aws.put_parameter("/prod/vs", SECRET)
    version = aws.put_parameter("/prod/vs", SECRET)
    found = make(parameter="/prod/vs").get_credential()
    assert found.secret.reveal() == SECRET
    assert (found.source, found.provider, found.version) == ("ssm:/prod/vs", "aws", str(version))
    assert everything.leaks() == set()


def test_one_version_is_read_by_the_name(aws: MotoServer, make: Any) -> None:
    old = aws.put_parameter("/prod/pinned", "vs-old")
    aws.put_parameter("/prod/pinned", "vs-new")
    pinned = make(parameter=f"/prod/pinned:{old}").get_credential()
    assert pinned.secret.reveal() == "vs-old"
    assert make(parameter="/prod/pinned").get_credential().secret.reveal() == "vs-new"


def test_a_rotation_is_followed(aws: MotoServer, make: Any) -> None:
    aws.put_parameter("/prod/rotated", "vs-1")
    chain = ProviderChain([make(parameter="/prod/rotated")])
    assert chain.get_credential().secret.reveal() == "vs-1"
    aws.put_parameter("/prod/rotated", "vs-2")
    assert unwrap(chain.resolve(REFRESH_REQUEST)).secret.reveal() == "vs-2"


@pytest.mark.parametrize("text", ["vs-one,vs-other", "vs-one"])
def test_a_list_of_several_texts_is_no_key(aws: MotoServer, failure: Failure, text: str) -> None:
    fields = {"Name": "/prod/list", "Value": text, "Type": "StringList", "Overwrite": True}
    aws.call("PutParameter", "ssm", **fields)
    provider = AwsSecretsManagerProvider(parameter="/prod/list")
    if "," in text:
        error = failure(provider)
        assert isinstance(error, errors.CredentialConfigurationError)
        assert "a StringList with several texts" in str(error)
    else:
        assert provider.get_credential().secret.reveal() == text


def test_a_parameter_that_is_not_there_is_not_found(aws: MotoServer, failure: Failure) -> None:
    error = failure(AwsSecretsManagerProvider(parameter="/no/such"))
    assert type(error) is errors.CredentialNotFoundError
    assert "AWS Parameter Store has no such parameter in region us-east-1" in str(error)
    assert "correct parameter= or region=" in str(error)
    aws.put_parameter("/some", SECRET)
    assert (
        type(failure(AwsSecretsManagerProvider(parameter="/some:9")))
        is errors.CredentialNotFoundError
    )


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        (
            "AccessDeniedException",
            f"User: arn:aws:iam::1:user/u is not authorized to perform: ssm:GetParameter on"
            f" resource: {ARN} because no identity-based policy allows the ssm:GetParameter action",
            errors.CredentialDeniedError,
            f"Allow the action ssm:GetParameter on {ARN} in an IAM policy of the caller",
        ),
        (
            "AccessDeniedException",
            "",
            errors.CredentialDeniedError,
            "ssm:GetParameter on arn:aws:ssm:eu-central-1:*:parameter/prod/vs.",
        ),
        (
            "InvalidKeyId",
            "",
            errors.CredentialDeniedError,
            "the parameter in region eu-central-1 could",
        ),
        ("ThrottlingException", "", errors.CredentialStoreUnavailableError, "ThrottlingException"),
        ("InternalServerError", "", errors.CredentialStoreUnavailableError, "InternalServerError"),
        ("ValidationException", "", errors.CredentialConfigurationError, "Check parameter="),
    ],
)
def test_its_codes_have_their_outcome(
    fake: Any,
    code: str,
    message: str,
    kind: type[errors.CredentialError],
    words: str,
    failure: Failure,
) -> None:
    fake.fails(400, code, message, "GetParameter")
    error = failure(AwsSecretsManagerProvider(parameter="/prod/vs"))
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"secret_id": "a"}, "SECRET_ID and VECTORSHIFT_AWS_PARAMETER are both set"),
        ({"version_id": "1"}, "a parameter has no stages and no version ids"),
        ({"version_stage": "AWSPREVIOUS"}, "VECTORSHIFT_AWS_PARAMETER=/prod/vectorshift:3"),
        ({"agent_role_arn": "arn:aws:iam::1:role/r"}, "AGENT_ROLE_ARN is set without"),
        (
            {"parameter": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf"},
            "the ARN of a secret of Secrets Manager, and not of a parameter. Set"
            " VECTORSHIFT_AWS_SECRET_ID to it, and unset VECTORSHIFT_AWS_PARAMETER",
        ),
        ({"parameter": "arn:aws:ssm:eu-west-1:123456789012:document/x"}, "malformed ARN"),
        ({"parameter": "{{resolve:ssm:/x}}"}, "an unresolved reference"),
        ({"parameter": "/aws/reference/secretsmanager/x"}, "a reference of Parameter Store"),
        ({"parameter": ARN, "region": "eu-west-1"}, "ARN is of region us-east-1"),
        ({"parameter": "ssm:///x"}, "is a URL"),
        ({"parameter": "ssm:/prod/vs"}, "a path of such words, each after a slash"),
        ({"parameter": "prod/vs"}, "cannot be right"),
        ({"parameter": "/prod/vs/"}, "cannot be right"),
        ({"parameter": "/prod/vs:"}, "cannot be right"),
        ({"parameter": "/prod/vs:1:2"}, "cannot be right"),
        ({"parameter": "/prod/vs#api_key"}, "cannot be right"),
    ],
)
def test_what_cannot_be_meant_is_told_without_contact(
    fake: Any, given: dict[str, str], words: str
) -> None:
    with pytest.raises(errors.CredentialConfigurationError) as caught:
        by_settings(**{"parameter": "/prod/vs", **given}).get_credential()
    assert words in str(caught.value)
    assert fake.asked == []


def test_a_provider_without_a_locator_is_an_error() -> None:
    with pytest.raises(TypeError, match="secret_id, or a parameter"):
        AwsSecretsManagerProvider()
    with pytest.raises(TypeError, match="parameter must be a string, not None"):
        AwsSecretsManagerProvider(parameter=None)  # type: ignore[arg-type]


def test_an_arn_decides_on_the_region(aws: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.put_parameter("/prod/vs", SECRET)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    provider = AwsSecretsManagerProvider(parameter=ARN)
    assert provider.describe().detail == "region us-east-1"
    assert provider.get_credential().secret.reveal() == SECRET


# --- Through the Lambda extension ---


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("/prod/vs", {"name": "/prod/vs"}),
        ("/prod/vs:1", {"name": "/prod/vs", "version": "1"}),
        ("/prod/vs:good", {"name": "/prod/vs", "label": "good"}),
        (f"{ARN}:1", {"name": ARN, "version": "1"}),
    ],
)
def test_the_extension_is_asked_for_it(
    agent: FakeSecretsManagerAgent, make: Any, name: str, query: dict[str, str]
) -> None:
    agent.put_parameter("/prod/vs", SECRET)
    agent.put_parameter(ARN, SECRET)
    provider = make(parameter=name, agent_url=agent.url)
    if "label" in query:
        with pytest.raises(errors.CredentialStoreUnavailableError):
            provider.get_credential()
    else:
        assert provider.get_credential().secret.reveal() == SECRET
    assert agent.requests == [{**query, "withDecryption": "true"}]


def test_the_one_text_of_the_extension_is_unavailable_and_points_to_the_log(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider(parameter="/no/such", agent_url=agent.url))
    assert type(error) is errors.CredentialStoreUnavailableError
    assert "could not read the parameter and does not say why (HTTP 400)" in str(error)
    assert "CloudWatch" in str(error)
    agent.fail(400, "an unexpected error occurred while executing request")
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    assert type(error) is errors.CredentialStoreUnavailableError
    assert "the secret's name" in str(error)


def test_a_refused_parameter_is_asked_for_without_refresh_now(
    agent: FakeSecretsManagerAgent,
) -> None:
    agent.put_parameter("/prod/vs", "vs-1")
    chain = ProviderChain([AwsSecretsManagerProvider(parameter="/prod/vs", agent_url=agent.url)])
    chain.get_credential()
    agent.put_parameter("/prod/vs", "vs-2")
    assert unwrap(chain.resolve(REFRESH_REQUEST)).secret.reveal() == "vs-2"
    assert all("refreshNow" not in query for query in agent.requests)


def test_the_region_of_the_extension_is_compared(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    agent.put_parameter("/prod/vs", SECRET)
    provider = AwsSecretsManagerProvider(
        parameter="/prod/vs", agent_url=agent.url, region="eu-west-1"
    )
    assert "reads from region us-east-1" in str(failure(provider))


@pytest.mark.parametrize("region", ["\x1b[2J", "\u202e", "vs-" + "Xq7fL0never" * 9])
def test_what_is_no_region_in_an_answer_is_not_shown(
    agent: FakeSecretsManagerAgent, failure: Failure, region: str
) -> None:
    arn = f"arn:aws:secretsmanager:{region}:123456789012:secret:prod/vs"
    agent.fail(200, json.dumps({"SecretString": SECRET, "ARN": arn}))
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url, region="eu-west-1"))
    assert "region= is eu-west-1" in str(error)
    assert region not in str(error)
    assert str(error).isprintable()


def test_the_agent_assumes_the_role_that_is_named(
    agent: FakeSecretsManagerAgent, make: Any
) -> None:
    agent.put("prod/vs", SECRET)
    role = "arn:aws:iam::123456789012:role/reader"
    provider = make(secret_id="prod/vs", agent_url=agent.url, agent_role_arn=role)
    assert provider.get_credential().secret.reveal() == SECRET
    assert agent.requests[0]["roleArn"] == role
