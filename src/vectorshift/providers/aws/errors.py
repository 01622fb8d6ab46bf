"""What each failure of AWS means for a chain, and what to do about it.

Codes and class names are matched as text, so nothing of botocore is imported. What AWS said is not repeated:
its answer to a bad signature holds the session token. The name of who was refused is the one part taken over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)

__all__ = ["Place", "outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the secret was looked for, as messages name it.

    Args:
        source: the printable source.
        secret_id: the secret's name or ARN.
        region: the region that was asked.
        profile: the AWS profile that the settings name, or None.
    """

    source: str
    secret_id: str
    region: str
    profile: str | None = None

    @property
    def resource(self) -> str:
        """The resource that an IAM policy has to name: AWS adds a dash and six characters to a name."""
        if self.secret_id.startswith("arn:"):
            return self.secret_id
        partition = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
        here = next((name for start, name in partition.items() if self.region.startswith(start)), "aws")
        return f"arn:{here}:secretsmanager:{self.region}:*:secret:{self.secret_id}-??????"

    @property
    def login(self) -> str:
        """The command that renews an SSO session."""
        return f"aws sso login --profile {self.profile}" if self.profile else "aws sso login"


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: type[CredentialError]
    text: str


_ABSENT = _Meaning(
    CredentialNotFoundError,
    "AWS Secrets Manager has no such secret in region {place.region}. "
    "Create it, or correct VECTORSHIFT_AWS_SECRET_ID or VECTORSHIFT_AWS_REGION.",
)
_NO_VERSION = _Meaning(
    CredentialNotFoundError,
    "the secret in region {place.region} has no such version. Put a value into it, "
    "or correct VECTORSHIFT_AWS_VERSION_STAGE or VECTORSHIFT_AWS_VERSION_ID.",
)
_DELETED = _Meaning(
    CredentialRevokedError,
    "the secret in region {place.region} is scheduled for deletion. "
    "If that is a mistake: aws secretsmanager restore-secret --region {place.region} "
    "--secret-id {place.secret_id}",
)
_WRONG_STATE = _Meaning(
    CredentialConfigurationError,
    "AWS cannot read the secret in its present state ({code}, region {place.region}). Check that "
    "VECTORSHIFT_AWS_VERSION_STAGE and VECTORSHIFT_AWS_VERSION_ID name one and the same version.",
)
_FORBIDDEN = _Meaning(
    CredentialDeniedError,
    "AWS denied the read in region {place.region}{who}. "
    "Allow the action secretsmanager:GetSecretValue on {place.resource}.",
)
_UNDECIPHERABLE = _Meaning(
    CredentialDeniedError,
    "the secret in region {place.region} could not be decrypted{who} ({code}). Allow the action kms:Decrypt "
    "on the KMS key that encrypts it, in the IAM policy and in the key's own, and see that it is enabled.",
)
_EXPIRED = _Meaning(
    CredentialDeniedError,
    "the AWS credentials for {place.region} have expired ({code}). Renew them, as with: {place.login}",
)
_UNKNOWN_CALLER = _Meaning(
    CredentialDeniedError,
    "AWS does not recognise the AWS credentials in region {place.region} ({code}). Check the access key, "
    "the account and its region, and this machine's clock.",
)
_NO_LOGIN = _Meaning(
    CredentialDeniedError,
    "AWS refused {operation} ({code}), which gives the AWS credentials for region {place.region}. "
    "Check the role and its trust policy (sts:AssumeRole or sts:AssumeRoleWithWebIdentity), "
    "or run: {place.login}",
)
_REFUSED = _Meaning(CredentialDeniedError, "AWS refused the read in region {place.region}{who} ({code}).")
_MALFORMED = _Meaning(
    CredentialConfigurationError,
    "AWS does not accept the request in region {place.region} ({code}). Check VECTORSHIFT_AWS_SECRET_ID, "
    "VECTORSHIFT_AWS_REGION and VECTORSHIFT_AWS_ENDPOINT_URL.",
)
_BUSY = _Meaning(
    CredentialStoreUnavailableError,
    "AWS could not answer just now in region {place.region} ({code}).",
)
_UNREACHABLE = _Meaning(
    CredentialStoreUnavailableError,
    "AWS could not be reached for region {place.region} ({code}). Check the network, a VPC endpoint or proxy "
    "on the way, and VECTORSHIFT_AWS_REGION.",
)
_NO_AWS_CREDENTIALS = _Meaning(
    CredentialConfigurationError,
    "no AWS credentials for region {place.region} ({code}). Give the process a role, or an AWS profile with "
    "VECTORSHIFT_AWS_PROFILE, or AWS_ACCESS_KEY_ID together with AWS_SECRET_ACCESS_KEY.",
)
_SSO_OVER = _Meaning(
    CredentialConfigurationError,
    "the AWS SSO session for region {place.region} is missing or has expired ({code}). Run: {place.login}",
)
_LOGIN_OVER = _Meaning(
    CredentialConfigurationError,
    "the AWS login session for region {place.region} is missing or has expired ({code}). Run: aws login",
)
_BAD_PROFILE = _Meaning(
    CredentialConfigurationError,
    "the AWS configuration is not usable ({code}). Correct VECTORSHIFT_AWS_PROFILE, AWS_PROFILE or ~/.aws/config.",
)
_NO_REGION = _Meaning(CredentialConfigurationError, "{code}: set VECTORSHIFT_AWS_REGION, such as eu-central-1.")
_BAD_TLS = _Meaning(
    CredentialConfigurationError,
    "the TLS certificate of AWS in region {place.region} cannot be verified ({code}). "
    "If a proxy signs it, name its CA in AWS_CA_BUNDLE.",
)
_BAD_ENDPOINT = _Meaning(
    CredentialConfigurationError,
    "what answers for AWS in region {place.region} is not Secrets Manager ({code}). Check "
    "VECTORSHIFT_AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SECRETS_MANAGER.",
)

_BY_CODE = {
    name: meaning
    for names, meaning in (
        ("ResourceNotFoundException", _ABSENT),
        ("AccessDeniedException AccessDenied NotAuthorized UnauthorizedOperation", _FORBIDDEN),
        ("DecryptionFailure DecryptionFailureException", _UNDECIPHERABLE),
        ("ExpiredTokenException ExpiredToken RequestExpired TokenRefreshRequired", _EXPIRED),
        ("UnrecognizedClientException InvalidClientTokenId InvalidSignatureException", _UNKNOWN_CALLER),
        ("SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException", _UNKNOWN_CALLER),
        ("MissingAuthenticationToken MissingAuthenticationTokenException", _UNKNOWN_CALLER),
        ("Throttling ThrottlingException ThrottledException RequestThrottledException", _BUSY),
        ("RequestThrottled TooManyRequestsException RequestLimitExceeded", _BUSY),
        ("LimitExceededException SlowDown PriorRequestNotComplete", _BUSY),
        ("InternalServiceError InternalServiceErrorException InternalFailure", _BUSY),
        ("ServiceUnavailable ServiceUnavailableException IDPCommunicationError", _BUSY),
        ("RequestTimeout RequestTimeoutException", _BUSY),
    )
    for name in names.split()
}

_BY_CLASS = {
    name: meaning
    for names, meaning in (
        ("NoCredentialsError PartialCredentialsError", _NO_AWS_CREDENTIALS),
        ("SSOError TokenRetrievalError", _SSO_OVER),
        ("LoginError", _LOGIN_OVER),
        (
            "ProfileNotFound ConfigParseError ConfigNotFound InvalidConfigError UnknownCredentialError",
            _BAD_PROFILE,
        ),
        ("NoRegionError InvalidRegionError", _NO_REGION),
        ("SSLError", _BAD_TLS),
        ("ResponseParserError", _BAD_ENDPOINT),
        ("ParamValidationError", _MALFORMED),
        ("ConnectionError HTTPClientError", _UNREACHABLE),
        ("CredentialRetrievalError MetadataRetrievalError", _BUSY),
    )
    for name in names.split()
}


def outcome(error: Exception, place: Place) -> CredentialError | None:
    """Return what `error` means, without it as a cause; None for what is not a failure of AWS's."""
    response: dict[str, Any] | None = getattr(error, "response", None)
    if type(response) is dict and "Error" in response:
        return _answered(response, getattr(error, "operation_name", _READ), place)
    for cls in type(error).__mro__:  # the most specific first: an SSLError is a ConnectionError as well
        if cls.__name__ in _BY_CLASS:
            return _made(_BY_CLASS[cls.__name__], place, code=type(error).__name__)
    return None


_READ = "GetSecretValue"


def _answered(response: dict[str, Any], operation: str, place: Place) -> CredentialError:
    code, text = str(response["Error"].get("Code")), str(response["Error"].get("Message"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    meaning = _BY_CODE.get(code)
    if meaning is _BUSY or status == 429 or status >= 500:
        meaning = _BUSY
    elif operation != _READ:  # of STS or SSO: says nothing about the secret, whatever the code
        meaning = _NO_LOGIN
    elif meaning is _ABSENT and ("VersionId" in text or "staging label" in text):
        meaning = _NO_VERSION
    elif meaning is _FORBIDDEN and ("Access to KMS" in text or "kms:" in text):
        meaning = _UNDECIPHERABLE
    elif code == "InvalidRequestException":  # proof of deletion drops a cached key, so only that counts as such
        meaning = _DELETED if "delet" in text else _WRONG_STATE
    elif meaning is None:
        meaning = _REFUSED if status in (401, 403) else _MALFORMED
    return _made(meaning, place, code=code, operation=operation, who=_who(text))


def _who(text: str) -> str:
    found = re.search(r"User: (arn:[\w:/+=,.@-]{1,300})", text)
    return f" to {found[1]}" if found else ""


def _made(meaning: _Meaning, place: Place, *, code: str, operation: str = _READ, who: str = "") -> CredentialError:
    shown = code if re.fullmatch(r"[\w.]{1,64}", code) else "an unknown code"
    text = meaning.text.format(place=place, code=shown, operation=operation, who=who)
    return meaning.kind(f"{place.source}: {text}", source=place.source, provider="aws")
