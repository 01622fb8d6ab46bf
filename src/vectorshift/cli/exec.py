"""`exec`: runs a program with the key in its environment, and replaces this process by it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import vectorshift
from vectorshift._platform.files import reason_of
from vectorshift._platform.plugin_names import canonical, prefix_of
from vectorshift._platform.urls import wrong_api
from vectorshift.chain.order import BUILT_IN
from vectorshift.cli.config import assignments_of
from vectorshift.cli.exits import Exit
from vectorshift.cli.screen import complain, prints_of_plugins_aside
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialConfigurationError
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from vectorshift.credentials.values import Credential
    from vectorshift.settings import Settings

__all__ = ["Handover", "environment_for", "execute", "replace_process", "supervise"]

_KEY = "VECTORSHIFT_API_KEY"
_WHERE_KEYS_ARE = {
    "VECTORSHIFT_API_KEY_FILE",
    "VECTORSHIFT_CREDENTIALS_DIRECTORY",
    "VECTORSHIFT_ENV_FILE",
    "VECTORSHIFT_PROFILE",
    "VECTORSHIFT_PROVIDERS",
}
_STORES = {name for name, each in BUILT_IN.items() if each.is_store}
_WHERE_KEYS_GO = ("base_url", "ca_bundle", "allow_http", "timeout", "max_retries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The part of the environment that a program gets.

    Args:
        env_file: a dotenv file with the key, settings, and variables for the program; or None.
        names: the variables for the key; `VECTORSHIFT_API_KEY` if empty.
        kept: the variables to pass on; None for all.
    """

    env_file: str | None = None
    names: tuple[str, ...] = ()
    kept: tuple[str, ...] | None = None


def execute(command: Sequence[str], handover: Handover = Handover()) -> int:
    """Resolve the key and run the program with it. Return its exit code if it does not replace this
    process.

    Raises:
        CredentialError: no key is available; nothing was run.
    """
    for name in handover.names:
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            complain(
                "--as needs the name of a variable: letters, digits and _, not starting "
                "with a digit."
            )
            return Exit.USAGE
    if handover.env_file == "":
        complain("--env-file needs the name of a file.")
        return Exit.USAGE
    if handover.env_file is not None:
        os.environ["VECTORSHIFT_ENV_FILE"] = handover.env_file
    settings = DEFAULT_SCOPE.settings
    with prints_of_plugins_aside():
        credential = vectorshift.get_credential()
    if flaw := wrong_api(credential.source, credential.origin, settings.base_url):
        raise CredentialConfigurationError(flaw, credential.source, credential.provider)
    if handover.env_file is not None:
        _check_key(handover.env_file, credential)
    environment = environment_for(credential, os.environ, settings, handover)
    vectorshift.reset()  # closes the connections to stores
    if os.name == "posix":
        return replace_process(command, environment)
    # on Windows, os.execvpe would start another process, and this one would end at once
    return supervise(command, environment)


def environment_for(
    credential: Credential,
    environ: Mapping[str, str],
    settings: Settings,
    handover: Handover = Handover(),
) -> dict[str, str]:
    """Return the environment of the program: with the key, without the variables of its source.

    A second source would contradict the key, and a program with the key needs no token of the
    store. `VAULT_` and `AWS_` variables stay: they may be the program's own. The settings for the
    API stay, too, also those from the dotenv file in `VECTORSHIFT_ENV_FILE`.
    """
    plugins = set(map(canonical, settings.providers)) - {"default", *BUILT_IN}
    prefixes = tuple(map(prefix_of, _STORES | plugins))
    given = environ
    if handover.kept is not None:
        given = {name: environ[name] for name in handover.kept if name in environ}
    if handover.env_file is not None:
        given = {**_others_in(handover.env_file), **given}
    kept = {
        name: value
        for name, value in given.items()
        if name not in _WHERE_KEYS_ARE and not name.startswith(prefixes)
    }
    for field in _WHERE_KEYS_GO:
        name = f"VECTORSHIFT_{field.upper()}"
        if field in settings.model_fields_set and not kept.get(name, "").strip():
            value = getattr(settings, field)
            kept[name] = str(int(value) if isinstance(value, bool) else value)
    kept.pop(_KEY, None)
    return {**kept, **dict.fromkeys(handover.names or (_KEY,), credential.secret.reveal())}


def _check_key(env_file: str, credential: Credential) -> None:
    """Raise if the file has a key, but another source comes before it."""
    key = assignments_of(env_file).values.get(_KEY, "").strip()
    if key and Secret(key) != credential.secret:
        raise CredentialConfigurationError(
            f"{credential.source} comes before the key in {env_file}, which is different. Unset "
            "one of them.",
            credential.source,
            credential.provider,
        )


def _others_in(env_file: str) -> dict[str, str]:
    """Return the variables of a dotenv file, except those of vectorshift."""
    values = assignments_of(env_file).values
    return {name: value for name, value in values.items() if not name.startswith("VECTORSHIFT_")}


# --- The program replaces this process ---


def replace_process(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Replace this process by the program. Return an exit code only if that fails.

    Signals that Python ignores get their default action again: `yes | head` relies on SIGPIPE. The
    system closes the files that Python opened.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        _become(command, environment)
    except OSError as error:
        return _not_run(command[0], error, environment)


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    if not command[0]:
        raise FileNotFoundError
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606  # no shell, on purpose
    except OSError as error:
        script = shutil.which(command[0], path=environment.get("PATH"))
        if error.errno != errno.ENOEXEC or script is None or not _is_text(script):
            raise
        # By POSIX's execvp, a script without a #! line is for the shell.
        os.execve("/bin/sh", ["sh", script, *command[1:]], environment)  # noqa: S606


def _is_text(path: str) -> bool:
    """Return whether a file may be a script, not a binary for another machine."""
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(256)
    return not head.startswith(b"\x7f") and b"\0" not in head


def _not_run(program: str, error: OSError, environment: Mapping[str, str]) -> Exit:
    """Print why the program does not run, and return the exit code of shells."""
    shown = re.sub("=.*", "=...", program, flags=re.DOTALL)  # an assignment may hold a key
    why = reason_of(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if not shutil.which(program, path=environment.get("PATH")):
            complain(f"{shown or repr(shown)}: command not found")
            return Exit.NOT_THERE
        why = "the file exists, but the interpreter that its first line names does not"
    complain(f"{shown}: cannot be run: {why}")
    return Exit.NOT_EXECUTABLE


# --- The program is a child ---


def _outlive(number: int, frame: FrameType | None) -> None:
    """Do nothing: the child gets the signal from the terminal, too, and decides."""


def supervise(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the program as a child, and return its exit code."""
    for name in ("SIGINT", "SIGBREAK"):
        if number := getattr(signal, name, None):
            signal.signal(number, _outlive)
    try:
        if not command[0]:
            raise FileNotFoundError
        # finds .cmd and .bat files too
        program = shutil.which(command[0], path=environment.get("PATH")) or command[0]
        return subprocess.call([program, *command[1:]], env=environment, close_fds=False)  # noqa: S603
    except OSError as error:
        return _not_run(command[0], error, environment)
