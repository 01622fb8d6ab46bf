"""No input freezes or fills the process: each way in, with each hostile shape, against a good input
of the same size, in a process with little memory.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import os
import struct
import subprocess
import sys
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
"""
EPILOGUE = """
for place in sys.argv[1:]:
    began = time.process_time()
    try:
        said = type(work(place)).__name__
    except VectorshiftError as error:
        said = f"{type(error).__name__}: {error}"
    print(time.process_time() - began, " ".join(said.split()), flush=True)
"""


def run(work: str, *places: object, **environment: str) -> list[tuple[str, float]]:
    """Do work at one place after the other, in one process with little memory; return what came
    of each, and its CPU seconds.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(work) + EPILOGUE, *map(str, places)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=60 * len(places),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [(said, float(seconds)) for seconds, said in lines]


# --- Files that are parsed ---

DOTENV = "work = lambda place: DotenvProvider(place).get_credential()"
LOGIN = "work = lambda place: LoginProvider(place).get_credential()"
PROFILE = """
def work(place):
    os.environ["HOME"] = place
    return LoginProvider(profile="acme").get_credential()
"""
LINES = "OTHER=some value # of a comment\n"


def dotenv(line: str) -> str:
    return f"VECTORSHIFT_API_KEY=vs-a1b2c3d4e5f6\n{line}"


def toml(line: str) -> str:
    return f'[auth]\napi_key = "vs-a1b2c3d4e5f6"\n[other]\n{line}'


FILES = {
    DOTENV: {
        "good": dotenv(LINES * 8_192),
        "blanks": dotenv(" " * 262_144 + "y\n"),
        "a value and blanks": dotenv(f"A=x{' ' * 262_144}y\n"),
        "tabs": dotenv("A=x" + "\t" * 262_144),
        "no-break spaces": dotenv("A=x" + "\u00a0" * 131_072 + "y"),
        "form feeds in many lines": dotenv(("A=x" + "\f" * 4_000 + "\n") * 64),
    },
    LOGIN: {
        "good": toml("# a\n" * 16_000),
        "a dotted key": toml("a." * 32_000 + "a = 1\n"),
        "lines of dotted keys": toml(
            "".join(f"[x{n}.{'a.' * 400}a]\nk{'.b' * 400} = 1\n" for n in range(600))
        ),
        "a dotted table": toml("[" + "a . " * 16_000 + "a]\n"),
    },
}


@pytest.mark.parametrize("work", FILES, ids=["dotenv", "login"])
def test_a_text_costs_as_much_as_another_of_its_length(tmp_path: Path, work: str) -> None:
    for shape, text in FILES[work].items():
        (tmp_path / shape).write_text(text, "utf-8")
    (good, usual), *hostile = run(work, *(tmp_path / shape for shape in FILES[work]))
    assert good == "Credential"
    for said, seconds in hostile:
        assert said == "Credential" or said.startswith("CredentialConfigurationError: ")
        assert seconds < 5 * max(usual, 0.2), said


def test_a_list_of_profiles_costs_no_more(tmp_path: Path) -> None:
    login = FILES[LOGIN]
    texts = [login["a dotted key"], login["a dotted table"], "# a\n" * 300_000]  # beyond 1 MiB
    homes = [tmp_path / str(number) for number, _ in enumerate(texts)]
    for home, text in zip(homes, texts, strict=True):
        folder = home / ".vectorshift"
        folder.mkdir(0o700, parents=True)
        (folder / "credentials.toml").write_text(text, "utf-8")
        (folder / "credentials.toml").chmod(0o600)
    (tmp_path / "good").write_text(login["good"], "utf-8")
    [(_, usual)] = run(LOGIN, tmp_path / "good")
    for said, seconds in run(PROFILE, *homes):
        assert said.startswith("CredentialConfigurationError: ")
        assert seconds < 5 * max(usual, 0.2)


# --- Files that are no files ---


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def an_endless_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


VAULT = "work = lambda place: VaultProvider('x', addr='http://127.0.0.1:9', {}).get_credential()"
TOKEN_FILES = {
    "token": VAULT.format("token_file=place"),
    "secret id": VAULT.format("auth='approle', role_id='r', secret_id_file=place"),
    "jwt": VAULT.format("auth='jwt', role='r', jwt_file=place"),
    "agent": """
def work(place):
    os.environ["AWS_TOKEN"] = f"file://{place}"
    return AwsSecretsManagerProvider("x", agent_url="http://127.0.0.1:9").get_credential()
""",
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files of POSIX")
@pytest.mark.parametrize("name", TOKEN_FILES)
def test_a_token_file_that_is_no_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    makers = (a_pipe, a_device, an_endless_file)
    for make in makers:
        make(tmp_path / make.__name__)
    for said, _ in run(TOKEN_FILES[name], *(tmp_path / make.__name__ for make in makers)):
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


@functools.cache
def bomb() -> bytes:
    """Return 512 MiB of JSON as gzip: one packed mebibyte again and again, as to pack them all
    takes seconds.
    """
    packer = zlib.compressobj(1, wbits=-15)

    def packed(piece: bytes) -> bytes:
        return packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)

    piece = b"0," * (MIB // 2)
    content = packed(b"[") + packed(piece) * 512 + packed(b"0]") + packer.flush()
    check = functools.reduce(
        lambda crc, part: zlib.crc32(part, crc), [b"[", *[piece] * 512, b"0]"], 0
    )
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + content + struct.pack("<LL", check, 512 * MIB + 3)


def exploding(pack: Callable[[], bytes] = bomb, encoding: str = "gzip") -> Any:
    """Answer with a bomb, which is made when it is asked for."""

    def fault(connection: socket.socket, ended: threading.Event) -> None:
        answer(200, pack(), Content_Encoding=encoding)(connection, ended)

    return fault


REQUEST = """
def work(place):
    client = VectorShift("vs-a1b2c3d4e5f6", base_url=place, max_retries=0, timeout=20)
    client.request("GET", "/x")
"""
STREAM = """
def work(place):
    client = VectorShift("vs-a1b2c3d4e5f6", base_url=place, max_retries=0, timeout=20)
    with client.stream("GET", "/x") as stream:
        for item in stream.{}():
            pass
"""
AGENT = "work = lambda place: AwsSecretsManagerProvider('x', agent_url=place).get_credential()"
AWS = """
def work(place):
    return AwsSecretsManagerProvider(
        "x", endpoint_url=place, region="us-east-1"
    ).get_credential()
"""
BAO = "work = lambda place: VaultProvider('x', addr=place, token='t').get_credential()"
AWS_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_TOKEN": "t"}

PUNYCODE = b"a-" + b"9" * (MIB - 2)
LINE, EVENT = "a line of more than", "an event of more than"
ANSWERS: dict[str, tuple[str, list[tuple[Any, str]]]] = {
    "api": (
        REQUEST,
        [
            (exploding(), "longer than 64 MiB"),
            (exploding(lambda: gzip.compress(bomb()), "gzip, gzip"), "longer than 64 MiB"),
            (answer(200, b"x", Content_Encoding="gzip, gzip, gzip"), "compressed three times"),
            (endless(b""), "longer than 64 MiB"),
            (
                answer(500, PUNYCODE, Content_Type="text/plain; charset=punycode"),
                "InternalServerError",
            ),
        ],
    ),
    "lines": (STREAM.format("iter_lines"), [(endless(b""), LINE), (exploding(), LINE)]),
    "events": (
        STREAM.format("iter_events"),
        [(endless(b"", b"data: " + b"x" * 8_000 + b"\n"), EVENT)],
    ),
    "agent": (AGENT, [(exploding(), "is not the Agent"), (endless(b"{"), "is not the Agent")]),
    "aws": (
        AWS,
        [
            (exploding(), "CredentialStoreUnavailable"),
            (endless(b"{"), "CredentialStoreUnavailable"),
        ],
    ),
    "vault": (BAO, [(exploding(), "it sends too much"), (endless(b"{"), "it sends too much")]),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_fills_no_memory_and_is_a_clear_error(name: str) -> None:
    work, answers = ANSWERS[name]
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(fault)) for fault, _ in answers]
        outcomes = run(work, *(server.origin for server in servers), **AWS_KEYS)
    for (said, seconds), (_, words) in zip(outcomes, answers, strict=True):
        assert words in said
        assert seconds < 20
