"""No input freezes or fills the process: each way in, with each hostile shape, against a good input
of the same size, in a process with little memory.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import os
import subprocess
import sys
import tempfile
import textwrap
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults import FaultServer, answer

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

MIB = 2**20
ROOT = Path(__file__).parents[1]
MEMORY = 1_200 * MIB
"""Of address space, libraries included; a thread takes 8 MiB of it."""

PROLOGUE = f"""
import os, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
import vectorshift
from vectorshift import *
from vectorshift.errors import *
from vectorshift.providers.login import LoginProvider
place = sys.argv[1]
def outcome(work):
    try:
        return type(work()).__name__
    except VectorshiftError as error:
        return f"{{type(error).__name__}}: {{error}}"
began = time.process_time()
"""
EPILOGUE = """
print(time.process_time() - began, flush=True)
"""


def run(code: str, place: object, **environment: str) -> tuple[str, float]:
    """Run code in a process with little memory; return what it printed, and its CPU seconds."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(code) + EPILOGUE, str(place)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    *said, seconds = done.stdout.splitlines()
    return "\n".join(said), float(seconds)


# --- Files that are parsed ---

DOTENV = "print(outcome(DotenvProvider(place).get_credential))"
LOGIN = "print(outcome(LoginProvider(place).get_credential))"
PROFILE = "os.environ['HOME'] = place; print(outcome(LoginProvider(profile='acme').get_credential))"
LINES = "OTHER=some value # of a comment\n"


def dotenv(line: str) -> str:
    return f"VECTORSHIFT_API_KEY=vs-a1b2c3d4e5f6\n{line}"


def toml(line: str) -> str:
    return f'[auth]\napi_key = "vs-a1b2c3d4e5f6"\n[other]\n{line}'


GOOD = {DOTENV: dotenv(LINES * 8_192), LOGIN: toml("# a\n" * 16_000)}
FILES = {
    "blanks": (DOTENV, dotenv(" " * 262_144 + "y\n")),
    "a value and blanks": (DOTENV, dotenv(f"A=x{' ' * 262_144}y\n")),
    "tabs": (DOTENV, dotenv("A=x" + "\t" * 262_144)),
    "no-break spaces": (DOTENV, dotenv("A=x" + "\u00a0" * 131_072 + "y")),
    "form feeds in many lines": (DOTENV, dotenv(("A=x" + "\f" * 4_000 + "\n") * 64)),
    "a dotted key": (LOGIN, toml("a." * 32_000 + "a = 1\n")),
    "lines of dotted keys": (
        LOGIN,
        toml("".join(f"[x{n}.{'a.' * 400}a]\nk{'.b' * 400} = 1\n" for n in range(600))),
    ),
    "a dotted table": (LOGIN, toml("[" + "a . " * 16_000 + "a]\n")),
}


@pytest.mark.parametrize("shape", ["a dotted key", "a dotted table", "more than a mebibyte"])
def test_a_list_of_profiles_costs_no_more(tmp_path: Path, shape: str) -> None:
    text = FILES[shape][1] if shape in FILES else "# a\n" * 300_000
    folder = tmp_path / ".vectorshift"
    folder.mkdir(0o700)
    (folder / "credentials.toml").write_text(text, "utf-8")
    (folder / "credentials.toml").chmod(0o600)
    said, seconds = run(PROFILE, tmp_path)
    assert said.startswith("CredentialConfigurationError: ")
    assert seconds < 5 * max(usual(LOGIN), 0.2)


@functools.cache
def usual(code: str) -> float:
    """Return the CPU seconds for a good file of the same size."""
    with tempfile.NamedTemporaryFile("w", suffix=".env") as file:
        file.write(GOOD[code])
        file.flush()
        said, seconds = run(code, file.name)
    assert said == "Credential"
    return seconds


@pytest.mark.parametrize("shape", FILES)
def test_a_text_costs_as_much_as_another_of_its_length(tmp_path: Path, shape: str) -> None:
    code, hostile = FILES[shape]
    (tmp_path / "hostile").write_text(hostile, "utf-8")
    said, seconds = run(code, tmp_path / "hostile")
    assert said == "Credential" or said.startswith("CredentialConfigurationError: ")
    assert seconds < 5 * max(usual(code), 0.2)


# --- Files that are no files ---


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def an_endless_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


VAULT = "VaultProvider('x', addr='http://127.0.0.1:9', {}).get_credential"
TOKEN_FILES = {
    "token": VAULT.format("token_file=place"),
    "secret id": VAULT.format("auth='approle', role_id='r', secret_id_file=place"),
    "jwt": VAULT.format("auth='jwt', role='r', jwt_file=place"),
    "agent": "AwsSecretsManagerProvider('x', agent_url='http://127.0.0.1:9').get_credential",
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files of POSIX")
@pytest.mark.parametrize("make", [a_pipe, a_device, an_endless_file])
@pytest.mark.parametrize("name", TOKEN_FILES)
def test_a_token_file_that_is_no_file_is_refused_at_once(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "token")
    code = f"print(outcome({TOKEN_FILES[name]}))"
    said, _ = run(code, tmp_path / "token", AWS_TOKEN=f"file://{tmp_path / 'token'}")
    assert said.startswith("CredentialConfigurationError: ")
    assert "not a plain file" in said or "too large" in said


# --- Answers ---


def endless(begin: bytes, piece: bytes = b"x" * 65_536, **headers: str) -> Any:
    """Answer with a body that does not end as long as it is read."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join(["HTTP/1.1 200 OK", "Connection: close", *lines]).encode()

    def fault(connection: socket.socket, _: threading.Event) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(head + b"\r\n\r\n" + begin)
            while True:
                connection.sendall(piece)

    return fault


def bomb() -> bytes:
    """Half a GiB of JSON in 2 MiB, packed piece by piece: each worker of the tests makes it."""
    packer = zlib.compressobj(1, wbits=31)  # gzip
    pieces = [b"[", *[b"0," * MIB] * 256, b"0]"]
    return b"".join([*map(packer.compress, pieces), packer.flush()])


BOMB = bomb()
REQUEST = """
client = VectorShift("vs-a1b2c3d4e5f6", base_url=place, max_retries=0, timeout=20)
print(outcome(lambda: client.request("GET", "/x")))
"""
STREAM = """
client = VectorShift("vs-a1b2c3d4e5f6", base_url=place, max_retries=0, timeout=20)
def read():
    with client.stream("GET", "/x") as stream:
        for item in stream.{}():
            pass
print(outcome(read))
"""
AGENT = "print(outcome(AwsSecretsManagerProvider('x', agent_url=place).get_credential))"
AWS = (
    "print(outcome(AwsSecretsManagerProvider('x', endpoint_url=place, region='us-east-1')"
    ".get_credential))"
)
BAO = "print(outcome(VaultProvider('x', addr=place, token='t').get_credential))"
AWS_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_TOKEN": "t"}

PUNYCODE = b"a-" + b"9" * (MIB - 2)
ANSWERS: dict[str, tuple[str, Any, str]] = {
    "api: a bomb": (REQUEST, answer(200, BOMB, Content_Encoding="gzip"), "longer than 64 MiB"),
    "api: a bomb twice": (
        REQUEST,
        answer(200, gzip.compress(BOMB), Content_Encoding="gzip, gzip"),
        "longer than 64 MiB",
    ),
    "api: three layers": (
        REQUEST,
        answer(200, b"x", Content_Encoding="gzip, gzip, gzip"),
        "compressed three times",
    ),
    "api: endless": (REQUEST, endless(b""), "longer than 64 MiB"),
    "api: a failed answer in punycode": (
        REQUEST,
        answer(500, PUNYCODE, Content_Type="text/plain; charset=punycode"),
        "InternalServerError",
    ),
    "stream: an endless line": (STREAM.format("iter_lines"), endless(b""), "a line of more than"),
    "stream: an endless event": (
        STREAM.format("iter_events"),
        endless(b"", b"data: " + b"x" * 8_000 + b"\n"),
        "an event of more than",
    ),
    "stream: a line that unpacks": (
        STREAM.format("iter_lines"),
        answer(200, BOMB, Content_Encoding="gzip"),
        "a line of more than",
    ),
    "agent: a bomb": (AGENT, answer(200, BOMB, Content_Encoding="gzip"), "is not the Agent"),
    "agent: endless": (AGENT, endless(b"{"), "is not the Agent"),
    "aws: a bomb": (AWS, answer(200, BOMB, Content_Encoding="gzip"), "CredentialStoreUnavailable"),
    "aws: endless": (AWS, endless(b"{"), "CredentialStoreUnavailable"),
    "vault: a bomb": (BAO, answer(200, BOMB, Content_Encoding="gzip"), "it sends too much"),
    "vault: endless": (BAO, endless(b"{"), "it sends too much"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_fills_no_memory_and_is_a_clear_error(name: str) -> None:
    code, fault, says = ANSWERS[name]
    with FaultServer(fault) as server:
        said, seconds = run(code, server.origin, **AWS_KEYS)
    assert says in said
    assert seconds < 20
