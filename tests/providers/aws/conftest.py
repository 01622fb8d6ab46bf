"""What the tests of the AWS provider share: the way to moto, an endpoint that fails, and how to ask."""

from __future__ import annotations

import json
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Self

    from vectorshift.providers.aws import AwsSecretsManagerProvider
    from vectorshift.testing.moto import MotoServer

# Global, so that no frame of a test holds them.
SECRET = "vs-Xq7fL0nevertobeseen"
TOKEN = "FwoGsessionTokenNeverToBeSeen"


@pytest.fixture(autouse=True)
def aws_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    """moto's server, and the environment that leads there."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    return moto


class FakeAws:
    """An endpoint that gives the answers that it was told to give, whatever it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                operation = self.headers.get("X-Amz-Target", "sts").rpartition(".")[2]
                fake.asked.append((operation, json.loads(body) if body.startswith("{") else {}))
                status, answer = fake.answers[operation]
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def says(self, status: int, body: dict[str, Any] | str, operation: str = "GetSecretValue") -> None:
        self.answers[operation] = (status, body if isinstance(body, str) else json.dumps(body))

    def fails(self, status: int, code: str, message: str = "") -> None:
        self.says(status, {"__type": code, "message": message})

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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
def failure() -> Callable[[AwsSecretsManagerProvider], CredentialError]:
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
