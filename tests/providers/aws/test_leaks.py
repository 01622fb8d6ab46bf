"""Neither the key nor the session token gets into a log."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.records import SECRET, TOKEN

from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.errors import CredentialError
from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.aws.conftest import Failure
    from tests.providers.aws.records import Everything

    from vectorshift.testing.moto import MotoServer

STS_ANSWER = f"""<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIA</AccessKeyId>
<SecretAccessKey>abc</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.mark.usefixtures("role_profile")
def test_no_log_line_shows_the_secret_or_the_session_token(
    fake: Any, everything: Everything
) -> None:
    fake.says(200, STS_ANSWER, operation="sts")
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    credential = AwsSecretsManagerProvider("prod/vs").get_credential()
    logging.getLogger("user").debug("%s %r", credential, credential)
    assert AwsSecretsManagerProvider("prod/vs", profile="r").get_credential() == credential
    assert [operation for operation, _ in fake.asked] == ["GetSecretValue", "sts", "GetSecretValue"]
    assert any(name == "botocore.hooks" for name, _ in everything.lines), "nothing was captured"
    assert everything.leaks() == set()


GIVEN = {
    "Code": "Success",
    "AccessKeyId": "AKIA",
    "SecretAccessKey": TOKEN,
    "Token": TOKEN,
    "Expiration": "2099-01-01T00:00:00Z",
}
METADATA = "/latest/meta-data/iam/security-credentials/"


@pytest.mark.parametrize(
    "way",
    [
        "web identity",
        "container",
        "metadata",
        "broken metadata",
        "broken off metadata",
        "process",
        "broken process",
    ],
)
def test_no_way_to_aws_credentials_shows_them_in_a_log_line_or_in_the_frames_that_come_with_it(
    fake: Any, tmp_path: Path, everything: Everything, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    fake.says(200, STS_ANSWER.replace("AssumeRole", "AssumeRoleWithWebIdentity"), operation="sts")
    if way == "web identity":
        (tmp_path / "jwt").write_text(TOKEN)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "jwt"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    elif way == "container":
        fake.says(200, GIVEN, operation="/role")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{fake.url}/role")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN)
    elif way.endswith("metadata"):
        fake.says(200, TOKEN, operation="/latest/api/token")
        fake.says(200, "role", operation=METADATA)
        fake.says(
            200,
            f'{{"Token": "{TOKEN}"' if way.startswith("broken") else GIVEN,
            operation=f"{METADATA}role",
        )
        if way == "broken off metadata":
            fake.says(0, "", operation=f"{METADATA}role")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url)
    else:
        (tmp_path / "given").write_text(
            json.dumps(GIVEN | {"Version": 9 if way.startswith("broken") else 1})
        )
        (tmp_path / "config").write_text(
            f"[default]\ncredential_process = cat {tmp_path / 'given'}\n"
        )
    answer = AwsSecretsManagerProvider("prod/vs").resolve(DEFAULT_REQUEST)
    assert isinstance(answer, CredentialError) == way.startswith("broken")
    assert any(name.startswith("botocore") for name, _ in everything.lines), "nothing was captured"
    assert everything.leaks() == set()


@pytest.mark.usefixtures("role_profile")
def test_a_warning_of_botocore_is_logged_without_the_frames_of_its_exception(
    fake: Any, everything: Everything
) -> None:
    """Its frames hold the tokens that it tried with."""
    fake.says(
        403,
        "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>",
        operation="sts",
    )
    AwsSecretsManagerProvider("prod/vs", profile="r").resolve(DEFAULT_REQUEST)
    warnings = [text for name, text in everything.lines if name == "botocore.credentials"]
    assert any("(ClientError)" in text for text in warnings)
    assert not any("Traceback" in text for text in warnings)


def test_no_log_line_shows_the_session_token_when_the_call_fails(
    fake: Any, everything: Everything, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    fake.fails(400, "InvalidSignatureException", f"x-amz-security-token:{TOKEN}")
    failure(AwsSecretsManagerProvider("prod/vs"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    failure(AwsSecretsManagerProvider("prod/vs"))
    assert everything.leaks() == set()


def test_the_lines_of_other_users_of_botocore_are_still_logged(
    aws: MotoServer, everything: Everything
) -> None:
    import boto3

    aws.put("theirs", SECRET)
    AwsSecretsManagerProvider("theirs").get_credential()
    everything.lines.clear()
    boto3.client("secretsmanager").get_secret_value(SecretId="theirs")
    assert "botocore.parsers" in everything.leaks()


def test_a_call_of_ours_does_not_hush_another_thread(fake: Any, everything: Everything) -> None:
    logger = logging.getLogger("botocore.parsers")

    class Chatty:
        def get_secret_value(self, **request: str) -> Any:
            logger.debug("ours")
            thread = threading.Thread(target=logger.debug, args=("another's",))
            thread.start()
            thread.join()
            return {"SecretString": SECRET, "VersionId": "1"}

    AwsSecretsManagerProvider("prod/vs", client=Chatty()).get_credential()
    assert [text for name, text in everything.lines if name == logger.name] == ["another's()"]
