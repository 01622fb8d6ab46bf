"""Who logs in, and where: names, AWS identities, given JWTs, namespaces, wrong kinds of input."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.vault.stand_ins import Issuer, role

from vectorshift import Secret, errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.vault.conftest import Failure, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
READER = 'path "secret/data/*" { capabilities = ["read"] }'
DENIED, WRONG = errors.CredentialDeniedError, errors.CredentialConfigurationError
UNAVAILABLE = errors.CredentialStoreUnavailableError


@pytest.fixture
def userpass(openbao: OpenBaoServer, path: str) -> str:
    """A mount of userpass with the user `me / a b`, whose password is `swordfish`."""
    mount = f"people-{path.rpartition('/')[2]}"
    openbao.enable_auth("userpass", mount)
    openbao.policy("reader", READER)
    user = {"password": "swordfish", "token_policies": "reader"}
    openbao.call("POST", f"auth/{mount}/users/me", user)
    return mount


@pytest.mark.parametrize("before", ["", "auth/", "/auth/"])
@pytest.mark.parametrize("in_file", [True, False])
def test_a_name_and_a_password_log_in(
    before: str, in_file: bool, openbao: OpenBaoServer, stored: str, userpass: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("swordfish\n")
    how: dict[str, Any] = {"password": "swordfish\n"}
    if in_file:
        how = {"password_file": str(tmp_path / "password")}
    mount = f"{before}{userpass}"
    vault = VaultProvider(
        stored, addr=openbao.address, auth="userpass", auth_mount=mount, username="me", **how
    )
    assert vault.get_credential().secret.reveal() == KEY


def test_a_wrong_password_is_denied_and_not_shown(
    openbao: OpenBaoServer, stored: str, userpass: str, failure: Failure
) -> None:
    more: dict[str, Any] = {"auth_mount": userpass, "username": "me", "password": "not-it-7"}
    vault = VaultProvider(stored, addr=openbao.address, auth="userpass", **more)
    said = failure(vault, DENIED)
    assert "have locked the user for some minutes. Check username= and password=." in said
    assert "not-it-7" not in said + repr(vault) + repr(vars(vault))


@pytest.mark.parametrize("name", ["me/../../x", "ü me", "?a=b"])
def test_a_name_is_one_part_of_the_path(name: str, tiny: MakeTiny, failure: Failure) -> None:
    with tiny(400, '{"errors":["no"]}') as server:
        more: dict[str, Any] = {"username": name, "password": "p"}
        failure(VaultProvider("vs", addr=server.address, auth="ldap", **more), DENIED)
        (asked, _), *_ = server.seen
    assert re.fullmatch(r"POST /v1/auth/ldap/login/[^/?]+", asked)


def test_a_jwt_may_be_given_as_it_is(openbao: OpenBaoServer, stored: str) -> None:
    issuer, mount = Issuer(), f"jwt-{stored.rpartition('/')[2]}"
    openbao.enable_auth("jwt", mount)
    openbao.policy("reader", READER)
    openbao.call("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [issuer.public]})
    how = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vs"]}
    openbao.call("POST", f"auth/{mount}/role/ci", {**how, "token_policies": "reader"})
    made = Settings(
        vault_path=stored,
        vault_addr=openbao.address,
        vault_auth="jwt",
        vault_auth_mount=mount,
        vault_role="ci",
        vault_jwt=Secret(issuer.sign({"sub": "me", "aud": "vs"})),
    )
    vault = VaultProvider.from_settings(made)
    assert vault is not None
    assert vault.get_credential().secret.reveal() == KEY


def test_the_login_may_be_in_another_namespace_than_the_secret(
    openbao: OpenBaoServer, failure: Failure
) -> None:
    openbao.call("POST", "sys/namespaces/team1")
    inside: dict[str, Any] = {"headers": {"X-Vault-Namespace": "team1"}}
    openbao.call("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "1"}}, **inside)
    openbao.call("POST", "kv/vs", {"api_key": KEY}, **inside)
    openbao.policy("team1", 'path "team1/kv/*" { capabilities = ["read"] }')
    ids: Any = role(openbao, "of-the-root", token_policies="team1")
    common: dict[str, Any] = {"addr": openbao.address, "mount": "kv", "kv_version": 1, **ids}
    vault = VaultProvider("vs", namespace="team1", auth="approle", auth_namespace="", **common)
    assert vault.get_credential().secret.reveal() == KEY
    said = failure(VaultProvider("vs", namespace="team1", auth="approle", **common), DENIED)
    assert "goes to the namespace team1: set auth_namespace=" in said


def test_an_aws_identity_logs_in_with_a_request_that_aws_would_accept(
    tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in looks at what a server sends on to AWS. It cannot ask AWS itself."""
    auth = {"client_token": "hvs.t", "lease_duration": 3600, "renewable": True}
    body = {"auth": auth, "data": {"data": {"api_key": KEY}, "metadata": {"version": 1}}}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-5f1d")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "aws-session-77")
    with tiny(200, json.dumps(body)) as server:
        more: dict[str, Any] = {"role": "app", "aws_server_id": "vault.example.com"}
        vault = VaultProvider("vs", addr=server.address, auth="aws", **more)
        assert vault.get_credential().secret.reveal() == KEY
        sent = json.loads(server.bodies[0])
        assert server.seen[0][0] == "POST /v1/auth/aws/login"
    assert sent["role"] == "app"
    assert sent["iam_http_request_method"] == "POST"
    assert b64decode(sent["iam_request_url"]) == b"https://sts.amazonaws.com/"
    assert b64decode(sent["iam_request_body"]) == b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = json.loads(b64decode(sent["iam_request_headers"]))
    assert headers["X-Vault-AWS-IAM-Server-ID"] == ["vault.example.com"]
    assert headers["X-Amz-Security-Token"] == ["aws-session-77"]
    (signed,) = headers["Authorization"]
    assert "Credential=AKIDEXAMPLE/" in signed
    assert "x-vault-aws-iam-server-id" in signed
    assert "aws-secret-5f1d" not in json.dumps(sent)


def test_without_an_aws_identity_nothing_is_sent(
    tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with tiny() as server:
        said = failure(VaultProvider("vs", addr=server.address, auth="aws"), WRONG)
        assert "no AWS credentials" in said
        assert not server.seen


PROFILES = """
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/me
[profile base]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = aws-secret-5f1d
[profile sso]
sso_start_url = https://x.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = r
"""
NO_STS = "http://127.0.0.1:9"
WEB = {"AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("variables", "kind", "said"),
    [
        ({"AWS_PROFILE": "gone"}, WRONG, "no profile 'gone', which AWS_PROFILE names"),
        ({"AWS_PROFILE": "sso"}, WRONG, "Run: aws sso login --profile sso"),
        ({"AWS_PROFILE": "mfa"}, WRONG, "Then unset AWS_PROFILE."),
        ({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}, WRONG, "AWS_SECRET_ACCESS_KEY is missing"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "aws-secret-5f1d\n"},
            WRONG,
            "AWS_SECRET_ACCESS_KEY holds a line break",
        ),
        ({**WEB, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, WRONG, "Correct AWS_WEB_IDENTITY_"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org"}, WRONG, "example.org"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": NO_STS}, UNAVAILABLE, "on EKS"),
        (
            {**WEB, "AWS_WEB_IDENTITY_TOKEN_FILE": __file__, "AWS_ENDPOINT_URL": NO_STS},
            UNAVAILABLE,
            "Check STS",
        ),
    ],
)
def test_an_aws_identity_that_cannot_be_had_is_told_as_for_aws(
    variables: dict[str, str],
    kind: type[errors.CredentialError],
    said: str,
    tiny: MakeTiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
) -> None:
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with tiny() as server:
        told = failure(VaultProvider("vs", addr=server.address, auth="aws"), kind)
        assert said in told
        assert "VECTORSHIFT_" not in told
        assert not server.seen


def test_a_refusal_of_sts_is_told_as_such(
    tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    denied = (
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        "</ErrorResponse>"
    )
    with tiny(403, denied) as sts, tiny() as server:
        variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": __file__, "AWS_ENDPOINT_URL": sts.address}
        for name, value in {**WEB, **variables}.items():
            monkeypatch.setenv(name, value)
        said = failure(VaultProvider("vs", addr=server.address, auth="aws"), DENIED)
        assert "AWS refused AssumeRoleWithWebIdentity (AccessDenied)" in said
        assert not server.seen


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        ("received error code 403 from STS: ... is expired", DENIED, "Renew the credentials."),
        ("Post https://sts.amazonaws.com/: i/o timeout", UNAVAILABLE, "no answer from AWS's STS"),
    ],
)
def test_what_the_server_hears_from_aws_is_no_fault_of_the_role(
    told: str,
    kind: type[errors.CredentialError],
    said: str,
    tiny: MakeTiny,
    monkeypatch: pytest.MonkeyPatch,
    failure: Failure,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-5f1d")
    body = json.dumps({"errors": [f"error making upstream request: {told}"]})
    with tiny(400, body) as server:
        answer = failure(VaultProvider("vs", addr=server.address, auth="aws"), kind)
    assert said in answer
    assert "bound_iam_principal_arn" not in answer


# vault-plugin-auth-jwt#306, vault#3821


def test_an_issuer_that_does_not_answer_the_server_is_no_fault_of_the_jwt(
    openbao: OpenBaoServer, stored: str, tiny: MakeTiny, failure: Failure
) -> None:
    mount = f"jwt-{stored.rpartition('/')[2]}"
    openbao.enable_auth("jwt", mount)
    with tiny(200, '{"keys": []}') as issuer:
        openbao.call("POST", f"auth/{mount}/config", {"jwks_url": issuer.address})
        how = {"role_type": "jwt", "user_claim": "sub", "bound_subject": "me"}
        openbao.call("POST", f"auth/{mount}/role/ci", how)
        issuer.answer = (503, "", {})
        more: dict[str, Any] = {"auth_mount": mount, "role": "ci", "jwt": Issuer().sign({})}
        said = failure(VaultProvider(stored, addr=openbao.address, auth="jwt", **more), UNAVAILABLE)
    assert "gets no answer from the issuer of the JWT" in said


@pytest.mark.parametrize(
    "told",
    [
        'error connecting to host "ldap://ad.lan": LDAP Result Code 200 "Network Error": dial tcp',
        'LDAP bind failed: LDAP Result Code 200 "Network Error": ldap: connection closed',
    ],
)
def test_an_ldap_server_that_does_not_answer_is_no_fault_of_the_password(
    told: str, tiny: MakeTiny, failure: Failure
) -> None:
    more: dict[str, Any] = {"username": "me", "password": "p"}
    with tiny(400, json.dumps({"errors": [told]})) as server:
        said = failure(VaultProvider("vs", addr=server.address, auth="ldap", **more), UNAVAILABLE)
    assert "gets no answer from its LDAP server" in said


def test_a_login_that_asks_for_a_second_factor_is_denied_with_the_way_out(
    openbao: OpenBaoServer, stored: str, userpass: str, failure: Failure
) -> None:
    method = openbao.call("POST", "identity/mfa/method/totp", {"issuer": "vs"})["data"]["method_id"]
    accessor = openbao.call("GET", "sys/auth")["data"][f"{userpass}/"]["accessor"]
    enforced = {"mfa_method_ids": [method], "auth_method_accessors": [accessor]}
    openbao.call("POST", f"identity/mfa/login-enforcement/{userpass}", enforced)
    more: dict[str, Any] = {"auth_mount": userpass, "username": "me", "password": "swordfish"}
    said = failure(VaultProvider(stored, addr=openbao.address, auth="userpass", **more), DENIED)
    assert "asks for a second factor" in said


# --- Wrong kinds of input ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"auth": {"client_token": "hvs.a"}}', "has JSON in it"),
        ('"hvs.a"', "has quotation marks in it"),
        ("'hvs.a'", "has quotation marks in it"),
        ("hvs.a hvs.b", "has a space"),
        (" \n", "is empty"),
        ("$VAULT_ID_TOKEN", "is a reference that was not resolved"),
        ("${{ secrets.hvs. }}", "is a reference that was not resolved"),
        ("<hvs.token>", "is a reference that was not resolved"),
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_what_is_no_token_is_named_and_not_sent(
    text: str, said: str, in_file: bool, tmp_path: Path, tiny: MakeTiny, failure: Failure
) -> None:
    (tmp_path / "token").write_text(text)
    how: dict[str, Any] = {"token": text}
    if in_file:
        how = {"token_file": str(tmp_path / "token")}
    with tiny() as server:
        told = failure(VaultProvider("vs", addr=server.address, **how), WRONG)
        assert said in told
        assert "hvs." not in told
        assert not server.seen


def test_a_plain_secret_id_that_is_said_to_be_wrapped_raises_no_alarm(
    openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    more: Any = {**role(openbao, "plain"), "secret_id_wrapped": True}
    said = failure(VaultProvider(stored, addr=openbao.address, auth="approle", **more), WRONG)
    assert "does not look like a wrapping token. If it is plain, unset secret_id_wrapped=" in said


def test_a_wrapping_token_in_place_of_a_secret_id_is_named(
    openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    more: Any = role(openbao, "wrapped")
    wrapped = openbao.call(
        "POST", "auth/approle/role/wrapped/secret-id", {}, headers={"X-Vault-Wrap-TTL": "60s"}
    )
    more["secret_id"] = wrapped["wrap_info"]["token"]
    said = failure(VaultProvider(stored, addr=openbao.address, auth="approle", **more), DENIED)
    assert "secret_id_wrapped=True" in said


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("secret_id_bound_cidrs", ["may only be used from other addresses"]),
        (
            "token_bound_cidrs",
            ["does not accept the token that the login brought", "token_bound_cidrs"],
        ),
    ],
)
def test_a_role_for_other_addresses_is_named(
    limit: str, told: list[str], openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    more: Any = role(openbao, limit, **{limit: "10.9.9.9/32"})
    said = failure(VaultProvider(stored, addr=openbao.address, auth="approle", **more), DENIED)
    assert [each for each in told if each not in said] == []


def test_a_token_whose_uses_are_counted_is_told_of(
    openbao: OpenBaoServer, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    openbao.policy("reader", READER)
    token = openbao.token(["reader", "default"], num_uses=9)
    vault = VaultProvider(stored, addr=openbao.address, token=token)
    for _ in range(4):
        vault.get_credential()
    told = [each for each in caplog.records if "each read uses one" in each.getMessage()]
    assert [each.levelno for each in told] == [logging.WARNING]


@pytest.mark.parametrize("method", ["gcp", "github", "oidc", ""])
def test_another_method_is_told_of_the_agent(method: str) -> None:
    with pytest.raises(
        WRONG, match="run a Vault Agent or OpenBao Agent that logs in, and set agent"
    ):
        Settings.load({"VECTORSHIFT_VAULT_AUTH": method or "?"})
