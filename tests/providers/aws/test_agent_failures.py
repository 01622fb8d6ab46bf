"""What the Agent answers that is not a secret, and what is refused before it is asked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import RawServer
from tests.providers.aws.records import SECRET, TOKEN, Everything
from tests.providers.aws.servers import free_url

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from tests.providers.aws.conftest import Failure

    from vectorshift.errors import CredentialError
    from vectorshift.testing import FakeSecretsManagerAgent

ARN = "arn:aws:kms:eu-central-1:123456789012:key/1"
MISSING, DENIED, CONFIGURATION, REVOKED, UNAVAILABLE = (
    CredentialNotFoundError,
    CredentialDeniedError,
    CredentialConfigurationError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)


NO_VERSION = "Secrets Manager can't find the specified secret value for VersionId: 1"
MARKED = "You can't perform this operation on the secret because it was marked for deletion."


def coral(code: str, message: str = "no") -> str:
    return (  # the Agent does not escape the message either
        f'{{"__type":"{code}", "message":"{message}"}}'
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            400, coral("ResourceNotFoundException"), MISSING,
            "no such secret in the region of the Agent",
        ),
        (
            400, coral("ResourceNotFoundException", NO_VERSION), MISSING,
            "version_id=",
        ),
        (
            400, coral("AccessDeniedException"), DENIED,
            "GetSecretValue and secretsmanager:DescribeSecret",
        ),
        (
            400, coral("AccessDeniedException"), DENIED,
            "arn:aws:secretsmanager:*:*:secret:prod/vs-??????",
        ),
        (
            400, coral("AccessDeniedException", f"kms:Decrypt on {ARN}"), DENIED,
            f"kms:Decrypt on {ARN}",
        ),
        (400, coral("x#DecryptionFailure"), DENIED, "kms:Decrypt"),
        (400, coral("ExpiredTokenException"), DENIED, "expired"),
        (
            400, coral("InvalidRequestException", MARKED), REVOKED,
            "restore-secret --secret-id prod/vs",
        ),
        (400, coral("InvalidRequestException"), CONFIGURATION, "version_stage="),
        (400, coral("ThrottlingException"), UNAVAILABLE, "ThrottlingException"),
        (
            400, "operation error: ResourceNotFoundException: can't find it", MISSING,
            "no such secret",
        ),
        (400, "Forwarded", CONFIGURATION, "HTTP 400"),
        (401, "", DENIED, "AWS_TOKEN"),
        (403, "Bad Token", DENIED, "AWS_TOKEN"),
        (404, "Not found", CONFIGURATION, "agent_url="),
        (405, "Not allowed", CONFIGURATION, "HTTP 405"),
        (302, "", CONFIGURATION, "HTTP 302"),
        (429, "Connection limit exceeded", UNAVAILABLE, "HTTP 429"),
        (500, coral("InternalFailure"), UNAVAILABLE, "log"),
        (500, "", UNAVAILABLE, "HTTP 500"),
        (502, coral("ConnectionError"), UNAVAILABLE, "ConnectionError"),
        (503, coral("ServiceUnavailable"), UNAVAILABLE, "ServiceUnavailable"),
        (504, coral("TimeoutError"), UNAVAILABLE, "TimeoutError"),
        (200, "<html>Welcome</html>", CONFIGURATION, "not the Agent"),
        (200, "[]", CONFIGURATION, "not the Agent"),
        (200, "{}", CONFIGURATION, "has no text"),
        (200, '{"SecretBinary": "no base64!"}', CONFIGURATION, "not the Agent"),
    ],
)  # fmt: skip
def test_each_answer_has_its_outcome_and_its_fix(
    agent: FakeSecretsManagerAgent,
    status: int,
    body: str,
    kind: type[CredentialError],
    words: str,
    failure: Failure,
) -> None:
    agent.fail(status, body + (f" {TOKEN} {SECRET}" if status != 200 else ""))
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    assert type(error) is kind
    assert words in str(error)
    assert str(error).startswith("aws:prod/vs: ")
    assert len(agent.requests) == 1


def test_a_wrong_token_is_told_with_the_place_that_it_was_found_at(
    agent: FakeSecretsManagerAgent, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    agent.put("prod/vs", SECRET)
    monkeypatch.delenv("AWS_TOKEN")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url))
    assert type(error) is CredentialDeniedError
    assert "refused the token of AWS_SESSION_TOKEN" in str(error)


def test_a_certificate_that_is_not_trusted_is_a_wrong_setting(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    """What answers in plain HTTP to TLS cannot be verified either."""
    error = failure(
        AwsSecretsManagerProvider("prod/vs", agent_url=agent.url.replace("http://", "https://"))
    )
    assert type(error) is CredentialConfigurationError
    assert "TLS" in str(error)
    assert agent.requests == []


def test_something_that_speaks_no_http_is_unavailable(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    with RawServer(b"SSH-2.0-nobody\r\n") as server:
        error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=server.origin))
    assert type(error) is CredentialStoreUnavailableError


def test_a_redirect_is_not_followed(agent: FakeSecretsManagerAgent, failure: Failure) -> None:
    agent.put("prod/vs", SECRET)
    location = f"{agent.url}/secretsmanager/get?secretId=prod/vs"
    with RawServer(
        f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    ) as server:
        error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=server.origin))
    assert type(error) is CredentialConfigurationError
    assert agent.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://agent.internal:2773",
        "http://10.0.0.1:2773",
        "http://0.0.0.0:2773",
        "http://localhost.evil.example",
    ],
)
def test_plain_http_beyond_loopback_is_refused_with_the_fix(
    agent: FakeSecretsManagerAgent, url: str, failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=url))
    assert type(error) is CredentialConfigurationError
    assert 'agent_url="http://localhost:2773"' in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:2773",
        "http://",
        "ftp://localhost",
        "http://[::1",
        "http://u:p@localhost",
        "http://localhost?a",
    ],
)
def test_what_is_no_plain_url_is_refused_and_not_repeated(
    agent: FakeSecretsManagerAgent, url: str, failure: Failure
) -> None:
    provider = AwsSecretsManagerProvider("prod/vs", agent_url=url)
    error = failure(provider)
    assert type(error) is CredentialConfigurationError
    assert "u:p@" not in str(error) + str(provider.describe())


def test_what_nobody_foresaw_is_told_by_its_type_alone(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=f"https://{'a' * 64}.example"))
    assert type(error) is CredentialConfigurationError
    assert "raised Unicode" in str(error)


def test_an_agent_that_reads_from_another_region_is_a_wrong_setting(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    agent.put("prod/vs", SECRET)
    error = failure(
        AwsSecretsManagerProvider("prod/vs", agent_url=agent.url, region="eu-central-1")
    )
    assert type(error) is CredentialConfigurationError
    assert "us-east-1" in str(error)
    assert "eu-central-1" in str(error)
    right = AwsSecretsManagerProvider("prod/vs", agent_url=agent.url, region="us-east-1")
    assert right.get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize(
    "beside", [{"profile": "p"}, {"endpoint_url": "https://x.example"}, {"client": object()}]
)
def test_settings_that_the_agent_would_not_use_are_not_silently_passed_over(
    agent: FakeSecretsManagerAgent, beside: dict[str, Any], failure: Failure
) -> None:
    error = failure(AwsSecretsManagerProvider("prod/vs", agent_url=agent.url, **beside))
    assert type(error) is CredentialConfigurationError
    assert next(iter(beside)) in str(error)
    assert agent.requests == []


def test_no_log_line_shows_the_token_or_the_secret(
    agent: FakeSecretsManagerAgent,
    everything: Everything,
    failure: Failure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent.put("prod/vs", SECRET)
    provider = AwsSecretsManagerProvider("prod/vs", agent_url=agent.url)
    logging.getLogger("user").debug("%s %r", provider, provider.get_credential())
    agent.fail(403, f"Bad Token {TOKEN}")
    failure(provider)
    monkeypatch.setenv("AWS_TOKEN", f"{TOKEN}\nX: 1")  # h11 would quote it, and httpcore log that
    failure(provider)
    failure(AwsSecretsManagerProvider("prod/vs", agent_url=free_url()))
    assert any(name.startswith("httpcore") for name, _ in everything.lines), "nothing was captured"
    assert everything.leaks() == set()
