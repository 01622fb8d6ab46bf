"""The contract, and what is particular to commands, with real ones."""

import json
import logging
import os
import shlex
import shutil
import stat
from pathlib import Path
from typing import Any, ClassVar

import pytest
from vectorshift_exec import ExecProvider

from vectorshift import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    MissingCredentialError,
    ProviderChain,
    Settings,
)
from vectorshift.testing import ProviderContract

LIMIT = 65_536  # of run_command
HIDDEN = "vs-Xq7fL0nevertobeseen"


def script(folder: Path, text: str) -> list[str]:
    """Write a shell script and return the command that runs it."""
    path = folder / "get key"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


class TestExec(ProviderContract):
    strict = True
    contract = 1
    exempt: ClassVar = {"deny": "a command has one way to fail"}

    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path) -> None:
        self.document, self.count = tmp_path / "key.json", tmp_path / "reads"
        self.count.touch()
        self.command = script(tmp_path, f"echo >> {self.count}; exec cat {self.document}")
        self.remove()

    def make(self) -> ExecProvider:
        return ExecProvider(self.command, timeout=60)

    def make_second(self, key: str) -> ExecProvider:
        return ExecProvider(self.second(key), timeout=60)

    def second(self, key: str) -> list[str]:
        folder = self.document.parent / "second"
        folder.mkdir(exist_ok=True)
        return script(folder, f"""echo '{json.dumps({"api_key": key})}'""")

    def settings(self) -> Settings:
        own = {"command": shlex.join(self.command), "timeout": 60}
        return Settings(plugins={"exec": own})

    def second_settings(self, key: str) -> Settings:
        return Settings(plugins={"exec": {"command": shlex.join(self.second(key))}})

    def put(self, key: str) -> None:
        self.document.write_text(json.dumps({"api_key": key}))

    def remove(self) -> None:
        self.document.write_text('{"api_key": null}')

    def break_source(self) -> None:
        self.document.rename(self.document.with_suffix(".away"))

    def restore(self) -> None:
        self.document.with_suffix(".away").rename(self.document)

    def reads(self) -> int:
        return len(self.count.read_text())


def failure(provider: ExecProvider) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        provider.get_credential()
    return caught.value


def test_version_and_expiry_are_read(tmp_path: Path) -> None:
    printed = '{"api_key": "vs-1", "version": "7", "expires_at": "2999-01-01T00:00:00Z", "more": 1}'
    credential = ExecProvider(script(tmp_path, f"echo '{printed}'")).get_credential()
    assert (credential.version, str(credential.expires_at)) == ("7", "2999-01-01 00:00:00+00:00")


@pytest.mark.parametrize(
    "printed",
    ["", HIDDEN, f'["{HIDDEN}"]', f'{{"key": "{HIDDEN}"}}', f'{{"api_key": ["{HIDDEN}"]}}']
    + [
        f'{{"api_key": "{HIDDEN}", "expires_at": {at}}}'
        for at in (
            '"soon"',
            '"2999-01-01T00:00:00"',
            "{}",
            "32472144000",
            '"32472144000"',
            '"2999-01-01"',
        )
    ],
)
def test_what_is_no_good_document_is_a_configuration_error_that_hides_it(
    tmp_path: Path, printed: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        error = failure(ExecProvider(script(tmp_path, f"echo '{printed}'")))
    assert isinstance(error, CredentialConfigurationError)
    chain = f"{error.__cause__} {error.__context__}"
    assert HIDDEN not in f"{error} {error!r} {vars(error)} {chain} {caplog.text}"


def test_a_command_that_fails_is_unavailable_and_neither_of_its_outputs_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    error = failure(ExecProvider(script(tmp_path, f"echo {HIDDEN}; echo {HIDDEN} >&2; exit 3")))
    assert isinstance(error, CredentialStoreUnavailableError)
    assert "status 3" in str(error)
    assert HIDDEN not in f"{error} {vars(error)} {capfd.readouterr()}"


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    command = script(tmp_path, f"exec 3>{fifo}; echo begun >&3; sleep 1000 & wait")
    assert isinstance(failure(ExecProvider(command, timeout=1)), CredentialStoreUnavailableError)
    with os.fdopen(reader) as began:
        assert began.read() == "begun\n"  # the end of it: no process has it open any more


def test_what_a_command_leaves_running_does_not_hold_the_answer_back_for_ever(
    tmp_path: Path,
) -> None:
    command = script(tmp_path, """echo '{"api_key": "vs-1"}'; sleep 1000 &""")
    assert ExecProvider(command, timeout=1).get_credential().secret.reveal() == "vs-1"


@pytest.mark.skipif(shutil.which("setsid") is None, reason="There is no setsid here.")
@pytest.mark.parametrize("prints", ["""echo '{"api_key": "vs-1"}'""", ":"])
def test_the_time_limit_holds_for_what_is_out_of_reach_of_a_kill(
    tmp_path: Path, prints: str
) -> None:
    """What holds the pipe open has a session of its own, and ends when the test says so."""
    os.mkfifo(tmp_path / "end")
    end = os.open(tmp_path / "end", os.O_RDWR)
    try:
        provider = ExecProvider(
            script(tmp_path, f"{prints}; setsid cat {tmp_path}/end &"), timeout=1
        )
        if prints == ":":
            assert isinstance(failure(provider), CredentialConfigurationError)
        else:
            assert provider.get_credential().secret.reveal() == "vs-1"
    finally:
        os.close(end)


def test_a_command_that_prints_too_much_is_stopped(tmp_path: Path) -> None:
    command = script(tmp_path, f"head -c {LIMIT * 10} /dev/zero; touch {tmp_path}/went-on")
    error = failure(ExecProvider(command, timeout=60))
    assert isinstance(error, CredentialConfigurationError)
    assert "printed more than 65,536 bytes" in str(error)
    assert not (tmp_path / "went-on").exists()


@pytest.mark.parametrize(("blanks", "good"), [(LIMIT, True), (LIMIT + 1, False)])
def test_a_good_document_with_blanks_is_too_much_as_anything_else(
    tmp_path: Path, blanks: int, good: bool
) -> None:
    (tmp_path / "key.json").write_text('{"api_key": "vs-1"}'.ljust(blanks))
    provider = ExecProvider(script(tmp_path, f"cat {tmp_path}/key.json"), timeout=60)
    if good:
        assert provider.get_credential().secret.reveal() == "vs-1"
    else:
        assert "printed more than" in str(failure(provider))


@pytest.mark.parametrize("timeout", ["inf", "nan", "301", "-1"])
def test_a_time_limit_is_a_number_of_seconds_that_passes(tmp_path: Path, timeout: str) -> None:
    with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_EXEC_TIMEOUT: "):
        chain_of(command=shlex.join(script(tmp_path, "exit 1")), timeout=timeout).get_credential()


def test_its_arguments_are_not_shown(tmp_path: Path) -> None:
    provider = ExecProvider([*script(tmp_path, "exit 1"), HIDDEN])
    assert HIDDEN not in f"{failure(provider)} {provider} {provider.describe()}"


def test_its_input_is_empty_and_not_that_of_the_process(tmp_path: Path) -> None:
    ours, (reader, writer) = os.dup(0), os.pipe()
    os.dup2(reader, 0)  # an input that never ends
    try:
        command = script(tmp_path, """cat; echo '{"api_key": "vs-1"}'""")
        assert ExecProvider(command).get_credential().secret.reveal() == "vs-1"
    finally:
        os.dup2(ours, 0)
        for each in (ours, reader, writer):
            os.close(each)


def test_it_is_no_shell(tmp_path: Path) -> None:
    assert "exec:echo" in str(failure(ExecProvider(["echo", "{}", ">", f"{tmp_path}/made"])))
    assert not (tmp_path / "made").exists()


def test_it_does_not_see_the_setting_so_that_it_cannot_run_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_EXEC_COMMAND", "anything")
    command = script(
        tmp_path, """printf '{"api_key": "vs-%s"}' "${VECTORSHIFT_EXEC_COMMAND:-unset}" """
    )
    assert ExecProvider(command).get_credential().secret.reveal() == "vs-unset"


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd"])
def test_a_command_that_cannot_be_run_is_a_configuration_error(command: str) -> None:
    assert isinstance(failure(ExecProvider([command])), CredentialConfigurationError)


def chain_of(**own: Any) -> ProviderChain:
    return ProviderChain.from_settings(Settings(providers=("exec",), plugins={"exec": own}))


def test_without_a_command_it_is_not_configured() -> None:
    with pytest.raises(MissingCredentialError, match="VECTORSHIFT_EXEC_"):
        chain_of().get_credential()
    with pytest.raises(CredentialNotFoundError):
        chain_of(command=" ").get_credential()


def test_it_is_made_of_the_settings(tmp_path: Path) -> None:
    command = script(tmp_path, """echo '{"api_key": "vs-1"}'""")
    quoted = shlex.join(command)
    assert chain_of(command=quoted, timeout=9).get_credential().provider == "exec"
    for name, wrong in {
        "COMMAND": {"command": "'unclosed"},
        "TIMEOUT": {"command": quoted, "timeout": 0},
    }.items():
        with pytest.raises(CredentialConfigurationError, match=f"VECTORSHIFT_EXEC_{name}: "):
            chain_of(**wrong).get_credential()
