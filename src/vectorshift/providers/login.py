"""The key that the official command-line tool stored at a login."""

from __future__ import annotations

import os
import re
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from vectorshift._platform.arguments import UNSET, Unset, check
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.files import absolute, text_of, wrong_name
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.providers._watched_file import Content, KeyFile, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["LoginProvider"]

_FILE = "~/.vectorshift/config.toml"
_FIELD = "[auth] api_key"
_MOST_DOTS = 512
"""In one line: the time for a dotted key grows faster than the square of its length."""
_TOML = "tomllib" if sys.version_info >= (3, 11) else "tomli"


class LoginProvider(BaseProvider):
    """Answer with `api_key` under `[auth]` in `~/.vectorshift/config.toml`, which is looked at once
    a second at most.

    Not in the default chain: what a person logged in to is not what a program should act on by
    accident. Name it: `VECTORSHIFT_PROVIDERS=default,login`. The file is the official tool's and is
    never written.

    Args:
        path: another file of that form; by default the one in the home directory of the moment when
            this is made.
        clock: the source of time.
        pause: waits the 50 ms between two looks at a file that is being rewritten.

    Raises:
        TypeError: `path` is None: a look-up that failed must not reach the user's own login.
        ValueError: `path` is no such name, and may be the key itself.
    """

    name = "login"
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
        # pathlib would raise
        given = os.path.expanduser(_FILE if isinstance(path, Unset) else path)  # noqa: PTH111
        self.path = absolute(given)
        self._source = f"login:{self.path}"
        self._homeless: Result | None = None
        if path is UNSET and given == _FILE:  # not to be taken for a folder named `~`
            self._source = f"login:{_FILE}"
            self._homeless = self.not_found(
                "HOME is not set, and this user has no home directory.", self._source
            )
        self._file = KeyFile(
            self.path, self._read, source=self._source, provider=self.name, clock=clock, pause=pause
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the provider for the file in the home directory."""
        return cls()

    def describe(self) -> Description:
        """Name the file, with the warnings of the last look at it. Configured if it is there."""
        # pathlib would raise
        there = os.path.isfile(self.path) if self._file.there is None else self._file.there  # noqa: PTH113
        return Description(
            configured=there, source=self._source, detail=self._file.detail, locator=True
        )

    def get_cached(self) -> Result | None:
        """Answer with the file as it was in the last second."""
        return self._file.get_cached() if self._homeless is None else self._homeless

    def resolve(self, request: LookupRequest) -> Result:
        """Answer with the file as it is now."""
        return self._file.look() if self._homeless is None else self._homeless

    def _read(self, content: Content) -> Result:
        if isinstance(content, FileNotFoundError | NotADirectoryError):
            return self.not_found(f"{self.path} does not exist: nobody is logged in.", self._source)
        if isinstance(content, OSError):
            fix = "Let this process read it, or leave login out of VECTORSHIFT_PROVIDERS."
            return unreadable(content, source=self._source, provider=self.name, fix=fix)
        text = text_of(content)
        if text is None:
            return self.wrong(f"{self._source} is not UTF-8 text. Log in again.")
        document = _parsed(text)
        if isinstance(document, str):
            return self.wrong(f"{self._source} is not TOML{document}. Log in again, or mend it.")
        return self._answer(document)

    def _answer(self, document: dict[str, Any]) -> Result:
        table: Any = document.get("auth", {})
        if not isinstance(table, dict):
            return self.wrong(
                f"{self._source}: auth is of type {type(table).__name__}, not a table. Log in"
                " again."
            )
        key: Any = cast("dict[str, Any]", table).get("api_key")
        if key is None:
            return self.not_found(
                f"{self.path} has no {_FIELD}: nobody is logged in.", self._source
            )
        if not isinstance(key, str):
            return self.wrong(
                f"{self._source}: {_FIELD} is of type {type(key).__name__}, not a string. Log in"
                " again."
            )
        return self.keyed(key, self._source, blank="not found")


def _parsed(text: str) -> dict[str, Any] | str:
    """Return the document, or the line of its flaw: the parser's own words may quote the key."""
    if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
        return " that can be read: one of its lines has too many dots"
    try:
        document: dict[str, Any] = import_module(_TOML).loads(text)
    except RecursionError:
        return " that can be read, as it is nested too deeply"
    except ValueError as error:
        line = re.search(r"\(at line (\d+)", str(error))
        return f" (line {line[1]})" if line else ""
    return document
