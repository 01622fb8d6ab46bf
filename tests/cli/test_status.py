"""`auth status`: which key a call would use, and why that one."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from tests.cli.program import environment, on_terminal, piped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer

posix = pytest.mark.skipif(os.name != "posix", reason="terminals")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
TERMINAL_COLOR = re.compile(r"\x1b\[[0-9;]*3[0-7]")


def facts(text: str) -> dict[str, str]:
    """Read the plain form: one fact a line."""
    lines = text.splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines)
    return found


def test_by_default_it_asks_what_a_call_would_ask_until_one_answers(
    in_vault: dict[str, str],
    in_aws: dict[str, str],
    path: str,
    reads: Callable[[], tuple[int, int]],
) -> None:
    done = piped("auth", "status", **in_vault, **in_aws)
    told = facts(done.stdout)
    assert done.returncode == 0
    assert told["status"] == "found"
    assert told["winner"] == "vault"
    assert told["vault.source"] == f"vault:secret/{path}#api_key"
    assert told["vault.version"] == "1"
    assert told["aws.outcome"] == "not asked"
    assert reads() == (1, 0)
    assert "note" not in told
    assert "vs-the-key" not in done.stdout + done.stderr


def test_a_key_in_the_environment_keeps_it_from_contacting_a_store(
    in_vault: dict[str, str], path: str, openbao: OpenBaoServer
) -> None:
    done = piped("auth", "status", VECTORSHIFT_API_KEY="vs-mine", **in_vault)
    assert facts(done.stdout)["winner"] == "env"
    assert openbao.reads(path) == 0


def test_probe_contacts_the_stores_below_the_winner_too(
    in_vault: dict[str, str], in_aws: dict[str, str], reads: Callable[[], tuple[int, int]]
) -> None:
    done = piped("auth", "status", "--probe", VECTORSHIFT_API_KEY="vs-mine", **in_vault, **in_aws)
    told = facts(done.stdout)
    assert (told["winner"], told["vault.outcome"], told["aws.outcome"]) == ("env", "found", "found")
    assert float(told["vault.seconds"]) > 0
    assert reads() == (1, 1)


def test_no_probe_contacts_nothing_and_says_by_its_exit_code_that_it_does_not_know(
    in_vault: dict[str, str], path: str, openbao: OpenBaoServer
) -> None:
    done = piped("auth", "status", "--no-probe", **in_vault)
    assert done.returncode == 5
    assert facts(done.stdout)["status"] == "unknown"
    assert openbao.reads(path) == 0


def test_no_probe_knows_the_answer_where_no_store_comes_first(in_vault: dict[str, str]) -> None:
    assert (
        piped("auth", "status", "--no-probe", VECTORSHIFT_API_KEY="vs-mine", **in_vault).returncode
        == 0
    )
    assert (
        piped("auth", "status", "--no-probe", VECTORSHIFT_API_KEY='"quoted"', **in_vault).returncode
        == 3
    )
    assert piped("auth", "status", "--no-probe").returncode == 2


def test_a_store_that_refuses_ends_it_with_3_and_aws_is_not_asked(
    refused_by_vault: dict[str, str], in_aws: dict[str, str], path: str, moto: MotoServer
) -> None:
    done = piped("auth", "status", **refused_by_vault, **in_aws)
    told = facts(done.stdout)
    assert done.returncode == 3
    assert told["status"] == "source_failed"
    assert told["vault.outcome"] == "denied"
    assert 'capabilities = ["read"]' in told["vault.reason"]
    assert moto.reads(path) == 0
    assert "running service may still use a cached key" in told["note"]


def test_a_store_that_may_be_passed_over_leaves_the_word_to_the_next(
    refused_by_vault: dict[str, str], in_aws: dict[str, str]
) -> None:
    done = piped(
        "auth", "status", VECTORSHIFT_VAULT_ON_ERROR="continue", **refused_by_vault, **in_aws
    )
    assert done.returncode == 0
    assert facts(done.stdout)["winner"] == "aws"
    assert "vectorshift: WARNING: " in done.stderr


def test_nothing_anywhere_ends_it_with_2() -> None:
    done = piped("auth", "status")
    assert done.returncode == 2
    assert facts(done.stdout)["status"] == "none"


def test_a_wrong_setting_ends_it_with_3_and_names_the_setting_not_its_value() -> None:
    done = piped("auth", "status", VECTORSHIFT_CACHE_TTL="abc")
    assert done.returncode == 3
    assert "VECTORSHIFT_CACHE_TTL" in facts(done.stdout)["verdict"]
    assert "abc" not in done.stdout + done.stderr


def test_json_has_the_documented_shape_and_is_alone_on_standard_output(
    refused_by_vault: dict[str, str], in_aws: dict[str, str]
) -> None:
    done = piped(
        "auth",
        "status",
        "--json",
        VECTORSHIFT_VAULT_ON_ERROR="continue",
        **refused_by_vault,
        **in_aws,
    )
    told = json.loads(done.stdout)
    assert told["status"] == "found"
    assert {"verdict", "sources", "base_url", "scope", "probed"} <= set(told)
    assert [source["provider"] for source in told["sources"]] == [
        "explicit",
        "env",
        "dotenv",
        "vault",
        "aws",
    ]
    assert [source["provider"] for source in told["sources"] if source["wins"]] == ["aws"]
    assert {
        "source",
        "outcome",
        "configured",
        "reason",
        "fingerprint",
        "version",
        "seconds",
    } <= set(told["sources"][0])
    assert "vs-the-key" not in done.stdout + done.stderr


def test_plain_text_has_one_fact_a_line_whatever_the_width(
    refused_by_vault: dict[str, str],
) -> None:
    done = piped("auth", "status", COLUMNS="20", **refused_by_vault)
    assert all(
        re.fullmatch(r"[a-z_]+(\.[a-z_]+)?: \S.*", line) for line in done.stdout.splitlines()
    )
    assert "\x1b" not in done.stdout
    assert not set(done.stdout) & set("─│┃━╭")


@posix
def test_on_a_terminal_it_is_a_coloured_table_that_keeps_to_the_width(
    refused_by_vault: dict[str, str],
) -> None:
    text, code = on_terminal(
        ["auth", "status"], environment(TERM="xterm-256color", **refused_by_vault), columns=80
    )
    assert code == 3
    assert TERMINAL_COLOR.search(text)
    assert "──" in text
    assert max(map(len, ESCAPE.sub("", text).splitlines())) <= 80


@posix
@pytest.mark.parametrize(
    "variables", [{"NO_COLOR": "1", "TERM": "xterm-256color"}, {"TERM": "dumb"}], ids=str
)
def test_a_terminal_without_colour_gets_the_table_without_colour(variables: dict[str, str]) -> None:
    text, code = on_terminal(
        ["auth", "status"], environment(VECTORSHIFT_API_KEY="vs-mine", **variables)
    )
    assert code == 0
    assert not TERMINAL_COLOR.search(text)
    assert "> env" in ESCAPE.sub("", text)


@posix
@pytest.mark.parametrize(
    "command", [["auth", "status"], ["auth", "check"], ["providers", "list"]], ids=" ".join
)
@pytest.mark.parametrize("columns", [1, 30, 49, 50])
def test_a_terminal_without_room_for_a_table_gets_a_fact_a_line(
    command: list[str], columns: int
) -> None:
    text, _ = on_terminal(command, environment(TERM="xterm", NO_COLOR="1"), columns=columns)
    fact = "env.source: env:VECTORSHIFT_API_KEY" if command != ["auth", "check"] else "status: none"
    assert (fact in text.splitlines()) is (columns < 50)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"VECTORSHIFT_BASE_URL": "http://api.internal/v1"}, "VECTORSHIFT_ALLOW_HTTP"),
        ({"VECTORSHIFT_CA_BUNDLE": "/no/such/bundle.pem"}, "VECTORSHIFT_CA_BUNDLE"),
    ],
    ids=["plain http", "bundle"],
)
@pytest.mark.parametrize("option", [[], ["--probe"], ["--no-probe"]], ids=str)
def test_a_key_that_may_not_be_sent_ends_it_with_3(
    variables: dict[str, str], why: str, option: list[str]
) -> None:
    done = piped("auth", "status", *option, VECTORSHIFT_API_KEY="vs-mine", **variables)
    told = facts(done.stdout)
    assert (done.returncode, told["status"]) == (3, "source_failed")
    assert why in told["verdict"]
    assert not {"winner", "base_url"} & set(told)
    assert told["env.outcome"] == "found"


def test_no_probe_contacts_nothing_either_where_no_key_may_be_sent(
    in_vault: dict[str, str], path: str, openbao: OpenBaoServer
) -> None:
    done = piped(
        "auth", "status", "--no-probe", VECTORSHIFT_BASE_URL="http://api.internal/v1", **in_vault
    )
    assert done.returncode == 3
    assert openbao.reads(path) == 0


def test_force_color_gives_a_pipe_what_a_terminal_gets() -> None:
    done = piped("auth", "status", VECTORSHIFT_API_KEY="vs-mine", FORCE_COLOR="1", TERM="xterm")
    assert TERMINAL_COLOR.search(done.stdout)


@posix
@pytest.mark.parametrize("where", ["pipe", "terminal"])
def test_a_name_that_would_move_the_cursor_is_not_printed(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    variables = environment(VECTORSHIFT_API_KEY_FILE=str(folder / "missing"), TERM="dumb")
    text = (
        piped("auth", "status", **variables).stdout
        if where == "pipe"
        else on_terminal(["auth", "status"], variables)[0]
    )
    assert "\x1b[2J" not in text
    assert "so it is not shown" in " ".join(text.split())


def test_a_warning_moves_no_cursor_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_vault: dict[str, str]
) -> None:
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    (folder / ".env").write_text("VECTORSHIFT_API_KEY=vs-mine\n")
    monkeypatch.chdir(folder)
    done = piped("auth", "status", **in_vault)
    assert "vectorshift: WARNING: " in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


# --- Where a program would need a block ---

ON = {"VECTORSHIFT_REQUIRE_USING": "1", "VECTORSHIFT_API_KEY": "vs-mine"}


def test_that_programs_need_a_block_is_ignored_and_said() -> None:
    done = piped("auth", "status", **ON)
    told = facts(done.stdout)
    assert (done.returncode, told["winner"], done.stderr) == (0, "env", "")
    assert told["note"].startswith("VECTORSHIFT_REQUIRE_USING is on, but ignored here")
    found = json.loads(piped("auth", "status", "--json", **ON).stdout)
    assert found["note"] == told["note"]
    off = {**ON, "VECTORSHIFT_REQUIRE_USING": "0"}
    assert "note" not in facts(piped("auth", "status", **off).stdout)
    assert json.loads(piped("auth", "status", "--json", **off).stdout)["note"] == ""


@posix
def test_a_terminal_shows_that_programs_need_a_block() -> None:
    text, code = on_terminal(["auth", "status"], environment(**ON))
    assert code == 0
    assert "VECTORSHIFT_REQUIRE_USING is on, but ignored here" in " ".join(
        ESCAPE.sub("", text).split()
    )


@pytest.mark.parametrize(
    "command", [["auth", "check"], ["providers", "list"], ["exec", "--", "true"]], ids=" ".join
)
def test_the_other_commands_ignore_it_too(command: list[str], api: FakeVectorShift) -> None:
    given = {**ON, "VECTORSHIFT_API_KEY": api.create_key(), "VECTORSHIFT_BASE_URL": api.base_url}
    done = piped(*command, **given)
    assert done.returncode == 0, done.stderr
