"""`exec`: a program gets the key in its environment, and this one stands aside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import PROGRAM, environment, piped, started

from vectorshift import Credential, Secret, Settings
from vectorshift.cli.exec import environment_for

if TYPE_CHECKING:
    from vectorshift.testing import OpenBaoServer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and /proc")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")

KEY = "vs-the-key-for-the-program"
EXEC = [*PROGRAM, "exec", "--"]
CHILD = [
    sys.executable,
    "-c",
    (
        "import os, sys; from vectorshift.cli.exec import supervise;"
        " sys.exit(supervise(sys.argv[1:], os.environ))"
    ),
]
"""What runs where the platform has no exec."""

both = pytest.mark.parametrize("by", [EXEC, CHILD], ids=["exec", "child"])

TELL = (
    "import json, os, sys; print(json.dumps({'pid': os.getpid(), 'arguments': sys.argv[1:],"
    " 'environ': dict(os.environ), 'open': sorted(os.listdir('/proc/self/fd')), 'line':"
    " open('/proc/self/cmdline').read()}))"
)
TRAP = (
    "import signal, sys\n"
    "signal.signal({name}, lambda *_: sys.exit(7))\n"
    "print('ready', flush=True)\n"
    "while True: signal.pause()\n"
)


def run(*command: str, by: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    if by is EXEC:
        return piped("exec", "--", *command, VECTORSHIFT_API_KEY=KEY, **variables)
    given = environment(VECTORSHIFT_API_KEY=KEY, **variables)
    return subprocess.run([*by, *command], capture_output=True, text=True, timeout=60, env=given)


def told(*arguments: str, **variables: str) -> dict[str, Any]:
    done = piped("exec", "--", sys.executable, "-c", TELL, *arguments, **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@linux
def test_the_key_is_in_the_environment_of_the_program_and_in_no_command_line(
    in_vault: dict[str, str],
) -> None:
    found = told(**in_vault)
    assert found["environ"]["VECTORSHIFT_API_KEY"] == "vs-the-key-in-vault"
    assert "vs-the-key" not in found["line"]


@linux
def test_the_program_takes_the_place_of_the_process_with_no_file_of_ours_open(
    in_vault: dict[str, str],
) -> None:
    command = [*EXEC, sys.executable, "-c", TELL]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(**in_vault)
    ) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.read())
    assert found["pid"] == process.pid
    assert found["open"] == ["0", "1", "2", "3"]  # 3 is the folder that it lists


@linux
def test_what_leads_to_the_key_is_not_handed_on(in_vault: dict[str, str], tmp_path: Path) -> None:
    kept = {"VAULT_ADDR", "VAULT_TOKEN", "CREDENTIALS_DIRECTORY"}
    kept |= {"VECTORSHIFT_BASE_URL", "VECTORSHIFT_PIPELINE", "VECTORSHIFT_ENV_NAME"}
    variables = {
        **in_vault,
        "VECTORSHIFT_PROVIDERS": "vault,env",
        "VECTORSHIFT_VAULT_TOKEN": in_vault["VAULT_TOKEN"],
        "VECTORSHIFT_AWS_REGION": "eu-central-1",
        "VECTORSHIFT_BASE_URL": "https://api.example.com/v1",
        "VECTORSHIFT_PIPELINE": "the program's own",
        "VECTORSHIFT_ENV_NAME": "the program's own",
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }
    found = told(**variables)["environ"]
    assert {name for name in found if name in variables} == kept
    assert {name for name in found if name.startswith("VECTORSHIFT_")} - kept == {
        "VECTORSHIFT_API_KEY"
    }


def test_a_program_that_uses_the_package_gets_its_key_from_the_variable(tmp_path: Path) -> None:
    """Each of these would contradict the variable, or keep it from being asked."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "named.env").write_text(
        f"VECTORSHIFT_API_KEY_FILE={tmp_path / 'key'}\nVECTORSHIFT_BASE_URL=https://api.example.com/v1\n"
        "VECTORSHIFT_ALLOW_HTTP=on\nVECTORSHIFT_TIMEOUT=7\n"
    )
    inner = [*PROGRAM, "auth", "status", "--json"]
    for variables in (
        {"VECTORSHIFT_API_KEY_FILE": str(tmp_path / "key")},
        {"VECTORSHIFT_ENV_FILE": str(tmp_path / "named.env")},
    ):
        done = piped("exec", *inner, **variables)
        report = json.loads(done.stdout)
        assert [source["source"] for source in report["sources"] if source["wins"]] == [
            "env:VECTORSHIFT_API_KEY"
        ]
    assert report["base_url"] == "https://api.example.com/v1"


@pytest.mark.parametrize("name", ["azure_kv", "azure-kv", "Azure.KV"])
def test_the_settings_of_a_plugin_are_not_handed_on_however_its_name_is_written(name: str) -> None:
    credential = Credential(secret=Secret(KEY), source="azure:x", provider="azure-kv")
    environ = {
        "PATH": "/bin",
        "VECTORSHIFT_AZURE_KV_TOKEN": "of the store",
        "VECTORSHIFT_AZURE": "the program's own",
    }
    given = environment_for(credential, environ, Settings(providers=("Default", name)))
    assert given == {
        "PATH": "/bin",
        "VECTORSHIFT_AZURE": "the program's own",
        "VECTORSHIFT_API_KEY": KEY,
    }


def test_what_a_named_file_says_of_the_api_is_handed_on_in_variables() -> None:
    settings = Settings(
        base_url="https://api.example.com/v1", allow_http=True, timeout=7, cache_ttl=1
    )
    credential = Credential(secret=Secret(KEY), source="env:VECTORSHIFT_API_KEY", provider="env")
    environ = {"PATH": "/bin", "VECTORSHIFT_TIMEOUT": "9", "VECTORSHIFT_ENV_FILE": "/app/named.env"}
    assert environment_for(credential, environ, settings) == {
        "PATH": "/bin",
        "VECTORSHIFT_TIMEOUT": "9",
        "VECTORSHIFT_BASE_URL": "https://api.example.com/v1",
        "VECTORSHIFT_ALLOW_HTTP": "1",
        "VECTORSHIFT_API_KEY": KEY,
    }
    assert environ == {
        "PATH": "/bin",
        "VECTORSHIFT_TIMEOUT": "9",
        "VECTORSHIFT_ENV_FILE": "/app/named.env",
    }


@linux
@pytest.mark.parametrize("start", [["exec", "--"], ["exec"]], ids=" ".join)
def test_the_options_of_the_program_are_its_own(start: list[str]) -> None:
    arguments = ["--help", "--json", "-v", "--", "--version", ""]
    done = piped(*start, sys.executable, "-c", TELL, *arguments, VECTORSHIFT_API_KEY=KEY)
    assert json.loads(done.stdout)["arguments"] == arguments


def test_a_program_behind_double_dashes_may_have_any_name(tmp_path: Path) -> None:
    program = tmp_path / "--help"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    done = piped(
        "exec", "--", "--help", VECTORSHIFT_API_KEY=KEY, PATH=f"{tmp_path}:{os.environ['PATH']}"
    )
    assert done.returncode == 9


@both
def test_the_exit_code_is_the_programs(by: list[str]) -> None:
    assert run("sh", "-c", "exit 37", by=by).returncode == 37


def test_the_end_by_a_signal_is_the_programs() -> None:
    assert run("sh", "-c", "kill -9 $$", by=EXEC).returncode == -9


@both
def test_standard_input_is_the_programs(by: list[str]) -> None:
    done = subprocess.run(
        [*by, "cat"],
        input="words",
        capture_output=True,
        text=True,
        env=environment(VECTORSHIFT_API_KEY=KEY),
    )
    assert done.stdout == "words"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_reaches_the_program(name: str) -> None:
    command = [*EXEC, sys.executable, "-c", TRAP.format(name=f"signal.{name}")]
    with started(*command, VECTORSHIFT_API_KEY=KEY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (7, "")


def test_ctrl_c_is_left_to_the_child_which_has_it_from_the_terminal_too() -> None:
    with started(
        *CHILD, "sh", "-c", "echo ready; read line; exit 5", VECTORSHIFT_API_KEY=KEY
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate("go on\n", timeout=30)
    assert (process.returncode, errors) == (5, "")


@linux
@both
def test_the_program_ignores_no_signal_that_python_ignores(by: list[str]) -> None:
    ignored = run("grep", "SigIgn", "/proc/self/status", by=by).stdout.split()[1]
    assert not int(ignored, 16) & 1 << signal.SIGPIPE - 1


@both
def test_a_program_that_is_not_there_is_127(by: list[str], tmp_path: Path) -> None:
    for command in (
        "no-such-program",
        str(tmp_path / "missing"),
        str(Path(__file__) / "below-a-file"),
        "",
    ):
        done = run(command, by=by)
        assert (done.returncode, done.stdout) == (127, "")
        assert done.stderr == f"vectorshift: {command or repr(command)}: command not found\n"


@both
def test_an_assignment_in_place_of_a_program_is_not_shown(by: list[str]) -> None:
    done = run("VECTORSHIFT_API_KEY=vs-nevertobeseen1", "true", by=by)
    assert done.returncode == 127
    assert done.stderr == "vectorshift: VECTORSHIFT_API_KEY=...: command not found\n"


@both
def test_a_program_that_cannot_be_run_is_126(by: list[str], tmp_path: Path) -> None:
    plain, broken = tmp_path / "plain", tmp_path / "broken"
    plain.write_text("no program")
    broken.write_bytes(b"\x7fELF no program either")
    broken.chmod(0o755)
    for command in (plain, broken, tmp_path):
        done = run(str(command), by=by)
        assert done.returncode == 126
        assert done.stderr.startswith(f"vectorshift: {command}: cannot be run: ")
        assert len(done.stderr.splitlines()) == 1


@both
def test_a_script_whose_interpreter_is_not_there_is_126_and_not_called_missing(
    by: list[str], tmp_path: Path
) -> None:
    script = tmp_path / "script-without-interpreter"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    for command in (str(script), script.name):
        done = run(command, by=by, PATH=f"{tmp_path}:{os.environ['PATH']}")
        assert done.returncode == 126
        assert done.stderr.startswith(
            f"vectorshift: {command}: cannot be run: the file exists, but the interpreter "
        )
        assert len(done.stderr.splitlines()) == 1


def test_without_a_key_nothing_is_run(tmp_path: Path) -> None:
    done = piped("exec", "touch", str(tmp_path / "ran"))
    assert done.returncode == 2
    assert done.stderr.startswith("vectorshift: No VectorShift API key was found.")
    assert not (tmp_path / "ran").exists()


def test_with_a_store_that_refuses_nothing_is_run(
    refused_by_vault: dict[str, str], openbao: OpenBaoServer, tmp_path: Path
) -> None:
    done = piped("exec", "touch", str(tmp_path / "ran"), **refused_by_vault)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()


def test_without_a_program_the_usage_is_wrong() -> None:
    assert piped("exec", VECTORSHIFT_API_KEY=KEY).returncode == 64
    assert piped("exec", "--", VECTORSHIFT_API_KEY=KEY).returncode == 64


# --- What the program gets ---


def handed(*options: str, **variables: str) -> dict[str, str]:
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = piped("exec", *options, "--", sys.executable, "-c", code, **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_another_variable_may_hold_the_key_and_several_may() -> None:
    got = handed("--as", "ACME_KEY", "--as", "OTHER", VECTORSHIFT_API_KEY=KEY)
    assert (got["ACME_KEY"], got["OTHER"]) == (KEY, KEY)
    assert "VECTORSHIFT_API_KEY" not in got


@pytest.mark.parametrize("name", ["", "A B", "1A", "A=B", "vs-key-here"])
def test_what_is_no_variable_is_wrong_usage_and_not_printed(name: str) -> None:
    done = piped("exec", "--as", name, "true", VECTORSHIFT_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (64, "")
    assert "--as needs the name of a variable" in done.stderr
    assert not name or name not in done.stderr


def test_a_clean_environment_has_what_is_named_alone() -> None:
    got = handed("--clean", "--keep", "LANG", VECTORSHIFT_API_KEY=KEY, LANG="C.UTF-8", SECRET="x")
    names = {"PATH", "HOME", "LANG", "VECTORSHIFT_API_KEY"} & {*os.environ, *got}
    assert set(got) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == names
    assert (got["VECTORSHIFT_API_KEY"], got["LANG"]) == (KEY, "C.UTF-8")


def test_a_dotenv_file_gives_the_key_and_its_other_variables(tmp_path: Path) -> None:
    file = tmp_path / "prod.env"
    file.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_TIMEOUT=9\nDEBUG=0\nREGION='eu 1'\n")
    got = handed("--env-file", str(file), DEBUG="1")
    assert (got["VECTORSHIFT_API_KEY"], got["VECTORSHIFT_TIMEOUT"]) == (KEY, "9.0")
    assert (got["REGION"], got["DEBUG"]) == ("eu 1", "1")  # the environment comes first
    assert "VECTORSHIFT_ENV_FILE" not in got
    clean = handed("--clean", "--env-file", str(file), DEBUG="1")
    assert (clean["REGION"], clean["DEBUG"]) == ("eu 1", "0")


def test_a_dotenv_file_may_be_a_pipe() -> None:
    run = f"{' '.join(PROGRAM)} exec --env-file <(printf 'VECTORSHIFT_API_KEY={KEY}\\nA=b\\n')"
    done = subprocess.run(
        ["bash", "-c", f"{run} -- printenv VECTORSHIFT_API_KEY A"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{KEY}\nb\n", "")


def test_another_key_in_the_environment_than_in_the_file_runs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "prod.env"
    file.write_text("VECTORSHIFT_API_KEY=vs-nevertobeseen1\n")
    given = ("exec", "--env-file", str(file), "echo", "ran")
    done = piped(*given, VECTORSHIFT_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"env:VECTORSHIFT_API_KEY comes before the key in {file}" in done.stderr
    assert "nevertobeseen" not in done.stderr
    assert piped(*given, VECTORSHIFT_API_KEY="vs-nevertobeseen1").stdout == "ran\n"


@pytest.mark.parametrize("options", [["--env-file", ""], ["--keep", "LANG"]])
def test_an_option_that_would_do_nothing_is_wrong_usage(options: list[str]) -> None:
    done = piped("exec", *options, "echo", "ran", VECTORSHIFT_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (64, "")
    assert f"vectorshift: {options[0]} " in done.stderr


def test_a_missing_dotenv_file_runs_nothing(tmp_path: Path) -> None:
    done = piped("exec", "--env-file", str(tmp_path / "no.env"), "touch", str(tmp_path / "ran"))
    assert done.returncode == 3
    assert "no such file or directory" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_script_without_its_first_line_is_one_for_the_shell(tmp_path: Path) -> None:
    script = tmp_path / "start"
    script.write_text('echo "$1 $VECTORSHIFT_API_KEY"\n')
    script.chmod(0o755)
    done = piped("exec", str(script), "hello", VECTORSHIFT_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (0, f"hello {KEY}\n")
