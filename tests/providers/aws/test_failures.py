"""Failures that happen on the way to a real server, or that it gives."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.records import SECRET

from vectorshift._platform.arguments import UNSET
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.aws.conftest import Failure

    from vectorshift.testing.moto import MotoServer


def test_an_unknown_secret_is_not_found_and_the_region_is_named(
    aws: MotoServer, failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider("nobody/put/it"))
    assert type(error) is CredentialNotFoundError
    assert "aws:nobody/put/it" in str(error)
    assert "us-east-1" in str(error)


def test_an_unknown_version_is_not_found(aws: MotoServer, failure: Failure) -> None:
    aws.put("versions", SECRET)
    error = failure(AwsSecretsManagerProvider("versions", version_id="0" * 32))
    assert type(error) is CredentialNotFoundError
    assert "version_id=" in str(error)
    assert (
        type(failure(AwsSecretsManagerProvider("versions", version_stage="X")))
        is CredentialNotFoundError
    )


def test_a_version_that_lacks_the_named_stage_is_a_wrong_setting_and_not_a_revocation(
    aws: MotoServer, failure: Failure
) -> None:
    version = aws.put("mismatch", "vs-old")
    aws.put("mismatch", "vs-new")
    provider = AwsSecretsManagerProvider("mismatch", version_id=version, version_stage="AWSPENDING")
    error = failure(provider)
    assert type(error) is CredentialConfigurationError
    assert "version_stage=" in str(error)


def test_a_secret_that_is_scheduled_for_deletion_is_revoked_until_it_is_restored(
    aws: MotoServer, failure: Failure
) -> None:
    aws.put("doomed", SECRET)
    provider = AwsSecretsManagerProvider("doomed")
    provider.get_credential()
    aws.delete("doomed")
    error = failure(provider)
    assert type(error) is CredentialRevokedError
    assert "restore-secret" in str(error)
    aws.put("doomed", SECRET)
    assert provider.get_credential().secret.reveal() == SECRET
    aws.delete("doomed", force=True)
    assert type(failure(provider)) is CredentialNotFoundError


def test_an_endpoint_where_nothing_listens_is_unavailable(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{free.getsockname()[1]}"
        )
        error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialStoreUnavailableError
    assert "us-east-1" in str(error)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Ty"])
def test_an_endpoint_that_hangs_up_is_unavailable(
    aws: MotoServer, failure: Failure, head: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as connection:
                        connection.recv(65_536)
                        connection.sendall(head)

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        error = failure(AwsSecretsManagerProvider("prod/vs", endpoint_url=url))
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert type(error) is CredentialStoreUnavailableError


def test_a_kept_connection_that_died_in_a_freeze_costs_no_failure(aws: MotoServer) -> None:
    body = f'{{"SecretString": "{SECRET}", "VersionId": "1"}}'.encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for dies in (True, False):
                with server.accept()[0] as connection:
                    connection.recv(65_536)
                    connection.sendall(answer)
                    if dies:
                        connection.recv(1)  # the next request comes, and gets no answer

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        provider = AwsSecretsManagerProvider("prod/vs", endpoint_url=url)
        assert provider.get_credential().secret.reveal() == SECRET
        assert provider.get_credential().secret.reveal() == SECRET
        thread.join()


def test_a_proxy_of_the_environment_does_not_see_what_loopback_answers(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put("proxied", SECRET)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert AwsSecretsManagerProvider("proxied").get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize("url", ["secretsmanager.internal", "http://", "ftp://x", "http://[::1"])
def test_an_endpoint_that_is_no_url_is_a_wrong_setting(
    aws: MotoServer, url: str, failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider("prod/vs", endpoint_url=url))
    assert type(error) is CredentialConfigurationError
    assert "endpoint_url=" in str(error)


@pytest.mark.parametrize(
    "name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "setting", "profile"]
)
def test_plain_http_beyond_loopback_is_refused_wherever_it_is_set(
    aws: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, failure: Failure
) -> None:
    url = "http://localstack:4566"
    monkeypatch.delenv("AWS_ENDPOINT_URL_SECRETS_MANAGER")
    if name == "profile":
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {url}\n")
    elif name != "setting":
        monkeypatch.setenv(name, url)
    error = failure(
        AwsSecretsManagerProvider("prod/vs", endpoint_url=url if name == "setting" else UNSET)
    )
    assert type(error) is CredentialConfigurationError
    assert "https://" in str(error)
    assert "client=" in str(error)


def test_an_endpoint_that_botocore_is_told_to_ignore_is_ignored(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put("ignored", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localstack:4566")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    provider = AwsSecretsManagerProvider("ignored", endpoint_url=aws.endpoint_url)
    assert provider.get_credential().secret.reveal() == SECRET


def test_a_client_of_the_users_may_speak_plain_http_to_whom_it_likes(fake: Any) -> None:
    import boto3

    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    client = boto3.client("secretsmanager", endpoint_url="http://localstack:4566")
    client.meta.events.register(
        "before-send", lambda request, **_: setattr(request, "url", f"{fake.url}/")
    )
    provider = AwsSecretsManagerProvider("prod/vs", client=client)
    assert provider.get_credential().secret.reveal() == SECRET


def test_an_unknown_profile_is_a_wrong_setting(aws: MotoServer, failure: Failure) -> None:
    error = failure(AwsSecretsManagerProvider("prod/vs", profile="nobody"))
    assert type(error) is CredentialConfigurationError
    assert "profile=" in str(error)


def test_no_aws_credentials_is_a_wrong_setting_and_ends_when_there_are_some(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    aws.put("late", SECRET)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    provider = AwsSecretsManagerProvider("late")
    error = failure(provider)
    assert type(error) is CredentialConfigurationError
    assert "no AWS credentials" in str(error)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    assert provider.get_credential().secret.reveal() == SECRET


def test_missing_boto3_names_the_extra(monkeypatch: pytest.MonkeyPatch, failure: Failure) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    error = failure(AwsSecretsManagerProvider("prod/vs", region="eu-central-1"))
    assert type(error) is CredentialConfigurationError
    assert "pip install 'vectorshift[aws]>=2'" in str(error)
