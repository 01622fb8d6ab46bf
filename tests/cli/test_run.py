"""The program as a whole: what it imports, and what becomes of what goes wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.program import PROGRAM, environment, led, piped, started

if TYPE_CHECKING:
    from vectorshift.testing import FakeVectorShift

posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes")

BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv[1:] = {arguments!r}
from vectorshift.cli import main
main()
"""


@pytest.mark.parametrize("missing", ["typer", "rich"])
@pytest.mark.parametrize("arguments", [["auth", "status"], ["exec", "true"], []], ids=str)
def test_without_the_extra_it_says_what_to_install_and_does_not_say_refused(
    missing: str, arguments: list[str]
) -> None:
    code = BLOCKED.format(missing=missing, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment()
    )
    assert done.returncode == 3
    assert done.stderr == "The command line needs an extra: pip install 'vectorshift[cli]>=2'\n"
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["auth", "status"], ["auth", "status", "--json"]], ids=" ".join
)
def test_with_a_key_in_the_environment_no_store_library_is_imported(
    arguments: list[str], in_vault: dict[str, str], in_aws: dict[str, str]
) -> None:
    code = (
        f"import sys; from vectorshift.cli.app import run\nassert run({arguments!r}) == 0\nheavy ="
        " {'hvac', 'requests', 'boto3', 'botocore', 'moto', 'starlette', 'uvicorn',"
        " 'httpx'}\nprint(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(VECTORSHIFT_API_KEY="vs-mine", **in_vault, **in_aws),
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (["integrations", "list", "--type", "slack"], 'pip install "vectorshift<1"'),
        (["connect", "slack", "--no-browser"], "exec -- official/bin/vectorshift connect ("),
        (["status", "id"], "vectorshift exec --"),
        (["sync", "id"], "vectorshift exec --"),
        (["reauth", "id"], "vectorshift exec --"),
        (["disconnect", "--help"], "vectorshift exec --"),
    ],
    ids=str,
)
def test_commands_of_the_official_sdk_say_what_there_is_instead(
    arguments: list[str], instead: str
) -> None:
    done = piped(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert f"The command {arguments[0]} is not part of this package" in done.stderr
    assert instead in done.stderr
    assert "Usage" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["--bogus"], ["auth", "chekc"], ["auth", "check", "--bogus"]], ids=str
)
def test_wrong_usage_is_64_so_that_it_is_not_taken_for_a_missing_key(arguments: list[str]) -> None:
    done = piped(*arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert "Usage: vectorshift" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["auth"], ["providers"]], ids=str)
def test_without_a_command_it_shows_what_there_is(arguments: list[str]) -> None:
    done = piped(*arguments)
    assert "Usage: vectorshift" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "command", [["--help"], ["auth", "check", "--help"], ["exec", "--help"]], ids=" ".join
)
def test_help_is_help(command: list[str]) -> None:
    done = piped(*command)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: vectorshift")


def test_what_nobody_foresaw_is_one_line_without_a_value(tmp_path: Path) -> None:
    code = (
        "import sys, vectorshift.cli.app as cli\n"
        "@cli.app.command('broken')\n"
        "def broken():\n    key = 'vs-in-a-local'\n    raise LookupError('vs-in-a-message')\n"
        "sys.exit(cli.run(['broken']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment()
    )
    assert done.returncode == 70
    assert done.stderr.startswith("vectorshift: unexpected LookupError at <string>:5.")
    assert "vs-in-a" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@posix
@pytest.mark.parametrize(
    "arguments", [["auth", "status"], ["providers", "list", "--json"], ["--help"]], ids=" ".join
)
@pytest.mark.parametrize(
    "variables",
    [{}, {"PYTHONUNBUFFERED": "1"}, {"FORCE_COLOR": "1", "TERM": "xterm"}],
    ids=["plain", "unbuffered", "rich"],
)
def test_a_pipe_that_nobody_reads_ends_it_quietly(
    arguments: list[str], variables: dict[str, str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = led(writing, *arguments, **variables)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full")
@pytest.mark.parametrize(
    "arguments", [["auth", "status"], ["providers", "list", "--json"], ["--help"]], ids=" ".join
)
@pytest.mark.parametrize(
    "variables", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"]
)
def test_a_full_disk_ends_it_with_70_and_one_line_that_says_so(
    arguments: list[str], variables: dict[str, str]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = led(full.fileno(), *arguments, VECTORSHIFT_API_KEY="vs-mine", **variables)
    assert done.returncode == 70
    assert done.stderr.startswith("vectorshift: unexpected OSError (no space left on device) at ")
    assert len(done.stderr.splitlines()) == 1


@posix
def test_a_closed_standard_output_is_no_error() -> None:
    command = 'exec "$@" >&-'
    done = subprocess.run(
        ["sh", "-c", command, "sh", *PROGRAM, "auth", "status"],
        capture_output=True,
        timeout=60,
        env=environment(VECTORSHIFT_API_KEY="vs-mine"),
    )
    assert (done.returncode, done.stderr) == (0, b"")


@posix
def test_ctrl_c_ends_it_quietly_with_130(api: FakeVectorShift) -> None:
    api.latency = 60
    variables = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_API_KEY": "vs-mine"}
    with started(*PROGRAM, "auth", "check", **variables) as process:
        give_up = time.monotonic() + 30
        while not api.in_flight and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, "", "")


@pytest.mark.parametrize(
    "variables", [{}, {"FORCE_COLOR": "1", "TERM": "xterm"}], ids=["plain", "rich"]
)
def test_standard_output_that_cannot_show_a_character_shows_another(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    folder = tmp_path / "ключ"
    folder.mkdir()
    done = subprocess.run(
        [*PROGRAM, "auth", "status"],
        capture_output=True,
        timeout=60,
        cwd=folder,
        env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0", COLUMNS="200", **variables),
    )
    assert done.returncode == 2
    assert b"????" in done.stdout
    assert done.stderr == b""


# --- Habits ---


@pytest.mark.parametrize("command", ["", "auth", "auth login", "exec"])
def test_help_has_its_short_option(command: str) -> None:
    short, long = (piped(*command.split(), each) for each in ("-h", "--help"))
    assert (short.returncode, short.stdout) == (0, long.stdout)


def test_the_version_has_its_short_option() -> None:
    assert piped("-V").stdout == piped("--version").stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["login", "--api-key", "vs-secret-key"], "auth login"),
        (["logout"], "auth logout"),
        (["check"], "auth check"),
        (["whoami"], "auth whoami"),
        (["list"], "providers list"),
        (["explain", "--json"], "auth status"),
        (["settings"], "config"),
        (["run", "app.py"], "exec"),
    ],
    ids=str,
)
def test_a_command_that_others_have_names_ours(typed: list[str], meant: str) -> None:
    done = piped(*typed)
    assert (done.returncode, done.stdout) == (64, "")
    assert f"No such command {typed[0]!r}. Did you mean: vectorshift {meant}" in done.stderr
    assert "vs-secret-key" not in done.stderr


def test_the_official_status_names_ours() -> None:
    assert (
        "To see which key a call uses: vectorshift auth status. The command status is not"
        in piped("status").stderr
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vectorshift au", {"auth"}),
        ("vectorshift auth ", {"status", "check", "whoami", "login", "logout", "list", "in-use"}),
        ("vectorshift auth status --js", {"--json"}),
        ("vectorshift run au", {"auth"}),  # no command of ours: nothing is said of it
    ],
)
def test_bash_completes_commands_and_options(line: str, offered: set[str]) -> None:
    words = line.split(" ")
    script = (
        'eval "$(vectorshift completion bash)"\n'
        f"COMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\n"
        '_vectorshift_completion vectorshift\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(PATH=path),
    )
    assert (offered, done.stderr) == (set(done.stdout.split()), "")


@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef"), ("fish", "complete --command")])
def test_other_shells_get_their_script_and_their_answers(shell: str, word: str) -> None:
    assert word in piped("completion", shell).stdout
    asked = {
        "_VECTORSHIFT_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "vectorshift au",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert "auth" in piped(**asked).stdout


def test_an_unknown_shell_is_wrong_usage() -> None:
    assert piped("completion", "tcsh").returncode == 64


@pytest.mark.parametrize("command", [["auth", "check"], ["auth"], [], ["auth", "status", "--x"]])
def test_wrong_usage_repeats_no_argument_that_may_be_a_key(command: list[str]) -> None:
    done = piped(*command, "vs-a1b2c3d4e5f60718")
    assert done.returncode == 64
    assert "vs-a1b2c3d4e5f60718" not in done.stdout + done.stderr
