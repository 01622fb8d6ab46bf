"""What a read of AWS costs by each way, and what a chain costs whose way to AWS hangs: `python -m
benchmarks.aws`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import in_turn, median, show
from benchmarks.surroundings import clean_surroundings, python
from vectorshift import AwsSecretsManagerProvider, CredentialError, EnvProvider, ProviderChain
from vectorshift.testing import FakeSecretsManagerAgent, MotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READS = 50
_CALLS = 1000
_COLD = """
import time
began = time.perf_counter()
from vectorshift import AwsSecretsManagerProvider
AwsSecretsManagerProvider("prod/vs", agent_url=AGENT_URL).get_credential()
print(time.perf_counter() - began)
"""


def aws() -> None:
    """Measure the reads by boto3 and by the Agent, then the chains that hang."""
    with MotoServer() as moto, FakeSecretsManagerAgent() as agent:
        moto.put("prod/vs", "vs-bench")
        agent.put("prod/vs", "vs-bench")
        os.environ.update({**moto.environment(), "AWS_TOKEN": agent.token})
        _reads(agent.url)
    _hanging()


def _reads(agent_url: str) -> None:
    ways = {"boto3": None, "the Agent": agent_url}
    cold = in_turn({name: _cold(url) for name, url in ways.items()}, rounds=5)
    warm = in_turn({name: _warm(url) for name, url in ways.items()}, rounds=5)
    show(
        "A read from Secrets Manager on loopback, past the cache of vectorshift",
        ("", "first, ms", "later, ms"),
        [
            (name, f"{1000 * median(cold, name):.0f}", f"{1000 * median(warm, name):.1f}")
            for name in ways
        ],
        f"First: in a new process, with imports. Later: median of {_READS} reads. Each the median"
        " of 5 rounds.",
    )


def _cold(agent_url: str | None) -> Callable[[], float]:
    code = _COLD.replace("AGENT_URL", repr(agent_url))
    return lambda: float(python(code))


def _warm(agent_url: str | None) -> Callable[[], float]:
    provider = AwsSecretsManagerProvider("prod/vs", agent_url=agent_url)
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
