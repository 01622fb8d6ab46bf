"""Names and ARNs that cannot be right are told before any contact: AWS would call most of them *not
found*, and a chain would move on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.records import SECRET

from vectorshift._platform.arguments import text_with_arguments
from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.aws import AwsSecretsManagerProvider
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.providers.aws.conftest import Failure

    from vectorshift.testing import FakeSecretsManagerAgent
    from vectorshift.testing.moto import MotoServer

    Make = Callable[..., AwsSecretsManagerProvider]

PREFIX = "VECTORSHIFT_AWS_"
SET_IT = f"{PREFIX}SECRET_ID"
HEAD = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
ARN = f"{HEAD}:prod/vs-AbCdEf"


def by_settings(secret_id: str, **more: Any) -> AwsSecretsManagerProvider:
    values = {f"aws_{name}": value for name, value in more.items()}
    made = AwsSecretsManagerProvider.from_settings(Settings(aws_secret_id=secret_id, **values))
    assert made is not None
    return made


@pytest.mark.parametrize("name", ["field", "region", "profile", "endpoint_url", "agent_url"])
def test_what_stands_in_messages_has_no_control_character(make: Make, name: str) -> None:
    with pytest.raises((ValueError, CredentialConfigurationError)) as caught:
        make("prod/vs", **{name: "a\x1b[2J\nb"})
    assert str(caught.value).isprintable()


@pytest.fixture(params=["code", "settings"])
def make(request: pytest.FixtureRequest) -> Make:
    return AwsSecretsManagerProvider if request.param == "code" else by_settings


@pytest.mark.parametrize(
    ("secret_id", "words"),
    [
        (f"{ARN}:api_key::", [f"to {ARN},", f"{PREFIX}FIELD to api_key."]),
        (f"{ARN}:::", [f"to {ARN}."]),
        (f"{ARN}::", [f"to {ARN}."]),
        (f"{ARN}:api_key", [f"{PREFIX}FIELD to api_key."]),
        (
            f"{ARN}:api_key:AWSPREVIOUS:0123",
            [
                f"{PREFIX}FIELD to api_key,",
                f"{PREFIX}VERSION_STAGE to AWSPREVIOUS,",
                f"{PREFIX}VERSION_ID to 0123.",
            ],
        ),
        (f"{ARN}::AWSPENDING:", [f"{PREFIX}VERSION_STAGE to AWSPENDING."]),
        ("prod/vs:api_key::", ["a name has no colon", f"{PREFIX}FIELD"]),
        ("secret:prod/vs", ["a name has no colon"]),
        ("arn:aws:ssm:eu-west-1:123456789012:parameter/prod/vs", ["a parameter of Systems"]),
        ("arn:aws:kms:eu-west-1:123456789012:key/1", ["the ARN of a KMS key"]),
        ("arn:aws:other:eu-west-1:123456789012:thing", ["not of a secret"]),
        ("arn:aws:secretsmanager", ["is a malformed ARN"]),
        (f"{HEAD}", ["is a malformed ARN"]),
        (f"{HEAD}:", ["is a malformed ARN"]),
        (f"{HEAD}:prod/vs-??????", ["is a malformed ARN"]),
        (ARN.replace("123456789012", "1234"), ["is a malformed ARN"]),
        (ARN.replace("123456789012", ""), ["is a malformed ARN"]),
        (ARN.replace("eu-west-1", ""), ["is a malformed ARN"]),
        (ARN.replace("eu-west-1", "Ireland"), ["is a malformed ARN"]),
        (ARN.replace("eu-west-1", "cn-north-1"), ["partition aws-cn", "says aws."]),
        (ARN.replace(":aws:", ":aws-us-gov:"), ["partition aws,", "says aws-us-gov"]),
        (ARN.replace(":aws:", "::"), ["is a malformed ARN"]),
        ("https://secretsmanager.eu-west-1.amazonaws.com/prod/vs", ["is a URL"]),
        ("/aws/reference/secretsmanager/prod/vs", ["a reference of Parameter Store"]),
        ('"prod/vs"', ["quotation marks"]),
        ("${SECRET_NAME}", ["unresolved reference"]),
        ("%SECRET_NAME%", ["unresolved reference"]),
        ("prod/vs#api_key", ["a name has no #", f"{PREFIX}FIELD"]),
        (
            "prod/vs?stage=AWSPENDING",
            ["cannot be right: a name has letters, digits and /_+=.@!- alone"],
        ),
        ("prod/vs, prod/other", ["cannot be right"]),
        ("prod\\vs", ["cannot be right"]),
        ("prod/vs*", ["cannot be right"]),
    ],
)
def test_an_id_that_no_secret_has_is_told_before_any_contact(
    secret_id: str, words: list[str], make: Make, fake: Any, failure: Failure
) -> None:
    error = failure(make(secret_id))
    assert type(error) is CredentialConfigurationError
    told = str(error).removeprefix(f"aws:{secret_id}: ")
    for word in [*words, SET_IT]:
        assert (word if make is by_settings else text_with_arguments(word, PREFIX, {})) in told
    assert told.isascii()
    assert not fake.asked


def test_through_the_agent_too(
    agent: FakeSecretsManagerAgent, make: Make, failure: Failure
) -> None:
    error = failure(make(f"{ARN}:api_key::", agent_url=agent.url))
    assert type(error) is CredentialConfigurationError
    assert type(failure(make(ARN, agent_url=agent.url, region="eu-west-2"))) is type(error)
    assert not agent.requests


def test_a_region_that_is_not_the_arn_s_names_both(make: Make, fake: Any, failure: Failure) -> None:
    error = failure(make(ARN, region="us-east-1"))
    assert type(error) is CredentialConfigurationError
    setting = "region=" if make is AwsSecretsManagerProvider else "VECTORSHIFT_AWS_REGION"
    assert f"region eu-west-1, and {setting} is us-east-1" in str(error)
    assert not fake.asked


@pytest.mark.parametrize("region", ["EU-WEST-1", "eu-west-1a", "eu west 1"])
@pytest.mark.parametrize("secret_id", ["prod/vs", ARN])
def test_what_is_no_region_is_told_before_any_contact(
    region: str, secret_id: str, make: Make, fake: Any, failure: Failure
) -> None:
    error = failure(make(secret_id, region=region))
    assert type(error) is CredentialConfigurationError
    assert f"is {region.strip()}, which is not a region" in str(error)
    assert not fake.asked


@pytest.mark.parametrize(
    ("by", "region"),
    [
        ("environment", "EU-WEST-1"),
        ("environment", "eu-west-1a"),
        ("environment", "eu-west-1 "),
        ("AWS profile", "eu_west_1"),
        ("AWS profile", "eu-west-1a"),
    ],
)
def test_what_is_no_region_is_told_wherever_it_was_set(
    by: str,
    region: str,
    fake: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if by == "environment":
        monkeypatch.setenv("AWS_REGION", region)
    (tmp_path / "config").write_text(f"[default]\nregion = {region}\n")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert f"the region of the {by} is {region.strip()}, which is not a region" in str(error)
    assert not fake.asked


@pytest.mark.parametrize("text", [f'"{ARN}"', f"'{ARN}'", "${ARN:-none}"])
def test_quotation_marks_round_an_arn_are_told_as_such(
    text: str, make: Make, fake: Any, failure: Failure
) -> None:
    error = failure(make(text))
    assert type(error) is CredentialConfigurationError
    assert "in quotation marks or an unresolved reference" in str(error)
    assert not fake.asked


def test_the_client_s_own_region_counts_as_well(fake: Any, failure: Failure) -> None:
    import boto3

    client: Any = boto3.client("secretsmanager", region_name="us-east-1")
    error = failure(AwsSecretsManagerProvider(ARN, client=client))
    assert type(error) is CredentialConfigurationError
    assert "region eu-west-1, and the region of the client is us-east-1" in str(error)
    assert not fake.asked


def test_what_the_message_says_leads_to_the_key(aws: MotoServer, failure: Failure) -> None:
    aws.put("as-ecs", f'{{"api_key": "{SECRET}"}}')
    arn = aws.call("DescribeSecret", SecretId="as-ecs")["ARN"]
    said = str(failure(AwsSecretsManagerProvider(f"{arn}:api_key::")))
    assert f"Set secret_id= to {arn}, field= to api_key." in said
    found = AwsSecretsManagerProvider(arn, field="api_key").get_credential()
    assert found.secret.reveal() == SECRET


@pytest.mark.parametrize("secret_id", ["plain\n", " plain ", "\tplain\r\n"])
def test_white_space_round_an_id_is_no_part_of_it(
    secret_id: str, make: Make, aws: MotoServer
) -> None:
    aws.put("plain", SECRET)
    provider = make(secret_id)
    assert provider.describe().source == "aws:plain"
    assert provider.get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize("name", ["rds!db-1f2e", "a/b_c+d=e.f@g-h", "test-secret"])
def test_a_name_that_a_secret_can_have_is_asked_for(name: str, make: Make, aws: MotoServer) -> None:
    aws.put(name, SECRET)
    assert make(name).get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:prod/vs-AbCdEf",
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:prod/vs-AbCdEf",
        "arn:aws-new:secretsmanager:xx-new-region-1:123456789012:secret:rds!db-AbCdEf",
        ARN.removesuffix("-AbCdEf"),
    ],
)
def test_an_arn_of_any_partition_is_asked_for(arn: str, fake: Any, failure: Failure) -> None:
    fake.fails(400, "ThrottlingException", "")
    failure(AwsSecretsManagerProvider(arn))
    assert fake.asked


# --- What code may give ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["secret_id", "version_stage", "region", "profile", "endpoint_url", "session", "client",
     "agent_url"],
)  # fmt: skip
def test_none_is_a_type_error_that_names_the_argument(name: str) -> None:
    given: dict[str, Any] = {"secret_id": "prod/vs", name: None}
    with pytest.raises(TypeError, match=rf"^{name} must"):
        AwsSecretsManagerProvider(**given)


@pytest.mark.parametrize("name", ["secret_id", "region", "profile", "endpoint_url", "agent_url"])
def test_a_blank_text_is_an_error_that_names_the_argument(name: str) -> None:
    given: dict[str, Any] = {"secret_id": "prod/vs", name: " "}
    with pytest.raises(ValueError, match=rf"^{name} "):
        AwsSecretsManagerProvider(**given)


@pytest.mark.parametrize("argument", ["version_stage", "version_id", "region", "profile"])
@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_argument_is_refused_where_aws_would_find_nothing(
    argument: str, blank: str
) -> None:
    given: dict[str, Any] = {argument: blank}
    with pytest.raises(ValueError, match=f"{argument} must not be blank"):
        AwsSecretsManagerProvider("prod/vs", **given)
    assert by_settings("prod/vs", **given).describe().configured


def test_white_space_round_a_stage_is_no_part_of_it(aws: MotoServer) -> None:
    aws.put("staged", SECRET)
    provider = AwsSecretsManagerProvider("staged", version_stage=" AWSCURRENT\n")
    assert provider.get_credential().secret.reveal() == SECRET
