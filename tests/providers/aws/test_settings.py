"""Settings, the order of regions, and what a provider does before it reads."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from tests.interpreter import printed
from tests.providers.aws.records import SECRET

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialNotFoundError,
)
from vectorshift.providers.aws import AwsSecretsManagerProvider
from vectorshift.providers.aws.client import known_region
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.aws.conftest import Failure
    from tests.providers.aws.servers import FakeAws

    from vectorshift.testing.moto import MotoServer

ARN = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:prod/vs-AbCdEf"


def test_without_a_secret_id_there_is_no_provider() -> None:
    assert AwsSecretsManagerProvider.from_settings(Settings()) is None
    with pytest.raises(ValueError, match="secret_id"):
        AwsSecretsManagerProvider(" ")


def test_settings_reach_the_provider(aws: MotoServer) -> None:
    version = aws.put("by-settings", json.dumps({"k": SECRET}))
    settings = Settings(
        aws_secret_id="by-settings",
        aws_field="k",
        aws_version_id=version,
        aws_region="us-east-1",
        aws_endpoint_url=aws.endpoint_url,
        aws_on_error="continue",
        aws_on_missing="stop",
        aws_cache_ttl=7,
    )
    provider = AwsSecretsManagerProvider.from_settings(settings)
    assert provider is not None
    assert (provider.on_error, provider.on_missing, provider.ttl) == ("continue", "stop", 7)
    assert provider.describe().source == "aws:by-settings#k"
    assert provider.describe().locator
    assert provider.get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize(
    ("setting", "secret_id", "environ", "region"),
    [
        ("a", ARN, {"AWS_DEFAULT_REGION": "c", "AWS_REGION": "d"}, "a"),
        (None, ARN, {"AWS_DEFAULT_REGION": "c", "AWS_REGION": "d"}, "eu-west-3"),
        (None, "prod/vs", {"AWS_DEFAULT_REGION": "c", "AWS_REGION": "d"}, "c"),
        (None, "prod/vs", {"AWS_DEFAULT_REGION": "", "AWS_REGION": "d"}, "d"),
        (None, "prod/vs", {}, None),
    ],
)
def test_the_region_is_the_settings_then_the_arns_then_the_environments(
    setting: str | None, secret_id: str, environ: dict[str, str], region: str | None
) -> None:
    assert known_region(setting, secret_id, environ) == region


KEYS = "aws_access_key_id = a\naws_secret_access_key = b\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        ({}, {"AWS_PROFILE": "p"}, ["AWS_PROFILE is not used: AWS_ACCESS_KEY_ID comes before it."]),
        ({"profile": "p"}, {"AWS_PROFILE": "q"}, []),
        ({}, {"AWS_REGION": "eu-west-1"}, ["AWS_REGION is not used: AWS_DEFAULT_REGION comes"]),
        ({}, {"AWS_REGION": "eu-central-1"}, []),
        ({"region": "eu-west-1"}, {"AWS_REGION": "eu-west-3"}, []),
        ({"secret_id": ARN}, {"AWS_REGION": "eu-west-1"}, []),
    ],
)
def test_a_variable_that_another_one_overrides_is_told_of_once(
    arguments: dict[str, Any],
    environ: dict[str, str],
    told: list[str],
    fake: FakeAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "config").write_text(f"[profile p]\n{KEYS}[profile q]\n{KEYS}")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    provider = AwsSecretsManagerProvider(**{"secret_id": "prod/vs", **arguments})
    provider.get_credential()
    fake.says(400, {"__type": "ExpiredTokenException", "message": "expired"})
    for _ in range(2):  # each makes the next read search AWS credentials again
        with pytest.raises(CredentialDeniedError):
            provider.get_credential()
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    provider.get_credential()
    lines = [each.getMessage() for each in caplog.records if "is not used" in each.getMessage()]
    assert len(lines) == len(told)
    assert all(line.startswith(words) for line, words in zip(lines, told, strict=True))


@pytest.mark.parametrize("name", ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"])
@pytest.mark.parametrize("profile", [{}, {"profile": "p"}])
def test_a_file_of_aws_that_is_not_there_is_named(
    name: str,
    profile: dict[str, Any],
    nobody: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    error = failure(AwsSecretsManagerProvider("prod/vs", **profile))
    assert type(error) is CredentialConfigurationError
    assert f"{name}: no such file or directory." in str(error)


@pytest.mark.parametrize("name", ["credentials", "config"])
def test_a_usual_file_of_aws_that_cannot_be_read_is_named(
    name: str,
    nobody: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws" / name).mkdir(parents=True)
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert f"~/.aws/{name}: is a directory." in str(error)


def test_the_region_of_the_profile_comes_last(
    moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    moto.put("by-profile", SECRET)
    (tmp_path / "config").write_text(
        "[profile p]\nregion = us-east-1\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    provider = AwsSecretsManagerProvider("by-profile", profile="p", endpoint_url=moto.endpoint_url)
    assert provider.describe().detail == "region of the AWS profile"
    assert provider.get_credential().secret.reveal() == SECRET
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert type(
        failure(
            AwsSecretsManagerProvider("by-profile", profile="p", endpoint_url=moto.endpoint_url)
        )
    ) is (CredentialNotFoundError)


def test_the_region_of_a_session_is_described_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3

    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    provider = AwsSecretsManagerProvider("prod/vs", session=boto3.Session(region_name="us-east-1"))
    assert provider.describe().detail == "region us-east-1"


def test_without_a_region_the_setting_is_named_and_not_even_the_metadata_service_is_asked(
    monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as metadata:
        metadata.setblocking(False)
        port = metadata.getsockname()[1]
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{port}")
        error = failure(AwsSecretsManagerProvider("prod/vs"))
        assert type(error) is CredentialConfigurationError
        assert "region=" in str(error)
        with pytest.raises(BlockingIOError):
            metadata.accept()


def test_waits_are_seconds_and_hold_for_the_session_as_well(aws: MotoServer) -> None:
    provider = AwsSecretsManagerProvider("any")
    client: Any = provider._reader.client()
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 3)
    assert config.retries["total_max_attempts"] == 2


def test_nothing_is_imported_before_the_first_read() -> None:
    code = (
        "import sys; from vectorshift.providers import AwsSecretsManagerProvider as P;"
        "print(P('prod/vs', region='eu-central-1').describe().detail);"
        "print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    )
    assert printed(code).split("\n")[:2] == ["region eu-central-1", "[]"]


@pytest.mark.parametrize("rest", ["\\@127.0.0.1/", "@127.0.0.1/", " @127.0.0.1", "99999"])
def test_an_endpoint_whose_host_libraries_disagree_about_is_refused(rest: str) -> None:
    provider = AwsSecretsManagerProvider(
        "prod/vs", region="eu-central-1", endpoint_url=f"http://127.0.0.2:9{rest}"
    )
    with pytest.raises(CredentialConfigurationError, match="is not a URL"):
        provider.get_credential()
