"""The table of failures: the meaning of each code of AWS and each exception class of botocore.

A text is a format: `{place}` is a `SecretLocation`, and names such as `{profile}` are fields of
the exception. Use only fields that hold no secret.
"""

from __future__ import annotations

from typing import NamedTuple

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)


class Meaning(NamedTuple):
    """The kind of a failure, and the format of its text."""

    kind: type[CredentialError]
    text: str


ABSENT = Meaning(
    CredentialNotFoundError,
    "{place.store.title} has no such {place.store.thing} in {place.where}. "
    "Create it, or correct {place.store.setting} or {place.region_setting}.",
)
NO_VERSION = Meaning(
    CredentialNotFoundError,
    "the {place.store.thing} in {place.where} has no such version. Put a value into it, "
    "or correct {place.version_settings}.",
)
DELETED = Meaning(
    CredentialRevokedError,
    "the secret in {place.where} is scheduled for deletion. If that is a mistake: aws"
    " secretsmanager restore-secret --secret-id {place.locator}{place.region_option}",
)
WRONG_STATE = Meaning(
    CredentialConfigurationError,
    "AWS cannot read the secret in its present state ({code}, {place.where}). Check that it has "
    "a current version. If VECTORSHIFT_AWS_VERSION_STAGE and VECTORSHIFT_AWS_VERSION_ID are both "
    "set, they must name the same version.",
)
OTHER_ACCOUNT = Meaning(
    CredentialDeniedError,
    "the secret in {place.where} belongs to another account and is encrypted with the default "
    "KMS key, which works within one account only. Encrypt it with a customer managed KMS key, "
    "and allow this account kms:Decrypt on that key.",
)
FORBIDDEN = Meaning(CredentialDeniedError, "AWS denied {place.asked} in {place.where}{who}{denial}")
UNDECIPHERABLE = Meaning(
    CredentialDeniedError,
    "the {place.store.thing} in {place.where} could not be {place.ciphered}{who} ({code}). Allow "
    "the action {kms} on {key} in the IAM policy and in the key's policy. Check that the key is "
    "enabled.",
)
EXPIRED = Meaning(
    CredentialDeniedError,
    "the AWS credentials{place.for_region} have expired ({code}). Set AWS_SESSION_TOKEN and its "
    "keys again, or run: {place.login}",
)
UNKNOWN_CALLER = Meaning(
    CredentialDeniedError,
    "AWS does not recognise the AWS credentials in {place.where} ({code}). Check the access key, "
    "the account and its region, and this machine's clock.",
)
BAD_VALUES = Meaning(
    CredentialConfigurationError,
    "{where} a line break, a space, a quotation mark or a non-ASCII letter, which AWS "
    "credentials never have. Set the value again without it.",
)
NO_LOGIN = Meaning(
    CredentialDeniedError,
    "AWS refused {operation} ({code}), which gives the AWS credentials{place.for_region}. "
    "Check the role and its trust policy (sts:AssumeRole or sts:AssumeRoleWithWebIdentity), "
    "or run: {place.login}",
)
NO_STS = Meaning(
    CredentialDeniedError,
    "STS, which gives the AWS credentials{place.for_region}, is not active for the account in the"
    " region of the process ({code}). Activate it in the account settings of IAM, or set"
    " AWS_DEFAULT_REGION to another region and VECTORSHIFT_AWS_REGION to that of the"
    " {place.store.thing}.",
)
NO_WEB_IDENTITY = Meaning(
    CredentialDeniedError,
    "AWS does not accept the token of AWS_WEB_IDENTITY_TOKEN_FILE, which gives the AWS credentials"
    "{place.for_region} ({code}). It may have expired, or IAM has no OIDC provider for its issuer"
    " and audience.",
)
NOT_ASSIGNED = Meaning(
    CredentialDeniedError,
    "AWS refused {operation} ({code}), which gives the AWS credentials{place.for_region}. Check "
    "sso_account_id and sso_role_name in the AWS profile: the user must be assigned that "
    "permission set in IAM Identity Center.",
)
NO_LOGIN_ANSWER = Meaning(
    CredentialStoreUnavailableError,
    "the source of the AWS credentials{place.for_region} gave none ({code}{status}). Check STS "
    "or SSO, or the container's metadata service and, on EKS, the association of the role.",
)
NO_LOGIN_FILE = Meaning(
    CredentialConfigurationError,
    "{code}: a file with the AWS credentials{place.for_region} cannot be read. Correct "
    "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or the AWS profile.",
)
REFUSED = Meaning(
    CredentialDeniedError, "AWS refused {place.asked} in {place.where}{who} ({code})."
)
NOT_AWS = Meaning(
    CredentialStoreUnavailableError,
    "what answers for AWS in {place.where} is not AWS (HTTP {code}), but a proxy, a firewall or"
    " another server. Check the way to AWS, VECTORSHIFT_AWS_ENDPOINT_URL and"
    " {place.store.endpoint}.",
)
BAD_ROLE = Meaning(
    CredentialConfigurationError,
    "the role that gives the AWS credentials{place.for_region} is set up incorrectly ({code})."
    " Check role_arn and what belongs to it in the AWS profile, or AWS_ROLE_ARN and the token in"
    " the file of AWS_WEB_IDENTITY_TOKEN_FILE.",
)
MALFORMED = Meaning(
    CredentialConfigurationError,
    "AWS does not accept the request in {place.where} ({code}). Check {place.store.setting}, "
    "{place.version_settings}, {place.region_setting} and VECTORSHIFT_AWS_ENDPOINT_URL.",
)
NOT_DONE = Meaning(
    CredentialConfigurationError,
    "AWS did not carry out {place.action} in {place.where} ({code}).",
)
EMPTY_PROFILE = Meaning(
    CredentialConfigurationError,
    "AWS_PROFILE is set but empty, as by 'AWS_PROFILE=' in a compose file. Unset it.",
)
BUSY = Meaning(CredentialStoreUnavailableError, "AWS could not answer in {place.where} ({code}).")
UNREACHABLE = Meaning(
    CredentialStoreUnavailableError,
    "AWS could not be reached{place.for_region} ({code}{host}{status}). Check the network, any "
    "VPC endpoint or proxy, and VECTORSHIFT_AWS_REGION.",
)
NO_AWS_CREDENTIALS = Meaning(
    CredentialConfigurationError,
    "no AWS credentials{place.for_region} ({code}). Give the process a role, an AWS profile "
    "({place.profile_settings}), or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY.{files}",
)
NO_SUCH_CA = Meaning(
    CredentialConfigurationError,
    "{variable} names {path}, which cannot be used: {why}. Name a PEM file of certificates, or"
    " unset it.",
)
PATCHED_LATE = Meaning(
    CredentialConfigurationError,
    "gevent patched the ssl module after boto3 or another package imported it. Call "
    "gevent.monkey.patch_all() before any other import.",
)
SSO_OVER = Meaning(
    CredentialConfigurationError,
    "the AWS SSO session{place.for_region} is missing or has expired ({code}). Run: {place.login}",
)
BAD_CONFIG = Meaning(
    CredentialConfigurationError, "the AWS configuration is not usable: {error_msg}."
)
NO_TLS = Meaning(
    CredentialConfigurationError,
    "what answers for AWS in {place.where} does not speak TLS ({code}{host}). Check"
    " VECTORSHIFT_AWS_ENDPOINT_URL and {place.store.endpoint}, or the proxy.",
)
BAD_ENDPOINT = Meaning(
    CredentialConfigurationError,
    "what answers for AWS in {place.where} is not {place.store.title} ({code}). Check "
    "VECTORSHIFT_AWS_ENDPOINT_URL and {place.store.endpoint}.",
)


# exception, variable, its value, the allowed values
_SETTINGS = (
    ("InvalidIMDSEndpointError", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "{endpoint}", "a URL"),
    (
        "InvalidIMDSEndpointModeError",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "{mode}",
        "ipv4 or ipv6",
    ),
    ("InvalidDefaultsMode", "AWS_DEFAULTS_MODE", "{mode}", "one of {valid_modes}"),
    (
        "InvalidSTSRegionalEndpointsConfigError",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "{sts_regional_endpoints_config}",
        "regional or legacy",
    ),
    ("InvalidRetryModeError", "AWS_RETRY_MODE", "{provided_retry_mode}", "one of {valid_modes}"),
    ("InvalidMaxRetryAttemptsError", "AWS_MAX_ATTEMPTS", "{provided_max_attempts}", "1 or more"),
    ("InvalidChecksumConfigError", "{config_key}", "{config_value}", "one of {valid_options}"),
)

BY_CODE = {
    name: meaning
    for names, meaning in (
        ("ResourceNotFoundException ParameterNotFound", ABSENT),
        ("ParameterVersionNotFound", NO_VERSION),
        ("AccessDeniedException AccessDenied NotAuthorized UnauthorizedOperation", FORBIDDEN),
        (
            "DecryptionFailure DecryptionFailureException EncryptionFailure InvalidKeyId",
            UNDECIPHERABLE,
        ),
        ("ExpiredTokenException ExpiredToken RequestExpired TokenRefreshRequired", EXPIRED),
        (
            "UnrecognizedClientException InvalidClientTokenId InvalidSignatureException"
            " SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException"
            " MissingAuthenticationToken MissingAuthenticationTokenException",
            UNKNOWN_CALLER,
        ),
        ("InvalidParameterException InvalidParameterCombination ValidationException", MALFORMED),
        (
            "Throttling ThrottlingException ThrottledException RequestThrottledException"
            " RequestThrottled TooManyRequestsException RequestLimitExceeded"
            " LimitExceededException SlowDown PriorRequestNotComplete"
            " InternalServiceError InternalServiceErrorException InternalFailure"
            " InternalServerError ServiceUnavailable ServiceUnavailableException"
            " IDPCommunicationError RequestTimeout RequestTimeoutException",
            BUSY,
        ),
    )
    for name in names.split()
}

BY_CLASS = {
    name: meaning
    for names, meaning in (
        ("NoCredentialsError", NO_AWS_CREDENTIALS),
        (
            "PartialCredentialsError",
            Meaning(
                CredentialConfigurationError,
                "the AWS credentials{place.for_region} are incomplete: {cred_var} is missing "
                "({provider}). Set it as well, or unset what belongs to it.",
            ),
        ),
        ("SSOError TokenRetrievalError NoAuthTokenError", SSO_OVER),
        (
            "LoginError",
            Meaning(
                CredentialConfigurationError,
                "the AWS login session{place.for_region} is missing or has expired ({code}). Run: "
                "aws login",
            ),
        ),
        (
            "LoginInsufficientPermissions",
            Meaning(
                CredentialDeniedError,
                "AWS does not renew the login session. Allow the action signin:CreateOAuth2Token, "
                "then run: aws login",
            ),
        ),
        (
            "ProfileNotFound",
            Meaning(
                CredentialConfigurationError,
                "AWS's files have no profile '{profile}', which {place.profile_settings} names."
                " Correct or unset the variable; in ~/.aws/config the section is called [profile "
                "NAME].{files}",
            ),
        ),
        (
            "ConfigParseError ConfigNotFound",
            Meaning(
                CredentialConfigurationError,
                "AWS's file {path} cannot be read ({code}). Correct it: sections in square "
                "brackets, and name = value, in UTF-8.",
            ),
        ),
        ("InvalidConfigError", BAD_CONFIG),
        (
            "InfiniteLoopConfigError",
            Meaning(
                CredentialConfigurationError,
                "the AWS profile '{source_profile}' refers to itself through source_profile.",
            ),
        ),
        (
            "MissingDependencyException",
            Meaning(
                CredentialConfigurationError,
                "a profile of 'aws login' needs one more package. Run: pip install 'botocore[crt]'",
            ),
        ),
        (
            "RefreshWithMFAUnsupportedError",
            Meaning(
                CredentialConfigurationError,
                "the AWS session of a profile with mfa_serial has ended, and renewing it needs a "
                "new MFA code. Get a new session, and pass that.",
            ),
        ),
        (
            "NoRegionError InvalidRegionError",
            Meaning(
                CredentialConfigurationError,
                "{code}: set VECTORSHIFT_AWS_REGION, such as eu-central-1.",
            ),
        ),
        (
            "SSLError",
            Meaning(
                CredentialConfigurationError,
                "the TLS certificate of AWS in {place.where} cannot be verified ({code}{why}). If "
                "a proxy signs it, set AWS_CA_BUNDLE to the file of its CA.",
            ),
        ),
        ("ResponseParserError", BAD_ENDPOINT),
        (
            "BaseEndpointResolverError EndpointProviderError",
            Meaning(
                CredentialConfigurationError,
                "boto3 finds no endpoint in {place.where} ({code}): {msg}. Check "
                "{place.region_setting}, AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT and "
                "VECTORSHIFT_AWS_ENDPOINT_URL.",
            ),
        ),
        (
            "DataNotFoundError ApiVersionNotFoundError",
            Meaning(
                CredentialConfigurationError,
                "boto3 is incomplete here ({code}). Unset AWS_DATA_PATH, or run: pip install "
                "--force-reinstall boto3 botocore",
            ),
        ),
        ("ParamValidationError", MALFORMED),
        ("ConnectionError HTTPClientError IncompleteReadError ChecksumError", UNREACHABLE),
        ("CapacityNotAvailableError", BUSY),
        ("CredentialRetrievalError MetadataRetrievalError", NO_LOGIN_ANSWER),
        (
            "BotoCoreError",
            Meaning(
                CredentialConfigurationError,
                "boto3 raised {code}. Its text is withheld: it may hold a secret. To see it, read "
                "the {place.store.thing} with boto3 alone.",
            ),
        ),
    )
    for name in names.split()
} | {
    name: Meaning(
        CredentialConfigurationError,
        f"{variable} (or its name in ~/.aws/config) is {value} and must be {good}.",
    )
    for name, variable, value, good in _SETTINGS
}

BY_LOGIN = {
    "mfa": Meaning(
        CredentialConfigurationError,
        "{error}, and a library does not prompt for it. Get a session first: aws sts assume-role "
        "--role-arn {role} --role-session-name vectorshift --serial-number {device} --token-code "
        "CODE, with the keys of the source profile. Put its output into AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. Then unset {place.profile_settings}.",
    ),
    "process": Meaning(
        CredentialStoreUnavailableError,
        "{error}. Run it by hand: it must print JSON and cannot prompt.",
    ),
    "process start": Meaning(
        CredentialConfigurationError, "{error}. Correct its path in ~/.aws/config."
    ),
    "metadata": Meaning(
        CredentialStoreUnavailableError,
        "no AWS credentials{place.for_region}: {error}. Attach a role to the machine. In a "
        "container on EC2, allow a second hop (--http-put-response-hop-limit 2). Elsewhere, set "
        "AWS_EC2_METADATA_DISABLED=true, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    ),
}
"""The meaning of each kind of `LoginError`."""

BY_TEXT = (
    (
        "Credentials were refreshed, but the refreshed credentials are still expired.",
        Meaning(
            CredentialStoreUnavailableError,
            "the source of the AWS credentials{place.for_region} gives expired ones. Check this "
            "machine's clock, and that source.",
        ),
    ),
    (
        r"Unsupported host '(?P<value>[\w.:-]*)'",
        Meaning(
            CredentialConfigurationError,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names the host {value}. boto3 takes credentials"
            " from loopback, 169.254.170.2, 169.254.170.23 or over https only.",
        ),
    ),
    (
        "No closing quotation|No escaped character",
        Meaning(
            CredentialConfigurationError,
            "the credential_process of the AWS profile has a quotation mark or a backslash without"
            " what belongs to it. Correct it in ~/.aws/config.",
        ),
    ),
    (
        "Auth token value is not a legal header value",
        Meaning(
            CredentialConfigurationError,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file of"
            " AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, has a line break. Remove it.",
        ),
    ),
    (
        r"invalid literal for int\(\) with base 10: '(?P<value>[^']{0,40})'",
        Meaning(
            CredentialConfigurationError,
            "{variable} is {value} and must be a whole number.",
        ),
    ),
)
"""The meaning of a plain exception of botocore, by a pattern of its text."""
