"""Neither the key nor the session token gets into a log."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vectorshift.errors import CredentialError
    from vectorshift.testing.moto import MotoServer

    Failure = Callable[[AwsSecretsManagerProvider], CredentialError]

SECRET = "vs-Xq7fL0nevertobeseen"
TOKEN = "FwoGsessionTokenNeverToBeSeen"
ROLE = """
[profile r]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = s
[profile s]
aws_access_key_id = a
aws_secret_access_key = b
"""
STS_ANSWER = f"""<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIA</AccessKeyId>
<SecretAccessKey>abc</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


class Everything(logging.Handler):
    """Keeps each record as text, with the locals of the frames that came with it."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage() + repr(record.args)
        if record.exc_info:
            trace = traceback.TracebackException(*record.exc_info, capture_locals=True)
            text += "".join(trace.format())
        self.lines.append((record.name, text))

    def leaks(self) -> set[str]:
        return {name for name, text in self.lines if SECRET in text or TOKEN in text}


@pytest.fixture
def everything() -> Iterator[Everything]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_log_line_shows_the_secret_or_the_session_token(fake: Any, tmp_path: Path, everything: Everything) -> None:
    (tmp_path / "config").write_text(ROLE)
    fake.says(200, STS_ANSWER, operation="sts")
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    credential = AwsSecretsManagerProvider("prod/vs").get_credential()
    logging.getLogger("user").debug("%s %r", credential, credential)
    assert AwsSecretsManagerProvider("prod/vs", profile="r").get_credential() == credential
    assert [operation for operation, _ in fake.asked] == ["GetSecretValue", "sts", "GetSecretValue"]
    assert any(name == "botocore.hooks" for name, _ in everything.lines), "nothing was captured"
    assert everything.leaks() == set()


def test_no_log_line_shows_the_session_token_when_the_call_fails(
    fake: Any, everything: Everything, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    fake.fails(400, "InvalidSignatureException", f"x-amz-security-token:{TOKEN}")
    failure(AwsSecretsManagerProvider("prod/vs"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    failure(AwsSecretsManagerProvider("prod/vs"))
    assert everything.leaks() == set()


def test_the_lines_of_other_users_of_botocore_are_still_logged(aws: MotoServer, everything: Everything) -> None:
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
