"""The arguments of an `AwsSecretsManagerProvider`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from vectorshift._platform.arguments import UNSET, check
from vectorshift._platform.urls import has_control_characters
from vectorshift.errors import CredentialConfigurationError, CredentialStoreUnavailableError
from vectorshift.providers.aws.locators import PARAMETERS, SECRETS, Store

if TYPE_CHECKING:
    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["CURRENT", "PREFIX", "AwsArguments"]

PREFIX: Final = "VECTORSHIFT_AWS_"
CURRENT: Final = "AWSCURRENT"

_LOCATORS: Final = ("secret_id", "parameter")
_TEXTS: Final = ("region", "profile", "endpoint_url", "agent_url", "agent_role_arn")
_OBJECTS: Final = ("session", "client")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AwsArguments:
    """The arguments of the provider; see there. None means that an argument was not given."""

    secret_id: str | None = None
    parameter: str | None = None
    field: str | None = None
    version_stage: str = CURRENT
    version_id: str | None = None
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    session: Any = None
    client: Any = None
    agent_url: str | None = None
    agent_role_arn: str | None = None

    @classmethod
    def checked(cls, **arguments: Any) -> Self:
        """Return the checked arguments of the constructor. `UNSET` means that one was not given.

        Raises:
            TypeError: an argument is None, or of another type; there is no locator.
            ValueError: an argument has a control character, or is blank: that would mean "take it
                from the environment".
        """
        for name in (*_LOCATORS, "version_stage", *_TEXTS):
            check({name: arguments[name]}, str)
        if all(arguments[name] is UNSET for name in _LOCATORS):
            raise TypeError("Name a secret with secret_id, or a parameter with parameter=.")
        values: dict[str, Any] = dict(arguments)
        for name in (*_LOCATORS, *_TEXTS, *_OBJECTS, "version_stage", "version_id"):
            value = arguments[name]
            if value is None and name in _OBJECTS:
                raise TypeError(f"{name} must not be None. Leave it out for its default.")
            if isinstance(value, str) and name not in _OBJECTS:
                value = value.strip()
                if name in _LOCATORS and (not value or has_control_characters(value)):
                    raise ValueError(f"{name} must be the name or the ARN of a secret.")
                if not value:  # AWS answers "not found" to a blank version
                    raise ValueError(f"{name} must not be blank. Leave it out for its default.")
            values[name] = None if value is UNSET else value
        values["field"] = arguments["field"] or None
        for name in ("field", *_TEXTS):  # messages show them
            if has_control_characters(values[name] or ""):
                raise ValueError(f"{name} must not have a control character.")
        return cls(**values)

    @classmethod
    def in_settings(cls, settings: Settings) -> dict[str, Any]:
        """Return the arguments that are in the settings, by name."""
        names = [each.name for each in fields(cls) if each.name not in _OBJECTS]
        found = {name: getattr(settings, f"aws_{name}") for name in names}
        return {name: value for name, value in found.items() if value}

    @property
    def store(self) -> Store:
        """The store to ask."""
        return SECRETS if self.secret_id else PARAMETERS

    @property
    def locator(self) -> str:
        """The name or the ARN of the secret or the parameter."""
        return self.secret_id or self.parameter or ""

    @property
    def source(self) -> str:
        """The printable source, such as `aws:prod/vs#api_key` or `ssm:/prod/vs`."""
        scheme = "aws" if self.secret_id else "ssm"
        return f"{scheme}:{self.locator}#{self.field}" if self.field else f"{scheme}:{self.locator}"

    @property
    def query(self) -> dict[str, Any]:
        """The parameters of `GetSecretValue` or `GetParameter`.

        A stage is included, as policies may demand it, but not for a pinned version.
        """
        if self.store is PARAMETERS:
            return {"Name": self.locator, "WithDecryption": True}
        query = {"SecretId": self.locator}
        if self.version_id:
            query["VersionId"] = self.version_id
        if not self.version_id or self.version_stage != CURRENT:
            query["VersionStage"] = self.version_stage
        return query

    @property
    def flaw(self) -> str | None:
        """Return the arguments that contradict each other, with the fix, or None."""
        if self.secret_id and self.parameter:
            return (
                "VECTORSHIFT_AWS_SECRET_ID and VECTORSHIFT_AWS_PARAMETER are both set and may "
                "hold keys of two organisations. Unset one of them."
            )
        if self.parameter and (self.version_id or self.version_stage != CURRENT):
            return (
                "a parameter has no stages and no version ids. Unset "
                "VECTORSHIFT_AWS_VERSION_STAGE and VECTORSHIFT_AWS_VERSION_ID. To pin a version "
                "or a label, write it in the name: VECTORSHIFT_AWS_PARAMETER=/prod/vectorshift:3"
            )
        if self.agent_role_arn and not self.agent_url:
            return (
                "VECTORSHIFT_AWS_AGENT_ROLE_ARN is set without VECTORSHIFT_AWS_AGENT_URL. Without"
                " the agent, boto3 assumes the role_arn of an AWS profile."
            )
        return None

    def wrong(self, text: str) -> CredentialConfigurationError:
        """Return a configuration error of this source."""
        return CredentialConfigurationError(
            f"{self.source}: {text}", source=self.source, provider="aws"
        )

    def unavailable(
        self, text: str, *, retry_after: float | None = None
    ) -> CredentialStoreUnavailableError:
        """Return a store-unavailable error of this source."""
        return CredentialStoreUnavailableError(
            f"{self.source}: {text}", source=self.source, provider="aws", retry_after=retry_after
        )
