"""A key is rotated by `vectorshift rotate` under traffic, and revoked when the metric of every
process says that the old one is out of use: no call fails, and the API saw what the metrics say.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from tests.e2e.stage import atraffic, environment, script, traffic, wait_until

import vectorshift
from vectorshift import AsyncVectorShift, Pipeline, ProviderChain, Secret, Settings, VectorShift
from vectorshift._platform.urls import origin
from vectorshift.credentials.values import fingerprint
from vectorshift.providers.profiles import write_profile

if TYPE_CHECKING:
    from pathlib import Path

    from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer

OUT_OF_USE = 1.0
"""Seconds without a request that count here. A service waits for the 5 minutes of the gauge."""

OTHER_PROCESS = """
import json, sys, threading
import httpx, vectorshift
from vectorshift import Pipeline, ProviderChain, Settings, VectorShift

vectorshift.metrics()
failures = []

def work(client):
    while True:
        try:
            Pipeline.list(client=client)
        except Exception as error:
            failures.append(repr(error))

http = httpx.Client(headers={"X-Process": "other"}, trust_env=False)
chain = ProviderChain.from_settings(Settings.load())
with VectorShift(chain, http_client=http, base_url=sys.argv[1]) as client:
    for _ in range(8):
        threading.Thread(target=work, args=(client,), daemon=True).start()
    for line in sys.stdin:
        print(json.dumps({"failures": failures, **vectorshift.metrics()}), flush=True)
"""


class Other:
    """A process beside this one, with traffic of its own."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        given = environment(**variables)
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=given)

    def metrics(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def since_use(metrics: dict[str, Any], key: str) -> float | None:
    """Return the seconds since a process used a key, or None if it never did."""
    return next(
        (
            float(each["seconds_since_use"])
            for each in metrics["in_use"]
            if each["fingerprint"] == fingerprint(key)
        ),
        None,
    )


class Stage:
    """The place of the key, and the variables that lead a process to it."""

    def __init__(self, kind: str, old: str, request: pytest.FixtureRequest, folder: Path) -> None:
        self.kind = kind
        self.variables: dict[str, str] = {}
        path = f"e2e/rotate-{kind}"
        if kind == "vault":
            bao: OpenBaoServer = request.getfixturevalue("openbao")
            bao.write(path, {"api_key": old, "owner": "web"})
            self.variables = {"VECTORSHIFT_VAULT_PATH": path, **bao.environment()}
        elif kind in ("aws", "parameter"):
            moto: MotoServer = request.getfixturevalue("moto")
            if kind == "aws":
                moto.put(path, old)
                self.variables = {"VECTORSHIFT_AWS_SECRET_ID": path, **moto.environment()}
            else:
                moto.put_parameter(f"/{path}", old)
                self.variables = {"VECTORSHIFT_AWS_PARAMETER": f"/{path}", **moto.environment()}
        elif kind == "file":
            (folder / "key").write_text(f"{old}\n")
            self.variables = {"VECTORSHIFT_API_KEY_FILE": str(folder / "key")}
        elif kind == "dotenv":
            (folder / "app.env").write_text(f"VECTORSHIFT_API_KEY={old}\nPORT=1\n")
            self.variables = {"VECTORSHIFT_ENV_FILE": str(folder / "app.env")}
        self.variables |= {"VECTORSHIFT_CACHE_TTL": "1", "VECTORSHIFT_LOAD_TIMEOUT": "20"}

    def rotate(self, new: str, base_url: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "vectorshift", "rotate", "--source", self.kind, "--yes"],
            input=new,
            env=environment(VECTORSHIFT_BASE_URL=base_url, **self.variables),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr


RARELY = [
    pytest.param(kind, marks=pytest.mark.soak) for kind in ("aws", "parameter", "dotenv", "login")
]


@pytest.fixture(params=["vault", "file", "keyring", *RARELY])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def profile(kind: str, request: pytest.FixtureRequest) -> None:
    """For a profile in a keyring: a real Secret Service."""
    if kind == "keyring":
        request.getfixturevalue("keyring")


@pytest.mark.usefixtures("profile")
def test_a_key_is_rotated_and_revoked_when_no_process_uses_it_and_no_call_fails(
    kind: str,
    api: FakeVectorShift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    old, new = api.create_key(), api.create_key()
    stage = Stage("login" if kind == "keyring" else kind, old, request, tmp_path)
    if stage.kind == "login":
        here = origin(api.base_url)
        write_profile("acme", Secret(old), origin=here, in_file=kind == "login")
        stage.variables["VECTORSHIFT_PROFILE"] = "acme"
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    vectorshift.metrics()
    other = Other([*script(tmp_path, OTHER_PROCESS), api.base_url], stage.variables)

    def call_all(client: VectorShift, aclient: AsyncVectorShift) -> None:
        ended = threading.Event()
        tasks: list[BaseException] = []

        async def main() -> None:
            call = lambda: Pipeline.alist(client=aclient)  # noqa: E731
            async with aclient, atraffic(200, call) as running:
                await anyio.to_thread.run_sync(ended.wait)
            tasks.extend(running.failures)

        loop = threading.Thread(target=lambda: asyncio.run(main()))
        loop.start()
        with traffic(64, lambda: Pipeline.list(client=client)) as threads:
            threads.turn()
            wait_until(lambda: since_use(other.metrics(), old) is not None)
            stage.rotate(new, api.base_url)

            def out_of_use() -> bool:
                told = [since_use(each, old) for each in (vectorshift.metrics(), other.metrics())]
                time.sleep(0.2)
                return all(since is not None and since > OUT_OF_USE for since in told)

            wait_until(out_of_use, 120)
            before = seen(api, old)
            api.revoke_key(old)
            threads.turn()
            wait_until(lambda: seen(api, new, other="other"))
            assert seen(api, old) == before
        ended.set()
        loop.join()
        assert threads.failures == []
        assert tasks == []

    try:
        chain = ProviderChain.from_settings(Settings.load())
        with VectorShift(chain, base_url=api.base_url) as client:
            call_all(client, AsyncVectorShift(chain, base_url=api.base_url))
        told = other.metrics()
    finally:
        other.close()
    assert told["failures"] == []
    assert {sent.status for sent in api.requests} == {200}
    ours = {each["fingerprint"] for each in vectorshift.metrics()["in_use"]}
    theirs = {each["fingerprint"] for each in told["in_use"]}
    assert {fingerprint(old), fingerprint(new)} <= ours
    assert theirs == {fingerprint(old), fingerprint(new)}
    assert theirs == {
        fingerprint(sent.key.reveal())
        for sent in api.requests
        if sent.key and sent.headers.get("x-process") == "other"
    }


def seen(api: FakeVectorShift, key: str, other: str = "") -> int:
    """Return how many requests had this key."""
    return sum(
        sent.key is not None
        and sent.key.reveal() == key
        and (not other or sent.headers.get("x-process") == other)
        for sent in api.requests
    )
