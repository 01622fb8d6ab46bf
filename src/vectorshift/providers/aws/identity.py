"""The AWS identity of this process: a signed request that another server forwards to AWS."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from vectorshift._platform.frames import raise_callers_own
from vectorshift._platform.importing import load
from vectorshift.credentials.guard import class_of
from vectorshift.errors import CredentialConfigurationError, CredentialError
from vectorshift.providers.aws.arguments import AwsArguments
from vectorshift.providers.aws.errors import (
    SecretLocation,
    missing_credentials,
    outcome,
)
from vectorshift.providers.aws.logs import quiet_botocore
from vectorshift.providers.aws.meanings import Meaning
from vectorshift.providers.aws.session import ask_nobody, checked, detach_processes, new_session

__all__ = ["SignedRequest", "signed_identity"]

_URL: Final = "https://sts.amazonaws.com/"
_BODY: Final = "Action=GetCallerIdentity&Version=2011-06-15"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_REGION: Final = "us-east-1"


_UNKNOWN: Final = Meaning(
    CredentialConfigurationError,
    "{code} was raised. Its text is withheld: it may hold a secret.",
)


class SignedRequest(NamedTuple):
    """A request that asks STS who signed it."""

    url: str
    body: str
    headers: dict[str, str]


class _VaultLogin(SecretLocation):
    """Nothing is read, so no message names a region or a setting of the provider."""

    profile_settings = "AWS_PROFILE"

    @property
    def source(self) -> str:
        return "the login by AWS has no identity"

    @property
    def for_region(self) -> str:
        return ""


_IDENTITY: Final = _VaultLogin(given=AwsArguments(), region=_REGION)


def signed_identity(
    headers: dict[str, str], *, deadline: float | None = None
) -> SignedRequest | CredentialError:
    """Return a signed request that asks STS who signed it, or why there is none. Never prompts.

    Args:
        headers: additional headers to sign.
        deadline: until when the caller waits, in seconds of `time.monotonic`.
    """
    try:
        with quiet_botocore(deadline):
            keys = _keys()
        if keys is None:
            return missing_credentials(_IDENTITY)
        request = load("botocore.awsrequest").AWSRequest(
            "POST", _URL, headers={**_FORM, **headers}, data=_BODY
        )
        load("botocore.auth").SigV4Auth(keys, "sts", _REGION).add_auth(request)
        return SignedRequest(_URL, _BODY, dict(request.headers.items()))
    except CredentialError as error:  # boto3 is missing or broken
        return _IDENTITY.error(Meaning(type(error), "{text}"), text=error.message)
    except Exception as error:
        raise_callers_own(error)
        return outcome(error, _IDENTITY, login=True) or _IDENTITY.error(
            _UNKNOWN, code=class_of(error)
        )


def _keys() -> Any:
    session = new_session(profile=None, region=None, fallback=None)
    detach_processes(session)
    credentials = session.get_credentials()
    ask_nobody(credentials)
    return None if credentials is None else checked(credentials)
