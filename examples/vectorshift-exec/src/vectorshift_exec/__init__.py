"""A VectorShift key from a command that prints JSON, as `credential_process` does."""

import os
import shlex
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
from vectorshift.plugins import run_command

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
        return Description(configured=True, source=self._source)

    def get_credential(self) -> Credential:
        """Run the command. No frame of an error holds what it printed."""
        # The command must not run itself through vectorshift.
        environment = set(os.environ) - {"VECTORSHIFT_EXEC_COMMAND"}
        done = run_command(
            self._command, source=self._source, timeout=self._timeout, environment=environment
        )
        if done.status != 0:
            raise CredentialStoreUnavailableError(f"{self._source} ended with status {done.status}")
        printed = _parsed(done.output.reveal())
        if isinstance(printed, str):
            raise CredentialConfigurationError(f"{self._source} {printed}")
        if printed.api_key is None:
            raise CredentialNotFoundError(f"{self._source} has no key.")
        rest = printed.model_dump(exclude={"api_key"})
        return Credential(secret=printed.api_key, source=self._source, provider=self.name, **rest)


def _parsed(output: str) -> Printed | str:
    """Return what a command printed, or what is wrong with it."""
    try:
        return Printed.model_validate_json(output)
    except ValidationError as error:
        flaws = error.errors(include_input=False)
        names = " and ".join(sorted({str(flaw["loc"][0]) for flaw in flaws if flaw["loc"]}))
        return f"printed no good {names or 'JSON'}: print an object with api_key, a string or null."
