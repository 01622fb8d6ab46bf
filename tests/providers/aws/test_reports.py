"""Public reports about other clients of AWS, as far as no other test here shows them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.certificates import Authority
from tests.faults import FaultServer, answer
from tests.providers.aws.records import SECRET
from tests.providers.aws.servers import FakeAws, free_url
from tests.providers.patience import patience

from vectorshift import (
    AwsSecretsManagerProvider,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    ProviderChain,
)
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.aws.conftest import Failure
    from tests.providers.aws.servers import Hanging

    from vectorshift import CredentialError
    from vectorshift.testing import MotoServer

GIVEN = {"SecretString": SECRET, "VersionId": "1"}
ROLE = {
    "Code": "Success",
    "AccessKeyId": "A",
    "SecretAccessKey": "b",
    "Token": "c",
    "Expiration": "2099-01-01T00:00:00Z",
}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"


# boto3#2750, #1592: the creation of clients is not thread-safe

COLD = """
import threading
from vectorshift import AwsSecretsManagerProvider, CredentialError

start, found = threading.Barrier(12), []

def ask():
    provider = AwsSecretsManagerProvider("prod/vs")
    start.wait()
    try:
        found.append(provider.get_credential().secret.reveal())
    except CredentialError as error:
        found.append(str(error))

threads = [threading.Thread(target=ask) for _ in range(12)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(found), *set(found))
"""

# gevent#1016: patched first
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent
from vectorshift import AwsSecretsManagerProvider, ProviderChain

chain = ProviderChain([AwsSecretsManagerProvider("prod/vs")])
jobs = [gevent.spawn(lambda: chain.get_credential().secret.reveal()) for _ in range(50)]
gevent.joinall(jobs, timeout=60, raise_error=True)
print(len(jobs), *{job.value for job in jobs})
"""


def printed(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


def test_twelve_cold_threads_with_providers_of_their_own_find_the_key(fake: FakeAws) -> None:
    fake.says(200, GIVEN)
    assert printed(COLD) == f"12 {SECRET}\n"


def test_fifty_greenlets_of_a_process_that_was_patched_first_read_once(fake: FakeAws) -> None:
    pytest.importorskip("gevent")
    fake.says(200, GIVEN)
    assert printed(GREENLETS) == f"50 {SECRET}\n"
    assert len(fake.asked) == 1


# moto in the process of the test, as most users have it

MOCKED = """
import boto3
from moto import mock_aws
from vectorshift import AwsSecretsManagerProvider

with mock_aws():
    boto3.client("secretsmanager").create_secret(Name="prod/vs", SecretString="vs-mocked")
    print(AwsSecretsManagerProvider("prod/vs").get_credential().secret.reveal())
"""


def test_a_mock_of_aws_in_the_same_process_is_asked_and_nothing_else(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert printed(MOCKED) == "vs-mocked\n"


# what a program hands in


class Odd:
    def __init__(self, answer: object) -> None:
        self.get_secret_value = lambda **_: answer


async def later() -> None:
    """An answer as a client of aiobotocore gives one."""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"client": object()}, "is not one of boto3 for secretsmanager. Make it: boto3.client("),
        ({"client": Odd("x")}, "gave a str in place of an answer"),
        ({"client": Odd(later())}, "gave a coroutine in place of an answer"),
        ({"session": object()}, "the session is not one of boto3. Make it: boto3.Session()"),
    ],
)
def test_a_client_or_session_that_is_not_of_boto3_is_told(
    given: dict[str, Any], words: str, failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider("prod/vs", **given))
    assert type(error) is CredentialConfigurationError
    assert words in str(error)


# aws-vault and 'aws configure export-credentials' say when the credentials end


def test_credentials_of_variables_that_have_ended_are_to_be_set_again(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialDeniedError
    assert "have expired (AWS_CREDENTIAL_EXPIRATION). Set AWS_SESSION_TOKEN" in str(error)


def test_a_line_break_of_a_region_is_not_printed(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1\n")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert "is eu-central-1, which is not a region. Write it in lower case, without" in str(error)


# aws-cdk#18555, dify#35, copilot-cli#5732: a name that ends like AWS's own six characters


def test_a_secret_whose_name_ends_like_an_arn_is_read_by_its_full_arn(aws: MotoServer) -> None:
    aws.put("test-secret", SECRET)
    arn = aws.call("DescribeSecret", SecretId="test-secret")["ARN"]
    assert AwsSecretsManagerProvider(arn).get_credential().secret.reveal() == SECRET


# external-secrets#390: the words of KMS


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("AccessDeniedException", "Access to KMS is not allowed"),
        ("DecryptionFailure", f"{KEY} is disabled. (Service: AWSKMS; Status Code: 400)"),
        ("DecryptionFailure", f"{KEY} is pending deletion. (Service: AWSKMS; Status Code: 400)"),
    ],
)
def test_a_key_of_kms_that_cannot_be_used_is_named(
    fake: FakeAws, code: str, text: str, failure: Failure
) -> None:
    fake.fails(400, code, text)
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialDeniedError
    assert f"kms:Decrypt on {KEY if KEY in text else 'the KMS key'}" in str(error)
    assert "Check that the key is enabled" in str(error)


# aws-sdk-js-v3#7701: a secret without a value, as Terraform makes one


def test_a_version_that_awss_own_words_do_not_find_asks_for_a_value(
    fake: FakeAws, failure: Failure
) -> None:
    text = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    fake.fails(400, "ResourceNotFoundException", text)
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialNotFoundError
    assert "no such version. Put a value into it" in str(error)


def test_a_secret_without_a_value_is_not_found_and_its_stages_are_read(
    aws: MotoServer, failure: Failure
) -> None:
    aws.call("CreateSecret", Name="hollow")
    assert type(failure(AwsSecretsManagerProvider("hollow"))) is CredentialNotFoundError
    aws.put("hollow", "vs-current")
    pending = AwsSecretsManagerProvider("hollow", version_stage="AWSPENDING")
    assert type(failure(pending)) is CredentialNotFoundError
    aws.call(
        "PutSecretValue", SecretId="hollow", SecretString="vs-next", VersionStages=["AWSPENDING"]
    )
    assert pending.get_credential().secret.reveal() == "vs-next"
    now = AwsSecretsManagerProvider("hollow")
    assert now.get_credential().secret.reveal() == "vs-current"


# eks-pod-identity-agent#159, botocore#1791: what gives AWS credentials is late, or slow at first


def test_a_chain_asks_again_a_second_after_an_endpoint_refused(
    nobody: None, fake: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says(200, GIVEN)
    late = free_url()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{late}/role")
    clock = ManualClock()
    chain = ProviderChain([AwsSecretsManagerProvider("prod/vs")], clock=clock)
    with FakeAws(port=int(late.rpartition(":")[2]), listens=False) as server:
        server.says(200, ROLE, "/role")
        with pytest.raises(CredentialStoreUnavailableError):
            chain.get_credential()
        server.listen()
        clock.advance(1)
        assert chain.get_credential().secret.reveal() == SECRET


def test_a_chain_asks_a_metadata_service_again_a_second_after_it_hung(
    nobody: None, fake: FakeAws, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/latest/meta-data/iam/security-credentials/"
    fake.says(200, GIVEN)
    fake.says(200, "token", "/latest/api/token")
    fake.says(200, "app", path)
    fake.says(200, ROLE, f"{path}app")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", hanging.url)
    clock = ManualClock()
    chain = ProviderChain([AwsSecretsManagerProvider("prod/vs")], clock=clock)
    hop_limit = pytest.raises(CredentialStoreUnavailableError, match="response-hop-limit 2")
    with patience(hanging.url), hop_limit:
        chain.get_credential()
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url)
    clock.advance(1)
    assert chain.get_credential().secret.reveal() == SECRET


# botocore#704: AWS credentials that end, and are renewed in their file


def test_a_renewed_credentials_file_is_used_after_a_denial(
    nobody: None, fake: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text("[default]\naws_access_key_id = OLD\naws_secret_access_key = b\n")
    fake.fails(400, "ExpiredTokenException")
    clock = ManualClock()
    chain = ProviderChain([AwsSecretsManagerProvider("prod/vs")], clock=clock)
    with pytest.raises(CredentialDeniedError, match="Set AWS_SESSION_TOKEN and its keys again"):
        chain.get_credential()
    file.write_text("[default]\naws_access_key_id = NEW\naws_secret_access_key = b\n")
    fake.says(200, GIVEN)
    clock.advance(6)
    assert chain.get_credential().secret.reveal() == SECRET


# aws-sdk-js-v3#3052, boto3#3975, awsu#27, steampipe-plugin-aws#1510: what STS refuses

KEYS = "aws_access_key_id = AKIA\naws_secret_access_key = b\n"
NO_ROLE = CredentialConfigurationError, "Check role_arn and what belongs to it"
NO_JWT = CredentialDeniedError, "does not accept the token of AWS_WEB_IDENTITY_TOKEN_FILE"
NO_STS = CredentialDeniedError, "set AWS_DEFAULT_REGION to another region"
PASSES = CredentialStoreUnavailableError, "gave none (InvalidIdentityToken)"
KEYS_OVER = CredentialDeniedError, "the AWS credentials for region eu-central-1 have expired"
KEYS_WRONG = CredentialDeniedError, "does not recognise the AWS credentials"


@pytest.mark.parametrize(
    ("by", "code", "text", "meant"),
    [
        ("jwt", "InvalidIdentityToken", "Couldn't retrieve verification key from your", PASSES),
        ("jwt", "InvalidIdentityToken", "No OpenIDConnect provider found", NO_JWT),
        ("jwt", "ExpiredTokenException", "Token expired", NO_JWT),
        ("jwt", "IDPRejectedClaim", "", NO_JWT),
        ("jwt", "ValidationError", "1 validation error: 'roleSessionName'", NO_ROLE),
        ("jwt", "RegionDisabledException", "STS is not activated in this region", NO_STS),
        ("keys", "RegionDisabledException", "STS is not activated in this region", NO_STS),
        ("keys", "ValidationError", "DurationSeconds exceeds the MaxSessionDuration", NO_ROLE),
        ("keys", "ExpiredToken", "The security token is expired", KEYS_OVER),
        ("keys", "InvalidClientTokenId", "", KEYS_WRONG),
        ("keys", "SignatureDoesNotMatch", "Signature expired", KEYS_WRONG),
    ],
)
def test_what_sts_refuses_is_told_by_its_code(
    nobody: None,
    fake: FakeAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    code: str,
    text: str,
    meant: tuple[type[CredentialError], str],
    failure: Failure,
) -> None:
    if by == "jwt":
        (tmp_path / "jwt").write_text("e30.e30.x")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "jwt"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    else:
        monkeypatch.setenv("AWS_PROFILE", "p")
        role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = s\n"
        (tmp_path / "config").write_text(f"[profile p]\n{role}[profile s]\n{KEYS}")
    body = f"<Code>{code}</Code><Message>{text}</Message>"
    fake.says(400, f"<ErrorResponse><Error>{body}</Error></ErrorResponse>", "sts")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is meant[0]
    assert meant[1] in str(error)


# botocore#3134 and its like: what gives AWS credentials answers something else


@pytest.mark.parametrize(
    "change",
    [
        {"Expiration": "2099-01-01T00:00:00"},
        {"Expiration": "soon"},
        {"Expiration": None},
        {"AccessKeyId": ...},
        [],
        None,
    ],
)
def test_an_answer_of_a_container_without_all_credentials_is_unavailable(
    nobody: None,
    fake: FakeAws,
    monkeypatch: pytest.MonkeyPatch,
    change: object,
    failure: Failure,
) -> None:
    answer: object = change
    if isinstance(change, dict):
        whole = {**ROLE, **change}
        answer = {name: value for name, value in whole.items() if value is not ...}
    fake.says(200, json.dumps(answer), "/role")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{fake.url}/role")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialStoreUnavailableError
    assert error.retry_after == 1
    assert "gave none (incomplete" in str(error)


# boto#2800, aws-sdk-go#289: AWS credentials with quotation marks, spaces or nothing


@pytest.mark.parametrize("access_key", ['"AKIA"', "'AKIA'", "AK IA", "AKIA # old", "", "AKI\u00c4"])
def test_a_key_of_a_file_that_cannot_be_one_is_not_sent(
    nobody: None,
    fake: FakeAws,
    tmp_path: Path,
    access_key: str,
    failure: Failure,
) -> None:
    text = f"[profile p]\naws_access_key_id = {access_key}\naws_secret_access_key = b\n"
    (tmp_path / "config").write_text(text, "utf-8")
    error = failure(AwsSecretsManagerProvider("prod/vs", profile="p"))
    assert type(error) is CredentialConfigurationError
    assert "The AWS credentials in use are empty, or have a line break" in str(error)
    assert fake.asked == []


# boto3#1884, #4188: a CA of one's own


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_ca_of_ones_own_is_trusted_where_a_variable_names_it(
    fake: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    authority = Authority(tmp_path)
    body = b'{"SecretString": "vs-tls", "VersionId": "1"}'
    with FaultServer(answer(200, body), tls=authority.context) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.origin)
        monkeypatch.setenv(variable, str(authority.file))
        found = AwsSecretsManagerProvider("prod/vs").get_credential()
    assert found.secret.reveal() == "vs-tls"


def test_a_bundle_of_cas_that_is_junk_is_named(
    fake: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url.replace("http:", "https:"))
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert f"AWS_CA_BUNDLE names {tmp_path / 'ca.pem'}, which cannot be used" in str(error)


# botocore#2549, external-secrets#5005: FIPS


@pytest.mark.parametrize("flag", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_an_endpoint_of_ones_own_beside_a_flag_is_used(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    fake.says(200, GIVEN)
    monkeypatch.setenv(flag, "true")
    assert AwsSecretsManagerProvider("prod/vs").get_credential().secret.reveal() == SECRET


# boto#1146: proxies


@pytest.mark.parametrize("status", [403, 407, 502, 0])
def test_a_proxy_that_refuses_is_told_with_its_status_and_without_its_password(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, status: int, failure: Failure
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(answer(status, b"")) as proxy:
        where = proxy.origin if status else free_url()
        monkeypatch.setenv("HTTPS_PROXY", where.replace("//", f"//me:{SECRET}@"))
        error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialStoreUnavailableError
    assert "proxy" in str(error).lower()
    assert not status or f"HTTP {status}" in str(error)


# localstack, pydantic-settings#664: an endpoint for tests


def test_the_services_section_of_a_profile_names_the_endpoint(
    fake: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    fake.says(200, GIVEN)
    (tmp_path / "config").write_text(
        "[profile local]\nregion = us-east-1\nservices = here\n"
        f"[services here]\nsecrets_manager =\n  endpoint_url = {fake.url}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "local")
    assert AwsSecretsManagerProvider("prod/vs").get_credential().secret.reveal() == SECRET


def test_plain_http_is_refused_whatever_allow_http_says_and_the_error_says_so(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localstack:4566")
    monkeypatch.setenv("VECTORSHIFT_ALLOW_HTTP", "1")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert "VECTORSHIFT_ALLOW_HTTP does not allow it here" in str(error)


# sst#4063: throttling


def test_a_read_that_is_throttled_once_costs_no_call(fake: FakeAws) -> None:
    fake.says(200, GIVEN, first=[(400, '{"__type": "ThrottlingException"}')])
    assert AwsSecretsManagerProvider("prod/vs").get_credential().secret.reveal() == SECRET


# Also held


def test_a_profile_that_refers_to_itself_is_told(
    nobody: None, fake: FakeAws, tmp_path: Path, failure: Failure
) -> None:
    (tmp_path / "config").write_text(
        "[profile a]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = b\n"
        "[profile b]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = a\n"
    )
    error = failure(AwsSecretsManagerProvider("prod/vs", profile="a"))
    assert type(error) is CredentialConfigurationError
    assert "refers to itself" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, "<html>captive portal</html>", "what answers at the endpoint is not AWS"),
        (503, "<html>envoy: no healthy upstream</html>", "AWS could not answer"),
    ],
)
def test_a_captive_portal_and_a_mesh_are_unavailable(
    fake: FakeAws, status: int, body: str, words: str, failure: Failure
) -> None:
    fake.says(status, body)
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialStoreUnavailableError
    assert words in str(error)


def test_a_binary_secret_may_be_json(aws: MotoServer) -> None:
    aws.put("binary-json", b'{"api_key": "vs-binary"}\r\n')
    provider = AwsSecretsManagerProvider("binary-json", field="api_key")
    assert provider.get_credential().secret.reveal() == "vs-binary"
