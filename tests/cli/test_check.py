"""`auth check`: whether the API accepts the key."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest
from tests.cli.program import environment, on_terminal, piped

from vectorshift.credentials.values import fingerprint

if TYPE_CHECKING:
    from vectorshift.testing import FakeVectorShift, OpenBaoServer


def check(api: FakeVectorShift, **variables: str) -> tuple[int, dict[str, object]]:
    done = piped("auth", "check", "--json", VECTORSHIFT_BASE_URL=api.base_url, **variables)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_a_good_key_ends_it_with_0_and_is_named_but_never_shown(api: FakeVectorShift) -> None:
    key = api.create_key()
    done = piped("auth", "check", VECTORSHIFT_BASE_URL=api.base_url, VECTORSHIFT_API_KEY=key)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["status: good", "message: The API accepts this key."]
    assert {
        "source: env:VECTORSHIFT_API_KEY",
        f"fingerprint: {fingerprint(key)}",
        f"base_url: {api.base_url}",
        "http_status: 200",
    } <= set(lines)
    assert key not in done.stdout + done.stderr
    assert [(request.method, request.path, dict(request.query)) for request in api.requests] == [
        ("GET", "/v1/pipelines", {"include_shared": "false", "verbose": "false", "limit": "1"})
    ]


def test_a_refused_key_ends_it_with_1_and_names_its_source(api: FakeVectorShift) -> None:
    code, told = check(api, VECTORSHIFT_API_KEY="vs-nobody-knows-it")
    assert code == 1
    assert (told["status"], told["source"], told["http_status"]) == (
        "refused",
        "env:VECTORSHIFT_API_KEY",
        401,
    )
    assert told["fingerprint"] == fingerprint("vs-nobody-knows-it")
    assert "vs-nobody" not in json.dumps(told)


def test_in_a_pipe_the_lines_of_a_message_are_sentences_of_one_line(api: FakeVectorShift) -> None:
    done = piped("auth", "check", VECTORSHIFT_BASE_URL=api.base_url, VECTORSHIFT_API_KEY="vs-x")
    assert "Invalid API key. The API refuses the key #" in done.stdout.splitlines()[1]


def test_a_key_without_the_scope_is_good_and_says_what_it_lacks(api: FakeVectorShift) -> None:
    code, told = check(api, VECTORSHIFT_API_KEY=api.create_key(scopes=()))
    assert code == 0
    assert (told["status"], told["http_status"]) == ("good", 403)
    assert "lacks the scope" in str(told["message"])


def test_no_key_ends_it_with_2_and_sends_nothing(api: FakeVectorShift) -> None:
    code, told = check(api)
    assert (code, told["status"], told["fingerprint"]) == (2, "none", None)
    assert api.requests == []


def test_a_store_that_refuses_ends_it_with_3_and_sends_nothing(
    api: FakeVectorShift, refused_by_vault: dict[str, str], path: str
) -> None:
    code, told = check(api, **refused_by_vault)
    assert (code, told["status"], told["source"]) == (
        3,
        "source_failed",
        f"vault:secret/{path}#api_key",
    )
    assert api.requests == []


def test_a_key_from_a_store_is_told_with_its_version(
    api: FakeVectorShift, in_vault: dict[str, str], path: str, openbao: OpenBaoServer
) -> None:
    openbao.write(path, {"api_key": api.create_key()})
    code, told = check(api, **in_vault)
    assert (code, told["provider"], told["version"]) == (0, "vault", "2")


def test_wrong_settings_end_it_with_3() -> None:
    done = piped("auth", "check", "--json", VECTORSHIFT_CACHE_TTL="abc")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["base_url"]) == (3, "source_failed", None)
    assert "VECTORSHIFT_CACHE_TTL" in told["message"]


def test_a_key_that_may_not_be_sent_in_the_clear_ends_it_with_3() -> None:
    done = piped(
        "auth",
        "check",
        VECTORSHIFT_BASE_URL="http://api.example.com/v1",
        VECTORSHIFT_API_KEY="vs-mine",
    )
    assert done.returncode == 3
    assert "VECTORSHIFT_ALLOW_HTTP" in done.stdout


@pytest.mark.parametrize("status", [404, 429, 500])
def test_an_api_that_fails_says_nothing_of_the_key_and_ends_it_with_4(
    api: FakeVectorShift, status: int
) -> None:
    api.fail_next(status, times=10)
    key = api.create_key()
    code, told = check(api, VECTORSHIFT_API_KEY=key, VECTORSHIFT_MAX_RETRIES="0")
    assert (code, told["status"], told["http_status"]) == (4, "api_failed", status)


def test_an_api_that_cannot_be_reached_ends_it_with_4() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        variables = {
            "VECTORSHIFT_BASE_URL": f"http://127.0.0.1:{bound.getsockname()[1]}/v1",
            "VECTORSHIFT_API_KEY": "vs-mine",
            "VECTORSHIFT_MAX_RETRIES": "0",
        }
        done = piped("auth", "check", "--json", **variables)
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["http_status"]) == (4, "api_failed", None)


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_on_a_terminal_the_servers_words_move_no_cursor(api: FakeVectorShift) -> None:
    api.fail_next(401, times=10, body={"error": "no\x1b[2J[bold]such[/bold] key :warning:"})
    variables = {
        "VECTORSHIFT_BASE_URL": api.base_url,
        "VECTORSHIFT_API_KEY": "vs-mine",
        "TERM": "xterm",
    }
    text, code = on_terminal(["auth", "check"], environment(**variables), columns=120)
    assert code == 1
    assert "\x1b[2J" not in text
    assert "[bold]such[/bold] key :warning:" in text
    assert fingerprint("vs-mine") in text


# --- whoami ---


def test_whoami_tells_what_the_key_sees_and_what_the_api_does_not_say(api: FakeVectorShift) -> None:
    key = api.create_key()
    for name in ("Summaries", "Answers"):
        api.add_pipeline("acme", name)
    given = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_API_KEY": key}
    done = piped("auth", "whoami", "--json", **given)
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["fingerprint"]) == (0, "good", fingerprint(key))
    assert {"Summaries", "Answers"} < set(told["names"])
    assert told["pipelines"] == len(told["names"])
    assert "does not say which organisation or user the key belongs to" in told["message"]
    assert key not in done.stdout


def test_whoami_of_a_refused_key_ends_with_1(api: FakeVectorShift) -> None:
    given = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_API_KEY": "vs-nobody-knows-it"}
    done = piped("auth", "whoami", **given)
    assert done.returncode == 1
    assert "names" not in done.stdout  # there are none


def test_whoami_in_a_pipe_has_the_names_in_one_line(api: FakeVectorShift) -> None:
    given = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_API_KEY": api.create_key()}
    done = piped("auth", "whoami", **given)
    assert "\nnames: acme-assistant, acme-summary\n" in done.stdout


@pytest.mark.parametrize("command", ["status", "check", "whoami"])
@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_leaves_the_answer_to_the_exit_code(
    command: str, option: str, api: FakeVectorShift
) -> None:
    good = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_API_KEY": api.create_key()}
    done = piped("auth", command, option, **good)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = piped("auth", command, option, VECTORSHIFT_BASE_URL=api.base_url)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
