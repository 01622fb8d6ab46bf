"""Hints for a chain without a key: variables, files and plugins that the user may have meant."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift._platform.entry_points import available
from vectorshift._platform.files import read_small, text_of
from vectorshift._platform.misspelt import means_key
from vectorshift._platform.plugin_names import canonical
from vectorshift.chain.order import BUILT_IN, DEFAULT_ORDER
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vectorshift.settings import Settings

__all__ = ["HintProvider"]

_KEY: Final = "VECTORSHIFT_API_KEY"
_LOGIN: Final = "~/.vectorshift/config.toml"
_LIKE_DOTENV: Final = (".env.local", ".env.txt", "env", ".env.development", ".env.production")


class HintProvider(BaseProvider):
    """Answer *not found* with hints: asked last, when no provider has a key.

    Args:
        settings: those of the chain.
    """

    name = "neighbours"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[str] | None = None

    def resolve(self, request: LookupRequest) -> Result:
        """Return *not found* with the hints, one a line."""
        settings = self._settings
        if self._idle is None:
            self._idle = list(_idle(settings))  # plugins are looked for once
        named = {*map(canonical, settings.providers)}
        asked = named | set(DEFAULT_ORDER if "default" in named else ())
        near = [*self._idle, *_passed_by(settings, asked)]
        if "dotenv" in asked and settings.env_file is None:
            near += _files()
        if "login" not in named:
            near += _logins(settings)
        return CredentialNotFoundError("\n".join(near))


def _idle(settings: Settings) -> Iterator[str]:
    """Yield a hint for plugins that are installed and not named."""
    try:
        found = () if settings.disable_plugins else available()
    except CredentialConfigurationError:
        return
    named = {*map(canonical, settings.providers)}
    idle = [each for each in found if not each.problem and each.name not in named]
    if idle:
        origins = ", ".join(f"{each.name} ({each.origin})" for each in idle)
        names = ",".join([*settings.providers, idle[0].name])
        yield (
            f"Nearby: installed and not named: {origins}. To ask one as well:"
            f" VECTORSHIFT_PROVIDERS={names}"
        )


def _passed_by(settings: Settings, named: Collection[str]) -> Iterator[str]:
    """Yield a hint for each variable that is set and not read: its provider is not in the chain,
    the settings were made before it was set, or its name is misspelt.
    """
    given = {name for name, value in os.environ.items() if value.strip()}
    known: list[tuple[str, str, object]] = [("env", _KEY, _KEY in given)]
    known += [
        (name, f"VECTORSHIFT_{setting.upper()}", getattr(settings, setting))
        for name, each in BUILT_IN.items()
        for setting in each.settings
    ]
    for name, variable, value in known:
        if value and name not in named:
            yield (
                f"Nearby: {variable} is set, but VECTORSHIFT_PROVIDERS does not name {name}, which"
                " reads it."
            )
        if value is None and name in named and variable in given:
            yield (
                f"Nearby: {variable} is set, but the settings in use were made without it. To read"
                " them again: vectorshift.reset()."
            )
    for name in sorted(filter(means_key, given)) if "env" in named else ():
        yield f"Nearby: {name} is set but not read. The name is {_KEY}."


def _logins(settings: Settings) -> Iterator[str]:
    """Yield a hint for keys that `vectorshift auth login` stored, and for the official CLI's."""
    from vectorshift.providers.profiles import stored_profiles  # needed only without a key

    with suppress(CredentialError):
        if names := list(stored_profiles()):
            yield (
                f"Nearby: `vectorshift auth login` stored {', '.join(names)}."
                f" VECTORSHIFT_PROFILE={names[0]} uses it."
            )
    if os.path.isfile(os.path.expanduser(_LOGIN)):  # noqa: PTH111, PTH113  # pathlib may raise here
        names = [*settings.providers, "login"]
        yield (
            f"Nearby: {_LOGIN}, where the official CLI keeps a key."
            f" VECTORSHIFT_PROVIDERS={','.join(names)} reads it."
        )


def _files() -> Iterator[str]:
    """Yield a hint for a file that has a key and is not read."""
    if found := next(filter(_has_key, _candidates()), None):
        yield (
            f"Nearby: {found} has a key but is not read: only .env in the working directory is. "
            f"VECTORSHIFT_ENV_FILE={found} reads it."
        )


def _candidates() -> Iterator[Path]:
    """Yield files that people use in place of `.env`, and `.env` in folders nearby."""
    with suppress(OSError):
        here = Path.cwd()
        yield from (here / name for name in _LIKE_DOTENV)
        script = getattr(sys.modules.get("__main__"), "__file__", None)
        if script:
            yield Path(script).absolute().with_name(".env")
        yield from (folder / ".env" for folder in here.parents)


def _has_key(path: Path) -> bool:
    """Return whether a file has a key and belongs to this user or to root."""
    try:
        content, status = read_small(path)
    except OSError:
        return False
    if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
        return False
    text = text_of(content)
    return text is not None and bool(assignments_in(text).values.get(_KEY, "").strip())
