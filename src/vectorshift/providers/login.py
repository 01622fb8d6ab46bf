"""The key of a person's login: in a profile, or stored by the official command-line tool."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, cast

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset, check
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.files import absolute, text_of, wrong_name
from vectorshift._platform.plugin_names import profile_flaw
from vectorshift._platform.public import Self
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialError
from vectorshift.providers._watched_file import Content, KeyFile, unreadable
from vectorshift.providers.profiles import DEFAULT, is_stored, parse_toml, read_profile

__all__ = ["LoginProvider"]

_FILE = "~/.vectorshift/config.toml"
_FIELD = "[auth] api_key"


class LoginProvider(BaseProvider):
    """Return the key of a profile that `vectorshift auth login` stored, or `api_key` under `[auth]`
    in `~/.vectorshift/config.toml`, where the official tool keeps it.

    Not in the default chain: a program must not use a person's login by accident. Name a profile,
    `VECTORSHIFT_PROFILE=acme`, or this provider: `VECTORSHIFT_PROVIDERS=default,login`. A profile
    may be in a keyring, so its key is cached like that of a store. The official file is read at
    most once a second.

    Args:
        path: another file in the official format; by default the one in the home directory.
        profile: the name of a profile, instead of such a file.
        clock: the source of time.
        pause: waits the 50 ms between two reads of a file that is being rewritten.

    Raises:
        TypeError: `path` is None: a failed look-up must not fall back to the user's own login.
        ValueError: `path` or `profile` is not such a name, and may be the key itself; or both are
            set.
    """

    name = "login"
    remote = False

    def __init__(
        self,
        path: str | os.PathLike[str] | Unset = UNSET,
        *,
        profile: str | Unset = UNSET,
        clock: Clock = SYSTEM_CLOCK,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        check({"path": path}, str, os.PathLike)
        check({"profile": profile}, str)
        if not isinstance(profile, Unset) and (flaw := profile_flaw(profile)):
            del profile  # a traceback may show locals
            raise ValueError(f"profile {flaw}.")
        if flaw := wrong_name(path):
            del path  # a traceback may show locals
            raise ValueError(f"path {flaw}.")
        if not isinstance(path, Unset) and not isinstance(profile, Unset):
            raise ValueError("path and profile name two places. Pass one of them.")
        self._profile = None if isinstance(profile, Unset) else profile
        self.remote = self._profile is not None
        # pathlib would raise
        given = os.path.expanduser(_FILE if isinstance(path, Unset) else path)  # noqa: PTH111
        self.path = absolute(given)
        self._source = f"login:{self._profile or self.path}"
        self._homeless: Result | None = None
        if path is UNSET and given == _FILE:  # it would mean a folder named `~`
            self._source = f"login:{self._profile or _FILE}"
            self._homeless = self.not_found(
                "HOME is not set, and this user has no home directory.", self._source
            )
        self._file = KeyFile(
            self.path, self._read, source=self._source, provider=self.name, clock=clock, pause=pause
        )

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self:
        """Return the provider for the profile in the settings, else for the profile `default`, else
        for the official file in the home directory.
        """
        if settings.profile is not None:
            return cls(profile=settings.profile)
        return cls(profile=DEFAULT) if is_stored(DEFAULT) else cls()

    def describe(self) -> Description:
        """Name the profile or the file, with the warnings of the last read of the file."""
        if self._profile is not None:
            return Description(configured=True, source=self._source, locator=True)
        # pathlib would raise
        there = os.path.isfile(self.path) if self._file.there is None else self._file.there  # noqa: PTH113
        return Description(
            configured=there, source=self._source, detail=self._file.detail, locator=True
        )

    def get_cached(self) -> Result | None:
        """Return the last second's result of the file."""
        if self._profile is not None:
            return None
        return self._file.get_cached() if self._homeless is None else self._homeless

    def resolve(self, request: LookupRequest) -> Result:
        """Read the profile or the file now."""
        if self._profile is not None:
            return self._stored(self._profile)
        return self._file.look(request) if self._homeless is None else self._homeless

    def _stored(self, name: str) -> Result:
        try:
            profile, key = read_profile(name)
        except CredentialError as error:
            return error.with_traceback(None)
        return Credential(
            secret=key, source=self._source, provider=self.name, origin=profile.origin
        )

    def _read(self, content: Content) -> Result:
        if isinstance(content, FileNotFoundError | NotADirectoryError):
            return self.not_found(f"{self.path} does not exist: nobody is logged in.", self._source)
        if isinstance(content, OSError):
            fix = "Let this process read it, or leave login out of VECTORSHIFT_PROVIDERS."
            return unreadable(content, source=self._source, provider=self.name, fix=fix)
        text = text_of(content)
        if text is None:
            return self.wrong(f"{self._source} is not UTF-8 text. Log in again.")
        document = parse_toml(text)
        if isinstance(document, str):
            return self.wrong(f"{self._source} is not TOML{document}. Log in again, or fix it.")
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
