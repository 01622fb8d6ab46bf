"""`exec`: runs a program that reads its key from the environment, and stands aside."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import vectorshift
from vectorshift._platform.plugin_names import canonical, prefix_of
from vectorshift.chain.order import BUILT_IN
from vectorshift.cli.exits import Exit
from vectorshift.cli.screen import complain
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from types import FrameType

    from vectorshift.credentials.values import Credential
    from vectorshift.settings import Settings

__all__ = ["environment_for", "execute", "replace_process", "supervise"]

_WHERE_KEYS_ARE = {
    "VECTORSHIFT_API_KEY_FILE",
    "VECTORSHIFT_CREDENTIALS_DIRECTORY",
    "VECTORSHIFT_ENV_FILE",
    "VECTORSHIFT_PROVIDERS",
}
_STORES = {name for name, each in BUILT_IN.items() if each.is_store}
_WHERE_KEYS_GO = ("base_url", "ca_bundle", "allow_http", "timeout", "max_retries")

_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
# a terminal sends these to every process in the foreground
_SHARED = ("SIGINT", "SIGQUIT", "SIGBREAK")


def execute(command: Sequence[str]) -> int:
    """Resolve the key and run the program with it; return its exit code where it does not replace
    this process.

    Raises:
        CredentialError: no key can be had; nothing was run.
    """
    credential = vectorshift.get_credential()
    environment = environment_for(credential, os.environ, DEFAULT_SCOPE.settings)
    vectorshift.reset()  # closes the connections to stores
    if os.name == "posix":
        return replace_process(command, environment)
    # os.execvpe would start another process here, and this one would end before it
    return supervise(command, environment)


def environment_for(
    credential: Credential, environ: Mapping[str, str], settings: Settings
) -> dict[str, str]:
    """Return the environment of the program: the key, without the variables that lead to it.

    A second source would contradict the key, and a program that has it needs no token of the store.
    `VAULT_` and `AWS_` variables stay: they may be the program's own. The settings that say where
    keys are sent stay too, also those from the dotenv file that `VECTORSHIFT_ENV_FILE` names.
    """
    plugins = set(map(canonical, settings.providers)) - {"default", *BUILT_IN}
    prefixes = tuple(map(prefix_of, _STORES | plugins))
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _WHERE_KEYS_ARE and not name.startswith(prefixes)
    }
    for field in _WHERE_KEYS_GO:
        name = f"VECTORSHIFT_{field.upper()}"
        if field in settings.model_fields_set and not kept.get(name, "").strip():
            value = getattr(settings, field)
            kept[name] = str(int(value) if isinstance(value, bool) else value)
    return {**kept, "VECTORSHIFT_API_KEY": credential.secret.reveal()}


# --- The program takes the place of this process ---


def replace_process(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Become the program, with the same process id; return the exit code only if that fails.

    Signals that Python ignores are set back to what they were: `yes | head` relies on SIGPIPE.
    Files that this process opened are closed by the system, as Python marks them so.
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
    os.execvpe(command[0], list(command), environment)  # noqa: S606  # no shell, on purpose


def _not_run(program: str, error: OSError, environment: Mapping[str, str]) -> Exit:
    """Say why the program does not run, and return what shells return."""
    why = (error.strerror or type(error).__name__).lower()
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if not shutil.which(program, path=environment.get("PATH")):
            complain(f"{program or repr(program)}: command not found")
            return Exit.NOT_THERE
        why = "it is there, but what it says it is run by is not; see its first line"
    complain(f"{program}: cannot be run: {why}")
    return Exit.NOT_EXECUTABLE


# --- The program is a child ---


def supervise(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the program as a child, pass signals on to it, and return its exit code, or 128 and a
    signal's number.
    """
    with _passing_on() as child:
        try:
            if not command[0]:
                raise FileNotFoundError
            # finds .cmd and .bat files too
            program = shutil.which(command[0], path=environment.get("PATH")) or command[0]
            started = subprocess.Popen([program, *command[1:]], env=environment, close_fds=False)  # noqa: S603
        except OSError as error:
            return _not_run(command[0], error, environment)
        child.follow(started)
        code = started.wait()
    return code if code >= 0 else 128 - code


class _Child:
    """The process that signals are passed on to; those that come before it is there wait for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[Any] | None = None
        self._early: list[int] = []

    def follow(self, process: subprocess.Popen[Any]) -> None:
        self._process = process
        while self._early:
            process.send_signal(self._early.pop(0))

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def outlive(self, number: int, frame: FrameType | None) -> None:
        """Do nothing: the child has it from the terminal, and decides."""


@contextlib.contextmanager
def _passing_on() -> Generator[_Child, None, None]:
    child = _Child()
    before = {
        number: signal.signal(number, handler)
        for names, handler in ((_PASSED_ON, child.pass_on), (_SHARED, child.outlive))
        for number in (getattr(signal, name, None) for name in names)
        if number is not None
    }
    try:
        yield child
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
