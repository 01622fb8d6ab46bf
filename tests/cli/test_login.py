"""`auth login`, `logout` and `list`, and the profiles that other commands use."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests import keyrings
from tests.cli.program import PROGRAM, environment, fed, on_terminal, piped

from vectorshift._platform.urls import origin
from vectorshift.credentials.values import Secret, fingerprint
from vectorshift.providers.profiles import write_profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vectorshift.testing import FakeVectorShift

FILE = "~/.vectorshift/credentials.toml"


@pytest.fixture
def key(api: FakeVectorShift) -> str:
    return api.create_key(key="vs-Xq7fL0nevertobeseen")


@pytest.fixture
def here(api: FakeVectorShift) -> dict[str, str]:
    """The variables that lead to the stand-in API, in a session without a keyring."""
    return {"VECTORSHIFT_BASE_URL": api.base_url, "DBUS_SESSION_BUS_ADDRESS": ""}


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables that lead to a real keyring."""
    if keyrings.MISSING:
        pytest.skip(f"no Secret Service without {' and '.join(keyrings.MISSING)}")
    with keyrings.secret_service(tmp_path) as variables:
        yield variables


def stored(api: FakeVectorShift, key: str, name: str = "acme") -> None:
    """Store a profile in the file, as `auth login --file` does."""
    write_profile(name, Secret(key), origin=origin(api.base_url), in_file=True)


# --- Login ----------------------------------------------------------------------------------------


def test_a_key_from_standard_input_is_checked_and_stored_in_the_file(
    api: FakeVectorShift, key: str, here: dict[str, str], tmp_path: Path
) -> None:
    done = fed(
        f" {key}\r\n", "auth", "login", "--with-token", "--file", "--profile", "acme", **here
    )
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            f"The API accepts the key {fingerprint(key)}. It is stored in {FILE}, as acme.",
            "To use it: VECTORSHIFT_PROFILE=acme, or --profile acme.",
        ],
    )
    address = api.base_url.removesuffix("/v1")
    assert done.stderr == (
        f"vectorshift: The key is for {address}, which is not the address of VectorShift.\n"
    )
    assert f'api_key = "{key}"' in (tmp_path / ".vectorshift/credentials.toml").read_text()
    assert [request.path for request in api.requests] == ["/v1/pipelines"]


def test_at_a_terminal_it_asks_without_an_echo_and_names_another_address_first(
    api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    answers = {"API key (it is not shown): ": key}
    shown, code = on_terminal(["auth", "login", "--file"], environment(**here), answers=answers)
    assert code == 0
    assert key not in shown
    shown = " ".join(shown.split())  # it is folded to the width of the terminal
    address, prompt = shown.index("not the address of VectorShift"), shown.index("API key (it is")
    assert address < prompt
    assert "VECTORSHIFT_PROFILE=default, or --profile default, or VECTORSHIFT_PROVIDERS" in shown


@pytest.mark.parametrize(
    ("typed", "end"), [("\x1b[200~{key}\x1b[201~", 0), ("\x16\x16", 3), (" {key}\t", 0)]
)
def test_a_key_may_be_pasted_as_a_terminal_marks_it(
    key: str, here: dict[str, str], typed: str, end: int
) -> None:
    answers = {"API key (it is not shown): ": typed.format(key=key)}
    shown, code = on_terminal(["auth", "login", "--file"], environment(**here), answers=answers)
    assert code == end
    assert key not in shown
    told = " ".join(shown.split())
    assert ("the prompt got a control character. Paste as this terminal does" in told) is (end == 3)


def test_without_a_keyring_it_says_so_before_it_asks_and_takes_no_file_instead(
    key: str, here: dict[str, str], tmp_path: Path
) -> None:
    done = fed(key, "auth", "login", "--with-token", "--profile", "acme", **here)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no keyring can be used here (Secret Service: " in done.stderr
    assert "vectorshift auth login --profile acme --file" in done.stderr
    assert not (tmp_path / ".vectorshift").exists()


def test_a_key_that_the_api_refuses_is_not_stored(here: dict[str, str], tmp_path: Path) -> None:
    done = fed("vs-nobody-knows-it", "auth", "login", "--with-token", "--file", **here)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Nothing was stored.\n")
    assert "vs-nobody" not in done.stderr
    assert not (tmp_path / ".vectorshift").exists()


def test_a_key_that_may_do_nothing_is_a_good_key(
    api: FakeVectorShift, here: dict[str, str]
) -> None:
    key = api.create_key(scopes=())
    assert fed(key, "auth", "login", "--with-token", "--file", **here).returncode == 0


def test_an_api_that_does_not_answer_leaves_nothing_stored(tmp_path: Path) -> None:
    nobody = {"VECTORSHIFT_BASE_URL": "http://127.0.0.1:9/v1", "VECTORSHIFT_MAX_RETRIES": "0"}
    done = fed("vs-x", "auth", "login", "--with-token", "--file", **nobody)
    assert done.returncode == 4
    assert done.stderr.endswith("Nothing was stored.\n")


@pytest.mark.parametrize(("typed", "end"), [("\x03", 130), ("\x04", 64), ("\n", 64)])
def test_nothing_is_stored_without_a_key(
    typed: str, end: int, here: dict[str, str], tmp_path: Path
) -> None:
    shown, code = on_terminal(
        ["auth", "login", "--file"],
        environment(**here),
        answers={"API key (it is not shown): ": typed},
    )
    assert code == end
    assert ("\nvectorshift: No key was given." in shown) == (end == 64)
    assert shown.endswith("\n")
    assert "Traceback" not in shown
    assert not (tmp_path / ".vectorshift").exists()


@pytest.mark.parametrize("text", ["", "\n", "Bearer vs-nevertobeseen", "${KEY}"])
def test_what_cannot_be_a_key_is_not_sent(api: FakeVectorShift, text: str) -> None:
    done = fed(text, "auth", "login", "--with-token", "--file", VECTORSHIFT_BASE_URL=api.base_url)
    assert done.returncode == (3 if text.strip() else 64)
    assert "nevertobeseen" not in done.stderr
    assert api.requests == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_pipe_of_powershell_holds_a_key_or_an_error_in_words(
    encoding: str, key: str, here: dict[str, str]
) -> None:
    done = subprocess.run(
        [*PROGRAM, "auth", "login", "--with-token", "--file"],
        input=f"{key}\r\n".encode(encoding),
        capture_output=True,
        timeout=60,
        env=environment(**here, PYTHONIOENCODING="utf-8:strict"),
    )
    assert done.returncode == (0 if encoding == "utf-8-sig" else 3)
    assert (b"standard input is not UTF-8 text." in done.stderr) == (encoding == "utf-16")


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
@pytest.mark.parametrize("command", ["auth login --file", "auth login --with-token", "rotate"])
def test_a_closed_standard_input_has_no_key(command: str, here: dict[str, str]) -> None:
    line = f'"$@" {command} --profile acme <&-'
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**here),
    )
    assert "unexpected" not in done.stderr
    assert done.returncode in (3, 6, 64)


def test_nobody_is_asked_without_a_terminal_and_a_terminal_is_no_token(
    here: dict[str, str],
) -> None:
    done = fed("vs-x", "auth", "login", "--file", **here)
    assert (done.returncode, done.stdout) == (64, "")
    assert "Give the key on standard input: --with-token" in done.stderr
    shown, code = on_terminal(["auth", "login", "--with-token"], environment(**here))
    assert code == 64
    assert "Leave it out to get a prompt" in " ".join(shown.split())


def test_a_name_that_may_be_a_key_is_not_shown(here: dict[str, str]) -> None:
    done = fed("vs-x", "auth", "login", "--with-token", "--profile", "vs-Secret1", **here)
    assert done.returncode == 64
    assert "at most 24 lower-case letters" in done.stderr
    done = fed("vs-x", "auth", "login", "--with-token", VECTORSHIFT_PROFILE="vs-Secret2", **here)
    assert done.returncode == 3
    assert "Secret" not in done.stderr


def test_a_key_in_the_environment_does_not_keep_anybody_from_storing_one(
    key: str, here: dict[str, str]
) -> None:
    given = {**here, "VECTORSHIFT_API_KEY": "vs-other", "VECTORSHIFT_PROFILE": "acme"}
    done = fed(key, "auth", "login", "--with-token", "--file", **given)
    assert done.returncode == 0
    assert "as acme." in done.stdout
    assert "Unset VECTORSHIFT_API_KEY first" in done.stdout


def test_a_profile_that_changes_its_place_says_so(
    api: FakeVectorShift, key: str, keyring: dict[str, str]
) -> None:
    given = {"VECTORSHIFT_BASE_URL": api.base_url, **keyring}
    for options, before in (([], ""), (["--file"], "Secret Service"), ([], FILE)):
        done = fed(key, "auth", "login", "--with-token", *options, **given)
        assert done.returncode == 0, done.stderr
        assert (f"It was in {before} before." in done.stdout) == bool(before)


def test_a_locked_keyring_does_not_keep_a_login_from_the_file_and_is_told_of(
    api: FakeVectorShift, key: str, keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"VECTORSHIFT_BASE_URL": api.base_url, **keyring}
    fed(key, "auth", "login", "--with-token", **given)
    for name, value in keyring.items():
        monkeypatch.setenv(name, value)
    keyrings.lock()
    done = fed(key, "auth", "login", "--with-token", "--file", **given)
    assert (done.returncode, f"stored in {FILE}" in done.stdout) == (0, True)
    assert "The old key may still be in Secret Service. login:default: Secret Service is" in (
        done.stderr
    )


# --- What uses it ---------------------------------------------------------------------------------


def test_nothing_uses_it_until_it_is_named(
    api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    stored(api, key)
    done = piped("auth", "status", "--json", **here)
    told = json.loads(done.stdout)
    assert (done.returncode, told["outcome"], told["profiles"]) == (2, "none", ["acme"])
    assert (
        "`vectorshift auth login` stored acme. VECTORSHIFT_PROFILE=acme uses it"
        in (told["verdict"])
    )


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--profile", "acme", "auth", "check"], {}),
        (["auth", "check", "--profile", "acme"], {}),
        (["auth", "check"], {"VECTORSHIFT_PROFILE": "acme"}),
    ],
    ids=["before", "behind", "variable"],
)
def test_a_profile_is_used_where_it_is_named(
    options: list[str],
    variables: dict[str, str],
    api: FakeVectorShift,
    key: str,
    here: dict[str, str],
) -> None:
    stored(api, key)
    done = piped(*options, **here, **variables)
    assert done.returncode == 0, done.stdout
    assert "source: login:acme" in done.stdout
    assert done.stderr == ""


def test_the_default_profile_is_what_the_provider_login_reads(
    api: FakeVectorShift, key: str, here: dict[str, str], tmp_path: Path
) -> None:
    stored(api, key, "default")
    (tmp_path / ".vectorshift/config.toml").write_text('[auth]\napi_key = "vs-official"\n')
    done = piped("auth", "check", VECTORSHIFT_PROVIDERS="default,login", **here)
    assert "source: login:default" in done.stdout
    assert piped("auth", "logout", **here).returncode == 0
    done = piped("auth", "check", VECTORSHIFT_PROVIDERS="default,login", **here)
    assert f"source: login:{tmp_path}/.vectorshift/config.toml" in done.stdout


@pytest.mark.parametrize(
    "variable", ["VECTORSHIFT_API_KEY", "VECTORSHIFT_API_KEY_FILE", "VECTORSHIFT_ENV_FILE"]
)
def test_a_key_in_the_environment_beside_a_profile_is_an_error_that_names_both(
    variable: str, api: FakeVectorShift, key: str, here: dict[str, str], tmp_path: Path
) -> None:
    stored(api, key)
    (tmp_path / "app.env").write_text("VECTORSHIFT_API_KEY=vs-other\n")
    value = "vs-other" if variable.endswith("KEY") else str(tmp_path / "app.env")
    for arguments in (
        ["exec", "--profile", "acme", "true"],
        ["auth", "check", "--profile", "acme"],
    ):
        done = piped(*arguments, **here, **{variable: value})
        assert done.returncode == 3
        said = done.stdout + done.stderr
        assert "The profile acme is named, by VECTORSHIFT_PROFILE or --profile, and" in said
        assert variable.replace("ENV_FILE", "API_KEY") in said


def test_the_option_beats_the_variable_and_says_so(
    api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    stored(api, key)
    stored(api, api.create_key(), "other")
    done = piped("auth", "check", "--profile", "acme", VECTORSHIFT_PROFILE="other", **here)
    assert "source: login:acme" in done.stdout
    assert done.stderr == (
        "vectorshift: --profile acme is used in place of VECTORSHIFT_PROFILE=other.\n"
    )
    origin = json.loads(
        piped("config", "--json", "--profile", "acme", VECTORSHIFT_PROFILE="acme").stdout
    )
    assert {"setting": "VECTORSHIFT_PROFILE", "value": "acme", "origin": "option --profile"} in (
        origin["settings"]
    )


@pytest.mark.parametrize(
    "name",
    [
        "VECTORSHIFT_VAULT_PATH",
        "VECTORSHIFT_AWS_SECRET_ID",
        "VECTORSHIFT_PROVIDERS",
        "VECTORSHIFT_CREDENTIALS_DIRECTORY",
    ],
)
def test_another_source_that_was_configured_is_told_to_be_unused(
    name: str, api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    stored(api, key)
    done = piped("auth", "check", "--profile", "acme", **here, **{name: "vault"})
    assert done.returncode == 0
    assert f"{name} is not used: the profile acme comes before it" in done.stderr


def test_the_last_of_two_options_counts_and_says_so(key: str, api: FakeVectorShift) -> None:
    stored(api, key)
    done = piped("--profile", "other", "auth", "list", "--profile", "acme")
    assert done.stderr == "vectorshift: --profile acme is used in place of --profile other.\n"


def test_an_absent_profile_is_a_configuration_error_and_no_missing_key(
    here: dict[str, str],
) -> None:
    done = piped("auth", "check", "--profile", "acmee", **here)
    assert done.returncode == 3
    assert "login:acmee: ~/.vectorshift/credentials.toml has no such profile" in done.stdout


def test_another_base_url_gets_no_key_from_any_command(
    api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    stored(api, key)
    elsewhere = {"VECTORSHIFT_BASE_URL": "http://127.0.0.1:9/v1", "VECTORSHIFT_PROFILE": "acme"}
    before = len(api.requests)
    for arguments in (["auth", "status"], ["auth", "check"], ["exec", "--", "env"]):
        done = piped(*arguments, **elsewhere)
        assert done.returncode == 3
        said = done.stdout + done.stderr
        assert f"The key of login:acme is for {api.base_url.removesuffix('/v1')}" in said
        assert "is not sent to http://127.0.0.1:9" in said
        assert key not in said
    assert len(api.requests) == before


def test_exec_takes_the_variable_from_the_program(
    api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    stored(api, key)
    done = piped("exec", "--", "env", VECTORSHIFT_PROFILE="acme", **here)
    names = [line.partition("=")[0] for line in done.stdout.splitlines()]
    assert "VECTORSHIFT_PROFILE" not in names
    assert f"VECTORSHIFT_API_KEY={key}" in done.stdout.splitlines()


# --- Logout and list ------------------------------------------------------------------------------


def test_logout_removes_it_and_says_that_this_revokes_nothing(
    api: FakeVectorShift, key: str, here: dict[str, str], tmp_path: Path
) -> None:
    stored(api, key)
    done = piped("auth", "logout", "--profile", "acme", **here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Removed the profile acme from {FILE}.\nThe key still works")
    assert key not in (tmp_path / ".vectorshift/credentials.toml").read_text()
    done = piped("auth", "logout", "--profile", "acme", **here)
    assert (done.returncode, done.stderr) == (2, "vectorshift: There is no profile acme.\n")


def test_the_list_has_place_and_api_and_no_key(
    api: FakeVectorShift, key: str, here: dict[str, str]
) -> None:
    assert piped("auth", "list").stdout == "profiles: none\n"
    stored(api, key)
    origin = api.base_url.removesuffix("/v1")
    assert piped("auth", "list").stdout == f"acme: {FILE}, for {origin}\n"
    told = json.loads(piped("auth", "list", "--json", VECTORSHIFT_PROFILE="acme").stdout)
    row = {"name": "acme", "origin": origin, "keyring": None, "in_use": True}
    assert told == {"problem": None, "profiles": [row]}
    shown, code = on_terminal(["auth", "list", "--profile", "acme"], environment())
    assert code == 0
    assert "> acme" in shown
    assert key not in shown


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_list_that_others_could_have_written_is_refused(
    api: FakeVectorShift, key: str, here: dict[str, str], tmp_path: Path
) -> None:
    stored(api, key)
    (tmp_path / ".vectorshift/credentials.toml").chmod(0o646)
    done = piped("auth", "list")
    assert done.returncode == 3
    assert "Run: chmod 600" in done.stderr
    told = json.loads(piped("auth", "list", "--json").stdout)
    assert "open to other users" in told["problem"]
    assert piped("auth", "check", VECTORSHIFT_PROFILE="acme", **here).returncode == 3
    before = len(api.requests)
    done = fed(key, "auth", "login", "--with-token", "--file", **here)
    assert done.returncode == 3
    assert len(api.requests) == before  # nobody types a key for nothing


def test_a_profile_that_a_named_dotenv_file_names_is_the_one_of_each_command(
    key: str, here: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "app.env").write_text("VECTORSHIFT_PROFILE=acme\n")
    given = {**here, "VECTORSHIFT_ENV_FILE": str(tmp_path / "app.env")}
    assert "as acme." in fed(key, "auth", "login", "--with-token", "--file", **given).stdout
    assert json.loads(piped("auth", "list", "--json", **given).stdout)["profiles"][0]["in_use"]
    assert "Removed the profile acme" in piped("auth", "logout", **given).stdout


# --- A real keyring -------------------------------------------------------------------------------


def test_a_key_goes_into_the_keyring_and_out_of_it(
    api: FakeVectorShift, key: str, keyring: dict[str, str]
) -> None:
    given = {"VECTORSHIFT_BASE_URL": api.base_url, **keyring}
    done = fed(key, "auth", "login", "--with-token", "--profile", "acme", **given)
    assert done.returncode == 0, done.stderr
    assert "It is stored in Secret Service, as acme." in done.stdout
    done = piped("auth", "status", VECTORSHIFT_PROFILE="acme", **given)
    assert done.returncode == 0, done.stdout
    assert f"A call uses login:acme {fingerprint(key)}." in done.stdout
    assert "profiles: acme" in done.stdout
    done = piped(
        "exec", "--", "printenv", "VECTORSHIFT_API_KEY", VECTORSHIFT_PROFILE="acme", **given
    )
    assert done.stdout == f"{key}\n"
    done = piped("auth", "logout", "--profile", "acme", **given)
    assert done.stdout.startswith("Removed the profile acme from Secret Service.\n")


def test_a_locked_keyring_is_unavailable_in_every_command(
    api: FakeVectorShift,
    key: str,
    keyring: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"VECTORSHIFT_BASE_URL": api.base_url, **keyring}
    for name, value in keyring.items():
        monkeypatch.setenv(name, value)
    write_profile("acme", Secret(key), origin=origin(api.base_url), in_file=False)
    keyrings.lock()
    keyrings.collect()
    for arguments in (["auth", "check"], ["exec", "--", "true"], ["auth", "logout"]):
        done = piped(*arguments, VECTORSHIFT_PROFILE="acme", **given)
        assert done.returncode == 3
        assert "Secret Service is locked. Unlock it and try again." in done.stdout + done.stderr
    told = json.loads(piped("auth", "status", "--json", VECTORSHIFT_PROFILE="acme", **given).stdout)
    assert told["sources"][1]["outcome"] == "unavailable"
