"""The AWS identity of this process: a signed request that another server forwards to AWS."""

from __future__ import annotations

import re
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
from vectorshift.providers.aws.session import ask_nobody, checked, detach_processes, new_session

__all__ = ["NoIdentity", "SignedRequest", "signed_identity"]

_URL: Final = "https://sts.amazonaws.com/"
_BODY: Final = "Action=GetCallerIdentity&Version=2011-06-15"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_REGION: Final = "us-east-1"


class SignedRequest(NamedTuple):
    """A request that asks STS who signed it."""

    url: str
    body: str
    headers: dict[str, str]


class NoIdentity(NamedTuple):
    """The reason why there is no identity: the kind of the failure, and its text."""

    kind: type[CredentialError]
    text: str


def signed_identity(
    headers: dict[str, str], *, deadline: float | None = None
) -> SignedRequest | NoIdentity:
    """Return a signed request that asks STS who signed it, or why there is none. Never prompts.

    Args:
        headers: additional headers to sign.
        deadline: until when the caller waits, in seconds of `time.monotonic`.
    """
    try:
        with quiet_botocore(deadline):
            keys = _keys()
        if keys is None:
            return _no_identity(missing_credentials(_PLACE))
        request = load("botocore.awsrequest").AWSRequest(
            "POST", _URL, headers={**_FORM, **headers}, data=_BODY
        )
        load("botocore.auth").SigV4Auth(keys, "sts", _REGION).add_auth(request)
        return SignedRequest(_URL, _BODY, dict(request.headers.items()))
    except CredentialError as error:  # boto3 is missing or broken
        return NoIdentity(type(error), error.message)
    except Exception as error:
        raise_callers_own(error)
        if failure := outcome(error, _PLACE, login=True):
            return _no_identity(failure)
        text = f"{class_of(error)} was raised. Its text is withheld: it may hold a secret."
        return NoIdentity(CredentialConfigurationError, text)


def _keys() -> Any:
    session = new_session(profile=None, region=None, fallback=None)
    detach_processes(session)
    credentials = session.get_credentials()
    ask_nobody(credentials)
    return None if credentials is None else checked(credentials)


_PLACE: Final = SecretLocation(given=AwsArguments(parameter="STS"), region=_REGION)


def _no_identity(failure: CredentialError) -> NoIdentity:
    """Return a failure without the region and the settings that only concern a read from AWS."""
    text = failure.message.removeprefix(f"{_PLACE.given.source}: ")
    reads = (
        rf" for region {_REGION}|VECTORSHIFT_(?=AWS_PROFILE)|AWS_PROFILE (or|and) (?=AWS_PROFILE)"
    )
    return NoIdentity(type(failure), re.sub(reads, "", text))
