"""What the Agent holds is read through it, with its token, its cache and its start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.interpreter import printed
from tests.providers.aws.records import SECRET
from tests.providers.patience import skipping

from vectorshift import Settings
from vectorshift.credentials import Credential
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws import AwsSecretsManagerProvider
from vectorshift.providers.aws.agent import Token, find_token

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.aws.conftest import Failure

    from vectorshift.testing import FakeSecretsManagerAgent

OLD = Credential(secret="vs-old", source="aws:prod/vs", provider="aws")


def provider_of(
    agent: FakeSecretsManagerAgent, secret_id: str = "prod/vs", **more: str
) -> AwsSecretsManagerProvider:
    return AwsSecretsManagerProvider(secret_id, agent_url=agent.url, **more)  # type: ignore[arg-type]


# --- Reading ---


def test_a_whole_string_is_read_with_its_version(agent: FakeSecretsManagerAgent) -> None:
    version = agent.put("prod/vs", f"{SECRET}\n")
    provider = provider_of(agent)
    credential = provider.get_credential()
    assert (credential.secret.reveal(), credential.version) == (SECRET, version)
    assert (credential.source, credential.provider) == ("aws:prod/vs", "aws")
    assert provider.describe().detail == f"through the Agent at {agent.url}"
    assert agent.requests == [{"secretId": "prod/vs", "versionStage": "AWSCURRENT"}]


def test_a_field_a_binary_a_stage_and_a_version_are_read(agent: FakeSecretsManagerAgent) -> None:
    agent.put("console", json.dumps({"user": "me", "api_key": SECRET}))
    assert provider_of(agent, "console", field="api_key").get_credential().secret.reveal() == SECRET
    agent.put("binary", SECRET.encode())
    assert provider_of(agent, "binary").get_credential().secret.reveal() == SECRET
    version = agent.put("many", "vs-old")
    agent.put("many", "vs-new")
    assert (
        provider_of(agent, "many", version_id=version).get_credential().secret.reveal() == "vs-old"
    )
    assert (
        provider_of(agent, "many", version_stage="AWSPREVIOUS").get_credential().secret.reveal()
        == "vs-old"
    )
    assert provider_of(agent, "many").get_credential().secret.reveal() == "vs-new"


def test_a_name_with_characters_of_a_url_is_asked_for_as_it_stands(
    agent: FakeSecretsManagerAgent,
) -> None:
    agent.put("a/b+c=d@e!f", SECRET)
    assert provider_of(agent, "a/b+c=d@e!f").get_credential().secret.reveal() == SECRET


def test_the_console_form_without_a_field_lists_the_fields(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    agent.put("prod/vs", json.dumps({"api_key": SECRET, "owner": "me"}))
    error = failure(provider_of(agent))
    assert type(error) is CredentialConfigurationError
    assert "api_key, owner" in str(error)
    assert "field=" in str(error)


def test_the_settings_lead_to_the_agent(agent: FakeSecretsManagerAgent) -> None:
    agent.put("prod/vs", SECRET)
    settings = Settings.load({**agent.environment(), "VECTORSHIFT_AWS_SECRET_ID": "prod/vs"})
    provider = AwsSecretsManagerProvider.from_settings(settings)
    assert provider is not None
    assert provider.get_credential().secret.reveal() == SECRET


def test_neither_boto3_nor_botocore_is_imported(agent: FakeSecretsManagerAgent) -> None:
    agent.put("prod/vs", SECRET)
    code = (
        "import sys; sys.modules.update(boto3=None, botocore=None)\n"
        "from vectorshift.providers import AwsSecretsManagerProvider as P\n"
        f"print(len(P('prod/vs', agent_url={agent.url!r}).get_credential().secret.reveal()))\n"
        "print([name for name in sys.modules if name.startswith(('boto3.', 'botocore.'))])"
    )
    assert printed(code).split() == [str(len(SECRET)), "[]"]


def test_plain_http_takes_no_certificates(
    agent: FakeSecretsManagerAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Observation to fail with httpx's own TLS context: the file that is missing is opened."""
    agent.put("prod/vs", SECRET)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    monkeypatch.setenv("VECTORSHIFT_CA_BUNDLE", "/nowhere/ca.pem")
    found = AwsSecretsManagerProvider("prod/vs", agent_url=agent.url).get_credential()
    assert found.secret.reveal() == SECRET


def test_a_proxy_of_the_environment_does_not_see_the_token(
    agent: FakeSecretsManagerAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    agent.put("prod/vs", SECRET)
    assert provider_of(agent).get_credential().secret.reveal() == SECRET


# --- The token ---


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        (
            {"AWS_TOKEN": "a", "AWS_SESSION_TOKEN": "b", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "c"},
            "AWS_TOKEN",
        ),
        (
            {"AWS_TOKEN": "", "AWS_SESSION_TOKEN": "b", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "c"},
            "AWS_SESSION_TOKEN",
        ),
        ({"AWS_CONTAINER_AUTHORIZATION_TOKEN": "c"}, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    ],
)
def test_the_token_is_the_first_of_three_variables(environ: dict[str, str], place: str) -> None:
    found = find_token(environ, "/nowhere")
    assert isinstance(found, Token)
    assert (found.secret.reveal(), found.place) == (environ[place], place)


def test_a_token_file_is_named_by_the_variable_or_is_the_agents_own(tmp_path: Path) -> None:
    named, default = tmp_path / "named", tmp_path / "default"
    named.write_text("n\n")
    default.write_text("d\n")
    for environ, expected in (({"AWS_TOKEN": f"file://{named}"}, "n"), ({}, "d")):
        found = find_token(environ, str(default))
        assert isinstance(found, Token)
        assert found.secret.reveal() == expected


def test_a_token_file_is_read_again_at_each_read(
    agent: FakeSecretsManagerAgent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("AWS_TOKEN", f"file://{file}")
    agent.put("prod/vs", SECRET)
    provider = provider_of(agent)
    assert str(file) in str(failure(provider))
    file.write_text(agent.token)
    assert provider.get_credential().secret.reveal() == SECRET


@pytest.mark.parametrize("token", ["", "two\nlines", "é"])
def test_a_token_that_cannot_stand_in_a_header_is_a_wrong_setting(
    token: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(token, "utf-8")
    said = find_token({}, str(file))
    assert isinstance(said, str)
    assert str(file) in said
    assert not token or token not in said


def test_without_a_token_the_variable_is_named(tmp_path: Path) -> None:
    said = find_token({}, str(tmp_path / "none"))
    assert isinstance(said, str)
    assert "AWS_TOKEN" in said


# --- Its cache ---


def test_only_the_first_read_after_a_refusal_goes_past_the_agents_cache(
    agent: FakeSecretsManagerAgent,
) -> None:
    agent.put("prod/vs", "vs-old")
    provider = provider_of(agent)
    provider.get_credential()
    agent.put("prod/vs", SECRET)
    assert provider.get_credential().secret.reveal() == "vs-old"
    provider.invalidate(OLD)
    assert provider.get_credential().secret.reveal() == SECRET
    assert provider.get_credential().secret.reveal() == SECRET
    assert [query.get("refreshNow") for query in agent.requests] == [None, None, "true", None]
    assert agent.reads == 2


def test_a_refusal_is_remembered_until_the_agent_can_be_asked(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    agent.put("prod/vs", SECRET)
    provider = provider_of(agent)
    provider.invalidate(OLD)
    agent.fail(500, '{"__type":"InternalFailure"}')
    assert type(failure(provider)) is CredentialStoreUnavailableError
    provider.get_credential()
    assert [query.get("refreshNow") for query in agent.requests] == ["true", "true"]


def test_a_refusal_is_remembered_over_any_failure(
    agent: FakeSecretsManagerAgent, failure: Failure
) -> None:
    """Observation to fail: after a token that was wrong for a moment the Agent's cache gave the
    revoked key again.
    """
    agent.put("prod/vs", "vs-old")
    provider = provider_of(agent)
    provider.get_credential()
    agent.put("prod/vs", SECRET)
    provider.invalidate(OLD)
    agent.fail(403, "Bad Token")
    assert type(failure(provider)) is CredentialDeniedError
    assert provider.get_credential().secret.reveal() == SECRET


def test_an_agent_that_does_not_know_refreshing_is_asked_without(
    agent: FakeSecretsManagerAgent,
) -> None:
    agent.put("prod/vs", SECRET)
    provider = provider_of(agent)
    provider.invalidate(OLD)
    agent.fail(400, "unknown parameter: refreshNow")
    assert provider.get_credential().secret.reveal() == SECRET
    assert [query.get("refreshNow") for query in agent.requests] == ["true", None]


# --- Its start and its end ---


@pytest.mark.parametrize(
    ("status", "body"), [(400, "not ready to serve traffic, please wait"), (503, "Not enabled.")]
)
def test_an_agent_that_starts_is_asked_again(
    agent: FakeSecretsManagerAgent, status: int, body: str
) -> None:
    agent.put("prod/vs", SECRET)
    agent.fail(status, body, times=3)
    assert provider_of(agent).get_credential().secret.reveal() == SECRET
    assert len(agent.requests) == 4


def test_an_agent_that_does_not_listen_yet_is_asked_again(agent: FakeSecretsManagerAgent) -> None:
    agent.put("prod/vs", SECRET)
    provider = provider_of(agent)
    agent.stop()
    with skipping(agent.start, after=0.3):
        assert provider.get_credential().secret.reveal() == SECRET


def test_the_patience_with_a_start_ends(agent: FakeSecretsManagerAgent, failure: Failure) -> None:
    agent.be_starting(100)
    error = failure(provider_of(agent))
    assert type(error) is CredentialStoreUnavailableError
    assert "not ready" in str(error)
    assert len(agent.requests) == 6


def test_no_connection_is_kept_that_a_freeze_or_a_restart_could_break(
    agent: FakeSecretsManagerAgent,
) -> None:
    agent.put("prod/vs", SECRET)
    provider = provider_of(agent)
    provider.get_credential()
    agent.stop()
    agent.start()
    assert provider.get_credential().secret.reveal() == SECRET
