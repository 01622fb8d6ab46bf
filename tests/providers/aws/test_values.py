"""A secret that is no key is refused and not shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.errors import CredentialError
    from vectorshift.testing.moto import MotoServer

    Failure = Callable[[AwsSecretsManagerProvider], CredentialError]

SECRET = "vs-Xq7fL0nevertobeseen"
CONSOLE = json.dumps({"api_key": SECRET, "user": "me"})


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        (f"{SECRET}\n{SECRET}", None, "line break"),
        (f"{SECRET}é", None, "outside ASCII"),
        (f'"{SECRET}"', None, "quotation marks"),
        ("   ", None, "empty"),
        (CONSOLE, None, "api_key, user. Name the one that is the key with field="),
        (CONSOLE, "key", "no field 'key'. Its fields are: api_key, user."),
        (json.dumps({"api_key": [SECRET]}), "api_key", "not a string"),
        (json.dumps({"api_key": f"{SECRET} {SECRET}"}), "api_key", "a space"),
        (SECRET, "api_key", "not a JSON object"),
        (f'{{"api_key": "{SECRET}', "api_key", "not a JSON object"),
        (json.dumps([SECRET]), "api_key", "not a JSON object"),
        (b"\xff\xfe" + SECRET.encode(), None, "holds no text"),
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
