"""Map failures of AWS to the errors that a chain understands.

Codes and class names are matched as text, so nothing of botocore is imported. No text of AWS is
repeated, as its answer to a bad signature holds the session token; but the ARNs of the refused
caller and of the KMS key are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vectorshift.errors import CredentialError, CredentialStoreUnavailableError
from vectorshift.providers.aws import meanings as means
from vectorshift.providers.aws.secret_ids import partition_of

if TYPE_CHECKING:
    from vectorshift.providers.aws.meanings import Meaning

__all__ = ["SecretLocation", "answered", "missing_credentials", "outcome"]
_READ: Final = "GetSecretValue"
# An attempt to get AWS credentials that hung has cost seconds, and the next would: as rare as after
# a wrong setting.
_AFTER_HANGING: Final = 30.0
# A proxy that does not answer, a ProxyConnectionError, looks as one that refuses.
_HUNG: Final = {
    "ConnectTimeoutError",
    "CredentialRetrievalError",
    "MetadataRetrievalError",
    "ProxyConnectionError",
    "ReadTimeoutError",
}
# AWS's own sentences as a whole, whatever they are wrapped in: a single word may be about something
# else, such as a KMS key or a replica.
_SAYS_DELETED: Final = re.compile(
    r"You can['\u2019]t perform this operation on the secret because it was marked for deletion"
    r"|You tried to\s+perform (?:the|an) operation on a secret"
    r" that['\u2019]s currently marked deleted"
)
_SAYS_NO_VERSION: Final = re.compile(
    r"can['\u2019]t find the specified secret value for (?:VersionId|staging label)\b"
)
_SAYS_KMS: Final = re.compile(r"\bAccess to KMS is not allowed\b|\bkms:[A-Z]\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLocation:
    """The place where a secret was looked for, as messages name it.

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
        """The region, and the Agent if that asked there."""
        if self.agent is None:
            return f"region {self.region or 'unknown'}"
        if self.region is None:
            return f"the region of the Agent at {self.agent}"
        return f"region {self.region} (through the Agent at {self.agent})"

    @property
    def region_setting(self) -> str:
        """The name of the setting that decides on the region."""
        return "VECTORSHIFT_AWS_REGION" if self.agent is None else "the Agent's region"

    @property
    def permission(self) -> str:
        """The action and the resource that an IAM policy must name.

        AWS adds a dash and six characters to a name. The Agent looks a secret up before it reads it
        again.
        """
        actions = (
            "the action secretsmanager:GetSecretValue"
            if self.agent is None
            else "secretsmanager:GetSecretValue and secretsmanager:DescribeSecret"
        )
        return f"{actions} on {self._resource}"

    @property
    def _resource(self) -> str:
        if self.secret_id.startswith("arn:"):
            return self.secret_id
        region = self.region or "*"
        arn = f"arn:{partition_of(region)}:secretsmanager:{region}:*:secret"
        return f"{arn}:{self.secret_id}-??????"

    @property
    def login(self) -> str:
        """The command that renews an SSO session."""
        return f"aws sso login --profile {self.profile}" if self.profile else "aws sso login"


def outcome(
    error: Exception, place: SecretLocation, *, login: bool = False
) -> CredentialError | None:
    """Return the error that an exception of botocore means, or None for any other exception.

    Args:
        error: the exception. It does not become a cause.
        place: where the secret was looked for.
        login: whether it was raised by the search for AWS credentials, and not by the read.
    """
    response: dict[str, Any] | None = getattr(error, "response", None)
    if type(response) is dict and "Error" in response:
        return answered(
            code=str(response["Error"].get("Code")),
            text=str(response["Error"].get("Message")),
            status=response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0),
            operation=getattr(error, "operation_name", _READ),
            place=place,
        )
    name = type(error).__name__
    # the most specific class first: an SSLError is a ConnectionError as well
    for cls in type(error).__mro__:
        meaning = means.BY_CLASS.get(cls.__name__)
        if meaning is not None:
            return _made(
                means.NO_LOGIN_ANSWER if login and meaning is means.UNREACHABLE else meaning,
                place,
                code=name,
            )
    if login and isinstance(error, OSError) and error.filename:
        return _made(means.NO_LOGIN_FILE, place, code=name)
    return None


def missing_credentials(place: SecretLocation) -> CredentialError:
    """Return the error that says that there are no AWS credentials anywhere."""
    return _made(means.NO_AWS_CREDENTIALS, place, code="NoCredentialsError")


def answered(
    *, code: str, text: str, status: int, place: SecretLocation, operation: str = _READ
) -> CredentialError:
    """Return the error that a failure response of AWS means.

    Args:
        code: the code of the failure.
        text: AWS's text, which is not repeated.
        status: the HTTP status.
        place: where the secret was looked for.
        operation: the operation. Only a read says something about the secret.
    """
    meaning = means.BY_CODE.get(code)
    if meaning is means.BUSY or status == 429 or status >= 500:
        meaning = means.BUSY
    elif operation != _READ:  # of STS or SSO, whatever the code
        meaning = means.NO_LOGIN
    elif meaning is means.ABSENT and _SAYS_NO_VERSION.search(text):
        meaning = means.NO_VERSION
    elif meaning is means.FORBIDDEN and _SAYS_KMS.search(text):
        meaning = means.UNDECIPHERABLE
    elif code == "InvalidRequestException":
        # proof of deletion drops a cached key, so only AWS's own sentence counts
        meaning = means.DELETED if _SAYS_DELETED.search(text) else means.WRONG_STATE
    elif meaning is None:
        meaning = means.REFUSED if status in (401, 403) else means.MALFORMED
    return _made(meaning, place, code=code, operation=operation, text=text)


def _made(
    meaning: Meaning, place: SecretLocation, *, code: str, operation: str = _READ, text: str = ""
) -> CredentialError:
    who = re.search(r"User: (arn:[\w:/+=,.@-]{1,300})", text)
    key = re.search(r"arn:[\w-]{1,20}:kms:[\w:/-]{1,300}", text)
    says = meaning.text.format(
        place=place,
        code=code if re.fullmatch(r"[\w.]{1,64}", code) else "an unknown code",
        operation=operation,
        who=f" to {who[1]}" if who else "",
        key=key[0] if key else "the KMS key that encrypts it",
        region_option=f" --region {place.region}" if place.region else "",
    )
    failure = meaning.kind(f"{place.source}: {says}", source=place.source, provider="aws")
    if (
        isinstance(failure, CredentialStoreUnavailableError)
        and meaning is means.NO_LOGIN_ANSWER
        and code in _HUNG
    ):
        failure.retry_after = _AFTER_HANGING
    return failure
