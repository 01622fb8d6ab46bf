"""What a handler of log lines does while a key is looked up: it may raise, and it may ask for the
key itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import vectorshift
from vectorshift import DotenvProvider, EnvProvider, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "vs-5f10"
UNKNOWN = "VECTORSHIFT_TIMEOUTT"


@contextmanager
def handling(does: Callable[[logging.LogRecord], object]) -> Iterator[None]:
    class Own(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            does(record)

    handler = Own()
    logging.getLogger("vectorshift").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("vectorshift").removeHandler(handler)


def raising(record: logging.LogRecord) -> None:
    raise ConnectionError("the log server is away")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    vectorshift.reset()
    yield
    vectorshift.reset()


# --- It raises ------------------------------------------------------------------------------------


def test_a_handler_that_raises_costs_no_caller_the_key_of_a_file_with_an_odd_line(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text(f"foo bar\nVECTORSHIFT_API_KEY={KEY}\n")
    with handling(raising):
        assert DotenvProvider().get_credential().secret.reveal() == KEY


def test_a_handler_that_raises_costs_no_caller_the_key_of_a_file_that_others_can_write(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o666)
    with handling(raising):
        assert EnvProvider(file=tmp_path / "key").get_credential().secret.reveal() == KEY


def test_a_handler_that_raises_keeps_no_settings_from_being_read() -> None:
    with handling(raising):
        assert Settings.load({UNKNOWN: "3", "VECTORSHIFT_MAX_RETRIES": "1"}).max_retries == 1


# --- It asks for the key --------------------------------------------------------------------------


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("asked_back", ["sync", "async"])
def test_a_handler_that_asks_for_the_key_is_told_once_of_a_variable_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, asks: str, asked_back: str
) -> None:
    def get(style: str) -> str:
        found = (
            vectorshift.get_credential()
            if style == "sync"
            else asyncio.run(vectorshift.aget_credential())
        )
        return found.secret.reveal()

    told: list[tuple[str, str]] = []
    got: list[str] = []
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    monkeypatch.setenv(UNKNOWN, "3")
    with handling(lambda record: told.append((get(asked_back), record.getMessage()))):
        asking = threading.Thread(target=lambda: got.append(get(asks)), daemon=True)
        asking.start()
        asking.join(30)
    assert got == [KEY]
    about = [(key, line) for key, line in told if UNKNOWN in line]
    assert about == [
        (KEY, f"{UNKNOWN} is not a vectorshift setting. Did you mean VECTORSHIFT_TIMEOUT?")
    ]
