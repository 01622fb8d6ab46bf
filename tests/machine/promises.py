"""Which of the later promises the package that is here keeps: found out by trying.

Take a probe away once its promise is kept everywhere, and its name out of the oracle.
"""

from __future__ import annotations

import inspect
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import vectorshift
from vectorshift import (
    Credential,
    CredentialError,
    DotenvProvider,
    ExplicitProvider,
    ProviderChain,
)
from vectorshift.testing import ManualClock, MemoryStore


def _answers(provider: vectorshift.CredentialProvider) -> Credential | None:
    with suppress(CredentialError):
        return provider.get_credential()
    return None


def _none_is_a_type_error() -> bool:
    try:
        vectorshift.configure(credentials=None)
    except TypeError:
        return True
    return False


def _other_words_are_value_errors() -> bool:
    try:
        ProviderChain([MemoryStore().provider(on_error="STOP")])  # type: ignore[arg-type]
    except ValueError:
        return True
    return False


def _of_two_keys_none_counts() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "two.env")
        path.write_text("VECTORSHIFT_API_KEY=vs-1\nVECTORSHIFT_API_KEY=vs-2\n")
        return _answers(DotenvProvider(path)) is None


def _late_files_do_not_count() -> bool:
    """A `.env` appears after another source has answered."""
    with tempfile.TemporaryDirectory() as folder, _in(folder):
        clock, store = ManualClock(), MemoryStore("vs-store")
        chain = ProviderChain([DotenvProvider(clock=clock), store.provider(remote=False)])
        _answers(chain)
        Path(".env").write_text("VECTORSHIFT_API_KEY=vs-late\n")
        clock.advance(61)
        found = _answers(chain)
        return found is not None and found.provider != "dotenv"


class _in:
    """Be in a folder."""

    def __init__(self, folder: str) -> None:
        self._folder, self._before = folder, Path.cwd()

    def __enter__(self) -> None:
        os.chdir(self._folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


NONE_IS_A_TYPE_ERROR = _none_is_a_type_error()
ON_ERROR_IS_CHECKED = _other_words_are_value_errors()
ONE_KEY_A_FILE = _of_two_keys_none_counts()
NO_REFERENCES = _answers(ExplicitProvider("${VECTORSHIFT_API_KEY}")) is None
LATE_FILES_DO_NOT_COUNT = _late_files_do_not_count()
REQUIRE_USING = "require_using" in inspect.signature(vectorshift.configure).parameters
REFRESH = hasattr(vectorshift, "refresh")
