"""Rotates a key again and again, and kills the process at one line of `rotation/` after another.

Run as a program of its own, `python -m tests.rotation.killing KIND FIRST STEP`: it forks. It prints
how many lines there are, and at how many of them it found which key. A STEP of 0 tries eight lines.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rotation.stage import checks

import vectorshift.rotation
from vectorshift import Secret, Settings
from vectorshift._platform.urls import origin
from vectorshift.providers import profiles
from vectorshift.providers.profiles import write_profile
from vectorshift.rotation.flow import Options, look, prepare, rotate

if TYPE_CHECKING:
    from collections.abc import Callable

TRACED = (str(Path(vectorshift.rotation.__file__).parent), profiles.__file__)
OLD, NEW = os.environ["OLD_KEY"], os.environ["NEW_KEY"]


def in_vault(key: str) -> None:
    import httpx

    url = f"{os.environ['VAULT_ADDR']}/v1/secret/data/{os.environ['VECTORSHIFT_VAULT_PATH']}"
    token = {"X-Vault-Token": os.environ["VAULT_TOKEN"]}
    httpx.post(url, json={"data": {"api_key": key, "owner": "web"}}, headers=token)


@functools.cache
def aws(service: str) -> Any:
    import boto3

    return boto3.client(service)


def in_aws(key: str) -> None:
    client = aws("secretsmanager")
    name, text = os.environ["VECTORSHIFT_AWS_SECRET_ID"], f'{{"owner": 1.50, "api_key": "{key}"}}'
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        # moto leaves AWSCURRENT on two versions if one is put after that label was moved
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    client.create_secret(Name=name, SecretString=text)


def in_parameter(key: str) -> None:
    client = aws("ssm")
    name = os.environ["VECTORSHIFT_AWS_PARAMETER"]
    client.put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)


def in_file(key: str) -> None:
    Path(os.environ["VECTORSHIFT_API_KEY_FILE"]).write_text(f"{key}\n")


def in_dotenv(key: str) -> None:
    file = Path(os.environ["VECTORSHIFT_ENV_FILE"])
    here = os.environ["VECTORSHIFT_BASE_URL"]
    file.write_text(f"# ours\nVECTORSHIFT_BASE_URL={here}\nVECTORSHIFT_API_KEY='{key}'\n")


def in_login(key: str) -> None:
    here = origin(os.environ["VECTORSHIFT_BASE_URL"])
    write_profile("acme", Secret(key), origin=here, in_file=True)


PUT: dict[str, Callable[[str], None]] = {
    "vault": in_vault,
    "aws": in_aws,
    "parameter": in_parameter,
    "file": in_file,
    "dotenv": in_dotenv,
    "login": in_login,
}


def whole_rotation(kind: str) -> None:
    settings = Settings.load()
    options = Options(source=kind)
    target, old = look(settings, options)
    rotate(prepare(target, old, Secret(NEW), checks(settings), options), checks(settings))


def in_child(work: Callable[[], None]) -> int:
    """Do something in a fork, and return how it ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def traced(kind: str, at_line: Callable[[], None]) -> None:
    """Rotate, and call `at_line` before each line of the package."""

    def line(frame: Any, event: str, argument: object) -> Any:
        if event == "line":
            at_line()
        return line

    def call(frame: Any, event: str, argument: object) -> Any:
        return line if frame.f_code.co_filename.startswith(TRACED) else None

    sys.settrace(call)
    whole_rotation(kind)
    sys.settrace(None)


def count(kind: str) -> int:
    """Return how many lines a rotation runs."""
    ours, its = os.pipe()

    def tell() -> None:
        os.write(its, b".")

    def work() -> None:
        traced(kind, tell)

    PUT[kind](OLD)
    assert in_child(work) == 0
    os.close(its)
    with os.fdopen(ours, "rb") as told:
        return len(told.read())


def killed_at(kind: str, number: int) -> str:
    """Kill a rotation before its line of this number; return which key is there then."""
    left = number

    def at_line() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    PUT[kind](OLD)
    assert in_child(lambda: traced(kind, at_line)) == signal.SIGKILL
    target, found = look(Settings.load(), Options(source=kind))
    target.close()
    return {OLD: "old", NEW: "new"}[found.secret.reveal()]


def main(kind: str, first: int, step: int) -> None:
    lines = count(kind)
    numbers = range(first, lines + 1, step or lines // 7)
    found = Counter(killed_at(kind, number) for number in numbers)
    PUT[kind](OLD)
    assert in_child(lambda: whole_rotation(kind)) == 0  # what is left of a killed one harms nothing
    print(lines, found["old"], found["new"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
