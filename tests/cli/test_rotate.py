"""`rotate`: a new key in the place of the old one, asked for or from standard input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import PROGRAM, environment, fed, on_terminal, started
from tests.interpreter import printed

from vectorshift.credentials.values import fingerprint

if TYPE_CHECKING:
    from vectorshift.testing import FakeVectorShift, OpenBaoServer


@pytest.fixture
def old(api: FakeVectorShift, openbao: OpenBaoServer, path: str) -> str:
    key = api.create_key()
    openbao.write(path, {"api_key": key})
    return key


@pytest.fixture
def new(api: FakeVectorShift) -> str:
    return api.create_key()


@pytest.fixture
def variables(api: FakeVectorShift, openbao: OpenBaoServer, path: str, old: str) -> dict[str, str]:
    where = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_VAULT_PATH": path}
    return {**where, **openbao.environment()}


def rotate(given: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return fed(given, "rotate", *options, **variables)


def stored(openbao: OpenBaoServer, path: str) -> Any:
    return openbao.call("GET", f"secret/data/{path}")["data"]["data"]["api_key"]


def test_a_key_from_standard_input_is_written_and_both_are_named_but_not_shown(
    variables: dict[str, str], openbao: OpenBaoServer, path: str, old: str, new: str
) -> None:
    done = rotate(f"{new}\n", "--source", "vault", "--yes", "--json", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["status"], told["old"], told["new"]) == (
        "rotated",
        fingerprint(old),
        fingerprint(new),
    )
    assert (told["old_version"], told["version"]) == ("1", "2")
    assert told["undo"] == "vectorshift rotate --source vault --undo"
    assert stored(openbao, path) == new
    assert old not in done.stdout
    assert new not in done.stdout


def test_the_undo_that_it_names_goes_back(
    variables: dict[str, str], openbao: OpenBaoServer, path: str, old: str, new: str
) -> None:
    done = rotate(new, "--source", "vault", "--yes", "--json", **variables)
    command = json.loads(done.stdout)["undo"].split()[2:]
    done = rotate("", *command, "--yes", **variables)
    assert done.returncode == 0, done.stderr
    assert stored(openbao, path) == old


def test_a_dry_run_checks_all_and_writes_nothing(
    variables: dict[str, str], api: FakeVectorShift, openbao: OpenBaoServer, path: str, old: str
) -> None:
    done = rotate(api.create_key(), "--dry-run", "--yes", **variables)
    assert done.returncode == 0
    assert "check: Both keys see the same 2 pipeline(s)." in done.stdout
    assert "this was a dry run" in done.stdout
    done = rotate(api.create_key(org="another"), "--dry-run", "--yes", **variables)
    assert done.returncode == 6
    assert stored(openbao, path) == old


@pytest.mark.parametrize("options", [[], ["--yes"], ["--source", "vault"]])
def test_without_a_terminal_it_needs_both_the_source_and_yes(
    variables: dict[str, str],
    openbao: OpenBaoServer,
    path: str,
    old: str,
    new: str,
    options: list[str],
) -> None:
    done = rotate(new, *options, **variables)
    assert done.returncode == 6
    assert "Pass --source and --yes" in done.stderr
    assert stored(openbao, path) == old


@pytest.mark.parametrize("given", ["", "two words", "vs-key\nvs-another"])
def test_what_cannot_be_a_key_is_refused(
    variables: dict[str, str], openbao: OpenBaoServer, path: str, old: str, given: str
) -> None:
    done = rotate(given, "--source", "vault", "--yes", **variables)
    assert done.returncode == 6
    assert ("standard input" if given else "No key was given.") in done.stderr
    assert "Nothing was written." in done.stderr
    assert not given or given.split()[-1] not in done.stderr
    assert stored(openbao, path) == old


def test_on_a_terminal_it_asks_and_shows_no_key(
    variables: dict[str, str], openbao: OpenBaoServer, path: str, old: str, new: str
) -> None:
    answers = {"New key (not shown): ": new, "[y/N] ": "y"}
    screen, code = on_terminal(["rotate"], environment(**variables), answers=answers)
    assert code == 0, screen
    assert f"vault:secret/{path}#api_key@1 {fingerprint(old)}" in screen.replace("\n", "")
    assert "Both keys see the same 2 pipeline(s)" in screen
    assert new not in screen
    assert stored(openbao, path) == new


@pytest.mark.parametrize(("typed", "end"), [("\x03", 130), ("\x04", 6)])
def test_nothing_is_written_without_a_key(
    typed: str, end: int, variables: dict[str, str], openbao: OpenBaoServer, path: str, old: str
) -> None:
    answers = {"New key (not shown): ": typed}
    screen, code = on_terminal(["rotate"], environment(**variables), answers=answers)
    assert code == end
    assert ("\nvectorshift: No key was given. Nothing was written." in screen) == (end == 6)
    assert stored(openbao, path) == old


def test_any_answer_but_yes_writes_nothing(
    variables: dict[str, str], openbao: OpenBaoServer, path: str, old: str, new: str
) -> None:
    answers = {"New key (not shown): ": new, "[y/N] ": ""}
    screen, code = on_terminal(["rotate"], environment(**variables), answers=answers)
    assert (code, "Nothing was written." in screen) == (6, True)
    assert stored(openbao, path) == old


def test_a_source_that_fails_ends_it_as_it_ends_the_other_commands(
    variables: dict[str, str], openbao: OpenBaoServer, new: str
) -> None:
    variables["VAULT_TOKEN"] = openbao.token()
    done = rotate(new, "--source", "vault", "--yes", **variables)
    assert done.returncode == 3


def test_with_standard_input_closed_it_says_what_is_missing(variables: dict[str, str]) -> None:
    command = f"{' '.join(PROGRAM)} rotate --source vault --yes <&-"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=environment(**variables)
    )
    assert done.returncode == 6
    assert "No key was given." in done.stderr


def test_interrupted_after_the_write_it_says_that_either_key_may_be_there(
    variables: dict[str, str],
    api: FakeVectorShift,
    openbao: OpenBaoServer,
    path: str,
    old: str,
    new: str,
) -> None:
    api.latency = 1.0  # of the call after the write
    with started(*PROGRAM, "rotate", "--source", "vault", "--yes", **variables) as process:
        assert process.stdin is not None
        process.stdin.write(new)
        process.stdin.close()
        process.stdin = None
        while stored(openbao, path) == old:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    source = f"vault:secret/{path}#api_key"
    assert f"{source} has {fingerprint(old)} or {fingerprint(new)}" in err
    assert new not in err


LIMITS = """
import ctypes, resource
from vectorshift.cli.rotate import turn_off_core_dumps
turn_off_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the second number is Linux's")
def test_a_process_that_holds_a_new_key_leaves_no_core_dump() -> None:
    assert printed(LIMITS).split() == ["0", "0"]
