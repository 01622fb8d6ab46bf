"""AWS Secrets Manager on loopback: moto's server in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vectorshift._platform.public import Self

__all__ = ["MotoServer"]

# The server binds its own free port and tells it, so no other process can take that port in
# between. It lives for as long as its standard input stays open, so it ends with its parent,
# however that ends.
_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
with open(sys.argv[1], "w") as file:
    print(server.get_host_and_port()[1], file=file)
sys.stdin.read()
"""

_NOT_RUNNING = "The server is not running: use `with MotoServer() as moto:`."

# No proxy that the environment names may come between us and loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class MotoServer:
    """A real HTTP server that answers as Secrets Manager does. Use it as a context manager.

    It starts empty, listens on a free loopback port, checks no AWS credentials, and ends with the
    block. Values that are put stand unencrypted in a temporary folder until then: use made-up ones.

    Args:
        region: the AWS region that secrets are put into.
        start_timeout: seconds for the start of the server.

    Raises:
        ImportError: on entering, if moto's server is not installed.
        RuntimeError: on entering, if it does not come up.
    """

    def __init__(self, *, region: str = "us-east-1", start_timeout: float = 30.0) -> None:
        self.region = region
        self._start_timeout = start_timeout
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def endpoint_url(self) -> str:
        """The address that it listens at, such as `http://127.0.0.1:50123`."""
        if self._port is None:
            raise RuntimeError(_NOT_RUNNING)
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead a client of AWS here."""
        return {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.endpoint_url,
            "AWS_ENDPOINT_URL_SSM": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": self.region,
        }

    def put(self, name: str, value: str | bytes) -> str:
        """Make `value` the current version of a secret, new, old or deleted; return the version's
        id.
        """
        part = (
            {"SecretString": value}
            if isinstance(value, str)
            else {"SecretBinary": base64.b64encode(value).decode()}
        )
        try:
            self.call("RestoreSecret", SecretId=name)
            answer = self.call("PutSecretValue", SecretId=name, **part)
        except LookupError:
            answer = self.call("CreateSecret", Name=name, **part)
        return str(answer["VersionId"])

    def put_parameter(self, name: str, value: str) -> int:
        """Make `value` the newest version of a parameter of Parameter Store; return the version."""
        fields = {"Name": name, "Value": value, "Type": "SecureString", "Overwrite": True}
        return int(self.call("PutParameter", "ssm", **fields)["Version"])

    def rotate(self, name: str, value: str) -> str:
        """Rotate as AWS does: put `value` as `AWSPENDING`, then move `AWSCURRENT` to it; return the
        version's id.
        """
        stages = self.call("DescribeSecret", SecretId=name)["VersionIdsToStages"]
        current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
        fields = {"SecretId": name, "SecretString": value, "VersionStages": ["AWSPENDING"]}
        pending = str(self.call("PutSecretValue", **fields)["VersionId"])
        move = {"SecretId": name, "VersionStage": "AWSCURRENT", "MoveToVersionId": pending}
        self.call("UpdateSecretVersionStage", RemoveFromVersionId=current, **move)
        return pending

    def delete(self, name: str, *, force: bool = False) -> None:
        """Schedule the secret for deletion; with `force`, take it away at once and without a
        trace.
        """
        self.call("DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=force)

    def reads(self, name: str) -> int:
        """Return how often the value of a secret was asked for under this name."""
        count = 0
        for line in self._file("requests").read_text("utf-8").splitlines(keepends=True):
            if not line.endswith("\n"):  # it is still being written
                continue
            entry = json.loads(line)
            if entry["headers"].get("X-Amz-Target") == "secretsmanager.GetSecretValue":
                body = entry["body"]
                count += (
                    json.loads(base64.b64decode(body) if entry["body_encoded"] else body)[
                        "SecretId"
                    ]
                    == name
                )
        return count

    def call(
        self, operation: str, service: str = "secretsmanager", /, **fields: Any
    ) -> dict[str, Any]:
        """Call an operation of Secrets Manager, such as `DescribeSecret`, or of another service,
        without boto3; return its answer.

        Raises:
            LookupError: there is no such secret.
            RuntimeError: the server refused for another reason, which the message has.
        """
        scope = f"testing/20260101/{self.region}/{service}/aws4_request"
        target = {"secretsmanager": "secretsmanager", "ssm": "AmazonSSM"}[service]
        request = urllib.request.Request(  # noqa: S310  # always http to loopback
            self.endpoint_url,
            data=json.dumps(fields).encode(),
            headers={
                "Authorization": (
                    f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
                ),
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"{target}.{operation}",
            },
        )
        try:
            with _DIRECT.open(request, timeout=30) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
        kind = LookupError if "ResourceNotFoundException" in text else RuntimeError
        raise kind(f"{operation}: {text}")

    def __enter__(self) -> Self:
        if find_spec("moto") is None or find_spec("flask") is None:
            raise ImportError(
                "MotoServer needs moto's server. Run: pip install 'vectorshift[sandbox]>=2'"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="vectorshift-moto-")
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _file(self, name: str) -> Path:
        if self._folder is None:
            raise RuntimeError(_NOT_RUNNING)
        path = Path(self._folder.name, name)
        path.touch()
        return path

    def _start(self) -> None:
        told, errors, recording = (self._file(name) for name in ("port", "errors", "requests"))
        with errors.open("w") as stderr:
            self._process = process = subprocess.Popen(  # noqa: S603  # our own script
                [sys.executable, "-c", _SERVE, str(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={
                    **os.environ,
                    "MOTO_ENABLE_RECORDING": "1",
                    "MOTO_RECORDER_FILEPATH": str(recording),
                },
                start_new_session=True,  # Ctrl-C is for the parent, which ends this one in its turn
            )
        end = time.monotonic() + self._start_timeout
        while not (port := told.read_text()).endswith("\n"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"moto's server did not come up: {errors.read_text()[-2000:] or 'too slow'}"
                )
            time.sleep(0.02)
        self._port = int(port)

    def _stop(self) -> None:
        process, self._process, self._port = self._process, None, None
        if process is not None:
            process.kill()
            process.communicate()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
