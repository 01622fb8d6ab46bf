"""What the tests of the AWS provider share: the way to moto, an endpoint that fails, and how to
ask.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from tests.providers.aws.records import SECRET, TOKEN, Everything
from tests.providers.aws.servers import FakeAws, Hanging

from vectorshift.errors import CredentialError
from vectorshift.testing.aws_agent import FakeSecretsManagerAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vectorshift.providers.aws import AwsSecretsManagerProvider
    from vectorshift.testing.moto import MotoServer

    Failure = Callable[[AwsSecretsManagerProvider], CredentialError]


@pytest.fixture(autouse=True)
def _no_pauses(one_loader: None, no_pauses: None) -> None:
    """botocore pauses for up to a second before it repeats a read, and we before a start."""


@pytest.fixture(autouse=True)
def aws_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    """moto's server, and the environment that leads there."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    return moto


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with FakeAws() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture
def role_profile(aws_config: None, tmp_path: Path) -> None:
    """The profile `r` takes on a role, with the keys of another profile."""
    (tmp_path / "config").write_text(
        "[profile r]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = s\n"
        "[profile s]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )


@pytest.fixture
def nobody(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A region and an endpoint, and no AWS credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with Hanging() as server:
        yield server


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSecretsManagerAgent]:
    """The stand-in for the Agent, and its token in the environment."""
    with FakeSecretsManagerAgent(token=TOKEN) as server:
        monkeypatch.setenv("AWS_TOKEN", TOKEN)
        yield server


@pytest.fixture
def everything() -> Iterator[Everything]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def failure() -> Failure:
    """Ask, and return the error of which nothing shows the secret or the session token."""
    return fail


def fail(provider: AwsSecretsManagerProvider) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        provider.get_credential()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.provider == "aws"
    assert error.source == provider.describe().source
    seen = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert SECRET not in seen
    assert TOKEN not in seen
    return error
