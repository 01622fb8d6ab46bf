"""The key in an answer of AWS: pure functions. No error repeats a value of the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from vectorshift.credentials.values import Credential, field_names, parse_key
from vectorshift.errors import CredentialError
from vectorshift.providers.aws.locators import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.resolving import Result
    from vectorshift.errors import CredentialConfigurationError
    from vectorshift.providers.aws.arguments import AwsArguments

__all__ = ["credential_in", "text_in"]

_BYTE_ORDER_MARK: Final = chr(0xFEFF)


def credential_in(response: Mapping[str, Any], arguments: AwsArguments) -> Result:
    """Return the credential in an answer of `GetSecretValue` or `GetParameter`, or the error that
    says why there is none.

    Args:
        response: the answer, with `SecretString` or `SecretBinary` (bytes), and `VersionId`; or
            with `Parameter`.
        arguments: those of the provider.
    """
    source, field = arguments.source, arguments.field
    text, version = text_in(response), response.get("VersionId")
    if arguments.store is PARAMETERS:
        parameter = _parameter(response)
        version = parameter.get("Version")
        if parameter.get("Type") == "StringList" and "," in (text or ""):
            return arguments.wrong(
                "the parameter is a StringList with several texts. Store the key alone, as a"
                " SecureString."
            )
    if text is None:
        return arguments.wrong(
            "the answer has no text. Store the key as a string, and check the endpoint if one is "
            "set."
        )
    text = text.removeprefix(_BYTE_ORDER_MARK)  # some editors begin a file with this mark
    if field is not None:
        picked = _field(text, field, arguments)
        if isinstance(picked, CredentialError):
            return picked
        text = picked
    setting = "VECTORSHIFT_AWS_FIELD" if field is None else None
    secret = parse_key(text, source=source, provider="aws", field_setting=setting)
    if isinstance(secret, CredentialError):
        return secret
    return Credential(secret=secret, source=source, provider="aws", version=version)


def _parameter(response: Mapping[str, Any]) -> dict[str, Any]:
    parameter = response.get("Parameter")
    return cast("dict[str, Any]", parameter) if isinstance(parameter, dict) else {}


def text_in(response: Mapping[str, Any]) -> str | None:
    """Return the whole text of a secret or a parameter, or None if there is none."""
    text = response.get("SecretString", _parameter(response).get("Value"))
    if isinstance(text, str):
        return text
    binary = response.get("SecretBinary")
    try:
        return binary.decode() if isinstance(binary, bytes) else None
    except UnicodeDecodeError:  # it holds the bytes, so drop it
        return None


def _field(text: str, field: str, arguments: AwsArguments) -> str | CredentialConfigurationError:
    """Return the field with this name, else the one at the end of this dotted path, or an error."""
    fields = _fields(text)
    if fields is None:
        return arguments.wrong(
            f"the value is not a JSON object, so it has no field {field!r}. If the whole value "
            "is the key, unset VECTORSHIFT_AWS_FIELD.",
        )
    path = [field] if field in fields else field.split(".")
    value: Any = fields
    for depth, name in enumerate(path):
        found = ".".join(path[:depth])
        if not isinstance(value, dict):
            return arguments.wrong(
                f"the field {found!r} has no fields. If it is the key, set VECTORSHIFT_AWS_FIELD to"
                f" {found}."
            )
        inner = cast("dict[str, Any]", value)
        if name not in inner:
            within = f" within {found!r}" if found else ""
            return arguments.wrong(
                f"the value has no field {field!r}. Its fields{within} are: {field_names(inner)}. "
                "Name the one that is the key with VECTORSHIFT_AWS_FIELD.",
            )
        value = inner[name]
    if isinstance(value, dict):
        names = field_names(cast("dict[str, Any]", value))
        return arguments.wrong(
            f"the field {field!r} is an object with the fields: {names}. Name the one that is the"
            f" key with VECTORSHIFT_AWS_FIELD, as in {field}.NAME."
        )
    if isinstance(value, str):
        return value
    return arguments.wrong(f"the field {field!r} is not a string. Store the key as one.")


def _fields(text: str) -> dict[str, Any] | None:
    try:
        # keep numbers as they are written
        document: Any = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text, so drop it
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None
