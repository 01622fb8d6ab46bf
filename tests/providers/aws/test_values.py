"""A secret that is no key is refused and not shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.providers.aws.records import SECRET

from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from tests.providers.aws.conftest import Failure

    from vectorshift.testing.moto import MotoServer

CONSOLE = json.dumps({"api_key": SECRET, "user": "me"})
NESTED = json.dumps(
    {"api_key": SECRET, "svc": {"key": "vs-nested", "list": [SECRET]}, "a.b": "vs-dotted"}
)


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        (f"{SECRET}\n{SECRET}", None, "line break"),
        (f"{SECRET}é", None, "outside ASCII"),
        (f'"{SECRET}"', None, "quotation marks"),
        ("   ", None, "empty"),
        (CONSOLE, None, "api_key, user. Name the one that is the key with field="),
        (CONSOLE, "key", "no field 'key'. Its fields are: api_key, user."),
        ('{"api key": "x"}', None, "with the fields: 1, whose names are not shown."),
        ('{"api key": "x"}', "key", "Its fields are: 1, whose names are not shown."),
        (json.dumps({"api_key": [SECRET]}), "api_key", "not a string"),
        (json.dumps({"api_key": True}), "api_key", "not a string"),
        (NESTED, "svc", "'svc' is an object with the fields: key, list. Name the one that is"),
        (NESTED, "svc", "as in svc.NAME"),
        (NESTED, "svc.other", "no field 'svc.other'. Its fields within 'svc' are: key, list."),
        (NESTED, "other.key", "no field 'other.key'. Its fields are: a.b, api_key, svc."),
        (NESTED, "svc.list.x", "the field 'svc.list' has no fields"),
        (NESTED, "api_key.x", "the field 'api_key' has no fields"),
        (json.dumps({"api_key": f"{SECRET} {SECRET}"}), "api_key", "a space"),
        (SECRET, "api_key", "not a JSON object"),
        (f'{{"api_key": "{SECRET}', "api_key", "not a JSON object"),
        (json.dumps([SECRET]), "api_key", "not a JSON object"),
        (b"\xff\xfe" + SECRET.encode(), None, "has no text"),
    ],
    ids=lambda value: "value" if SECRET in repr(value) else str(value),
)  # fmt: skip
def test_a_value_that_is_no_key_is_refused_without_being_shown(
    aws: MotoServer, value: str | bytes, field: str | None, words: str, failure: Failure
) -> None:
    aws.put("malformed", value)
    error = failure(AwsSecretsManagerProvider("malformed", field=field))
    assert type(error) is CredentialConfigurationError
    assert words in str(error)
    assert "aws:malformed" in str(error)


@pytest.mark.parametrize(
    ("value", "field", "key"),
    [
        (NESTED, "svc.key", "vs-nested"),
        (NESTED, "a.b", "vs-dotted"),
        ('{"a.b": "vs-1", "a": {"b": "vs-2"}}', "a.b", "vs-1"),
        ('{"a": {"b": {"c": "vs-3"}}}', "a.b.c", "vs-3"),
        ('{"n": 12345678901234567890}', "n", "12345678901234567890"),
        ('{"n": 1.50}', "n", "1.50"),
        ("\ufeffvs-bom", None, "vs-bom"),
        ('\ufeff{"api_key": "vs-bom"}', "api_key", "vs-bom"),
        ("\ufeffvs-bom".encode(), None, "vs-bom"),
    ],
)
@pytest.mark.parametrize("parameter", [False, True], ids=["secret", "parameter"])
def test_a_key_is_found_where_the_field_says(
    aws: MotoServer, value: str | bytes, field: str | None, key: str, parameter: bool
) -> None:
    if parameter:
        aws.put_parameter("/values", value if isinstance(value, str) else value.decode())
        provider = AwsSecretsManagerProvider(parameter="/values", field=field)
    else:
        aws.put("values", value)
        provider = AwsSecretsManagerProvider("values", field=field)
    assert provider.get_credential().secret.reveal() == key
