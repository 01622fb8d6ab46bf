"""Named pipes as key file and dotenv: read once, by the first call that needs them, and kept."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import PROGRAM, environment, piped
from tests.forks import succeeds_in_a_child
from tests.interpreter import printed

import vectorshift
from vectorshift import Settings, VectorShift
from vectorshift._platform.files import read_small
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.errors import (
    AuthenticationError,
    CredentialConfigurationError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers import DotenvProvider, EnvProvider, ExplicitProvider
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vectorshift.credentials.resolving import BaseProvider

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")

KEY = "vs-through-a-pipe"
FORMS: dict[str, Callable[[Path], tuple[BaseProvider, str]]] = {
    "a key file": lambda pipe: (EnvProvider(file=pipe), KEY),
    "a named dotenv": lambda pipe: (DotenvProvider(pipe), f"VECTORSHIFT_API_KEY={KEY}\n"),
    "a found dotenv": lambda pipe: (DotenvProvider(), f"VECTORSHIFT_API_KEY={KEY}\n"),
}


class Writer:
    """A program that writes to a pipe once, and tells whether anybody has opened it."""

    def __init__(self, pipe: Path, text: str) -> None:
        os.mkfifo(pipe)
        self._pipe, self._text = pipe, text
        self.was_opened = threading.Event()
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        with self._pipe.open("w") as pipe:  # waits for a reader
            self.was_opened.set()
            pipe.write(self._text)


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_pipe_is_read_once_and_its_key_is_kept(form: str, asks: str, pipe: Path) -> None:
    provider, text = FORMS[form](pipe)
    Writer(pipe, text)

    def key() -> str:
        found = (
            provider.get_credential() if asks == "sync" else asyncio.run(provider.aget_credential())
        )
        return found.secret.reveal()

    assert key() == KEY
    rejected = provider.get_credential()
    assert provider.resolve(LookupRequest(rejected=rejected)) == rejected
    vectorshift.reset()
    assert key() == KEY
    assert succeeds_in_a_child(lambda: key() == KEY)
    pipe.unlink()
    assert key() == KEY


@pytest.mark.parametrize("form", list(FORMS))
def test_a_child_forked_before_the_read_does_not_take_it(form: str, pipe: Path) -> None:
    provider, text = FORMS[form](pipe)
    writer = Writer(pipe, text)

    def refused() -> bool:
        with pytest.raises(CredentialStoreUnavailableError, match=r"warm_up\(\) before the fork"):
            provider.get_credential()
        return True

    assert succeeds_in_a_child(refused)
    assert not writer.was_opened.is_set()
    assert provider.get_credential().secret.reveal() == KEY


@pytest.mark.parametrize("form", list(FORMS))
def test_a_pipe_without_a_writer_is_unavailable_and_answers_when_one_comes(
    form: str, pipe: Path
) -> None:
    provider, text = FORMS[form](pipe)
    os.mkfifo(pipe)
    soon = LookupRequest(deadline=time.monotonic() + 0.05)
    answer = provider.resolve(soon)
    assert isinstance(answer, CredentialStoreUnavailableError)
    assert "it is a named pipe, and nothing was written to it within" in answer.message
    assert str(pipe) in answer.message
    pipe.write_text(text)
    assert provider.get_credential().secret.reveal() == KEY


def test_reading_a_pipe_does_not_block_an_event_loop(pipe: Path) -> None:
    provider = EnvProvider(file=pipe)
    os.mkfifo(pipe)

    async def main() -> str:
        waiting = asyncio.ensure_future(provider.aget_credential())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await asyncio.to_thread(pipe.write_text, KEY)
        return (await waiting).secret.reveal()

    assert asyncio.run(main()) == KEY


def test_what_is_larger_than_a_mebibyte_is_refused(pipe: Path) -> None:
    Writer(pipe, "x" * ((1 << 20) + 1))
    with pytest.raises(CredentialConfigurationError, match="too large for a file with a key"):
        EnvProvider(file=pipe).get_credential()


def test_what_asks_for_no_pipe_is_told_that_it_is_one(pipe: Path) -> None:
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is a named pipe, not a plain file"):
        read_small(pipe)


# --- Who leaves it alone ---


def test_a_found_pipe_is_left_alone_while_an_earlier_source_answers(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(pipe, f"VECTORSHIFT_API_KEY={KEY}\n")
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-of-the-variable")
    vectorshift.reset()
    assert vectorshift.get_credential().secret.reveal() == "vs-of-the-variable"
    vectorshift.explain(probe=True)
    assert not writer.was_opened.is_set()
    assert DotenvProvider(pipe).get_credential().secret.reveal() == KEY  # nothing was lost


def test_explain_reads_no_pipe_and_says_what_a_call_would_do(pipe: Path) -> None:
    writer = Writer(pipe, f"VECTORSHIFT_API_KEY={KEY}\n")
    vectorshift.reset()
    for probe in (False, True):
        report = vectorshift.explain(probe=probe)
        assert report.outcome == "unknown"
        assert report.verdict == f"Not known yet: a call would first ask dotenv:{pipe}."
        assert "a named pipe, which the first call that needs it reads once" in str(report)
    assert not writer.was_opened.is_set()
    assert vectorshift.get_credential().secret.reveal() == KEY
    assert vectorshift.explain().outcome == "found"


@pytest.mark.parametrize(
    ("command", "code"), [("auth status", 5), ("auth status --no-probe", 5), ("providers list", 0)]
)
def test_commands_that_look_leave_a_pipe_alone(command: str, code: int, pipe: Path) -> None:
    writer = Writer(pipe, f"VECTORSHIFT_API_KEY={KEY}\n")
    done = piped(*command.split())
    assert (done.returncode, done.stderr) == (code, "")
    assert "a named pipe, which the first call that needs it reads once" in done.stdout
    assert not writer.was_opened.is_set()
    pipe.read_text()


@pytest.mark.parametrize(("command", "code"), [("auth status", 5), ("providers list", 3)])
def test_commands_that_look_leave_a_named_pipe_with_settings_alone(
    command: str, code: int, pipe: Path
) -> None:
    writer = Writer(pipe, f"VECTORSHIFT_API_KEY={KEY}\n")
    done = piped(*command.split(), VECTORSHIFT_ENV_FILE=str(pipe))
    assert done.returncode == code
    told = f"VECTORSHIFT_ENV_FILE names {pipe}: it is a named pipe, which the first call that needs"
    assert told in done.stdout + done.stderr
    assert not writer.was_opened.is_set()
    pipe.read_text()


# --- As people use them ---


@pytest.mark.parametrize(
    "line",
    [
        'VECTORSHIFT_ENV_FILE=<(printf "VECTORSHIFT_API_KEY=%s\\n" $KEY)',
        "VECTORSHIFT_API_KEY_FILE=<(echo $KEY)",
        "VECTORSHIFT_API_KEY_FILE=/dev/stdin",
    ],
)
def test_exec_takes_the_key_from_process_substitution_and_standard_input(line: str) -> None:
    run = f"env {line} {' '.join(PROGRAM)} exec -- printenv VECTORSHIFT_API_KEY"
    script = f"echo {KEY} | {run}" if "stdin" in line else run
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment(KEY=KEY),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, KEY, "")


def test_settings_and_the_key_come_from_one_reading(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Writer(pipe, f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_TIMEOUT=7\n")
    monkeypatch.setenv("VECTORSHIFT_ENV_FILE", pipe.name)  # a name below the working directory
    vectorshift.reset()
    assert vectorshift.get_credential().secret.reveal() == KEY
    assert Settings.load().timeout == 7.0


def test_a_named_dotenv_pipe_without_a_writer_is_unavailable(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(pipe)
    monkeypatch.setenv("VECTORSHIFT_ENV_FILE", str(pipe))
    monkeypatch.setenv("VECTORSHIFT_LOAD_TIMEOUT", "0.05")
    vectorshift.reset()
    with pytest.raises(CredentialStoreUnavailableError, match=r"within 0.05 s"):
        vectorshift.get_credential()
    monkeypatch.setenv("VECTORSHIFT_LOAD_TIMEOUT", "10")
    pipe.write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    assert vectorshift.get_credential().secret.reveal() == KEY


def test_a_401_says_that_a_pipe_is_not_read_again(pipe: Path) -> None:
    Writer(pipe, KEY)
    with FakeVectorShift() as api:
        client = VectorShift(EnvProvider(file=pipe), base_url=api.base_url)
        with client, pytest.raises(AuthenticationError) as caught:
            client.request("GET", "/pipelines")
    assert "It is a named pipe, which is read once. Restart the process." in str(caught.value)


def test_a_key_in_code_leaves_the_pipe_to_the_program(pipe: Path) -> None:
    writer = Writer(pipe, "x")
    chain: Any = vectorshift.ProviderChain([ExplicitProvider("vs-a"), DotenvProvider()])
    assert chain.get_credential().secret.reveal() == "vs-a"
    read = printed(f"print(open({str(pipe)!r}).read())").strip()
    assert (read, writer.was_opened.is_set()) == ("x", True)
