"""A line of a dotenv file that was meant for this package and is mistyped never lets another source
answer.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from vectorshift import (
    CredentialConfigurationError,
    DotenvProvider,
    ExplicitProvider,
    ProviderChain,
    Settings,
)
from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-Xq7fL0nevertobeseen"
NAME = "VECTORSHIFT_API_KEY"

MISTYPED = {
    "text after the quotes": f'{NAME}="{KEY}" acme prod',
    "no closing quote": f'{NAME}="{KEY}',
    "no closing single quote": f"{NAME}='{KEY}",
    "another closing quote": f"{NAME}=\"{KEY}'",
    "a semicolon after the quotes": f'{NAME}="{KEY}";',
    "a colon": f"{NAME}: {KEY}",
    "a colon without a space": f"{NAME}:{KEY}",
    "a colon and quotes": f'{NAME}:"{KEY}"',
    "a colon and an equal sign": f"{NAME}:={KEY}",
    "a plus sign": f"{NAME}+={KEY}",
    "a space": f"{NAME} {KEY}",
    "nothing between": f"{NAME}{KEY}",
    "nothing between, and a padded key": f"{NAME}{KEY}==",
    "nothing between, and a key in capitals": f"{NAME}{KEY.upper().replace('-', '')}",
    "no key, and a comment that is none": f"{NAME} // {KEY}",
    "set": f"set {NAME}={KEY}",
    "setenv": f"setenv {NAME} {KEY}",
    "export in capitals": f"EXPORT {NAME}={KEY}",
    "export twice": f"export export {NAME}={KEY}",
    "export with a colon": f"export {NAME}: {KEY}",
    "export in quotes": f'export "{NAME}={KEY}"',
    "PowerShell": f'$env:{NAME}="{KEY}"',
    "a dollar": f"${NAME}={KEY}",
    "a list item": f"- {NAME}={KEY}",
    "a list item without a space": f"-{NAME}={KEY}",
    "an option of docker": f"-e {NAME}={KEY}",
    "a name in double quotes": f'"{NAME}"={KEY}',
    "JSON": f'"{NAME}": "{KEY}",',
    "JSON on one line": f'{{"{NAME}":"{KEY}"}}',
    "a space in the name": f"VECTORSHIFT_API_ KEY={KEY}",
    "a space for an underscore": f"VECTORSHIFT API_KEY={KEY}",
    "dashes in the name": f"VECTORSHIFT-API-KEY={KEY}",
    "a dash in the name": f"VECTORSHIFT_API-KEY={KEY}",
    "small letters in the name": f"VECTORSHIFT_api_key={KEY}",
    "a zero-width space": f"\u200b{NAME}={KEY}",
    "a byte order mark": f"\ufeff{NAME}={KEY}",
    "a wide equal sign": f"{NAME}\uff1d{KEY}",
    "beside another": f"A=1 {NAME}={KEY}",
    "exported beside another": f"export A=1 {NAME}={KEY}",
    "after a semicolon": f"A=1; export {NAME}={KEY}",
    "after a semicolon without a space": f"A=1;{NAME}={KEY}",
    "after a line that nothing ended": f"A=1{NAME}={KEY}",
    "after a comma, as in supervisord.conf": f'environment=A="1",{NAME}="{KEY}"',
    "a line of a unit of systemd": f'Environment="{NAME}={KEY}"',
    "a line of a unit in single quotes": f"Environment='{NAME}={KEY}'",
}
"""By what is wrong. Each stands in line 2, after a comment."""

SWALLOWED = {
    "a quote that the key's own closes": f'OTHER="x\n{NAME}="{KEY}"',
    "a quote that a later line closes": f'OTHER="x\n{NAME}={KEY}\nLAST="y"',
    "a quote that a later line closes well": f"OTHER='x\n{NAME}={KEY}\nLAST='",
    "export": f"OTHER='x\n  export {NAME}={KEY}\nLAST='",
    "the quote of another of ours": f'VECTORSHIFT_VAULT_PATH="vs\n{NAME}={KEY}\nLAST="',
}
"""Quotation marks are opened in line 2, and take in line 3."""


def below(path: Path | None) -> ProviderChain:
    """A chain in which another organisation's key stands below the file."""
    dotenv = DotenvProvider() if path is None else DotenvProvider(path)
    return ProviderChain([dotenv, ExplicitProvider("vs-umbrella")])


def refusal(call: Callable[[], Any]) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    "line",
    [
        "=== vectorshift settings ===",
        "---- Vectorshift ----",
        "source ./vectorshift-env.sh",
        "if [ -d /opt/vectorshift-x ]",
        "dotenv_if_exists ~/.config/vectorshift-prod.env",
        "DOCKER_ARGS=-e VECTORSHIFT_TIMEOUT=30",
        "DOCKER_ARGS=--env VECTORSHIFT_TIMEOUT=30",
    ],
)
def test_what_only_speaks_of_vectorshift_stops_nothing(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"{line}\n{NAME}={KEY}\n")
    assert below(None).get_credential().secret.reveal() == KEY


def test_a_long_value_takes_time_in_line_with_it() -> None:
    """It is another's file, and read with a lock held. With a step back for each line it takes
    minutes.
    """
    assert assignments_in('A="' + "\n" * 300_000 + '"').flaw == ""


@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=["lf", "crlf", "no end"])
@pytest.mark.parametrize("text", MISTYPED.values(), ids=MISTYPED)
def test_a_mistyped_line_stops_the_chain_and_is_named_and_not_shown(
    tmp_path: Path,
    text: str,
    end: str,
    named: bool,
    shown: Callable[[BaseException], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(f"# ours{end or chr(10)}{text}{end}".encode())
    chain = below(path if named else None)
    with caplog.at_level(logging.DEBUG):
        error = refusal(chain.get_credential)
    assert type(error) is CredentialConfigurationError
    assert str(error).startswith(f"dotenv:{path}: line 2 ")
    told = shown(error) + caplog.text + repr([each.describe() for each in chain.providers])
    assert KEY not in told
    assert KEY.upper().replace("-", "") not in told
    assert [record.name for record in caplog.records if record.name.startswith("dotenv")] == []


@pytest.mark.parametrize("text", SWALLOWED.values(), ids=SWALLOWED)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_line_that_open_quotation_marks_take_in_stops_the_chain_and_both_lines_are_named(
    tmp_path: Path, text: str, end: str, shown: Callable[[BaseException], str]
) -> None:
    (tmp_path / ".env").write_bytes(f"# ours\n{text}\n".replace("\n", end).encode())
    error = refusal(below(None).get_credential)
    assert type(error) is CredentialConfigurationError
    assert ": line 3 looks like a VECTORSHIFT setting" in str(error)
    assert "the quotation marks that line 2 opens." in str(error)
    assert KEY not in shown(error)


@pytest.mark.parametrize(
    "text", [*MISTYPED.values(), *SWALLOWED.values()], ids=[*MISTYPED, *SWALLOWED]
)
def test_a_mistyped_setting_of_a_named_file_is_an_error_and_not_the_default(
    tmp_path: Path, text: str, shown: Callable[[BaseException], str]
) -> None:
    setting = (
        text.replace(NAME, "VECTORSHIFT_BASE_URL")
        .replace("API-KEY", "BASE-URL")
        .replace("api_key", "base_url")
    )
    (tmp_path / "named.env").write_text(f"# ours\n{setting}\n")
    error = refusal(lambda: Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"}))
    assert str(error).startswith("VECTORSHIFT_ENV_FILE names named.env: line ")
    assert (error.source, KEY in shown(error)) == ("dotenv:named.env", False)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}={KEY}",
        f"export   {NAME} =  {KEY}   # of acme: VECTORSHIFT_BASE_URL=x",
        f"'{NAME}'='{KEY}'",
        f"# {NAME}: old\n\n\n{NAME}={KEY}",
        f"{NAME}={KEY}\nexport {NAME}",
        f"export {NAME}\n{NAME}={KEY}",
        f"{NAME}={KEY}\nVECTORSHIFT_BASE_URL",
        f"{NAME}={KEY}\nMY_VECTORSHIFT_API_KEY=x\nvectorshift_api_key=x",
        f"{NAME}={KEY}\nVECTORSHIFT_API_KEY_STAGING=x\nVECTORSHIFT_API_KEY2=x",
        f'{NAME}={KEY}\nSTART="env {NAME}=x app"',
        f"{NAME}={KEY}\nURL=https://example.org/?{NAME}=x",
        f'{NAME}={KEY}\nPEM="-----\nabc\n-----"',
        f"OTHER=VECTORSHIFT_API_KEY\n{NAME}={KEY}",
    ],
)
def test_what_is_well_written_is_read_and_so_is_what_stands_beside_it(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / ".env").write_text(text)
    assert DotenvProvider().get_credential().secret.reveal() == KEY


def test_a_line_that_is_not_meant_for_us_is_passed_over_with_one_warning_that_names_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"\n\nOTHER: hidden\n{NAME}={KEY}\nLAST hidden\n")
    provider = DotenvProvider()
    assert [provider.get_credential().secret.reveal() for _ in range(3)] == [KEY] * 3
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("vectorshift", f"dotenv:{path}: line 3 is not NAME=value and is skipped.")
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_counts_them(end: str) -> None:
    lines = ["OTHER: x", "", "# c", "LAST x", f"{NAME}: {KEY}", ""]
    found = assignments_in(end.join(lines))
    assert (found.passed_over, found.flaw.partition(" looks")[0]) == (1, "line 5")


def test_what_a_handler_does_with_that_warning_does_not_lock_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OTHER: x\n{NAME}={KEY}\n")
    provider, seen = DotenvProvider(), list[str]()

    class Asks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(provider.get_credential().secret.reveal())

    log, asks = logging.getLogger("vectorshift"), Asks()
    log.addHandler(asks)
    try:
        provider.get_credential()
    finally:
        log.removeHandler(asks)
    assert seen == [KEY]


def test_the_names_that_are_told_of_hold_no_part_of_a_key(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"{NAME}=vs-1\nVECTORSHIFT_VAULT_TOKEN{KEY.replace('-', '')}==\n"
    )
    provider = DotenvProvider()
    error = refusal(provider.get_credential)
    assert KEY[3:] not in f"{error} {provider.describe()}"


@given(
    st.integers(0, len(NAME) + 1 + len(KEY)),
    st.sampled_from(["", *" \t\"'`:;#=$-\\/\n\r,{}[]()<>|&\u200b\ufeff\uff1d\xa0"]),
    st.integers(0, 1),
    st.sampled_from(["", "export ", "OTHER=1\n", 'OTHER="x"\r\n', "\ufeff"]),
    st.sampled_from(["{}", '"{}"', "'{}'"]),
)
def test_one_slip_in_the_line_gives_the_key_or_an_error_or_a_name_that_is_not_ours(
    at: int, slip: str, replaced: int, before: str, quotes: str
) -> None:
    line = f"{NAME}={quotes.format(KEY)}"
    text = before + line[:at] + slip + line[at + replaced :] + "\n"
    found = assignments_in(text.removeprefix("\ufeff"))
    kept = at >= len(NAME) or (replaced == 0 and at == 0)
    if found.flaw or NAME in found.values or not kept:
        assert KEY not in found.flaw
        return
    assert text[len(before) :].lstrip().startswith("#") or NAME in found.bare or slip in "\n\r#", (
        text
    )


@given(st.text())
def test_any_text_is_read_without_an_exception(text: str) -> None:
    found = assignments_in(text)
    assert repr(found).startswith("Assignments(bare=")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "named.env")
        path.write_text(text, "utf-8", "surrogatepass", newline="")
        provider = DotenvProvider(path)
        for call in (
            provider.get_credential,
            lambda: Settings.load({"VECTORSHIFT_ENV_FILE": str(path)}),
        ):
            with contextlib.suppress(CredentialError):
                call()


# --- One name, two values -------------------------------------------------------------------------

TWO = {
    "two lines": (f"{NAME}={KEY}\nX=1\n{NAME}=vs-globex\n", 1, 3),
    "three lines": (f"{NAME}={KEY}\n{NAME}={KEY}\n\n{NAME}=vs-globex\n{NAME}={KEY}\n", 1, 4),
    "export and quotes": (f"# c\nexport {NAME}='{KEY}'\n{NAME}=\"vs-globex\"\n", 2, 3),
    "the second one is empty": (f"{NAME}={KEY}\nX=1\n{NAME}=\n", 1, 3),
    "the second one is blank": (f"{NAME}={KEY}\nX=1\n{NAME}='  '\n", 1, 3),
    "a value of several lines between": (f'{NAME}={KEY}\nX="1\n2\n3"\n{NAME}=vs-globex\n', 1, 5),
    "merge conflict": (
        f"<<<<<<< HEAD\n{NAME}={KEY}\n=======\n{NAME}=vs-globex\n>>>>>>> theirs\n",
        2,
        4,
    ),
}
"""Files with two keys, and the two lines that contradict each other."""


@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("text", "first", "second"), TWO.values(), ids=TWO)
def test_two_keys_in_one_file_stop_the_chain_and_both_lines_are_named(
    tmp_path: Path,
    text: str,
    first: int,
    second: int,
    end: str,
    named: bool,
    shown: Callable[[BaseException], str],
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(text.replace("\n", end).encode())
    error = refusal(below(path if named else None).get_credential)
    assert type(error) is CredentialConfigurationError
    assert str(error).startswith(
        f"dotenv:{path}: lines {first} and {second} give {NAME} two different values."
    )
    assert (KEY in shown(error), "globex" in shown(error)) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}={KEY}\nX=1\n{NAME}='{KEY}'\nexport {NAME}={KEY}  # again\n",
        f"{NAME}=\nX=1\n{NAME}={KEY}\n",
        f"{NAME}\n{NAME}={KEY}\n{NAME}\n",
        f"X=1\n{NAME}={KEY}\nX=2\n",
        f"# {NAME}=vs-old\n{NAME}={KEY}\nvectorshift_api_key=vs-other\n",
        f"<<<<<<< HEAD\nX=1\n=======\nX=2\n>>>>>>> theirs\n{NAME}={KEY}\n",
    ],
    ids=["equal", "empty at first", "bare", "not ours", "another case", "a conflict of others"],
)
def test_one_key_is_read_whatever_is_repeated(tmp_path: Path, text: str) -> None:
    """A template at the top that is filled in below is how many files come about."""
    (tmp_path / ".env").write_text(text)
    assert below(None).get_credential().secret.reveal() == KEY


@pytest.mark.parametrize(
    "text",
    [
        f"X=1\n<<<<<<< HEAD\n{NAME}={KEY}\n=======\n>>>>>>> theirs\n",
        f"X=1\n<<<<<<<\n||||||| base\n{NAME}={KEY}\n=======\n>>>>>>>\n",
        f"X=1\n<<<<<<< HEAD\n{NAME}={KEY}\n=======\n{NAME}={KEY}\n>>>>>>> theirs\n",
        f"X=1\n<<<<<<< HEAD\nY=1\n# {NAME}\n=======\n>>>>>>> theirs\n{NAME}={KEY}",
    ],
)
def test_a_merge_that_was_not_finished_stops_the_chain_if_it_is_about_our_settings(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    error = refusal(below(None).get_credential)
    assert type(error) is CredentialConfigurationError
    lines = [
        at for at, line in enumerate(text.split("\n"), 1) if line[:7] in ("<<<<<<<", ">>>>>>>")
    ]
    assert str(error).startswith(f"dotenv:{path}: lines {lines[0]} and {lines[1]} ")
    assert "merge" in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"<<<<<<< HEAD\n{NAME}={KEY}\n=======\nX=1\n", 1),
        (f"X=1\n  <<<<<<< HEAD\n  {NAME}={KEY}\n", 2),
        (f"{NAME}={KEY}\n=======\nX=1\n>>>>>>> theirs\n", 4),
        (f"<<<<<<< HEAD\nX=1\n>>>>>>> theirs\n{NAME}={KEY}\n>>>>>>> theirs\n", 5),
    ],
    ids=["no end", "indented", "no beginning", "a second end"],
)
def test_one_mark_of_a_merge_stops_the_chain_too(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    error = refusal(below(None).get_credential)
    assert type(error) is CredentialConfigurationError
    assert str(error).startswith(f"dotenv:{path}: line {line} is a conflict marker")
    assert KEY not in str(error)


def test_an_indented_merge_stops_the_chain(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"  <<<<<<< HEAD\n  {NAME}={KEY}\n  =======\n  X=1\n  >>>>>>> theirs\n"
    )
    assert "lines 1 and 5 are conflict markers" in str(refusal(below(None).get_credential))


def test_a_line_of_python_that_sets_the_key_stops_the_chain(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f'vectorshift.api_key = "{KEY}"\n')
    error = refusal(below(None).get_credential)
    assert type(error) is CredentialConfigurationError
    assert "line 1 looks like a VECTORSHIFT setting" in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(
    "name",
    ["VECTORSHIFT_BASE_URL", "VECTORSHIFT_VAULT_ADDR", "VAULT_ADDR", "VECTORSHIFT_PROVIDERS"],
)
def test_two_values_of_a_setting_in_a_named_file_are_an_error_with_both_lines(
    tmp_path: Path, name: str, shown: Callable[[BaseException], str]
) -> None:
    (tmp_path / "named.env").write_text(
        f"{name}=https://one.example\nVECTORSHIFT_VAULT_PATH=vs\n{name}=https://two.example\n"
    )
    error = refusal(lambda: Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"}))
    assert type(error) is CredentialConfigurationError
    assert f"named.env: lines 1 and 3 give {name} two different values." in str(error)
    assert "example" not in shown(error)


def test_two_values_of_what_is_not_read_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "named.env").write_text("VAULT_ADDR=one\nVAULT_ADDR=two\nX=1\nX=2\nX=\n")
    assert Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"}).vault_addr is None


def test_two_keys_in_a_file_that_another_source_comes_before_are_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named.env").write_text(f"{NAME}=vs-acme\n{NAME}=vs-globex\n")
    monkeypatch.setenv(NAME, KEY)
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"})
    assert ProviderChain.from_settings(settings).get_credential().secret.reveal() == KEY


# --- A key and a file with a key ------------------------------------------------------------------


def test_a_named_file_with_a_key_and_the_name_of_a_key_file_is_an_error_as_in_the_environment(
    tmp_path: Path, shown: Callable[[BaseException], str]
) -> None:
    (tmp_path / "key").write_text("vs-of-the-file")
    (tmp_path / "named.env").write_text(f"{NAME}={KEY}\n\n{NAME}_FILE={tmp_path}/key\n")
    error = refusal(lambda: Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"}))
    assert type(error) is CredentialConfigurationError
    assert str(error) == (
        f"VECTORSHIFT_ENV_FILE names named.env: {NAME} is set in line 1, and so is {NAME}_FILE in "
        "line 3. Remove one of them."
    )
    assert KEY not in shown(error)


@pytest.mark.parametrize(
    "blank", [f"{NAME}=''\n{NAME}_FILE=key\n", f"{NAME}={KEY}\n{NAME}_FILE=\n"]
)
def test_one_of_both_that_is_empty_is_not_set(tmp_path: Path, blank: str) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "named.env").write_text(blank)
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"})
    assert ProviderChain.from_settings(settings).get_credential().secret.reveal() == KEY


def test_a_key_of_the_environment_and_a_key_file_of_a_named_file_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("vs-of-the-file")
    (tmp_path / "named.env").write_text(f"{NAME}_FILE=key\n")
    monkeypatch.setenv(NAME, KEY)
    settings = Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"})
    error = refusal(ProviderChain.from_settings(settings).get_credential)
    assert type(error) is CredentialConfigurationError
    assert f"{NAME} is set, and so is the file" in str(error)


def test_a_key_file_of_the_environment_comes_before_a_key_in_a_named_file(tmp_path: Path) -> None:
    """The order of the chain says so: the environment, or the file that it names, then dotenv."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "named.env").write_text(f"{NAME}=vs-of-the-line\n")
    environ = {"VECTORSHIFT_ENV_FILE": "named.env", f"{NAME}_FILE": "key"}
    chain = ProviderChain.from_settings(Settings.load(environ))
    assert chain.get_credential().secret.reveal() == KEY
