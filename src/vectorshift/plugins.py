"""Functions for authors of providers. `docs/plugins.md` shows how to use them."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence  # at run time, for tools that read annotations
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from vectorshift._platform.quiet import quiet
from vectorshift.credentials.values import Secret
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialStoreUnavailableError,
    error_for_status,
)
from vectorshift.errors.libraries import error_for_exception
from vectorshift.settings.plugin import PluginSettings, StoreUrl

__all__ = [
    "CONTRACT",
    "CommandResult",
    "PluginSettings",
    "StoreUrl",
    "error_for_exception",
    "error_for_status",
    "expiry",
    "quiet",
    "run_command",
]

CONTRACT: Final = 1
"""The version of the contract for providers of other packages. It grows when existing ones must
change.
"""

_ENVIRONMENT: Final = """
    PATH HOME USER LOGNAME SHELL LANG LC_ALL TZ TMPDIR XDG_CONFIG_HOME XDG_RUNTIME_DIR
    SYSTEMROOT APPDATA LOCALAPPDATA USERPROFILE TEMP
"""
"""The variables that every command gets."""
_LIMIT: Final = 65_536
_LOOK_EVERY: Final = 0.1
"""Seconds between two checks whether a command has ended while its outputs stay open."""


def expiry(expires_in: float | str | None) -> datetime | None:
    """Return `Credential.expires_at` for a store's `expires_in`.

    Args:
        expires_in: a number of seconds, also as text; None for no end.

    Raises:
        CredentialConfigurationError: it is not a number of seconds. The error does not repeat it.
    """
    if expires_in is None:
        return None
    try:
        if isinstance(expires_in, bool):
            raise ValueError
        seconds = timedelta(seconds=float(expires_in))
        return datetime.now(timezone.utc) + seconds
    except OverflowError:  # later than any date
        return None
    except (TypeError, ValueError):
        raise CredentialConfigurationError(
            "The store's expires_in is not a number of seconds."
        ) from None


# --- Commands -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command.

    Args:
        status: its exit status; 0 means success, and -9 that it was killed.
        output: its standard output, stripped of white space.
        errors: its standard error, stripped: use it to tell failures apart, and do not show it.
    """

    status: int
    output: Secret
    errors: Secret


def run_command(
    command: Sequence[str],
    *,
    source: str,
    timeout: float = 5.0,
    environment: Iterable[str] = (),
) -> CommandResult:
    """Run a command without a shell and without input, and return its result.

    At the time limit, its whole process group is killed. So is a child that outlives the command
    and keeps its outputs open. It may print at most 64 KiB.

    Args:
        command: the program and its arguments. Other users of this machine can see them: pass no
            secret.
        source: the printable source that errors name.
        timeout: the time limit in seconds.
        environment: names of variables to pass on. Besides these, the command gets only `PATH`,
            `HOME` and similar ones.

    Raises:
        CredentialConfigurationError: the program is missing, may not be run, or printed too much.
        CredentialStoreUnavailableError: it took too long.
    """
    names = {*_ENVIRONMENT.split(), *environment}
    given = {name: value for name, value in os.environ.items() if name in names}
    try:
        process = subprocess.Popen(  # noqa: S603  # a list, and no shell
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=given,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        raise CredentialConfigurationError(
            f"{source}: the program is missing or may not be run. Install it, or correct its path.",
            source=source,
        ) from None
    with process:
        is_over = False
        try:
            printed, is_over = _read(process, time.monotonic() + timeout)
        finally:
            if not is_over:
                _end(process)
    has_ended = is_over or process.returncode != -signal.SIGKILL
    output, errors = (Secret(each.decode(errors="replace").strip()) for each in printed)
    is_too_long = any(len(each) > _LIMIT for each in printed)
    del printed  # a traceback may show locals
    if is_too_long:
        raise CredentialConfigurationError(
            f"{source}: the command printed more than {_LIMIT:,} bytes, which is not a key.",
            source=source,
        )
    if not has_ended:
        raise CredentialStoreUnavailableError(
            f"{source}: the command did not end within {timeout:g} s.", source=source
        )
    return CommandResult(process.returncode, output, errors)


def _read(process: subprocess.Popen[bytes], end: float) -> tuple[list[bytes], bool]:
    """Return what a command printed on its two outputs, and True if it has ended and no child of it
    keeps them open.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    if os.name == "nt":  # selectors do not support pipes there
        try:
            return list(process.communicate(timeout=max(0.0, end - time.monotonic()))), True
        except subprocess.TimeoutExpired:
            return [b"", b""], False
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ, output)
        waiting.register(process.stderr, selectors.EVENT_READ, errors)
        while waiting.get_map() and (left := end - time.monotonic()) > 0:
            has_ended = process.poll() is not None
            ready = waiting.select(min(left, _LOOK_EVERY))
            if has_ended and not ready:  # a child of it keeps them open
                break
            for key, _ in ready:
                more = os.read(key.fd, _LIMIT)
                key.data.extend(more)
                if not more:
                    waiting.unregister(key.fileobj)
            if max(len(output), len(errors)) > _LIMIT:
                break
        is_open = bool(waiting.get_map())
    if not is_open:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))
    return [bytes(output), bytes(errors)], not is_open and process.returncode is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
