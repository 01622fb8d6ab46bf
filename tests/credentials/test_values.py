from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import logging
import pickle
import pprint
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from hypothesis import assume, given, strategies as st

from vectorshift.credentials.values import (
    LONGEST_KEY,
    Credential,
    Secret,
    fingerprint,
    looks_odd,
    parse_key,
)
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-Xq7fL0nevertobeseen"
NAME = "#" + hashlib.sha256(KEY.encode()).hexdigest()[:8]
PLAIN = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)

MASKS: dict[str, Callable[[object], str]] = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "format": lambda s: f"{s}",
    "format with conversions": lambda s: f"{s!r} {s!s} {s!a}",
    "format with a width": "{:>40}".format,
    "percent s": "%s".__mod__,
    "percent r": "%r".__mod__,
    "percent with a width": "%40.30s".__mod__,
    "in a list": lambda s: str([s]),
    "in a dict": lambda s: f"{ ({'k': s}) }",
    "pprint": pprint.pformat,
    "pickle": lambda s: str(pickle.dumps(s)) + str(pickle.loads(pickle.dumps(s))),
    "old pickle": lambda s: str(pickle.dumps(s, 0)),
    "copy": lambda s: repr(copy.copy(s)),
    "deepcopy": lambda s: repr(copy.deepcopy([s])),
    "json with default": lambda s: json.dumps(s, default=str),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_secret_masks_itself(mask: Callable[[object], str]) -> None:
    assert KEY not in mask(Secret(KEY))
    assert mask(Secret(KEY))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_credential_masks_its_secret(mask: Callable[[object], str]) -> None:
    assert KEY not in mask(Credential(secret=Secret(KEY), source="env:X", provider="env"))


def test_a_log_line_shows_the_fingerprint(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(KEY)
    credential = Credential(secret=secret, source="env:X", provider="env")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("user").debug(
            "%s %r %s %r %20s", secret, secret, credential, credential, secret
        )
        logging.getLogger("user").debug({"secret": secret})
    assert NAME in caplog.text
    assert KEY not in caplog.text


def test_a_secret_is_no_string() -> None:
    secret: Any = Secret(KEY)
    for use in (
        json.dumps,
        bytes,
        list,
        len,
        "".join,
        lambda s: s + "",
        lambda s: "" + s,
        lambda s: s[0],
    ):
        with pytest.raises(TypeError) as caught:
            use(secret)
        assert KEY not in str(caught.value)
    assert not hasattr(secret, "__dict__")


def test_reveal_gives_the_text() -> None:
    assert Secret(KEY).reveal() == KEY


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copied_secret_keeps_its_text(copied: Callable[[Secret], Secret]) -> None:
    assert copied(Secret(KEY)).reveal() == KEY


def test_the_fingerprint_is_the_beginning_of_a_sha_256() -> None:
    assert (fingerprint(KEY), Secret(KEY).fingerprint, str(Secret(KEY))) == (NAME, NAME, NAME)
    assert repr(Secret(KEY)) == f"Secret({NAME})"


def test_secrets_are_equal_by_text_and_never_equal_to_text() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert Secret(KEY) != Secret(KEY + "x")
    assert Secret(KEY) != KEY
    assert Secret(KEY) == ANY
    assert Secret("\udcff") == Secret("\udcff")


def test_a_pickled_secret_leaves_its_text_behind() -> None:
    other = pickle.loads(pickle.dumps(Secret(KEY)))
    assert (str(other), hash(other)) == (NAME, hash(Secret(KEY)))
    assert other != Secret(KEY)
    assert other == other
    assert pickle.loads(pickle.dumps(other)).fingerprint == NAME
    with pytest.raises(CredentialConfigurationError, match=f"{NAME} was pickled"):
        other.reveal()


@pytest.mark.parametrize("value", [None, KEY.encode(), 5], ids=["None", "bytes", "int"])
def test_a_secret_of_anything_but_text_is_refused_without_showing_it(
    value: Any, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(TypeError, match=f"takes a str, not {type(value).__name__}") as caught:
        Secret(value)
    assert KEY not in shown(caught.value)


# --- Credential -----------------------------------------------------------------------------------


def test_a_credential_prints_source_version_and_fingerprint() -> None:
    credential = Credential(
        secret=Secret(KEY), source="vault:secret/vs#api_key", provider="vault", version="3"
    )
    assert str(credential) == f"vault:secret/vs#api_key@3 {NAME}"
    assert repr(credential) == f"<Credential vault:secret/vs#api_key@3 {NAME}>"
    assert str(dataclasses.replace(credential, version=None)) == f"vault:secret/vs#api_key {NAME}"


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("1\n\x1b[31mFAKE", r"1\n\x1b[31mFAKE"),
        ("v" * 300, "v" * 200),
        (3, "3"),
        (2**64 - 1, str(2**64 - 1)),
        (-(2**64), None),
        (object(), None),
    ],
)
def test_a_version_is_printable_and_has_an_end(version: Any, named: str | None) -> None:
    given = Credential(secret=Secret(KEY), source="env:X", provider="env", version=version)
    assert given.version == named


def test_a_credential_wraps_plain_text() -> None:
    secret: Any = KEY
    credential = Credential(secret=secret, source="env:X", provider="env")
    assert credential.secret == Secret(KEY)
    assert KEY not in repr(dataclasses.asdict(credential))


@pytest.mark.parametrize("api", ["", "x", "https://x:99999", "https://u:p@x", 5])
def test_a_credential_is_bound_to_the_url_of_an_api_or_to_nothing(api: Any) -> None:
    with pytest.raises(
        CredentialConfigurationError, match="origin of a Credential must be a URL such"
    ):
        Credential(secret="vs-x", source="acme:x", provider="acme", origin=api)
    bound = Credential(secret="vs-x", source="x", provider="x", origin="https://x/v1")
    assert bound.origin == "https://x/v1"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"secret": KEY.encode()}, "the secret of a Credential must be a str, not bytes"),
        ({"obtained_at": datetime(2026, 1, 1)}, "obtained_at of a Credential must be an aware"),
        ({"expires_at": datetime(2026, 1, 1)}, "expires_at of a Credential must be an aware"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "expires_at of a Credential must be an aware"),
        ({"origin": "x"}, "origin of a Credential must be a URL"),
    ],
)
def test_a_credential_that_is_refused_does_not_show_its_secret(
    wrong: dict[str, Any], why: str, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(CredentialConfigurationError, match=f"^acme:x: {why}") as caught:
        Credential(**{"secret": KEY, "source": "acme:x", "provider": "acme", **wrong})
    assert KEY not in shown(caught.value)


def test_a_credential_is_obtained_now_in_utc_and_lasts() -> None:
    credential = Credential(secret=Secret(KEY), source="env:X", provider="env")
    assert credential.obtained_at.tzinfo is timezone.utc
    assert abs(datetime.now(timezone.utc) - credential.obtained_at) < timedelta(minutes=1)
    assert (credential.version, credential.expires_at) == (None, None)


def test_a_credential_is_immutable_hashable_and_equal_whenever_it_was_obtained() -> None:
    first = Credential(secret=Secret(KEY), source="env:X", provider="env")
    later = dataclasses.replace(first, obtained_at=first.obtained_at + timedelta(days=1))
    assert first == later
    assert len({first, later}) == 1
    assert first != dataclasses.replace(first, source="env:Y")
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.source = "env:Y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Credential(Secret(KEY), "env:X", "env")  # type: ignore[call-arg]


def test_a_credential_survives_pickle_without_the_key() -> None:
    credential = Credential(secret=Secret(KEY), source="env:X", provider="env", version="3")
    other = pickle.loads(pickle.dumps(credential))
    assert str(other) == str(credential)
    assert other.obtained_at == credential.obtained_at
    with pytest.raises(CredentialConfigurationError, match="was pickled"):
        other.secret.reveal()


# --- What can be a key ----------------------------------------------------------------------------


def parsed(text: str, **more: Any) -> Secret | CredentialError:
    return parse_key(text, source="env:X", provider="env", **more)


def refused(text: str, **more: Any) -> str:
    flaw = parsed(text, **more)
    assert isinstance(flaw, CredentialConfigurationError)
    assert (flaw.source, flaw.provider) == ("env:X", "env")
    assert flaw.message.startswith("env:X ")
    return flaw.message


@pytest.mark.parametrize(
    "key",
    [
        "vs-1",
        "sk_2",
        "x",
        "!",
        "~",
        "{x",
        "[x",
        '"',
        "'a",
        "Bearer",
        "a" * LONGEST_KEY,
        "a=b&c%20",
        "5",
    ],
)
def test_a_key_has_no_prefix_and_no_shape_to_keep(key: str) -> None:
    assert parsed(key) == Secret(key)


@pytest.mark.parametrize(
    "space", [" ", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x85", "\u00a0", "\u2028", "  \n "]
)
def test_surrounding_white_space_is_stripped(space: str) -> None:
    assert parsed(f"{space}{KEY}{space}") == Secret(KEY)
    assert parsed(f"{space}\ufeff{space}{KEY}") == Secret(KEY)


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t \r\n", "\ufeff"])
def test_blank_is_not_found_or_wrong_as_the_place_says(blank: str) -> None:
    assert refused(blank) == "env:X is set but empty."
    assert isinstance(parsed(blank, blank="not found"), CredentialNotFoundError)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{KEY}\n{KEY}", "line break"),
        (f"{KEY}\r{KEY}", "line break"),
        (f"{KEY}é", "outside ASCII"),
        (f"{KEY}\u200b", "outside ASCII"),
        (f"{KEY}\ufeff", "outside ASCII"),
        (f"\u201c{KEY}", "outside ASCII"),
        (f"{KEY}\u201d", "outside ASCII"),
        (f"{KEY}\udcff", "outside ASCII"),
        (f"{KEY} x", "space or a control"),
        (f"{KEY}\0", "space or a control"),
        (f"{KEY}\x7f", "space or a control"),
        (f'"{KEY}"', "quotation marks"),
        (f"'{KEY}'", "quotation marks"),
        (f"`{KEY}`", "quotation marks"),
        ('""', "quotation marks"),
        (f"Bearer {KEY}", "Give the key alone"),
        (f"bearer  {KEY}", "'Bearer '"),
        ("a" * (LONGEST_KEY + 1), "longer than 8,192"),
        (f'["{KEY}"]', "JSON array"),
        ("[" + "9" * 5000 + "]", "JSON array"),
        ("[" * 2000 + "]" * 2000, "JSON"),
        ("{}", "fields: none"),
        (f"map[api_key:{KEY}]", "template"),
    ],
)
def test_what_could_not_be_a_key_is_refused_with_a_hint(text: str, why: str) -> None:
    message = refused(text)
    assert why in message
    assert KEY not in message


def test_for_json_the_fields_are_listed_and_the_setting_that_picks_one() -> None:
    text = json.dumps({"user": "u", "api_key": KEY, "two words": KEY, KEY * 4: "x"})
    message = refused(text, field_setting="VECTORSHIFT_VAULT_FIELD")
    assert (
        "with the fields: api_key, user. Name the one that is the key with VECTORSHIFT_VAULT_FIELD."
        in message
    )
    assert KEY not in message
    assert refused(text).endswith("Give the key alone.")


@given(
    st.dictionaries(PLAIN, PLAIN | st.integers() | st.none())
    | st.lists(PLAIN | st.floats(allow_nan=False))
)
def test_no_json_object_or_array_is_a_key(document: object) -> None:
    assert "JSON" in refused(json.dumps(document, separators=(",", ":")))


UNRESOLVED = {
    "op://dev/vectorshift/credential": "1Password",
    "op://My Vault/item/key": "1Password",
    "file:///run/secrets/vectorshift": "VECTORSHIFT_API_KEY_FILE",
    "file:/run/secrets/vectorshift": "VECTORSHIFT_API_KEY_FILE",
    "vault://secret/vectorshift#api_key": "VECTORSHIFT_VAULT_PATH",
    "ref+vault://secret/vectorshift#/api_key": "VECTORSHIFT_VAULT_PATH",
    "hashivault://secret/vectorshift": "VECTORSHIFT_VAULT_PATH",
    "openbao://secret/vectorshift": "VECTORSHIFT_VAULT_PATH",
    "vault:secret/vectorshift#api_key": "VECTORSHIFT_VAULT_PATH",
    ">>vault:secret/data/vectorshift#api_key": "VECTORSHIFT_VAULT_PATH",
    "awssm://prod/vectorshift": "VECTORSHIFT_AWS_SECRET_ID",
    "ref+awssecrets://prod/vectorshift": "VECTORSHIFT_AWS_SECRET_ID",
    "arn:aws:secretsmanager:eu-central-1:12345:secret:vs-AbCdEf": "VECTORSHIFT_AWS_SECRET_ID",
    "arn:aws-cn:secretsmanager:cn-north-1:1:secret:vs-AbCdEf:key::": "VECTORSHIFT_AWS_SECRET_ID",
    "arn:aws:ssm:eu-central-1:123456789012:parameter/vs": "ARN",
    "arn:aws:kms:eu-central-1:1:key/2": "ARN",
    "https://vault.example.com/v1/secret/data/vs": "URL",
    "secret://vectorshift": "unresolved reference",
    "gcp-sm://vectorshift": "unresolved reference",
    "projects/p/secrets/vs": "Google Cloud",
    "projects/1/secrets/vs/versions/latest": "Google Cloud",
    "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/vs)": "Azure",
    "@Microsoft.KeyVault(VaultName=v;SecretName=vs)": "Azure",
    "ENC[AES256_GCM,data:9cL1fQ==,iv:abc=,tag:def==,type:str]": "encrypted",
    "encrypted:BDq" + "x7Z" * 40: "encrypted",
    "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==": "encrypted",
    "${VS_KEY}": "variable",
    "${VS_KEY:-none}": "variable",
    "${VS_KEY:-${OTHER}}": "variable",
    "${env:VS_KEY}": "variable",
    "$VS_KEY": "variable",
    "$env:VS_KEY": "variable",
    "$(VS_KEY)": "variable",
    "%VS_KEY%": "variable",
    "%(VS_KEY)s": "variable",
    "#{VS_KEY}": "variable",
    "%{VS_KEY}": "variable",
    "$(cat /run/secrets/vs)": "command",
    "$(</run/secrets/vs)": "command",
    "$(pass show $(whoami))": "command",
    "`cat /run/secrets/vs`": "command",
    "{{VS_KEY}}": "template",
    '{{ with secret "secret/data/vs" }}{{ .Data.data.api_key }}{{ end }}': "template",
    "{{ .Values.vectorshift.key }}": "template",
    "{{resolve:secretsmanager:prod/vs:SecretString:api_key}}": "template",
    "{%raw%}": "template",
    "{api_key}": "template",
    "${{ secrets.VS }}": "workflow",
    "${{secrets.VS}}": "workflow",
    "<your-api-key>": "angle brackets",
    "<YOUR KEY>": "angle brackets",
    "<>": "angle brackets",
    "VECTORSHIFT_API_KEY=vs-good": "line that sets the key",
    "VECTORSHIFT_API_KEY = vs-good": "line that sets the key",
    "export VECTORSHIFT_API_KEY=vs-good": "line that sets the key",
    "set VECTORSHIFT_API_KEY=vs-good": "line that sets the key",
    "setx VECTORSHIFT_API_KEY=vs-good": "line that sets the key",
    "docker run -e VECTORSHIFT_API_KEY=vs-good": "line that sets the key",
    "$env:VECTORSHIFT_API_KEY='vs-good'": "line that sets the key",
    "VECTORSHIFT_API_KEY: vs-good": "line that sets the key",
    "VECTORSHIFT_API_KEY:vs-good": "line that sets the key",
    "vectorshift_api_key=vs-good": "line that sets the key",
    "vectorshift.api_key='vs-good'": "line that sets the key",
    "VECTORSHIFT_API_KEY": "name of a variable",
    "VECTORSHIFT_API_KEY_FILE": "name of a variable",
    "env:VECTORSHIFT_API_KEY": "name of a variable",
    'os.environ["VECTORSHIFT_API_KEY"]': "name of a variable",
    "os.getenv('VECTORSHIFT_API_KEY')": "name of a variable",
    "process.env.VECTORSHIFT_API_KEY": "name of a variable",
    "Authorization: Bearer vs-good": "header",
    "Api-Key: vs-good": "header",
    '"vs-good" # prod': "comment",
    "vs-good # prod": "comment",
    "# only for production": "comment",
    "$$VS_KEY": "variable",
    "$${VS_KEY}": "variable",
    "$[variables.key]": "variable",
    "%%VS_KEY%%": "variable",
    "!VS_KEY!": "variable",
    "((vectorshift.key))": "template",
    "#1a2b3c4d": "fingerprint",
    "'#1a2b3c4d'": "fingerprint",
    "Secret(#1a2b3c4d)": "fingerprint",
    "!secret vectorshift": "YAML",
    "!Ref VsKey": "YAML",
    "set KEY=vs-good": "command",
    "setx VS_KEY vs-good": "command",
    "-n vs-good": "command",
    "Token vs-good": "kind of key",
    "{api_key:vs-good}": "without its double quotation marks",
    "{'api_key': 'vs-good'}": "without its double quotation marks",
    "b'vs-good'": "how Python prints bytes",
    'b"vs-good"': "how Python prints bytes",
    "SecretStr('**********')": "get_secret_value()",
    "SecretBytes(b'**********')": "get_secret_value()",
    "**********": "get_secret_value()",
    "-----BEGIN PRIVATE KEY-----\nvs-good\n-----END PRIVATE KEY-----": "in PEM",
    "$ANSIBLE_VAULT;1.1;AES256\n6231": "encrypted",
    "<!DOCTYPE html>\n<html><body>Sign in</body></html>": "HTML",
    "<html>": "HTML",
    "api_key: vs-good": "a name and a value",
    'api_key = "vs-good"': "a name and a value",
    "curl -H 'Authorization: Bearer vs-good'": "command",
    "--api-key vs-good": "command",
    "<(op read vs-good)": "command",
    "cat /run/secrets/vs-good": "command",
    "\u201cvs-good\u201d": "quotation marks",
    "\u2018vs-good\u2019": "quotation marks",
    "\u201dvs-good\u201d": "quotation marks",
}
"""Texts that nothing replaced, or that hold more than a key, with a word of the hint."""


@pytest.mark.parametrize("text", UNRESOLVED)
def test_a_text_that_as_a_whole_refers_to_a_key_is_refused_with_a_hint_and_not_shown(
    text: str,
) -> None:
    message = refused(text)
    assert UNRESOLVED[text] in message
    assert message.isascii()
    assert text not in message.removeprefix("env:X ") or text == "VECTORSHIFT_API_KEY_FILE"
    assert "vs-good" not in message


@pytest.mark.parametrize("text", ["${NAME}", "$NAME", "$(...)", "%NAME%", "{{...}}", "<...>"])
def test_no_hint_quotes_a_form_as_that_might_be_the_text_itself(text: str) -> None:
    assert text not in refused(text)


@pytest.mark.parametrize(
    "key",
    [
        "ab${HOME}cd",
        "${A}x${B}",
        "$(a)x$(b)",
        "{{a}}x{{b}}",
        "<a>x<b>",
        "a<b>c",
        "%ab%cd%",
        "100%sure%",
        "abc=",
        "QUJDREVGRw==",
        "vectorshift_live_QUJDREVGRw==",
        "VECTORSHIFT_9F8A7B==",
        "VECTORSHIFT_9F8A7B",
        "op:x",
        "op",
        "arn:x",
        "arn:aws",
        "vault:x",
        "vault-secret/x#y",
        "file-x",
        "projects/x",
        "projects/x/secrets/y/z",
        "x@Microsoft.KeyVault(y)",
        "ENC[x",
        "encrypted:x",
        "$aB3",
        "$2b$12$abc",
        "$",
        "%",
        "%%",
        "<",
        "<x",
        "x>",
        "${x",
        "${x{y}",
        "{{x",
        "a://",
        "/aB3/xy+z==",
        "#abc",
        "#1a2b3c4d5",
        "#1A2B3C4D",
        "((a))x((b))",
        "$$",
        "!abc",
        "!",
    ],
)
def test_a_key_that_only_begins_like_a_reference_or_holds_one_stays_a_key(key: str) -> None:
    assert parsed(key) == Secret(key)


ODD = [
    "vs-...",
    "vs-****abcd",
    "***",
    "xxxxxxxx",
    "vs-xxxxxxxxxxxx",
    "your-api-key",
    "YOUR_API_KEY",
    "sk-your-key",
    "my-api-key",
    "changeme",
    "CHANGE_ME",
    "[your-key]",
    "__VS_KEY__",
    "@VS_KEY@",
    "None",
    "null",
    "undefined",
    "Bearer",
    "/run/secrets/vectorshift",
    "./key",
    "~/key",
    "C:\\keys\\vs",
    "key.txt",
    "ab${HOME}cd",
    "$vs_key",
    "prefix-{{x}}",
    "x<key>y",
    "aws:prod/vs",
    "env:OTHER_KEY",
    "API_KEY=vs-good",
    '"vs-good',
    "vs-good'",
    "vs-good;",
    "vs-good,",
    "\\",
    "secretref:vectorshift",
    "gcp:secretmanager:vectorshift",
    "base64:dnMtZ29vZA==",
    "=vs-good",
    "vs-good\\n",
    "vs-good\\r\\n",
    "vs-good%0A",
    "Bearervs-good",
    "Bearer%20vs-good",
    "bearer:vs-good",
    "--api-key=vs-good",
    "@/run/secrets/vectorshift",
    "sk-proj-abc",
    "sk-ant-api03-abc",
    "ghp_0123456789abcdef",
    "github_pat_0123",
    "hvs.CAESIJabc",
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-1-2-abc",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
]


def test_what_a_secret_prints_is_no_key() -> None:
    """`using(f"{secret}")` would send the fingerprint."""
    secret = Secret("vs-good")
    for text in (str(secret), repr(secret), f"{secret}"):
        assert "reveal()" in refused(text)


@pytest.mark.parametrize("key", ODD)
def test_a_key_that_looks_odd_is_used_and_told_of_and_not_shown(key: str) -> None:
    assert parsed(key) == Secret(key)
    sentence = looks_odd(Secret(key))
    assert sentence.endswith(".")
    assert sentence.isascii()
    assert key not in sentence or key == "\\"


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        "vs-1",
        "sk_live_51H8aBcDeFgHiJkLmNoPqRsTuVwXyZ",
        "QUJDREVGRw==",
        "/aB3+xy+z==",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "sk-0123456789abcdef",
        "hvs",
        "beare",
        "x",
    ],
)
def test_of_a_key_that_looks_like_one_nothing_is_told(key: str) -> None:
    assert looks_odd(Secret(key)) == ""


@pytest.mark.parametrize("piece", ["$", "<", "%a", "{{", "vault:", "/a", "a.", "a-", "${", "op:/"])
def test_the_longest_text_is_judged_in_time_in_line_with_it(piece: str) -> None:
    """With a step back for each character this takes minutes."""
    text = (piece * LONGEST_KEY)[:LONGEST_KEY]
    key = parsed(text)
    assert isinstance(key, CredentialError) or isinstance(looks_odd(key), str)


FIXED = {
    refused(text)
    for text in (
        *UNRESOLVED,
        "",
        "é",
        "a b",
        "a\nb",
        "'a'",
        "bearer a",
        "a" * (LONGEST_KEY + 1),
        "map[a]",
        "[1]",
        "[" * 9000,
    )
}


@given(
    st.text()
    | PLAIN
    | PLAIN.map(lambda text: f" {text}\n")
    | PLAIN.map(lambda text: f"{text} {text}")
)
def test_any_text_is_a_key_of_visible_ascii_or_an_error_of_a_few_fixed_sentences(text: str) -> None:
    answer = parsed(text)
    if isinstance(answer, Secret):
        assert answer.reveal() == text.replace("\ufeff", "").strip()
        assert 1 <= len(answer.reveal()) <= LONGEST_KEY
        assert all("!" <= character <= "~" for character in answer.reveal())
    else:
        assert isinstance(answer, CredentialConfigurationError)
        assume(not text.strip().startswith("{"))  # there the names of the fields are listed
        assert str(answer) in FIXED
