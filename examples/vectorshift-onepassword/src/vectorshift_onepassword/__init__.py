"""A VectorShift key from 1Password, by its program `op`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from vectorshift import (
    Credential,
    CredentialDeniedError,
    CredentialNotFoundError,
    CredentialProvider,
    CredentialStoreUnavailableError,
    Description,
    PluginSettings,
    Settings,
)
from vectorshift.plugins import run_command

ENVIRONMENT = ["OP_ACCOUNT", "OP_SERVICE_ACCOUNT_TOKEN", "OP_CONNECT_HOST", "OP_CONNECT_TOKEN"]
REFUSED = re.compile(r"(?i)signed in|sign in|session expired|unauthorized|forbidden|authoriz")
EMPTY = re.compile(r"(?i)isn't an item|isn't a vault|does not have a field|could not be found")


class OnePasswordSettings(PluginSettings):
    """`VECTORSHIFT_ONEPASSWORD_REFERENCE`, such as `op://Private/VectorShift/credential`."""

    reference: Annotated[str, Field(pattern="^op://")] | None = None
    program: str = "op"
    timeout: Annotated[float, Field(gt=0, le=300)] = 8.0


class OnePasswordProvider(CredentialProvider):
    """Runs `op read`. Some plans allow 1,000 reads an hour, so an answer is fresh for an hour."""

    name = "onepassword"
    ttl = 3600.0

    def __init__(self, reference: str, *, program: str = "op", timeout: float = 8.0) -> None:
        self._command, self._timeout = [program, "read", "--no-newline", reference], timeout
        self._source = f"onepassword:{reference.removeprefix('op://')}"

    @classmethod
    def from_settings(cls, settings: Settings) -> OnePasswordProvider | None:
        """Return the provider, or None if no reference is set."""
        own = OnePasswordSettings.of(settings, "onepassword")
        if own.reference is None:
            return None
        return cls(own.reference, program=own.program, timeout=own.timeout)

    def describe(self) -> Description:
        """Say which field would be read."""
        return Description(configured=True, source=self._source)

    def get_credential(self) -> Credential:
        """Run `op`. What it says on its error output tells failures apart, and is not shown."""
        done = run_command(
            self._command, source=self._source, timeout=self._timeout, environment=ENVIRONMENT
        )
        said = done.errors.reveal() if done.status else ""
        if EMPTY.search(said):
            raise CredentialNotFoundError(f"{self._source} is not there. List items: op item list")
        if REFUSED.search(said):
            raise CredentialDeniedError(
                f"{self._source}: op is not signed in, or may not read it. Run op signin, or set"
                " OP_SERVICE_ACCOUNT_TOKEN."
            )
        if done.status != 0:
            raise CredentialStoreUnavailableError(f"{self._source}: op ended with {done.status}.")
        return Credential(secret=done.output, source=self._source, provider=self.name)
