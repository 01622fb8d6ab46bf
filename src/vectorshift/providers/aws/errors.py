"""Map failures of AWS to the errors that a chain understands.

Codes and class names are matched as text, so botocore is not imported. Messages never repeat a
whole text of AWS: its answer to a bad signature has the session token. They repeat ARNs and the
reasons of a denial.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import traceback
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from vectorshift._platform.files import read_small, reason_of
from vectorshift.providers.aws import meanings as means
from vectorshift.providers.aws.locators import PARAMETERS, Store, partition_of, printable
from vectorshift.providers.aws.session import LoginError

if TYPE_CHECKING:
    from vectorshift.errors import CredentialError
    from vectorshift.providers.aws.arguments import AwsArguments
    from vectorshift.providers.aws.meanings import Meaning

__all__ = [
    "SecretLocation",
    "answered",
    "missing_credentials",
    "outcome",
    "patched_late",
]

# Match whole sentences of AWS: a single word may be about something else, such as a KMS key or a
# replica.
_SAYS_DELETED: Final = re.compile(
    r"You can['\u2019]t perform this operation on the secret because it was marked for deletion"
    r"|You tried to\s+perform (?:the|an) operation on a secret"
    r" that['\u2019]s currently marked deleted"
)
_SAYS_NO_VERSION: Final = re.compile(
    r"can['\u2019]t find the specified secret value for (?:VersionId|staging label)\b"
)
_SAYS_KMS: Final = re.compile(
    r"\bAccess to KMS is not allowed\b|\bThe ciphertext refers to a\b|\bkms:[A-Z]\w+"
)
_SAYS_ROLE: Final = re.compile(r"(?<=not authorized to perform: )sts:AssumeRole\w*")
_SAYS_OTHER_ACCOUNT: Final = re.compile(r"different AWS account\b.{0,80}\bdefault KMS")
_SAYS_WHY: Final = re.compile(
    r"because no (?P<missing>[\w -]+?(?:policy|boundary)) allows"
    r"|with an explicit deny in an? (?P<deny>[\w -]+?(?:policy|boundary))\b"
)
_POLICIES: Final = {
    "identity-based policy": "an IAM policy of the caller",
    "resource-based policy": "the secret's own policy",
    "VPC endpoint policy": "the policy of the VPC endpoint",
    "permissions boundary": "the permissions boundary of the role",
    "session policy": "the session policy of the role",
    "service control policy": "the service control policy (SCP) of the AWS organization",
    "resource control policy": "the resource control policy (RCP) of the AWS organization",
}
_ENCRYPTING: Final = {
    "PutSecretValue": "kms:GenerateDataKey and kms:Decrypt",
    "PutParameter": "kms:Encrypt",
}
"""The KMS action that a write needs."""
_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_NUMBERS: Final = (
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    "AWS_MAX_ATTEMPTS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLocation:
    """The place where a secret was looked for, as messages name it.

    Args:
        given: the arguments of the provider.
        region: the region that was asked, or None if only the Agent knows it.
        agent: the address of the Secrets Manager Agent, or None.
        action: the action; the read by default.
    """

    given: AwsArguments
    region: str | None
    agent: str | None = None
    action: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "action", self.action or self.store.action)

    profile_settings: ClassVar[str] = "VECTORSHIFT_AWS_PROFILE or AWS_PROFILE"
    """The names of the settings for the AWS profile."""

    @property
    def source(self) -> str:
        """The printable source."""
        return self.given.source

    @property
    def store(self) -> Store:
        """The store that was asked."""
        return self.given.store

    @property
    def asked(self) -> str:
        """The action for a message."""
        return "the read" if self.action == self.store.action else self.action

    @property
    def ciphered(self) -> str:
        """The past participle of the KMS action."""
        return "encrypted" if self.action in _ENCRYPTING else "decrypted"

    @property
    def locator(self) -> str:
        """The name or ARN."""
        return self.given.locator

    @property
    def where(self) -> str:
        """The region, and the Agent if it was asked."""
        if self.agent is None:
            return f"region {self.region or 'unknown'}"
        if self.region is None:
            return f"the region of the Agent at {self.agent}"
        return f"region {self.region} (through the Agent at {self.agent})"

    @property
    def for_region(self) -> str:
        """The region that AWS credentials are for."""
        return f" for {self.where}"

    @property
    def region_option(self) -> str:
        """The region as an option of the AWS CLI."""
        return f" --region {self.region}" if self.region else ""

    @property
    def region_setting(self) -> str:
        """The name of the setting for the region."""
        return "VECTORSHIFT_AWS_REGION" if self.agent is None else "the Agent's region"

    @property
    def version_settings(self) -> str:
        """The names of the settings for the version."""
        if self.store is PARAMETERS:
            return "the version behind the name in VECTORSHIFT_AWS_PARAMETER"
        return "VECTORSHIFT_AWS_VERSION_STAGE or VECTORSHIFT_AWS_VERSION_ID"

    def permission(self, named: str | None) -> str:
        """Return the action and the resource that a policy must name.

        AWS adds a dash and six characters to a name. Before the Agent reads a secret again, it
        describes it.

        Args:
            named: the resource that AWS named in its denial, or None.
        """
        action = f"{self.store.service}:{self.action}"
        if self.agent is None or self.store is PARAMETERS:
            return f"the action {action} on {self._resource(named)}"
        return f"{action} and secretsmanager:DescribeSecret on {self._resource(named)}"

    def _resource(self, named: str | None) -> str:
        if named and named.startswith("arn:") and named != self.locator:
            return named
        region = self.region or "*"
        arn = f"arn:{partition_of(region)}:{self.store.service}:{region}:*"
        if self.store is PARAMETERS:
            head = re.match(r"(arn:(?:[^:]*:){4}[^:]*)|([^:]*)", self.locator)
            whole, name = head.groups() if head else (None, "")
            return whole or f"{arn}:parameter/{name.lstrip('/')}"
        full = self.locator if self.locator.startswith("arn:") else f"{arn}:secret:{self.locator}"
        is_whole = full is self.locator and re.search(r"-[A-Za-z0-9]{6}$", full)
        return full if is_whole else f"{full}-??????"

    @property
    def login(self) -> str:
        """The command that renews an SSO session."""
        profile = None if self.given.client is not None else self.given.profile
        profile = profile or os.environ.get("AWS_PROFILE")
        return f"aws sso login --profile {printable(profile)}" if profile else "aws sso login"

    def error(self, meaning: Meaning, **fields: str) -> CredentialError:
        """Return the error of this meaning, with these fields in its text."""
        text = meaning.text.format_map(defaultdict(str, fields, place=self))
        return meaning.kind(f"{self.source}: {text}", source=self.source, provider="aws")


def outcome(
    error: Exception, place: SecretLocation, *, login: bool = False
) -> CredentialError | None:
    """Return the error that an exception of botocore means, or None for any other exception.

    Args:
        error: the exception. It does not become the cause of the error.
        place: where the secret was looked for.
        login: whether the search for AWS credentials raised it, not the read.
    """
    response: dict[str, Any] | None = getattr(error, "response", None)
    if type(response) is dict and ("Error" in response or type(error).__name__ == "ClientError"):
        fault = response.get("Error", {})
        http_status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return answered(
            code=str(fault.get("Code", http_status)),
            text=str(fault.get("Message")),
            status=http_status,
            operation=getattr(error, "operation_name", place.action),
            place=place,
        )
    if isinstance(error, LoginError) and error.kind == "values":
        return _bad_values_in_use(place)
    if isinstance(error, LoginError):
        return place.error(means.BY_LOGIN[error.kind], error=str(error), **error.kwargs)
    if patched_late(error):
        return place.error(means.PATCHED_LATE)
    raw: dict[str, Any] = getattr(error, "kwargs", None) or {}
    fields = {name: printable(str(value)) for name, value in raw.items()}
    cause = raw.get("error") if type(error).__name__ == "HTTPClientError" else None
    if isinstance(cause, UnicodeError) or str(cause).startswith("Invalid header"):
        return _bad_values_in_use(place)
    # the most specific class first: an SSLError is a ConnectionError as well
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__name__ in means.BY_CLASS]
    if not names and unreadable(error):
        return place.error(means.BAD_ENDPOINT, code=type(error).__name__)
    if not names:
        return _of_plain_python(error, place) if login else None
    meaning = means.BY_CLASS[names[0]]
    if names[0] == "SSLError" and (flaw := _ca_flaw(place)) is not None:
        return flaw
    if names[0] == "SSLError" and "WRONG_VERSION_NUMBER" in fields.get("error", ""):
        meaning = means.NO_TLS
    if names[0] == "ProfileNotFound" and not fields.get("profile"):
        return place.error(means.EMPTY_PROFILE)
    if fields.get("error_msg", "").startswith("No credentials found in credential_source"):
        meaning = means.BAD_CONFIG
    if login:
        meaning = _OF_LOGIN.get(meaning, meaning)
    said = fields.get("error_msg", "") + fields.get("error", "")
    why = re.search(r"certificate verify failed: ([A-Za-z][A-Za-z -]*[a-z])", said)
    status = re.search(r"(?:response|Tunnel connection failed:) (\d{3})\b", said)
    about = {
        "code": type(error).__name__,
        "why": f": {why[1]}" if why else "",
        "status": f", HTTP {status[1]}" if status else "",
        "host": _host(fields.get("endpoint_url", "")),
        "files": _unread_files(),
    }
    return place.error(meaning, **{**fields, **about})


_OF_LOGIN: Final = {
    means.UNREACHABLE: means.NO_LOGIN_ANSWER,
    means.BAD_ENDPOINT: means.NO_LOGIN_ANSWER,
    means.MALFORMED: means.BAD_ROLE,
}
"""These meanings change if the search for AWS credentials failed, before the read."""


def patched_late(error: Exception) -> bool:
    """Return whether gevent patched ssl after it was imported: its setters then call each other."""
    if not isinstance(error, RecursionError) or "gevent" not in sys.modules:
        return False
    *_, (before, _), (last, _) = traceback.walk_tb(error.__traceback__)
    return before.f_code is last.f_code and last.f_globals.get("__name__") == "ssl"


def unreadable(error: Exception) -> bool:
    """Return whether botocore failed to parse an answer. Its parsers check little: deep JSON is a
    RecursionError, a number in place of a text a TypeError.
    """
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = {each.co_name for each in codes if each.co_filename.endswith(_ENDPOINT)}
    return "_do_get_response" in names and "_send" not in names


_ENDPOINT: Final = os.path.join("botocore", "endpoint.py")  # noqa: PTH118
_CREDENTIALS: Final = os.path.join("botocore", "credentials.py")  # noqa: PTH118
_CACHE: Final = os.path.join("botocore", "utils.py")  # noqa: PTH118


def _of_plain_python(error: Exception, place: SecretLocation) -> CredentialError | None:
    """Return the error for a plain Python exception of botocore with a known text, or None."""
    if isinstance(error, OSError) and error.filename:
        return place.error(means.NO_LOGIN_FILE, code=type(error).__name__)
    if isinstance(error, KeyError) and _is_of_a_cache(error):
        return place.error(means.SSO_OVER, code="its file cannot be read")
    ends = os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_CREDENTIAL_EXPIRATION")
    if ends and "still expired" in str(error):  # as aws-vault sets it
        return place.error(means.EXPIRED, code="AWS_CREDENTIAL_EXPIRATION")
    for form, meaning in means.BY_TEXT:
        if found := re.match(form, str(error)):
            fields = found.groupdict()
            value = fields.get("value")
            named = [name for name in _NUMBERS if os.environ.get(name) == value]
            fields["variable"] = named[0] if named else "a number in AWS's files"
            return place.error(meaning, **fields)
    # botocore takes the answers of metadata services and processes as complete
    answers_lack = isinstance(error, KeyError | TypeError | ValueError | AttributeError)
    if answers_lack and any(
        frame.f_code.co_filename.endswith(_CREDENTIALS)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ):
        return place.error(means.NO_LOGIN_ANSWER, code=f"incomplete, {type(error).__name__}")
    return None


def _is_of_a_cache(error: KeyError) -> bool:
    """Return whether botocore cannot read a file that keeps a session, such as half a file."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    return last.f_code.co_name == "__getitem__" and last.f_code.co_filename.endswith(_CACHE)


def bad_values(place: SecretLocation) -> CredentialError | None:
    """Return the error that names the variables with malformed AWS credentials, or None."""
    names = [name for name in _KEYS if re.search(r"""[^!-~]|^["']""", os.environ.get(name, ""))]
    if not names:
        return None
    verb = "holds" if len(names) == 1 else "hold"
    return place.error(means.BAD_VALUES, where=f"{' and '.join(names)} {verb}")


def _bad_values_in_use(place: SecretLocation) -> CredentialError:
    return bad_values(place) or place.error(
        means.BAD_VALUES, where="The AWS credentials in use are empty, or have"
    )


def _ca_flaw(place: SecretLocation) -> CredentialError | None:
    """Return the error for an unusable CA bundle, or None. botocore calls it a bad certificate."""
    for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:  # an ssl.SSLError is one
            why = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
            return place.error(means.NO_SUCH_CA, variable=variable, path=path, why=str(why))
        break
    return None


def _host(endpoint_url: str) -> str:
    try:
        host = urlsplit(endpoint_url).hostname
    except ValueError:
        host = None
    return f", {host}" if host else ""


def missing_credentials(place: SecretLocation) -> CredentialError:
    """Return the error that says that there are no AWS credentials anywhere."""
    code, files = "NoCredentialsError", _unread_files()
    return place.error(means.NO_AWS_CREDENTIALS, code=code, files=files)


_FILES: Final = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


def _unread_files() -> str:
    """Return which of AWS's files cannot be read, and why: botocore passes over them."""
    notes: list[str] = []
    for name, usual in _FILES.items():
        path = os.environ.get(name)
        try:
            read_small(os.path.expanduser(os.path.expandvars(path or usual)))  # noqa: PTH111
        except OSError as error:
            if path or not isinstance(error, FileNotFoundError | NotADirectoryError):
                notes.append(f" {name if path else usual}: {reason_of(error)}.")
        except ValueError:  # no file can have this name
            notes.append(f" {name}: no file can have this name.")
    return "".join(notes)


def answered(
    *, code: str, text: str, status: int, place: SecretLocation, operation: str | None = None
) -> CredentialError:
    """Return the error for a failed reply of AWS.

    Args:
        code: the code of the failure.
        text: AWS's text. Only known parts without secrets are repeated.
        status: the HTTP status.
        place: where the secret was looked for.
        operation: the operation that failed, the read by default. Others say nothing about the
            secret.
    """
    meaning = means.BY_CODE.get(code)
    if meaning is means.BUSY or status == 429 or status >= 500:
        meaning = means.BUSY
    elif code.isdigit():  # what botocore sets for an answer without a code
        meaning = means.NOT_AWS
    elif meaning is means.UNKNOWN_CALLER and (flaw := bad_values(place)) is not None:
        return flaw
    elif operation not in (None, place.action):
        meaning = _of_login(str(operation), code, text)
    elif meaning is means.ABSENT and _SAYS_NO_VERSION.search(text):
        meaning = means.NO_VERSION
    elif meaning is means.FORBIDDEN and (role := _SAYS_ROLE.search(text)):  # by the Agent
        meaning, operation = means.NO_LOGIN, role[0]
    elif meaning is means.FORBIDDEN and _SAYS_KMS.search(text):
        meaning = means.UNDECIPHERABLE
    elif code == "InvalidRequestException":
        # proof of deletion drops a cached key, so only AWS's own sentence counts
        meaning = means.DELETED if _SAYS_DELETED.search(text) else means.WRONG_STATE
        if _SAYS_OTHER_ACCOUNT.search(text):
            meaning = means.OTHER_ACCOUNT
    elif meaning is None:
        meaning = means.REFUSED if status in (401, 403) else means.MALFORMED
    if meaning is means.MALFORMED and place.action != place.store.action:
        meaning = means.NOT_DONE  # the settings are right, as the read before succeeded
    who = re.search(r"User: (arn:[\w:/+=,.@-]{1,300})", text)
    kms = re.search(r"\bkms:[A-Z][A-Za-z]{1,40}", text)
    key = re.search(r"arn:[\w-]{1,20}:kms:[\w:/-]{1,300}", text)
    return place.error(
        meaning,
        code=code if re.fullmatch(r"[\w.]{1,64}", code) else "an unknown code",
        operation=operation or place.action,
        who=f" to {who[1]}" if who else "",
        kms=kms[0] if kms else _ENCRYPTING.get(place.action, "kms:Decrypt"),
        key=key[0] if key else "the KMS key that encrypts it",
        denial=_denial(place, text, who[1] if who else "") if meaning is means.FORBIDDEN else "",
    )


def _of_login(operation: str, code: str, text: str) -> Meaning:
    """Return what a refusal of STS or SSO means."""
    if operation == "GetRoleCredentials":
        return means.NOT_ASSIGNED
    if "retrieve verification key" in text:  # passes: aws-sdk-js-v3#3052
        return means.NO_LOGIN_ANSWER
    if code == "ValidationError":
        return means.BAD_ROLE
    if code == "RegionDisabledException":
        return means.NO_STS
    if operation != "AssumeRole":
        return means.NO_WEB_IDENTITY if code in _OF_WEB_IDENTITY else means.NO_LOGIN
    of_keys = means.BY_CODE.get(code, means.NO_LOGIN)  # those of the source profile
    return of_keys if of_keys in (means.UNKNOWN_CALLER, means.EXPIRED) else means.NO_LOGIN


_OF_WEB_IDENTITY: Final = ("ExpiredTokenException", "InvalidIdentityToken", "IDPRejectedClaim")


def _denial(place: SecretLocation, text: str, who: str) -> str:
    """Return the reason that AWS gives for a denial, with advice."""
    resource = re.search(r"on resource: ([\w:/+=.@!?*-]{1,600})", text)
    named = resource[1] if resource else None
    if named and named == place.given.secret_id and not place.locator.startswith("arn:"):
        account = re.search(r":(\d{12}):", who)
        return (
            f". {f'Account {account[1]}' if account else 'The account'} seems to have no secret "
            "of this name there: AWS names no ARN for it. Correct the name or "
            f"{place.region_setting}. A secret of another account needs its full ARN."
        )
    why = _SAYS_WHY.search(text)
    if why and (policy := _POLICIES.get(why["deny"])):
        return (
            f", because of an explicit deny in {policy}. Change that policy: allowing "
            f"{place.asked} elsewhere does not help."
        )
    allow = f". Allow {place.permission(named)}"
    if why and (policy := _POLICIES.get(why["missing"])):
        allow = f", as no {why['missing']} allows it{allow} in {policy}"
    if re.search(r":secret:.*-[a-z0-9]{6}$", place.locator):
        allow += (
            f". If the name itself ends in a dash and six characters, set {place.store.setting} "
            "to the name, or to the ARN that AWS shows"
        )
    return f"{allow}."
