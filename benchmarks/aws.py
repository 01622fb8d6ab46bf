"""What a first call and a read of AWS cost by each way, how long a process waits for a role that
starts later, and what a chain costs whose way to AWS hangs: `python -m benchmarks.aws`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import in_turn, median, ratio, show
from benchmarks.surroundings import Api, clean_surroundings, python, stand_in_api
from vectorshift import AwsSecretsManagerProvider, CredentialError, EnvProvider, ProviderChain
from vectorshift.testing import FakeSecretsManagerAgent, MotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READS = 50
_FIRST_CALLS = 25
_CALLS = 1000
_BOTO3 = """
import boto3
key = boto3.client("secretsmanager").get_secret_value(SecretId="prod/vs")["SecretString"]
"""
_HTTPX = """
import httpx
httpx.get(URL, headers=dict(Authorization="Bearer " + KEY)).raise_for_status()
"""
_OURS = """
from vectorshift import VectorShift
VectorShift(base_url=BASE_URL).request("GET", "/pipelines")
"""
_CPU = "import time; began = time.process_time()\n{}\nprint(time.process_time() - began)"
_BOTO3_READ = "boto3's own first read"
_HTTPX_CALL = "bare httpx's first call"
_BOTH = "both"
_START = """
import json, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Role(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"AccessKeyId": "A", "SecretAccessKey": "b", "Token": "c",
                           "Expiration": "2099-01-01T00:00:00Z"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *about): pass
def serve():
    time.sleep(LATE)
    ThreadingHTTPServer(("127.0.0.1", PORT), Role).serve_forever()
threading.Thread(target=serve, daemon=True).start()
began, failed = time.monotonic(), 0
while True:
    try:
        ASK
        break
    except Exception:
        failed += 1
        time.sleep(0.1)
print(time.monotonic() - began - LATE, failed)
"""
_ASK = {
    "boto3, a new session each time": (
        'import boto3;boto3.Session().client("secretsmanager").get_secret_value(SecretId="prod/vs")'
    ),
    "vectorshift": "import vectorshift; vectorshift.get_credential()",
}


def aws() -> None:
    """Measure first calls, the reads by boto3 and by the Agent, late starts, and chains that
    hang.
    """
    with MotoServer() as moto, FakeSecretsManagerAgent() as agent, stand_in_api() as api:
        moto.put("prod/vs", api.key)
        agent.put("prod/vs", api.key)
        os.environ.update({**moto.environment(), "AWS_TOKEN": agent.token})
        _first_calls(api, agent.url)
        _reads(agent.url)
        _late_starts()
    _hanging()


def _first_calls(api: Api, agent_url: str) -> None:
    secret = {"VECTORSHIFT_AWS_SECRET_ID": "prod/vs"}
    ways = {
        _BOTO3_READ: (_BOTO3, {}),
        _HTTPX_CALL: (_HTTPX, {}),
        "first call, key in the environment": (_OURS, {"VECTORSHIFT_API_KEY": api.key}),
        "first call, boto3": (_OURS, secret),
        "first call, the Agent": (_OURS, {**secret, "VECTORSHIFT_AWS_AGENT_URL": agent_url}),
    }
    found = in_turn({name: _cpu(api, *way) for name, way in ways.items()}, _FIRST_CALLS)
    found[_BOTH] = [a + b for a, b in zip(found[_BOTO3_READ], found[_HTTPX_CALL], strict=True)]
    show(
        "The first call of a new process",
        ("", "CPU, ms", "to the bare"),
        [
            (
                name,
                f"{1000 * median(found, name):.0f}",
                f"{ratio(found, name, _BOTH if name.endswith('boto3') else _HTTPX_CALL):.2f}"
                if "first call," in name
                else "",
            )
            for name in ways
        ],
        f"CPU with imports, medians of {_FIRST_CALLS} rounds. The bare: httpx's first call, and for"
        " boto3 its own first read as well.",
    )


def _cpu(api: Api, code: str, environ: dict[str, str]) -> Callable[[], float]:
    code = code.replace("BASE_URL", repr(api.base_url))
    code = code.replace("(URL", f"({api.url!r}").replace("KEY)", f"{api.key!r})")
    return lambda: float(python(_CPU.format(code), **environ))


def _late_starts() -> None:
    rows = []
    for name, ask in _ASK.items():
        for late in (0.5, 4.0, 12.0):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            code = _START.replace("LATE", str(late)).replace("PORT", str(port)).replace("ASK", ask)
            environ = {
                "AWS_ACCESS_KEY_ID": "",
                "AWS_SECRET_ACCESS_KEY": "",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/role",
                "VECTORSHIFT_AWS_SECRET_ID": "prod/vs",
            }
            after, failed = python(code, **environ).split()
            rows.append((name, f"{late:g}", f"{float(after):.1f}", failed))
    show(
        "A credentials endpoint of ECS or EKS that is up some seconds after the process",
        ("", "up after, s", "key then after, s", "failed calls before"),
        rows,
        "The process asks every 0.1 s.",
    )


def _reads(agent_url: str) -> None:
    ways: dict[str, dict[str, str]] = {"boto3": {}, "the Agent": {"agent_url": agent_url}}
    warm = in_turn({name: _warm(**way) for name, way in ways.items()}, rounds=5)
    show(
        "A read from Secrets Manager on loopback, past the cache of vectorshift",
        ("", "ms"),
        [(name, f"{1000 * median(warm, name):.1f}") for name in ways],
        f"Median of {_READS} reads, and of 5 rounds.",
    )


def _warm(**way: Any) -> Callable[[], float]:
    provider = AwsSecretsManagerProvider("prod/vs", **way)
    provider.get_credential()

    def measure() -> float:
        return statistics.median(_seconds(provider.get_credential) for _ in range(_READS))

    return measure


def _hanging() -> None:
    rows = []
    with _hanging_server() as url:
        for name, variables in _ways_that_hang(url).items():
            os.environ.update(variables)
            chain = ProviderChain(
                [EnvProvider(), AwsSecretsManagerProvider("prod/vs", region="eu-central-1")]
            )
            failed = _failing(chain)
            first = _seconds(failed)
            later = sorted(_seconds(failed) for _ in range(_CALLS))
            marks = (later[len(later) // 2], later[len(later) * 99 // 100], later[-1])
            rows.append((name, f"{first:.2f}", *(f"{1000 * mark:.3f}" for mark in marks)))
            for variable in variables:
                del os.environ[variable]
    show(
        "A chain that ends in AWS, while what gives AWS credentials hangs",
        ("", "first failure, s", "next, ms", "99 % below", "slowest"),
        rows,
        f"Next: median of the {_CALLS} calls after the first.",
    )


def _ways_that_hang(url: str) -> dict[str, dict[str, str]]:
    token = Path("jwt").absolute()  # in the folder of clean_surroundings
    token.write_text("e30.e30.x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.pop(name, None)
    return {
        "metadata service (EC2)": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url},
        "container's endpoint (ECS, EKS)": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/role"},
        "STS (IRSA)": {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
            "AWS_ENDPOINT_URL_STS": url,
        },
    }


def _failing(chain: ProviderChain) -> Callable[[], None]:
    def failed() -> None:
        with contextlib.suppress(CredentialError):
            chain.get_credential()
            raise RuntimeError("it should have failed")

    return failed


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextlib.contextmanager
def _hanging_server() -> Iterator[str]:
    """Take every connection, and never answer."""
    taken: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def take() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    threading.Thread(target=take, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    for each in (*taken, listener):
        each.close()


if __name__ == "__main__":
    with clean_surroundings():
        aws()
