"""The stand-in answers as the Agent does."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift.testing import FakeSecretsManagerAgent

if TYPE_CHECKING:
    from collections.abc import Iterator

GET = "/secretsmanager/get?secretId=s"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def agent() -> Iterator[FakeSecretsManagerAgent]:
    with FakeSecretsManagerAgent(token="t", region="eu-west-1") as running:
        running.put("s", "one")
        yield running


def ask(
    agent: FakeSecretsManagerAgent, path: str = GET, method: str = "GET", **headers: str
) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(agent.url + path, headers=named, method=method)
    try:
        with DIRECT.open(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def document(agent: FakeSecretsManagerAgent, more: str = "") -> dict[str, Any]:
    status, body = ask(agent, GET + more, X_Aws_Parameters_Secrets_Token="t")
    assert status == 200
    return dict(json.loads(body))


def test_a_secret_is_given_as_get_secret_value_gives_it(agent: FakeSecretsManagerAgent) -> None:
    version = agent.put("s", b"\x00one")
    found = document(agent)
    assert found["Name"] == "s"
    assert found["ARN"].startswith("arn:aws:secretsmanager:eu-west-1:")
    assert (found["VersionId"], found["VersionStages"]) == (version, ["AWSCURRENT"])
    assert base64.b64decode(found["SecretBinary"]) == b"\x00one"


def test_the_cache_answers_until_it_is_told_to_refresh(agent: FakeSecretsManagerAgent) -> None:
    assert document(agent)["SecretString"] == "one"
    agent.put("s", "two")
    assert document(agent)["SecretString"] == "one"
    assert document(agent, "&refreshNow=true")["SecretString"] == "two"
    assert document(agent)["SecretString"] == "two"
    assert document(agent, "&versionStage=AWSPREVIOUS")["SecretString"] == "one"
    assert agent.reads == 3


def test_a_cache_that_keeps_nothing() -> None:
    with FakeSecretsManagerAgent(token="t", ttl=0) as agent:
        for value in ("one", "two"):
            agent.put("s", value)
            assert document(agent)["SecretString"] == value


@pytest.mark.parametrize(
    ("path", "method", "headers", "answer"),
    [
        (GET, "GET", {}, (403, "Bad Token")),
        (GET, "GET", {"X_Vault_Token": "other"}, (403, "Bad Token")),
        (GET, "GET", {"X_Vault_Token": "t", "X_Forwarded_For": "1.1.1.1"}, (400, "Forwarded")),
        (GET, "POST", {"X_Vault_Token": "t"}, (405, "Not allowed")),
        ("/v2", "GET", {"X_Vault_Token": "t"}, (404, "Not found")),
        (f"{GET}&a=b", "GET", {"X_Vault_Token": "t"}, (400, "unknown parameter: a")),
        (f"{GET}&refreshNow=2", "GET", {"X_Vault_Token": "t"}, (400, "invalid refreshNow value")),
        ("/secretsmanager/get", "GET", {"X_Vault_Token": "t"}, (400, "missing parameter secretId")),
        ("/ping", "GET", {}, (200, "healthy")),
    ],
)
def test_what_the_agent_refuses(
    agent: FakeSecretsManagerAgent,
    path: str,
    method: str,
    headers: dict[str, str],
    answer: tuple[int, str],
) -> None:
    assert ask(agent, path, method, **headers) == answer


def test_failures_are_given_as_often_as_was_said(agent: FakeSecretsManagerAgent) -> None:
    agent.be_starting(2)
    assert [ask(agent, X_Vault_Token="t")[0] for _ in range(3)] == [400, 400, 200]
    agent.fail(500, "", times=5)
    agent.recover()
    assert ask(agent, X_Vault_Token="t")[0] == 200
    assert "ResourceNotFoundException" in ask(agent, GET + "2", X_Vault_Token="t")[1]


def test_it_starts_again_on_its_port_with_an_empty_cache(agent: FakeSecretsManagerAgent) -> None:
    url = agent.url
    document(agent)
    agent.stop()
    agent.start()
    assert agent.url == url
    document(agent)
    assert agent.reads == 2


def test_one_that_is_not_running_says_how_to_run_it() -> None:
    with pytest.raises(RuntimeError, match="with FakeSecretsManagerAgent"):
        FakeSecretsManagerAgent().environment()
