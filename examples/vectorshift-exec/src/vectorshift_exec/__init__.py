"""A VectorShift key from a command that prints JSON, as `credential_process` does."""

import contextlib
import os
import shlex
import signal
import time
from select import POLLIN, poll
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError
from typing_extensions import Self

from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialNotFoundError,
    CredentialProvider,
    CredentialStoreUnavailableError,
    Description,
    PluginSettings,
    Settings,
)

LIMIT = 65_536
# A number is no date.
Date = Annotated[AwareDatetime, BeforeValidator(lambda at: at if "-" in str(at)[1:] else "")]


class ExecSettings(PluginSettings):
    """`VECTORSHIFT_EXEC_COMMAND`, and `VECTORSHIFT_EXEC_TIMEOUT` in seconds."""

    command: Annotated[list[str] | None, BeforeValidator(shlex.split)] = None
    timeout: Annotated[float, Field(gt=0, le=300)] = 5.0


class Printed(BaseModel):
    """What the command prints; `"api_key": null` says that it has none."""

    api_key: str | None
    expires_at: Date | None = None
    version: str | None = None


class ExecProvider(CredentialProvider):
    """Run a command without a shell and read the key that it prints, for `timeout` seconds."""

    name = "exec"

    def __init__(self, command: list[str], *, timeout: float = 5.0) -> None:
        self._command, self._timeout = command, timeout
        self._source = f"exec:{command[0]}"  # arguments may hold secrets

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the provider, or None if no command is set."""
        own = ExecSettings.of(settings, "exec")
        return cls(own.command, timeout=own.timeout) if own.command else None

    def describe(self) -> Description:
        """Say which program would be run."""
        return Description(configured=True, source=self._source, locator=True)

    def get_credential(self) -> Credential:
        """Run the command. No frame of an error holds what it printed."""
        try:
            printed = _read(self._command, self._timeout)
        except (FileNotFoundError, PermissionError):
            printed = "is not there, or may not be run."
        if isinstance(printed, int):
            raise CredentialStoreUnavailableError(
                f"{self._source} ended with status {printed}, or took too long."
            )
        if isinstance(printed, str):
            raise CredentialConfigurationError(f"{self._source} {printed}")
        if printed.api_key is None:
            raise CredentialNotFoundError(f"{self._source} has no key.")
        rest = printed.model_dump(exclude={"api_key"})
        return Credential(secret=printed.api_key, source=self._source, provider=self.name, **rest)


def _read(command: list[str], timeout: float) -> Printed | int | str:
    """Return what a command printed, its status if it failed, or what is wrong with the output."""
    # The command must not run itself through vectorshift.
    environ = {k: v for k, v in os.environ.items() if k != "VECTORSHIFT_EXEC_COMMAND"}
    output, more, end = b"", b"?", time.monotonic() + timeout
    with Popen(
        command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environ, start_new_session=True
    ) as process:
        pipe, waiting = process.stdout.fileno() if process.stdout else -1, poll()
        waiting.register(pipe, POLLIN)

        def left() -> float:
            return max(0.0, end - time.monotonic())

        while more and len(output) <= LIMIT and waiting.poll(1000 * left()):
            output += (more := os.read(pipe, LIMIT))
        with contextlib.suppress(TimeoutExpired):
            process.wait(0 if more else left())
        if more or process.returncode is None:  # a child of it may hold the pipe open
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if len(output) > LIMIT or process.returncode:
        return f"printed more than {LIMIT:,} bytes." if len(output) > LIMIT else process.returncode
    try:
        return Printed.model_validate_json(output)
    except ValidationError as error:
        flaws = error.errors(include_input=False)
        names = " and ".join(sorted({str(flaw["loc"][0]) for flaw in flaws if flaw["loc"]}))
        return f"printed no good {names or 'JSON'}: print an object with api_key, a string or null."
