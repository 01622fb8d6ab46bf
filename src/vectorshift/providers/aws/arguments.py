"""The arguments of an `AwsSecretsManagerProvider`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from vectorshift._platform.arguments import UNSET, check
from vectorshift._platform.urls import has_control_characters
from vectorshift.errors import CredentialConfigurationError, CredentialStoreUnavailableError

if TYPE_CHECKING:
    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["CURRENT", "PREFIX", "AwsArguments"]

PREFIX: Final = "VECTORSHIFT_AWS_"
CURRENT: Final = "AWSCURRENT"

_TEXTS: Final = ("region", "profile", "endpoint_url", "agent_url")
_OBJECTS: Final = ("session", "client")


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsArguments:
    """The arguments of the provider, which describes them. None stands for one not given."""

    secret_id: str
    field: str | None
    version_stage: str
    version_id: str | None
    region: str | None
    profile: str | None
    endpoint_url: str | None
    session: Any
    client: Any
    agent_url: str | None

    @classmethod
    def checked(cls, **arguments: Any) -> Self:
        """Return the arguments of the constructor, where `UNSET` stands for one not given.

        Raises:
            TypeError: one is None, or of another type.
            ValueError: one is blank: it would mean "whatever the environment says".
        """
        for name in ("secret_id", "version_stage", *_TEXTS):
            check({name: arguments[name]}, str)
        secret_id = arguments["secret_id"].strip()
        if not secret_id or has_control_characters(secret_id):
            raise ValueError("secret_id has to be the name or the ARN of a secret.")
        values: dict[str, Any] = {**arguments, "secret_id": secret_id}
        values["field"] = arguments["field"] or None
        for name in ("version_stage", "version_id"):
            value = arguments[name]
            if value is not None and not value.strip():  # AWS calls it not found
                raise ValueError(f"{name} must not be blank. Leave it out for its default.")
            values[name] = None if value is None else value.strip()
        for name in (*_TEXTS, *_OBJECTS):
            value = arguments[name]
            if value is None:
                raise TypeError(f"{name} must not be None. Leave it out for its default.")
            if name in _TEXTS and value is not UNSET:
                value = value.strip()
                if not value:
                    raise ValueError(f"{name} must not be blank. Leave it out for its default.")
            values[name] = None if value is UNSET else value
        return cls(**values)

    @classmethod
    def in_settings(cls, settings: Settings) -> dict[str, Any]:
        """Return the arguments that the settings give, by name."""
        names = [each.name for each in fields(cls) if each.name not in _OBJECTS]
        found = {name: getattr(settings, f"aws_{name}") for name in names}
        return {name: value for name, value in found.items() if value}

    @property
    def source(self) -> str:
        """The printable source, such as `aws:prod/vs#api_key`."""
        return f"aws:{self.secret_id}#{self.field}" if self.field else f"aws:{self.secret_id}"

    @property
    def query(self) -> dict[str, str]:
        """The parameters of `GetSecretValue`.

        Policies may demand a stage. It is left out for a pinned version, current or not.
        """
        query = {"SecretId": self.secret_id}
        if self.version_id:
            query["VersionId"] = self.version_id
        if not self.version_id or self.version_stage != CURRENT:
            query["VersionStage"] = self.version_stage
        return query

    def wrong(self, text: str) -> CredentialConfigurationError:
        """Return a configuration error of this source."""
        return CredentialConfigurationError(
            f"{self.source}: {text}", source=self.source, provider="aws"
        )

    def unavailable(self, text: str) -> CredentialStoreUnavailableError:
        """Return a store-unavailable error of this source."""
        return CredentialStoreUnavailableError(
            f"{self.source}: {text}", source=self.source, provider="aws"
        )
