"""A key in the environment, in a file that the environment names, or in systemd's credentials."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset, check
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.files import absolute, text_of, wrong_name
from vectorshift._platform.misspelt import means_key
from vectorshift._platform.plugin_names import canonical
from vectorshift._platform.public import Self
from vectorshift.credentials.events import log
from vectorshift.credentials.provider import Description
from vectorshift.credentials.references import unresolved
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Credential
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
)
from vectorshift.providers._watched_file import Content, KeyFile, unreadable

__all__ = ["EnvProvider"]

VARIABLE = "VECTORSHIFT_API_KEY"
_NAME = re.compile(r"[^\W\d]\w*")
_Environ = type(os.environ) if hasattr(os.environ, "_data") else None
_encoded: Callable[[str], object] = getattr(os.environ, "encodekey", str)


class EnvProvider(BaseProvider):
    """Return the key in a variable, read on every call, or in a file, read at most once a second.

    Setting both a variable and a named file is an error. Each of them comes before systemd's
    folder, which every unit with credentials has. The folder need not have a key.

    Args:
        variable: the environment variable that holds the key.
        file: a file that holds the key, as `VECTORSHIFT_API_KEY_FILE` names it.
        credentials_directory: the folder that systemd names with `CREDENTIALS_DIRECTORY`, or None;
            the key is in the file that has the variable's name in lower case, such as
            `vectorshift_api_key`.
        clock: the source of time.
        pause: waits the 50 ms between two reads of a file that is being rewritten.

    Raises:
        TypeError: `file` is None: a failed look-up must not fall back to another key.
        ValueError: `variable` or `file` is not such a name; it may be the key itself.
    """

    name = "env"
    remote = False

    def __init__(
        self,
        variable: str = VARIABLE,
        *,
        file: str | os.PathLike[str] | Unset = UNSET,
        credentials_directory: str | os.PathLike[str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        check({"variable": variable}, str)
        check({"file": file}, str, os.PathLike)
        if flaw := wrong_name(file):
            del file  # a traceback may show locals
            raise ValueError(f"file {flaw}.")
        if not (_NAME.fullmatch(variable) or variable in os.environ or credentials_directory):
            del variable  # a traceback may show locals
            raise ValueError(
                "variable should be the name of an environment variable, of letters, digits and "
                "_. It is not shown: it may be the key itself, which ExplicitProvider(key) takes."
            )
        self.variable = variable
        self._source = f"env:{variable}"
        self._unset = self.not_found(f"{variable} is not set.", self._source)
        self._blank = self.not_found(f"{variable} is set but empty.", self._source)
        self._encoded = _encoded(variable)
        # the text is not an attribute: debuggers and serialisers show attributes
        self._seen: tuple[Callable[[object], bool], Result] = (lambda raw: not raw, self._blank)
        self._given = "" if isinstance(file, Unset) else os.fspath(file)
        self._named = None if isinstance(file, Unset) else absolute(file)
        self._systemd: Path | None = None
        if credentials_directory:  # an empty name is not the working directory
            self._systemd = absolute(Path(credentials_directory, variable.lower()))
        self._may_hide = self._systemd is not None
        self._note = ""
        path = self._named or self._systemd
        self._file: KeyFile | None = None
        self.blocks = path is not None
        if path is not None:
            by_systemd, self._file_source = self._named is None, f"file:{path}"
            self._file = KeyFile(
                path,
                self._read_file,
                source=self._file_source,
                provider=self.name,
                clock=clock,
                pause=pause,
                mounted=by_systemd,
            )

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self:
        """Return the provider for `VECTORSHIFT_API_KEY`, `VECTORSHIFT_API_KEY_FILE` and systemd's
        credentials.
        """
        return cls(
            file=UNSET if settings.api_key_file is None else Path(settings.api_key_file),
            credentials_directory=settings.credentials_directory,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the names of variable and file, not the key."""
        file = UNSET if self._named is None else self._named
        folder = None if self._systemd is None else self._systemd.parent
        return partial(type(self), file=file, credentials_directory=folder), (self.variable,)

    def describe(self) -> Description:
        """Name the variable or the file, with the warnings of the last read of the file."""
        file = self._file
        if file is not None and self._named is not None:
            detail = "; ".join(filter(None, (f"{self.variable}_FILE", file.detail, self._note)))
            return Description(configured=True, source=self._file_source, detail=detail)
        if file is not None and file.there and not self._is_set():
            return Description(
                configured=True, source=self._file_source, detail="credentials of systemd"
            )
        is_set = self._is_set()
        return Description(
            configured=is_set, source=self._source, detail=self._note if is_set else ""
        )

    def get_cached(self) -> Result | None:
        """Return the key in the variable now, or the last second's result of the file."""
        environ: Any = os.environ
        raw: Any
        if environ.__class__ is _Environ:  # faster: `get` decodes, and raises internally if unset
            raw = environ._data.get(self._encoded)
        else:
            raw = environ.get(self.variable)
        if raw is None:
            return self._unset if self._file is None else self._file.get_cached()
        seen = self._seen
        if not seen[0](raw):
            text, known = os.fsdecode(raw), raw
            answer = self.keyed(text, self._source, blank="not found")
            seen = self._seen = (lambda raw: bool(raw == known), answer)
        if self._file is None:
            return seen[1]
        if isinstance(seen[1], CredentialNotFoundError):
            return self._or_blank(self._file.get_cached())
        if self._named is not None:
            return self.wrong(
                f"{self.variable} is set, and so is the file {self._file_source} "
                f"({self.variable}_FILE). Unset one of them."
            )
        return None if self._may_hide else seen[1]

    def resolve(self, request: LookupRequest) -> Result:
        """Return the key in the variable, or read the file now."""
        if self._may_hide:
            self._may_hide = False
            self._log_hidden_file()
        if self._file is None or self._is_set():
            return self.get_cached() or self._unset
        answer = self._file.look(request)
        return answer if self.variable not in os.environ else self._or_blank(answer) or answer

    @property
    def takes_once(self) -> bool:  # type: ignore[override]
        """True if the next look-up would read a pipe that was not read before."""
        return self._file is not None and not self._is_set() and self._file.check_pipe()

    def keeps_previous(self, credential: Credential) -> bool:
        """Return whether the key is from the file: an agent or an orchestrator may replace it."""
        return self._file is not None and credential.source == self._file_source

    def _is_set(self) -> bool:
        return bool(os.environ.get(self.variable, "").strip())

    def _or_blank(self, answer: Result | None) -> Result | None:
        """Return the result of the file if the variable is set but empty."""
        return self._blank if isinstance(answer, CredentialNotFoundError) else answer

    def _log_hidden_file(self) -> None:
        if self._systemd is None or not os.path.lexists(self._systemd):
            return
        self._note = f"comes before file:{self._systemd}"
        winner = self._source if self._is_set() else f"file:{self._named}" if self._named else None
        if winner is not None:
            log.info("file:%s is there too but not read while %s has a key.", self._systemd, winner)

    def _read_file(self, content: Content) -> Result:
        if isinstance(content, OSError):
            return self._unreadable(content)
        text = text_of(content)
        if text is None:
            return self._wrong_file("is not UTF-8 text. Save it as UTF-8.")
        if not text.strip():
            return self._wrong_file("is empty. Write the key into it, on one line.")
        if flaw := _more_than_a_key(text.strip(), self.variable):
            return self._wrong_file(f"does not hold an API key: {flaw}")
        return self.keyed(text, self._file_source)

    def _unreadable(self, error: OSError) -> CredentialError:
        if self._named is not None or self._systemd is None:
            return unreadable(error, self._given, source=self._file_source, provider=self.name)
        if isinstance(error, FileNotFoundError):
            return self.not_found(
                f"{self.variable} is not set, and {self._systemd} does not exist."
                f"{_named_otherwise(self._systemd)}",
                self._source,
            )
        fix = (
            "Add it to the unit with LoadCredential= or SetCredential=, or unset "
            "CREDENTIALS_DIRECTORY."
        )
        return unreadable(error, source=self._file_source, provider=self.name, fix=fix)

    def _wrong_file(self, flaw: str) -> CredentialConfigurationError:
        source = self._file_source
        return CredentialConfigurationError(f"{source} {flaw}", source=source, provider=self.name)


def _named_otherwise(credential: Path) -> str:
    """Return a hint if systemd's folder has a file with a similar name, else an empty text."""
    name, there = credential.name, list[str]()
    with suppress(OSError):
        there = sorted(each.name for each in credential.parent.iterdir())
    near = [each for each in there if means_key(each) or canonical(each) == canonical(name)]
    return f" There is {near[0]}: call the credential {name}." if near else ""


_TEMPLATE = '{{ with secret "secret/data/vectorshift" }}{{ .Data.data.api_key }}{{ end }}'


def _more_than_a_key(text: str, variable: str) -> str | None:
    """Return why a file does not hold just a key, and the fix. None for a key, or for JSON."""
    if re.match(r"(data: *)?map\[", text):
        return (
            "it looks like what Vault Agent writes without a template. Give the agent one, such as"
            f" {_TEMPLATE}"
        )
    if re.match(r"(?!(?i:authorization|(x-)?api-key):)[A-Za-z_][\w.-]*: ", text):
        return (
            "it has a name before its value, as YAML has. Put only the key into it, on one line. If"
            f" Vault Agent writes it, give the agent a template, such as {_TEMPLATE}"
        )
    if re.match(rf"(export +)?{re.escape(variable)} *=", text):
        return (
            "it is a dotenv file. Put only the key into it, or name it with VECTORSHIFT_ENV_FILE "
            "instead."
        )
    lines = len(text.splitlines())
    if lines > 1 and text[0] not in "{[" and not unresolved(text):
        return (
            f"it has {lines} lines, but a key has no line break. Put only the key into it, on "
            "one line."
        )
    return None
