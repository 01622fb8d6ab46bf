"""Where a secret was looked for, as messages name it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SecretLocation"]

_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
_READ = "secretsmanager:GetSecretValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLocation:
    """Where the secret was looked for, as messages name it.

    Args:
        source: the printable source.
        secret_id: the secret's name or ARN.
        region: the region that was asked, or None where only the Agent knows it.
        profile: the AWS profile that the settings name, or None.
        agent: the address of the Secrets Manager Agent, or None.
    """

    source: str
    secret_id: str
    region: str | None
    profile: str | None = None
    agent: str | None = None

    @property
    def where(self) -> str:
        """The region, and who asked there if that was not us."""
        if self.agent is None:
            return f"region {self.region or 'unknown'}"
        if self.region is None:
            return f"the region of the Agent at {self.agent}"
        return f"region {self.region} (through the Agent at {self.agent})"

    @property
    def region_setting(self) -> str:
        """What decides on the region."""
        return "VECTORSHIFT_AWS_REGION" if self.agent is None else "the Agent's region"

    @property
    def permission(self) -> str:
        """The action and the resource that an IAM policy has to name: AWS adds a dash and six
        characters to a name.

        The Agent looks a secret up before it reads it again.
        """
        actions = (
            f"the action {_READ}"
            if self.agent is None
            else f"{_READ} and secretsmanager:DescribeSecret"
        )
        return f"{actions} on {self._resource}"

    @property
    def _resource(self) -> str:
        if self.secret_id.startswith("arn:"):
            return self.secret_id
        region = self.region or "*"
        here = next(
            (name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws"
        )
        return f"arn:{here}:secretsmanager:{region}:*:secret:{self.secret_id}-??????"

    @property
    def login(self) -> str:
        """The command that renews an SSO session."""
        return f"aws sso login --profile {self.profile}" if self.profile else "aws sso login"
