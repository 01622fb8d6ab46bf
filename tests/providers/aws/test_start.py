"""What gives AWS credentials may start after the process, or stumble once: the first call waits for
it for up to 1.6 s, and later calls ask again within a second.

Observation to fail: without the attempts of `_log_in` each first call here fails; with a `_QUICK`
of 0 what failed at once is left alone for longer and longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.records import SECRET
from tests.providers.aws.servers import FakeAws, free_url
from tests.providers.patience import skipping

from vectorshift import (
    AwsSecretsManagerProvider,
    CredentialConfigurationError,
    CredentialStoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.providers.aws.conftest import Failure

ROLE: dict[str, Any] = {
    "Code": "Success",
    "AccessKeyId": "A",
    "SecretAccessKey": "b",
    "Token": "c",
    "Expiration": "2099-01-01T00:00:00Z",
}
METADATA = "/latest/meta-data/iam/security-credentials/"


@pytest.fixture
def role(nobody: None, fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeAws]:
    """Give the process a role, by the endpoint of a container or by a machine's metadata."""
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})

    def give(by: str, *first: tuple[int, str]) -> FakeAws:
        if by == "container":
            fake.says(200, ROLE, "/role", first=first)
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{fake.url}/role")
        else:
            fake.says(200, "token", "/latest/api/token")
            fake.says(200, "app", METADATA, first=first)
            fake.says(200, ROLE, f"{METADATA}app")
            monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url)
        return fake

    return give


@pytest.mark.parametrize("by", ["container", "metadata"])
@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_what_stumbles_twice_costs_no_call(
    role: Callable[..., FakeAws], by: str, status: int
) -> None:
    role(by, (status, "not yet"), (status, "not yet"))
    provider = AwsSecretsManagerProvider("prod/vs")
    assert provider.get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize("by", ["container", "metadata"])
@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_what_fails_at_once_is_unavailable_and_asked_again_soon(
    role: Callable[..., FakeAws], by: str, status: int, failure: Failure
) -> None:
    fake = role(by)
    fake.says(status, "no", "/role" if by == "container" else METADATA)
    error = failure(provider := AwsSecretsManagerProvider("prod/vs"))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert error.retry_after == 1
    assert f"HTTP {status}" in str(error)
    role(by)
    assert provider.get_credential().secret.reveal() == SECRET


def test_an_endpoint_that_begins_to_listen_a_moment_later_costs_no_call(
    nobody: None, fake: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    late = free_url()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{late}/role")
    provider = AwsSecretsManagerProvider("prod/vs")
    with FakeAws(port=int(late.rpartition(":")[2]), listens=False) as server:
        server.says(200, ROLE, "/role")
        with skipping(server.listen, after=0.5):
            assert provider.get_credential().secret.reveal() == SECRET


def test_an_endpoint_that_refuses_is_unavailable_and_asked_again_soon(
    nobody: None, fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{free_url()}/role")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert error.retry_after == 1


def test_where_there_is_no_metadata_service_there_are_no_aws_credentials(
    nobody: None, fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", free_url())
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert "no AWS credentials" in str(error)


def test_the_metadata_service_is_asked_past_every_proxy(
    role: Callable[..., FakeAws], monkeypatch: pytest.MonkeyPatch
) -> None:
    role("metadata")
    with FakeAws() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        provider = AwsSecretsManagerProvider("prod/vs")
        assert provider.get_credential().secret.reveal() == SECRET
        assert proxy.asked == []


@pytest.mark.parametrize("kind", ["container", "process"])
def test_credentials_that_are_over_already_are_unavailable(
    role: Callable[..., FakeAws], kind: str, tmp_path: Path, failure: Failure
) -> None:
    over = {**ROLE, "Version": 1, "Expiration": "2020-01-01T00:00:00Z"}
    if kind == "container":
        role("container").says(200, over, "/role")
    else:
        process(tmp_path, f"echo '{str(over).replace(chr(39), chr(34))}'")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert "gives expired ones. Check this machine's clock" in str(error)


def process(home: Path, script: str) -> None:
    program = home / "process"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (home / "config").write_text(f"[default]\ncredential_process = {program}\n")


GOOD = 'echo \'{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "b"}\''


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'token: expired' >&2; exit 3", "ended with status 3 and said: token: expired."),
        ("exit 1", "ended with status 1."),
        ("echo 'Open https://sso to log in'", "printed no JSON object."),
        (
            "echo 'x' >&2; echo vs-0123456789abcdef0123456789abcdef >&2; exit 1",
            "ended with status 1 and said: vs-(withheld).",
        ),
    ],
)
def test_a_credential_process_that_fails_is_named_and_asked_again_soon(
    nobody: None, fake: FakeAws, tmp_path: Path, script: str, words: str, failure: Failure
) -> None:
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    process(tmp_path, script)
    error = failure(provider := AwsSecretsManagerProvider("prod/vs"))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert f"the credential_process of the AWS profile 'default' {words}" in str(error)
    assert error.retry_after == 1
    process(tmp_path, GOOD)
    assert provider.get_credential().secret.reveal() == SECRET


def test_a_credential_process_that_is_not_there_is_a_wrong_setting(
    nobody: None, fake: FakeAws, tmp_path: Path, failure: Failure
) -> None:
    (tmp_path / "config").write_text("[default]\ncredential_process = /nowhere/tool --x\n")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert "cannot be run: No such file or directory" in str(error)


KEYS = '"AccessKeyId": "A", "SecretAccessKey": "b"'


@pytest.mark.parametrize(
    "script",
    [
        f"printf '\\357\\273\\277{{\"Version\": 1, {KEYS}}}'",
        f'echo \'{{"Version": 1, {KEYS}, "Expiration": null}}\'',
    ],
    ids=["a byte order mark", "no end"],
)
def test_a_credential_process_that_prints_json_in_its_own_way_is_used(
    nobody: None, fake: FakeAws, tmp_path: Path, script: str
) -> None:
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    process(tmp_path, script)
    assert AwsSecretsManagerProvider("prod/vs").get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize(
    "expiration", ['"soon"', "5", '"2026-13-45T00:00:00Z"', '"2099-01-01T00:00:00"']
)
def test_a_credential_process_with_an_end_that_is_no_time_is_named(
    nobody: None, fake: FakeAws, tmp_path: Path, expiration: str, failure: Failure
) -> None:
    more = f'"SessionToken": "t", "Expiration": {expiration}'
    process(tmp_path, f"echo '{{\"Version\": 1, {KEYS}, {more}}}'")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert "the AWS profile 'default' printed an Expiration that is no time" in str(error)


@pytest.mark.parametrize(
    "output",
    [
        '{"Version": 2}',
        '{"Version": 1}',
        '{"Version": 1, "AccessKeyId": null, "SecretAccessKey": null}',
        '{"Version": 1, "AccessKeyId": 1, "SecretAccessKey": 2}',
    ],
)
def test_a_credential_process_without_the_fields_is_unavailable(
    nobody: None, fake: FakeAws, tmp_path: Path, output: str, failure: Failure
) -> None:
    process(tmp_path, f"echo '{output}'")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert "Version 1, AccessKeyId and SecretAccessKey" in str(error)
