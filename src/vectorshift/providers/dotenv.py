"""A key in a dotenv file."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset, check
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.files import absolute, text_of, wrong_name
from vectorshift._platform.importing import load
from vectorshift._platform.misspelt import means_key
from vectorshift._platform.public import Self
from vectorshift.credentials.events import log_safely
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Resets, Result
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialNotFoundError
from vectorshift.providers._watched_file import Content, KeyFile, unreadable

if TYPE_CHECKING:
    from vectorshift._platform.dotenv_syntax import Assignments
    from vectorshift.errors import CredentialError

__all__ = ["DotenvProvider"]

VARIABLE = "VECTORSHIFT_API_KEY"
_DESTINATION = "VECTORSHIFT_BASE_URL"
_PREFIX = "VECTORSHIFT_"
# some virtual environments are folders named .env
_NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


_closed: Final[set[Path]] = set()
"""Found files without a key when a source first answered. They supply no key, but are still read
for messages."""


def admit_latecomers() -> None:
    """Start again with found files, also those that had no key before or lost it."""
    _closed.clear()
    Resets.count += 1


class DotenvProvider(BaseProvider):
    """Return `VECTORSHIFT_API_KEY` from a dotenv file, read at most once a second.

    A named file must exist. It may hold settings too, which `Settings.load` reads. A `.env` that is
    only found in the working directory may supply the key and nothing else: it must not decide
    where the key is sent. In a chain, a found file must exist before any source has answered. A
    `.env` that appears in the working directory of a running service changes nothing until
    `vectorshift.reset()`. Values are used without interpolation, and `os.environ` is never written.

    A line that looks like a setting of this package but is not an assignment is a configuration
    error: no other source is asked. Any other line that cannot be parsed is a warning.

    Args:
        path: the file; by default `.env` in the working directory, if it exists.
        clock: the source of time.
        pause: waits the 50 ms between two reads of a file that is being rewritten.

    Raises:
        TypeError: `path` is None: a failed look-up must not fall back to a file that is found.
        ValueError: `path` is not the name of a file; it may be the key itself.
    """

    name = "dotenv"
    remote = False

    def __init__(
        self,
        path: str | os.PathLike[str] | Unset = UNSET,
        *,
        clock: Clock = SYSTEM_CLOCK,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        check({"path": path}, str, os.PathLike)
        if flaw := wrong_name(path):
            del path  # a traceback may show locals
            raise ValueError(f"path {flaw}.")
        self.named = path is not UNSET
        self._given = "" if isinstance(path, Unset) else os.fspath(path)
        self.path = absolute(".env" if isinstance(path, Unset) else path)
        self._source = f"dotenv:{self.path}"
        self._ignored: list[str] = []
        self._warned_of: list[str] = []
        self._passed_over = 0
        self._there = False
        self._is_asked = False
        self._admits = not self.named
        self._naming = f"DotenvProvider({str(self.path)!r})"
        self._resets = Resets.count
        way_out = "call vectorshift.reset() to go on without this file"
        self._file = KeyFile(
            self.path,
            self._read,
            source=self._source,
            provider=self.name,
            clock=clock,
            pause=pause,
            way_out="restart without this source" if self.named else way_out,
        )

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self | None:
        """Return the provider for `VECTORSHIFT_ENV_FILE`; None if it is set to an empty text."""
        if settings.env_file == "":
            return None
        made = cls() if settings.env_file is None else cls(Path(settings.env_file))
        made._naming = f"VECTORSHIFT_ENV_FILE={made.path}"
        return made

    def describe(self) -> Description:
        """Name the file, with the warnings of its last read.

        A file that was not named counts as configured once it has been found.
        """
        named = "named" if self.named else "not named"
        ignored = f"its settings are ignored: {', '.join(self._ignored)}" if self._ignored else ""
        detail = "; ".join(filter(None, (named, ignored, self._file.detail)))
        there = (self._is_asked and self._there) or self._file.is_unread_pipe
        return Description(configured=self.named or there, source=self._source, detail=detail)

    def get_cached(self) -> Result | None:
        """Return the result of the last second."""
        self._begin()
        return self._file.get_cached()

    def resolve(self, request: LookupRequest) -> Result:
        """Read the file now."""
        self._begin()
        answer = self._file.look(request)
        line, self._passed_over = self._passed_over, 0
        if line:  # logged here, without the lock: a log handler may ask for the key
            log_safely(
                logging.WARNING,
                "%s: line %d is not NAME=value and is skipped.",
                self._source,
                line,
            )
        return answer

    @property
    def may_be_meant(self) -> bool:  # type: ignore[override]
        """True if the file was named, or has a key."""
        return self.named or self._file.answered

    @property
    def takes_once(self) -> bool:  # type: ignore[override]
        """True if the file is a pipe that was not read."""
        return self._file.check_pipe()

    def admits_latecomers(self) -> bool:
        """Return whether the file was not named, and no source has answered yet."""
        self._apply_reset()
        return self._admits

    def close_to_latecomers(self) -> None:
        """Ignore the file from now on, unless it has a key."""
        if not self.admits_latecomers():
            return
        if self._file.check_pipe() or (
            not self._file.answered
            and isinstance(self._file.look(silently=True), CredentialNotFoundError)
        ):
            _closed.add(self.path)
        self._admits = False

    def _begin(self) -> None:
        self._is_asked = True
        self._apply_reset()

    def _apply_reset(self) -> None:
        """Start again with a file that was not named if there was a `reset()`."""
        if not self.named and self._resets != Resets.count:
            self._resets, self._admits = Resets.count, True
            self._file.forget()

    def winner_warning(self, below: list[str]) -> str | None:
        """Return a warning if the file was found, not named, and hides a configured source or has
        settings.
        """
        if self.named or not (below or self._ignored):
            return None
        although = f", although {' and '.join(below)}" if below else ""
        ignored = (
            f" Its other settings are ignored: {', '.join(self._ignored)}." if self._ignored else ""
        )
        return (
            f"The API key comes from {self._source}, a file that was found, not "
            f"named{although}.{ignored} Name it with {self._naming} if you mean it."
        )

    def passed_over(self, winner: Credential) -> None:
        """Warn once if the file was found, not named, and has settings but no key."""
        ignored, self._warned_of = self._warned_of != self._ignored, self._ignored
        if ignored and self._ignored:
            log_safely(
                logging.WARNING,
                "%s is a file that was found, not named. Its settings are ignored: %s. Name it "
                "with %s if you mean it.",
                self._source,
                ", ".join(self._ignored),
                self._naming,
            )

    def _read(self, content: Content) -> Result:
        answer = self._read_as_asked(content)
        is_late = not (self.named or self._file.answered) and self.path in _closed
        if not is_late or isinstance(answer, CredentialNotFoundError):
            return answer
        return self.not_found(
            f"{self.path} appeared, or got its key, after a source had answered, so it is not "
            "used. To use it, call vectorshift.reset() or restart.",
            self._source,
        )

    def _read_as_asked(self, content: Content) -> Result:
        self._there = not isinstance(content, _NO_FILE)
        if isinstance(content, OSError):
            return self._unreadable(content)
        text = text_of(content)
        if text is None:
            return self.wrong(
                f"{self._source} is not UTF-8 text. Save it as UTF-8, or skip it: "
                "VECTORSHIFT_ENV_FILE="
            )
        syntax = load("vectorshift._platform.dotenv_syntax")  # most processes have no such file
        return self._answer(syntax.assignments_in(text))

    def _unreadable(self, error: OSError) -> CredentialError:
        if self.named:
            return unreadable(error, self._given, source=self._source, provider=self.name)
        if isinstance(error, _NO_FILE):
            what = "is a directory" if isinstance(error, IsADirectoryError) else "does not exist"
            return self.not_found(f"{self.path} {what}.", self._source)
        fix = "Let this process read it, or skip it: VECTORSHIFT_ENV_FILE="
        return unreadable(error, source=self._source, provider=self.name, fix=fix)

    def _answer(self, found: Assignments) -> Result:
        others = sorted(
            name
            for name, text in found.values.items()
            if name.startswith(_PREFIX) and name != VARIABLE and text.strip()
            if not means_key(name)
        )
        self._ignored, self._passed_over = [] if self.named else others, found.passed_over
        if flaw := found.contradiction([VARIABLE]) or found.flaw:
            return self.wrong(f"{self._source}: {flaw}")
        text = found.values.get(VARIABLE)
        if text is None:
            text = f"{self.path} has no {VARIABLE}."
            if VARIABLE in found.bare:
                text = f"{self.path} names {VARIABLE} without a value."
            misspelt = sorted(filter(means_key, found.values))
            if misspelt:
                text += f" It has {misspelt[0]}, which is not read: the name is {VARIABLE}."
            if self._ignored:
                text += (
                    f" Its settings are ignored: {', '.join(self._ignored)}. To use them, name the"
                    f" file: {self._naming}"
                )
            return self.not_found(text, self._source)
        answer = self.keyed(text, self._source, blank="not found")
        if isinstance(answer, Credential) and _DESTINATION in self._ignored:
            return self.wrong(
                f"{self._source} supplies the key and also sets {_DESTINATION}, but it was found,"
                " not named. If you trust it to say where the key is sent, name it:"
                f" {self._naming}"
            )
        stranger = self._file.stranger
        if isinstance(answer, Credential) and not self.named and stranger and stranger.is_known:
            return self.wrong(
                f"{self._source} supplies the key, but it was found, not named, and {stranger}."
                f" Name it, if you trust it: {self._naming} or"
                f" {stranger.cure}"
            )
        return answer
