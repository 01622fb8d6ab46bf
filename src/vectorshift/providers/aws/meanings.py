"""The table of failures: the meaning of each code of AWS and each exception class of botocore."""

from __future__ import annotations

from dataclasses import dataclass

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)

__all__ = [
    "ABSENT",
    "BUSY",
    "BY_CLASS",
    "BY_CODE",
    "DELETED",
    "FORBIDDEN",
    "MALFORMED",
    "NO_AWS_CREDENTIALS",
    "NO_LOGIN",
    "NO_LOGIN_ANSWER",
    "NO_LOGIN_FILE",
    "NO_VERSION",
    "REFUSED",
    "UNDECIPHERABLE",
    "UNREACHABLE",
    "WRONG_STATE",
    "Meaning",
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The kind of a failure, and its text, to be formatted."""

    kind: type[CredentialError]
    text: str


ABSENT = Meaning(
    CredentialNotFoundError,
    "AWS Secrets Manager has no such secret in {place.where}. "
    "Create it, or correct VECTORSHIFT_AWS_SECRET_ID or {place.region_setting}.",
)
NO_VERSION = Meaning(
    CredentialNotFoundError,
    "the secret in {place.where} has no such version. Put a value into it, "
    "or correct VECTORSHIFT_AWS_VERSION_STAGE or VECTORSHIFT_AWS_VERSION_ID.",
)
DELETED = Meaning(
    CredentialRevokedError,
    "the secret in {place.where} is scheduled for deletion. If that is a mistake: aws"
    " secretsmanager restore-secret --secret-id {place.secret_id}{region_option}",
)
WRONG_STATE = Meaning(
    CredentialConfigurationError,
    "AWS cannot read the secret in its present state ({code}, {place.where}). Check that "
    "VECTORSHIFT_AWS_VERSION_STAGE and VECTORSHIFT_AWS_VERSION_ID name one and the same version.",
)
FORBIDDEN = Meaning(
    CredentialDeniedError, "AWS denied the read in {place.where}{who}. Allow {place.permission}."
)
UNDECIPHERABLE = Meaning(
    CredentialDeniedError,
    "the secret in {place.where} could not be decrypted{who} ({code}). Allow the action kms:Decrypt"
    " on {key}, in the IAM policy and in the key's own, and see that it is enabled.",
)
_EXPIRED = Meaning(
    CredentialDeniedError,
    "the AWS credentials for {place.where} have expired ({code}). Renew them, as with:"
    " {place.login}",
)
_UNKNOWN_CALLER = Meaning(
    CredentialDeniedError,
    "AWS does not recognise the AWS credentials in {place.where} ({code}). Check the access key, "
    "the account and its region, and this machine's clock.",
)
NO_LOGIN = Meaning(
    CredentialDeniedError,
    "AWS refused {operation} ({code}), which gives the AWS credentials for {place.where}. "
    "Check the role and its trust policy (sts:AssumeRole or sts:AssumeRoleWithWebIdentity), "
    "or run: {place.login}",
)
NO_LOGIN_ANSWER = Meaning(
    CredentialStoreUnavailableError,
    "what gives the AWS credentials for {place.where} could not be reached ({code}). Check STS or"
    " SSO, the container's or machine's metadata service, or the credential_process of the AWS"
    " profile.",
)
NO_LOGIN_FILE = Meaning(
    CredentialConfigurationError,
    "{code}: a file that gives the AWS credentials for {place.where} cannot be read. Correct "
    "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or the AWS profile.",
)
REFUSED = Meaning(CredentialDeniedError, "AWS refused the read in {place.where}{who} ({code}).")
MALFORMED = Meaning(
    CredentialConfigurationError,
    "AWS does not accept the request in {place.where} ({code}). Check VECTORSHIFT_AWS_SECRET_ID, "
    "{place.region_setting} and VECTORSHIFT_AWS_ENDPOINT_URL.",
)
BUSY = Meaning(
    CredentialStoreUnavailableError, "AWS could not answer just now in {place.where} ({code})."
)
UNREACHABLE = Meaning(
    CredentialStoreUnavailableError,
    "AWS could not be reached for {place.where} ({code}). Check the network, a VPC endpoint or"
    " proxy on the way, and VECTORSHIFT_AWS_REGION.",
)
NO_AWS_CREDENTIALS = Meaning(
    CredentialConfigurationError,
    "no AWS credentials for {place.where} ({code}). Give the process a role, or an AWS profile with"
    " VECTORSHIFT_AWS_PROFILE, or AWS_ACCESS_KEY_ID together with AWS_SECRET_ACCESS_KEY.",
)
_SSO_OVER = Meaning(
    CredentialConfigurationError,
    "the AWS SSO session for {place.where} is missing or has expired ({code}). Run: {place.login}",
)
_LOGIN_OVER = Meaning(
    CredentialConfigurationError,
    "the AWS login session for {place.where} is missing or has expired ({code}). Run: aws login",
)
_BAD_PROFILE = Meaning(
    CredentialConfigurationError,
    "the AWS configuration is not usable ({code}). Correct VECTORSHIFT_AWS_PROFILE, AWS_PROFILE or"
    " ~/.aws/config.",
)
_NO_REGION = Meaning(
    CredentialConfigurationError, "{code}: set VECTORSHIFT_AWS_REGION, such as eu-central-1."
)
_BAD_TLS = Meaning(
    CredentialConfigurationError,
    "the TLS certificate of AWS in {place.where} cannot be verified ({code}). "
    "If a proxy signs it, name its CA in AWS_CA_BUNDLE.",
)
_BAD_ENDPOINT = Meaning(
    CredentialConfigurationError,
    "what answers for AWS in {place.where} is not Secrets Manager ({code}). Check "
    "VECTORSHIFT_AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SECRETS_MANAGER.",
)

BY_CODE = {
    name: meaning
    for names, meaning in (
        ("ResourceNotFoundException", ABSENT),
        ("AccessDeniedException AccessDenied NotAuthorized UnauthorizedOperation", FORBIDDEN),
        ("DecryptionFailure DecryptionFailureException", UNDECIPHERABLE),
        ("ExpiredTokenException ExpiredToken RequestExpired TokenRefreshRequired", _EXPIRED),
        (
            "UnrecognizedClientException InvalidClientTokenId InvalidSignatureException",
            _UNKNOWN_CALLER,
        ),
        ("SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException", _UNKNOWN_CALLER),
        ("MissingAuthenticationToken MissingAuthenticationTokenException", _UNKNOWN_CALLER),
        ("InvalidParameterException InvalidParameterCombination ValidationException", MALFORMED),
        ("Throttling ThrottlingException ThrottledException RequestThrottledException", BUSY),
        ("RequestThrottled TooManyRequestsException RequestLimitExceeded", BUSY),
        ("LimitExceededException SlowDown PriorRequestNotComplete", BUSY),
        ("InternalServiceError InternalServiceErrorException InternalFailure", BUSY),
        ("ServiceUnavailable ServiceUnavailableException IDPCommunicationError", BUSY),
        ("RequestTimeout RequestTimeoutException", BUSY),
    )
    for name in names.split()
}

BY_CLASS = {
    name: meaning
    for names, meaning in (
        ("NoCredentialsError PartialCredentialsError", NO_AWS_CREDENTIALS),
        ("SSOError TokenRetrievalError", _SSO_OVER),
        ("LoginError", _LOGIN_OVER),
        (
            (
                "ProfileNotFound ConfigParseError ConfigNotFound InvalidConfigError"
                " UnknownCredentialError"
            ),
            _BAD_PROFILE,
        ),
        ("NoRegionError InvalidRegionError", _NO_REGION),
        ("SSLError", _BAD_TLS),
        ("ResponseParserError", _BAD_ENDPOINT),
        ("ParamValidationError", MALFORMED),
        ("ConnectionError HTTPClientError", UNREACHABLE),
        ("CredentialRetrievalError MetadataRetrievalError", NO_LOGIN_ANSWER),
    )
    for name in names.split()
}
