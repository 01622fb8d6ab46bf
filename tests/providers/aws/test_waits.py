"""A service that hangs is waited for once, and not asked again at once: real sockets.

What is judged is the time-outs that sockets were given, not how long anything took. Observation to
fail: with botocore's own waits for a container's endpoint, and with those of its STS client,
sockets are given more.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stage import wait_until
from tests.providers.aws.records import SECRET
from tests.providers.patience import patience
from tests.versions import is_older

from vectorshift import (
    AwsSecretsManagerProvider,
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
    EnvProvider,
    ProviderChain,
)
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from tests.providers.aws.servers import FakeAws, Hanging

    from vectorshift.testing import MotoServer

LONGEST = 2.0
"""Seconds for which a service that gives AWS credentials is waited for, in all."""


def failed(chain: ProviderChain) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        chain.get_credential()
    return caught.value


def is_waited_for(hanging: Hanging, words: str) -> None:
    """Ask once: it waits for no longer than it should, and asks for no second contact within a
    second.
    """
    chain = ProviderChain([EnvProvider(), AwsSecretsManagerProvider("prod/vs")])
    with patience(hanging.url) as asked:
        error = failed(chain)
    assert 0 < asked.with_(hanging.url) <= LONGEST
    assert isinstance(error, CredentialStoreUnavailableError)
    assert words in str(error)
    assert error.retry_after is None


def test_a_metadata_service_that_hangs(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", hanging.url)
    is_waited_for(hanging, "the machine's metadata service gives none (no answer in time)")


def test_a_containers_endpoint_that_hangs(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{hanging.url}/role")
    is_waited_for(hanging, "metadata service")


def test_a_containers_endpoint_that_hangs_and_is_the_source_of_a_role(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Observation to fail: botocore keeps a second reference to its provider, and 9 s, for
    `credential_source`.
    """
    role = "arn:aws:iam::123456789012:role/r"
    (tmp_path / "config").write_text(
        f"[default]\nrole_arn = {role}\ncredential_source = EcsContainer\n"
    )
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{hanging.url}/role")
    is_waited_for(hanging, "metadata service")


def test_a_web_identity_whose_sts_hangs(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "jwt").write_text("e30.e30.x")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "jwt"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", hanging.url)
    is_waited_for(hanging, "STS")


START = "https://example.invalid/start"
SSO = f"""
[profile work]
sso_start_url = {START}
sso_region = eu-central-1
sso_account_id = 123456789012
sso_role_name = reader
"""
ASK_TWICE = """
import sys
from tests.providers.patience import patience
from vectorshift import AwsSecretsManagerProvider, CredentialError, ProviderChain
chain = ProviderChain([AwsSecretsManagerProvider("prod/vs", profile="work")])
for _ in range(2):
    with patience(sys.argv[1]) as asked:
        try:
            chain.get_credential()
        except CredentialError as error:
            print(type(error).__name__, error.message, asked.with_(sys.argv[1]), sep="|")
"""
ROOT = Path(__file__).parents[3]


def asked_twice_with_sso(home: Path, hanging: Hanging, *, expires: str) -> list[list[str]]:
    """Ask in a process of its own: botocore finds the folder of SSO's tokens when it is
    imported.
    """
    (home / "config").write_text(SSO)
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {"startUrl": START, "region": "eu-central-1", "accessToken": "t", "expiresAt": expires}
    text = json.dumps(token) if expires else "{"
    (cache / f"{hashlib.sha1(START.encode()).hexdigest()}.json").write_text(text)
    command = [sys.executable, "-c", ASK_TWICE, hanging.url]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [line.split("|") for line in run.stdout.splitlines()]


def test_an_sso_service_that_hangs(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", hanging.url)
    first, second = asked_twice_with_sso(tmp_path, hanging, expires="2099-01-01T00:00:00Z")
    assert first[0] == second[0] == "CredentialStoreUnavailableError"
    assert "STS or SSO" in first[1]
    assert 0 < float(first[2]) <= LONGEST
    assert float(second[2]) == 0
    assert hanging.contacts == 1


def test_half_a_file_of_an_sso_session_says_what_to_run(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", hanging.url)
    first, _ = asked_twice_with_sso(tmp_path, hanging, expires="")
    assert first[0] == "CredentialConfigurationError"
    assert "(its file cannot be read). Run: aws sso login --profile work" in first[1]
    assert hanging.contacts == 0


@pytest.mark.skipif(is_older("botocore", "1.40"), reason="this botocore asks SSO all the same")
def test_an_sso_session_that_has_expired_says_what_to_run_without_a_wait(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", hanging.url)
    first, second = asked_twice_with_sso(tmp_path, hanging, expires="2020-01-01T00:00:00Z")
    assert first[:2] == second[:2]
    assert first[0] == "CredentialConfigurationError"
    assert "has expired (UnauthorizedSSOTokenError). Run: aws sso login --profile work" in first[1]
    assert hanging.contacts == 0


def test_an_sso_session_without_a_login_is_looked_at_again_after_half_a_minute(
    nobody: None, fake: FakeAws, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(SSO)
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    clock = ManualClock()
    chain = ProviderChain([AwsSecretsManagerProvider("prod/vs", profile="work")], clock=clock)
    error = failed(chain)
    assert type(error) is CredentialConfigurationError
    assert "Run: aws sso login --profile work" in str(error)
    (tmp_path / "config").write_text(
        "[profile work]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    clock.advance(29)
    assert str(failed(chain)) == str(error)
    clock.advance(1)
    assert chain.get_credential().secret.reveal() == SECRET


def test_a_file_of_a_web_identity_that_is_not_there_is_a_wrong_setting(
    nobody: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    error = failed(ProviderChain([AwsSecretsManagerProvider("prod/vs")]))
    assert type(error) is CredentialConfigurationError
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)


def test_waiting_for_aws_credentials_holds_up_no_close(
    nobody: None, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", hanging.url)
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "60")
    provider = AwsSecretsManagerProvider("prod/vs")
    errors: list[CredentialError] = []

    def ask() -> None:
        with pytest.raises(CredentialError) as caught:
            provider.get_credential()
        errors.append(caught.value)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: hanging.contacts, 60)
    provider.close()
    assert hanging.contacts == 1, (
        "the first wait is not over: it lasts 60 s, or until the server hangs up"
    )
    assert not errors
    hanging.hang_up()
    thread.join()
    assert errors


def test_the_role_of_a_container_is_used(
    moto: MotoServer, fake: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto.put("by-container", SECRET)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    given = {
        "AccessKeyId": "a",
        "SecretAccessKey": "b",
        "Token": "c",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    fake.says(200, given, operation="/role")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{fake.url}/role")
    provider = AwsSecretsManagerProvider(
        "by-container", region="us-east-1", endpoint_url=moto.endpoint_url
    )
    assert provider.get_credential().secret.reveal() == SECRET
    assert provider.get_credential().secret.reveal() == SECRET
    assert [operation for operation, _ in fake.asked] == ["/role"]
