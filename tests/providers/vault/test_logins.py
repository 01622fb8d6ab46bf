"""Every other way to a token, against a real OpenBao server."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.certificates import Authority
from tests.providers.vault.stand_ins import (
    Issuer,
    TlsEnd,
    client_certificate,
    role,
    token_review,
)

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.vault.conftest import Failure, MakeProvider, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"


def kv2(fields: Mapping[str, object]) -> str:
    return json.dumps({"data": {"data": fields, "metadata": {"version": 7}}})


def wrapped_secret_id(server: OpenBaoServer, role: str = "app") -> str:
    made = server.call(
        "POST", f"auth/approle/role/{role}/secret-id", {}, headers={"X-Vault-Wrap-TTL": "60s"}
    )
    return str(made["wrap_info"]["token"])


def test_logs_in_by_approle_and_again_when_the_token_is_revoked(
    openbao: OpenBaoServer, stored: str, approle: MakeProvider
) -> None:
    vault = approle(openbao, stored)
    vault.get_credential()
    accessors = openbao.call("LIST", "auth/token/accessors")["data"]["keys"]
    for accessor in accessors:
        looked = openbao.call("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        if looked["path"] == "auth/approle/login":
            openbao.call("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    logins = openbao.calls("auth/approle/login", "update")
    assert vault.get_credential().secret.reveal() == KEY
    assert openbao.calls("auth/approle/login", "update") == logins + 1


def test_a_policy_that_was_never_there_costs_the_one_login_and_stands(
    openbao: OpenBaoServer, stored: str, failure: Failure, approle: MakeProvider
) -> None:
    vault = approle(openbao, stored)
    openbao.policy("reader", 'path "secret/data/other" { capabilities = ["read"] }')
    before = openbao.calls("auth/approle/login", "update")
    said = failure(vault, errors.CredentialDeniedError)
    assert openbao.calls("auth/approle/login", "update") == before + 1
    assert "auth method approle at auth/approle" in said


def test_a_wrong_secret_id_is_denied(
    openbao: OpenBaoServer, stored: str, failure: Failure, approle: MakeProvider
) -> None:
    said = failure(approle(openbao, stored, secret_id="wrong-one"), errors.CredentialDeniedError)
    assert "secret_id=" in said
    assert "wrong-one" not in said


def test_a_secret_id_for_one_login_serves_for_one(
    openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    ids: Any = role(openbao, "once", secret_id_num_uses=1)
    vault = VaultProvider(stored, addr=openbao.address, auth="approle", **ids)
    assert vault.get_credential().secret.reveal() == KEY
    vault.close()
    assert "wrong, expired or used up" in failure(vault, errors.CredentialDeniedError)


def test_a_wrapped_secret_id_is_unwrapped_once(
    openbao: OpenBaoServer, stored: str, tmp_path: Path, approle: MakeProvider
) -> None:
    approle(openbao, stored)
    file = tmp_path / "secret-id"
    file.write_text(wrapped_secret_id(openbao) + "\n")
    vault = approle(openbao, stored, secret_id_file=str(file), secret_id_wrapped=True)
    assert vault.get_credential().secret.reveal() == KEY
    vault.close()
    assert vault.get_credential().secret.reveal() == KEY, (
        "the second login needs the same secret id"
    )


def test_a_second_provider_of_the_process_uses_what_the_first_one_unwrapped(
    openbao: OpenBaoServer, stored: str, approle: MakeProvider
) -> None:
    """Observation to fail, with an alarm of interception, when each provider kept what it had
    unwrapped to itself.
    """
    approle(openbao, stored)
    wrapping = wrapped_secret_id(openbao)
    for _ in range(2):
        vault = approle(openbao, stored, secret_id=wrapping, secret_id_wrapped=True)
        assert vault.get_credential().secret.reveal() == KEY


def test_a_secret_id_that_was_unwrapped_before_may_be_intercepted(
    openbao: OpenBaoServer, stored: str, failure: Failure, approle: MakeProvider
) -> None:
    approle(openbao, stored)
    wrapping = wrapped_secret_id(openbao)
    openbao.call("POST", "sys/wrapping/unwrap", {"token": wrapping})
    vault = approle(openbao, stored, secret_id=wrapping, secret_id_wrapped=True)
    said = failure(vault, errors.CredentialDeniedError)
    assert "somebody else may have" in said
    assert wrapping not in said


def test_a_secret_id_wrapped_elsewhere_is_not_even_unwrapped(
    openbao: OpenBaoServer, stored: str, failure: Failure, approle: MakeProvider
) -> None:
    approle(openbao, stored)
    swapped = openbao.call(
        "POST", "sys/wrapping/wrap", {"secret_id": "evil"}, headers={"X-Vault-Wrap-TTL": "60s"}
    )["wrap_info"]["token"]
    vault = approle(openbao, stored, secret_id=swapped, secret_id_wrapped=True)
    before = openbao.calls("sys/wrapping/unwrap", "update")
    assert "creation_path=" in failure(vault, errors.CredentialDeniedError)
    assert openbao.calls("sys/wrapping/unwrap", "update") == before


def test_the_creation_path_can_be_pinned_to_one_role(
    openbao: OpenBaoServer, stored: str, failure: Failure, approle: MakeProvider
) -> None:
    approle(openbao, stored)
    wrapping = wrapped_secret_id(openbao)
    more = {"secret_id": wrapping, "secret_id_wrapped": True}
    other = approle(openbao, stored, creation_path="auth/approle/role/other/secret-id", **more)
    failure(other, errors.CredentialDeniedError)
    right = approle(openbao, stored, creation_path="auth/approle/role/app/secret-id", **more)
    assert right.get_credential().secret.reveal() == KEY


def jwt_role(server: OpenBaoServer, mount: str, issuer: Issuer) -> None:
    server.enable_auth("jwt", mount)
    server.call("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [issuer.public]})
    server.policy("jwt-reader", 'path "secret/data/*" { capabilities = ["read"] }')
    fields = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vs"],
        "token_policies": ["jwt-reader"],
    }
    server.call("POST", f"auth/{mount}/role/app", fields)


def test_logs_in_by_jwt_and_reads_the_file_at_each_login(
    openbao: OpenBaoServer, stored: str, tmp_path: Path, failure: Failure
) -> None:
    issuer, file = Issuer(), tmp_path / "jwt"
    jwt_role(openbao, "ci", issuer)
    file.write_text(issuer.sign({"sub": "me", "aud": "other"}))
    vault = VaultProvider(
        stored, addr=openbao.address, auth="jwt", auth_mount="ci", role="app", jwt_file=str(file)
    )
    said = failure(vault, errors.CredentialDeniedError)
    assert "auth method jwt at auth/ci" in said
    assert "jwt_file=" in said
    file.write_text(issuer.sign({"sub": "me", "aud": "vs"}))
    assert vault.get_credential().secret.reveal() == KEY
    file.unlink()
    assert vault.get_credential().secret.reveal() == KEY, "the token of the last login serves on"
    vault.close()
    assert str(file) in failure(vault, errors.CredentialConfigurationError)


def kubernetes_role(server: OpenBaoServer, mount: str, cluster: str) -> None:
    server.enable_auth("kubernetes", mount)
    server.policy("k8s-reader", 'path "secret/data/*" { capabilities = ["read"] }')
    config = {
        "kubernetes_host": cluster,
        "kubernetes_ca_cert": "none",
        "disable_local_ca_jwt": True,
    }
    server.call("POST", f"auth/{mount}/config", config)
    bound = {"bound_service_account_names": "app", "bound_service_account_namespaces": "default"}
    server.call(
        "POST",
        f"auth/{mount}/role/app",
        bound | {"token_policies": "k8s-reader", "token_ttl": "1h"},
    )


def test_logs_in_by_kubernetes_and_reads_the_service_account_s_token_at_each_login(
    openbao: OpenBaoServer, stored: str, tmp_path: Path, tiny: MakeTiny, failure: Failure
) -> None:
    first, second, file, clock = (
        Issuer().service_account(),
        Issuer().service_account(),
        tmp_path / "jwt",
        ManualClock(),
    )
    file.write_text(first)
    with tiny(201, token_review()) as cluster:
        bodies: list[str] = cluster.bodies
        kubernetes_role(openbao, "cluster", cluster.address)
        more: dict[str, Any] = {
            "auth": "kubernetes",
            "auth_mount": "cluster",
            "jwt_file": str(file),
            "clock": clock,
        }
        vault = VaultProvider(stored, addr=openbao.address, role="app", **more)
        assert vault.get_credential().secret.reveal() == KEY
        (tmp_path / "..next").write_text(second)
        (tmp_path / "..data").symlink_to("..next")
        (tmp_path / "..data").replace(file)  # as the kubelet does
        clock.advance(4000)
        assert vault.get_credential().secret.reveal() == KEY
        assert [first in bodies[0], second in bodies[-1]] == [True, True]
        other = VaultProvider(stored, addr=openbao.address, role="other", **more)
        said = failure(other, errors.CredentialDeniedError)
        assert "the server refuses the login: invalid role name. Check the service" in said
        assert "(role=)" in said
        bound = {"bound_service_account_names": "other", "bound_service_account_namespaces": "*"}
        openbao.call("POST", "auth/cluster/role/other", bound)
        said = failure(other, errors.CredentialDeniedError)
        assert "the server refuses the login: service account name not authorized. Check" in said
        assert "system:auth-delegator" in said
        bound |= {"bound_service_account_names": "app", "audience": "another"}
        openbao.call("POST", "auth/cluster/role/other", bound)
        said = failure(other, errors.CredentialDeniedError)
        assert "the server refuses the login: invalid audience." in said


def test_a_pod_without_a_token_is_told_how_to_get_one(
    openbao: OpenBaoServer, failure: Failure
) -> None:
    vault = VaultProvider("vs", addr=openbao.address, auth="kubernetes", role="app")
    said = failure(vault, errors.CredentialConfigurationError)
    assert "automountServiceAccountToken: true" in said
    assert "jwt_file=" in said


def test_logs_in_by_client_certificate(
    tls_bao: OpenBaoServer, tmp_path: Path, failure: Failure
) -> None:
    ca, cert, key = client_certificate(tls_bao, tmp_path)
    tls_bao.enable_auth("cert")
    tls_bao.policy("cert-reader", 'path "secret/data/*" { capabilities = ["read"] }')
    more: dict[str, Any] = {"addr": tls_bao.address, "cacert": tls_bao.cacert, "auth": "cert"}
    clock = ManualClock()
    vault = VaultProvider("vs", client_cert=cert, client_key=key, clock=clock, **more)
    said = failure(vault, errors.CredentialDeniedError)
    assert "A load balancer that ends TLS does not forward the certificate" in said
    bound = {"certificate": ca, "token_policies": ["cert-reader"], "token_ttl": "1h"}
    tls_bao.call("POST", "auth/cert/certs/app", bound)
    assert vault.get_credential().secret.reveal() == KEY
    client_certificate(tls_bao, tmp_path)
    tls_bao.call(
        "POST",
        "auth/cert/certs/app",
        bound | {"allowed_common_names": "app.example", "token_ttl": "1h"},
    )
    clock.advance(4000)
    assert vault.get_credential().secret.reveal() == KEY
    serials = [
        tls_bao.call("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]["meta"]
        for accessor in tls_bao.call("LIST", "auth/token/accessors")["data"]["keys"]
    ]
    numbers = {meta["serial_number"] for meta in serials if meta}
    assert len(numbers) == 2, (
        "a login is made over a connection with the certificate of that moment"
    )
    assert "client_cert=" in failure(
        VaultProvider("vs", **more), errors.CredentialConfigurationError
    )


@pytest.mark.parametrize("inside", ["tls", "plain"])
def test_behind_a_load_balancer_that_ends_tls_the_key_is_read_and_the_server_sees_no_certificate(
    inside: str,
    openbao: OpenBaoServer,
    tls_bao: OpenBaoServer,
    tmp_path: Path,
    failure: Failure,
) -> None:
    server, authority = tls_bao if inside == "tls" else openbao, Authority(tmp_path)
    server.write("vs", {"api_key": KEY})
    ca, cert, key = client_certificate(server, tmp_path)
    server.enable_auth("cert", "behind")
    server.policy("cert-reader", 'path "secret/data/*" { capabilities = ["read"] }')
    accepted = {"certificate": ca, "token_policies": ["cert-reader"]}
    server.call("POST", "auth/behind/certs/app", accepted)
    authority.context.load_verify_locations(cadata=ca)
    authority.context.verify_mode = ssl.CERT_REQUIRED
    # 1.3 refuses after the handshake, and its word may be cut off
    authority.context.maximum_version = ssl.TLSVersion.TLSv1_2
    own: dict[str, Any] = {"client_cert": cert, "client_key": key}
    login: dict[str, Any] = {"auth": "cert", "auth_mount": "behind", **own}
    with TlsEnd(authority.context, server) as balancer:
        way: dict[str, Any] = {"addr": balancer.address, "cacert": str(authority.file)}
        given = VaultProvider("vs", token=server.root_token, **way, **own)
        assert given.get_credential().secret.reveal() == KEY
        bare = VaultProvider("vs", token=server.root_token, **way)
        said = failure(bare, errors.CredentialConfigurationError)
        assert "asks for a client certificate. Set client_cert= and client_key=" in said
        said = failure(VaultProvider("vs", **way, **login), errors.CredentialDeniedError)
        assert "A load balancer that ends TLS does not forward the certificate" in said
    if inside == "tls":
        direct = VaultProvider("vs", addr=server.address, cacert=server.cacert or "", **login)
        assert direct.get_credential().secret.reveal() == KEY


def test_behind_an_agent_no_token_of_ours_is_sent(
    openbao: OpenBaoServer,
    stored: str,
    monkeypatch: pytest.MonkeyPatch,
    tiny: MakeTiny,
    failure: Failure,
) -> None:
    Path("~/.vault-token").expanduser().write_text(openbao.root_token)
    monkeypatch.setenv("VAULT_TOKEN", openbao.root_token)  # hvac reads both by itself
    direct = VaultProvider(stored, addr=openbao.address, auth="agent")
    failure(direct, errors.CredentialDeniedError)
    with tiny(200, kv2({"api_key": KEY})) as agent:
        vault = VaultProvider("vs", addr=agent.address, auth="agent")
        assert vault.get_credential().secret.reveal() == KEY
        [(_, headers)] = agent.seen
    assert headers["X-Vault-Request"] == "true"
    assert "X-Vault-Token" not in headers
