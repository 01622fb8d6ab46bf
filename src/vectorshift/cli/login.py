"""`auth login`, `auth logout` and `auth list`: keys by name, in the system's keyring or a file."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import vectorshift
from vectorshift._platform.background import BackgroundTask
from vectorshift._platform.plugin_names import profile_flaw
from vectorshift._platform.urls import origin
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.prompt import read_key
from vectorshift.cli.screen import (
    complain,
    console,
    print_folded,
    printable,
    rows_or_problem,
    show,
    table,
)
from vectorshift.credentials.values import looks_odd
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
    PermissionDeniedError,
    VectorshiftError,
)
from vectorshift.providers.profiles import (
    DEFAULT,
    FILE,
    Profile,
    check_keyring,
    clear_keyring,
    delete_profile,
    stored_profiles,
    write_profile,
)
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.settings.defaults import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["list_profiles", "log_in", "log_out", "profile_names", "use_profile"]

T = TypeVar("T")

_VARIABLE: Final = "VECTORSHIFT_PROFILE"
_PATIENCE: Final = 120.0
"""Seconds for a person to unlock a keyring."""
_REVOKES_NOTHING: Final = (
    "The key still works, and running programs still use it. To revoke it, delete it under "
    "Account > API Keys."
)

by_option: list[str] = []
"""The name in the option `--profile`, if there is one."""


def use_profile(name: str) -> None:
    """Make this command use a profile, instead of the one in the variable.

    Raises:
        ValueError: no profile can have this name.
    """
    if flaw := profile_flaw(name):
        raise ValueError(flaw)
    before = os.environ.get(_VARIABLE, "").strip()
    if before not in ("", name):
        shown = "" if profile_flaw(before) else f"={before}"
        other = f"--profile {before}" if by_option else f"{_VARIABLE}{shown}"
        complain(f"--profile {name} is used in place of {other}.")
    os.environ[_VARIABLE] = name
    by_option[:] = [name]


def profile_names() -> list[str]:
    """Return the names of the profiles, or an empty list if they cannot be read."""
    try:
        return list(stored_profiles())
    except CredentialError:
        return []


# --- Login ---


def log_in(with_token: bool, in_file: bool) -> Exit:
    """Ask for a key, let the API check it, store it, and print how to use it.

    Raises:
        CredentialError: the text cannot be a key, or there is no place to store it.
    """
    if with_token == sys.stdin.isatty():
        complain(
            "--with-token reads standard input, which is a terminal here. Leave it out to get a "
            "prompt."
            if with_token
            else "There is no terminal for a prompt. Give the key on standard input: --with-token."
        )
        return Exit.USAGE
    name = _named()
    base_url = DEFAULT_SCOPE.settings.base_url
    before = stored_profiles().get(name)
    if not in_file:
        _in_time(name, lambda: check_keyring(name))
    if base_url != DEFAULTS["base_url"]:
        complain(f"The key is for {origin(base_url)}, which is not the address of VectorShift.")
    key = read_key("API key (it is not shown): ", provider="login")
    if key is None:
        complain("No key was given. Nothing was stored.")
        return Exit.USAGE
    try:
        client = vectorshift.VectorShift(key)
        vectorshift.Pipeline.list(verbose=False, limit=1, client=client)
    except PermissionDeniedError:
        pass  # the key works, but lacks the scope to list pipelines
    except VectorshiftError as error:
        complain(f"{error.message} {looks_odd(key)}".rstrip())
        complain("Nothing was stored.")
        return exit_of(error)
    profile = _in_time(
        name, lambda: write_profile(name, key, origin=origin(base_url), in_file=in_file)
    )
    print_folded(f"The API accepts the key {key}. It is stored in {profile.place}, as {name}.")
    if before is not None and before.place != profile.place:
        print_folded(f"It was in {before.place} before.")
    if before is not None and before != profile:
        _clear(before)
    print_folded(_how_to_use(name))
    return Exit.GOOD


def _clear(before: Profile) -> None:
    """Remove the old key from its keyring. If that fails, only print why."""
    try:
        _in_time(before.name, lambda: clear_keyring(before))
    except CredentialError as error:
        complain(f"The old key may still be in {before.place}. {error.message}")


def _named() -> str:
    """Return the profile of this command. Remove its variable, as a key in the environment would
    contradict it.
    """
    name = os.environ.pop(_VARIABLE, "").strip()
    if name and (flaw := profile_flaw(name)):
        raise CredentialConfigurationError(f"{_VARIABLE} {flaw}.", "login", "login")
    return name or DEFAULT_SCOPE.settings.profile or DEFAULT


def _in_time(name: str, work: Callable[[], T]) -> T:
    """Return the result of a keyring, with time for a person to unlock it. Ctrl-C ends the wait."""
    task = BackgroundTask(work).start()
    if not task.wait(_PATIENCE):
        raise CredentialStoreUnavailableError(
            f"The keyring did not answer within {_PATIENCE:.0f} s. Unlock it and try again.",
            f"login:{name}",
            "login",
        )
    return task.result()


def _how_to_use(name: str) -> str:
    ways = f"{_VARIABLE}={name}, or --profile {name}"
    if name == DEFAULT:
        ways += ", or VECTORSHIFT_PROVIDERS=default,login"
    said = f"To use it: {ways}."
    if os.environ.get("VECTORSHIFT_API_KEY", "").strip():
        said += "\nUnset VECTORSHIFT_API_KEY first: beside a profile it is an error."
    return said


# --- Logout ---


def log_out() -> Exit:
    """Remove a profile from the file and from the keyring.

    Raises:
        CredentialError: the keyring that has its key cannot be opened.
    """
    name = _named()
    api = origin(DEFAULT_SCOPE.settings.base_url)
    places = _in_time(name, lambda: delete_profile(name, origin=api))
    if not places:
        complain(f"There is no profile {name}.")
        return Exit.NONE
    print_folded(f"Removed the profile {name} from {' and '.join(places)}.")
    print_folded(_REVOKES_NOTHING)
    return Exit.GOOD


# --- List ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProfileRow(Profile):
    """A profile, and whether this command would use it.

    Args:
        in_use: whether the settings name it.
    """

    in_use: bool


def list_profiles(as_json: bool) -> Exit:
    """Print the profiles. Opens no keyring, and shows no key.

    Raises:
        CredentialError: the file is malformed. With JSON, this is printed, not raised.
    """

    def read() -> list[_ProfileRow]:
        named, found = _in_use(), stored_profiles().values()
        return [_ProfileRow(**asdict(each), in_use=each.name == named) for each in found]

    rows, problem, end = rows_or_problem(read, as_json)
    data = {"problem": problem, "profiles": [asdict(row) for row in rows]}
    facts: dict[str, object] = {row.name: f"{row.place}, for {row.origin}" for row in rows}
    show(as_json, data, lambda: _draw(rows), facts or {"profiles": "none"})
    return end


def _in_use() -> str | None:
    """Return the profile that calls would use; None if the settings are wrong."""
    try:
        return DEFAULT_SCOPE.settings.profile
    except CredentialError:
        return None


def _draw(rows: list[_ProfileRow]) -> None:
    from rich.text import Text

    screen = console()
    if not rows:
        screen.print(Text("There are no profiles. To store a key: vectorshift auth login"))
        return
    lines = table(("  profile", "key in", "API"))
    for row in rows:
        style = "bold green" if row.in_use else ""
        mark = ">" if row.in_use else " "
        place = row.keyring or "the file"
        lines.add_row(
            f"{mark} {row.name}", printable(place), Text(printable(row.origin)), style=style
        )
    screen.print(lines)
    screen.print()
    screen.print(Text(f"They are listed in {FILE}.", "dim"))
