"""The key in an answer of Secrets Manager: a pure function, with no value of it in an error."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from vectorshift.credentials.values import Credential, parse_key
from vectorshift.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.resolving import Result
    from vectorshift.errors import CredentialConfigurationError
    from vectorshift.providers.aws.arguments import AwsArguments

__all__ = ["credential_in"]


def credential_in(response: Mapping[str, Any], arguments: AwsArguments) -> Result:
    """Return the credential in an answer of `GetSecretValue`, or the error that says why not.

    Args:
        response: the answer, with `SecretString` or `SecretBinary` (bytes), and `VersionId`.
        arguments: those of the provider.
    """
    source, field = arguments.source, arguments.field
    text = _text(response)
    if text is None:
        return arguments.wrong(
            "the answer holds no text. Store the key as a string, and check the endpoint if one is"
            " set."
        )
    if field is not None:
        picked = _field(text, field, arguments)
        if isinstance(picked, CredentialError):
            return picked
        text = picked
    setting = "VECTORSHIFT_AWS_FIELD" if field is None else None
    secret = parse_key(text, source=source, provider="aws", field_setting=setting)
    if isinstance(secret, CredentialError):
        return secret
    return Credential(
        secret=secret, source=source, provider="aws", version=response.get("VersionId")
    )


def _text(response: Mapping[str, Any]) -> str | None:
    text = response.get("SecretString")
    if isinstance(text, str):
        return text
    binary = response.get("SecretBinary")
    try:
        return binary.decode() if isinstance(binary, bytes) else None
    except UnicodeDecodeError:  # it holds the bytes, and goes no further
        return None


def _field(text: str, field: str, arguments: AwsArguments) -> str | CredentialConfigurationError:
    fields = _fields(text)
    if fields is None:
        return arguments.wrong(
            f"the secret is not a JSON object, so it has no field {field!r}. "
            "If the whole secret is the key, unset VECTORSHIFT_AWS_FIELD.",
        )
    value = fields.get(field)
    if isinstance(value, str):
        return value
    if field in fields:
        return arguments.wrong(f"the field {field!r} is not a string. Store the key as one.")
    names = ", ".join(sorted(name for name in fields if re.fullmatch(r"[\w.\-]{1,64}", name))[:20])
    return arguments.wrong(
        f"the secret has no field {field!r}. Its fields are: {names or 'none'}. "
        "Name the one that is the key with VECTORSHIFT_AWS_FIELD.",
    )


def _fields(text: str) -> dict[str, Any] | None:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text, and goes no further
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None
