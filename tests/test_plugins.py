"""What authors of providers are given: commands, ends of keys, quiet loggers, URLs."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import (
    CredentialConfigurationError,
    CredentialStoreUnavailableError,
    Settings,
)
from vectorshift.plugins import (
    CommandResult,
    PluginSettings,
    StoreUrl,
    expiry,
    quiet,
    run_command,
)

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "vs-Xq7fL0nevertobeseen"


def run(script: str, **more: Any) -> CommandResult:
    return run_command(["/bin/sh", "-c", script], source="op:key", **more)


# --- Commands -------------------------------------------------------------------------------------


def test_a_command_gives_its_status_and_both_outputs_masked() -> None:
    result = run(f"echo ' {HIDDEN}'; echo not signed in >&2; exit 3")
    assert (result.status, result.output.reveal(), result.errors.reveal()) == (
        3,
        HIDDEN,
        "not signed in",
    )
    assert HIDDEN not in f"{result} {result!r}"


def test_a_command_is_given_no_variable_that_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", HIDDEN)
    monkeypatch.setenv("OP_TOKEN", "t0ken")
    result = run("env", environment=["OP_TOKEN"])
    assert "OP_TOKEN=t0ken" in result.output.reveal()
    assert "PATH=" in result.output.reveal()
    assert HIDDEN not in result.output.reveal()


def test_a_command_reads_no_input() -> None:
    assert run("cat; echo vs-1").output.reveal() == "vs-1"


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    began = time.monotonic()
    with pytest.raises(CredentialStoreUnavailableError, match=r"op:key: .* within 0.5 s"):
        run(f"exec 3>{fifo}; echo begun >&3; echo {HIDDEN}; sleep 1000 & wait", timeout=0.5)
    assert time.monotonic() - began < 10
    with os.fdopen(reader) as begun:
        assert begun.read() == "begun\n"  # the end of it: no process has it open any more


def test_what_a_command_leaves_running_does_not_hold_the_answer_back() -> None:
    began = time.monotonic()
    result = run("echo vs-1; sleep 1000 &", timeout=60)
    assert (result.status, result.output.reveal()) == (0, "vs-1")
    assert time.monotonic() - began < 20


def test_a_command_that_prints_too_much_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(CredentialConfigurationError, match="printed more than 65,536 bytes"):
        run(f"head -c 1000000 /dev/zero; touch {tmp_path}/went-on", timeout=60)
    assert not (tmp_path / "went-on").exists()


@pytest.mark.parametrize("form", ["missing", "not to be run", "a folder"])
def test_a_program_that_cannot_be_run_is_a_configuration_error(tmp_path: Path, form: str) -> None:
    program = tmp_path / "op"
    if form == "not to be run":
        program.write_text("")
        program.chmod(stat.S_IRUSR)
    if form == "a folder":
        program.mkdir()
    with pytest.raises(CredentialConfigurationError, match="op:key: the program is missing"):
        run_command([str(program)], source="op:key")


def test_it_is_no_shell(tmp_path: Path) -> None:
    result = run_command(["echo", "a", ">", str(tmp_path / "made")], source="op:key")
    assert result.output.reveal().startswith("a > ")
    assert not (tmp_path / "made").exists()


def test_an_error_of_a_command_has_no_frame_with_what_it_printed(tmp_path: Path) -> None:
    (tmp_path / "much").write_text(HIDDEN * 10_000)
    try:
        run(f"cat {tmp_path}/much; sleep 1000", timeout=30)
    except CredentialConfigurationError as error:
        trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("plugins.py") and trace.tb_next is None:
            assert HIDDEN.encode() not in repr(trace.tb_frame.f_locals).encode()
            assert "is_too_long" in trace.tb_frame.f_locals
        trace = trace.tb_next


# --- Ends of keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3600, "3600", 3600.0])
def test_an_end_is_so_many_seconds_ahead(seconds: Any) -> None:
    end = expiry(seconds)
    assert end is not None
    assert abs(end - datetime.now(timezone.utc) - timedelta(hours=1)) < timedelta(seconds=30)


@pytest.mark.parametrize("seconds", [None, 1e30, "1e300"])
def test_what_never_ends_has_no_end(seconds: Any) -> None:
    assert expiry(seconds) is None


@pytest.mark.parametrize("seconds", ["soon", HIDDEN, True, {}, float("nan")])
def test_what_is_no_number_of_seconds_is_refused_and_not_shown(seconds: Any) -> None:
    with pytest.raises(CredentialConfigurationError) as caught:
        expiry(seconds)
    assert str(caught.value) == "The store's expires_in is not a number of seconds."


# --- Loggers --------------------------------------------------------------------------------------


def test_the_debug_lines_of_a_library_are_dropped_within_the_block_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    child = logging.getLogger("storelib.wire")
    child.setLevel(logging.DEBUG)  # as a program does that wants to see them
    with quiet("storelib", "storelib.new"):
        child.debug("in %s", HIDDEN)
        child.info("in info")
        logging.getLogger("storelib.new").debug("new %s", HIDDEN)
        logging.getLogger("storelibrary").debug("another")
        other = threading.Thread(target=lambda: child.debug("of another thread"))
        other.start()
        other.join()
    child.debug("after")
    assert [each.getMessage() for each in caplog.records] == [
        "in info",
        "another",
        "of another thread",
        "after",
    ]


def test_the_frames_of_a_library_are_dropped_and_the_type_of_its_error_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with quiet("storelib"):
        try:
            raise ValueError(HIDDEN)
        except ValueError:
            logging.getLogger("storelib").exception("It failed")
    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info) == ("It failed (ValueError)", None)
    assert HIDDEN not in caplog.text


# --- URLs of stores -------------------------------------------------------------------------------


class Own(PluginSettings):
    url: StoreUrl | None = None


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (" https://store.example.com:8443/v1/ ", "https://store.example.com:8443/v1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_the_url_of_a_store_is_kept(url: str, kept: str) -> None:
    assert Own.of(Settings(plugins={"mine": {"url": url}}), "mine").url == kept


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        (f"https://user:{HIDDEN}@store.example.com", "no user name and no password"),
        ("http://store.example.com", "others could read plain HTTP"),
        ("store.example.com", "should be a"),
        ("ftp://store.example.com", "should be a"),
        ("https://", "should be a"),
        ("https://store:port", "should be a"),
        (f"https://store/{HIDDEN}\n", "should be a"),
    ],
)
def test_a_url_that_could_leak_is_refused_with_the_name_of_its_variable(
    url: str, flaw: str
) -> None:
    settings = Settings(plugins={"mine": {"url": url if "\n" not in url else f"{url}x"}})
    with pytest.raises(CredentialConfigurationError) as caught:
        Own.of(settings, "mine")
    assert "VECTORSHIFT_MINE_URL: " in str(caught.value)
    assert flaw in str(caught.value)
    assert HIDDEN not in str(caught.value)
