"""The token: where it comes from, what it may not allow, and settings that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import errors
from vectorshift._platform.arguments import UNSET
from vectorshift.credentials import Secret
from vectorshift.providers.vault import VaultProvider
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from tests.providers.vault.conftest import Failure, MakeProvider, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"


def test_a_refused_read_names_the_policy_that_would_allow_it(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(openbao, stored, token=openbao.token())
    before = openbao.reads(stored)
    said = failure(vault, errors.CredentialDeniedError)
    assert f'path "secret/data/{stored}" {{\n    capabilities = ["read"]' in said
    assert openbao.address in said
    assert "auth method token" in said
    assert openbao.reads(stored) == before + 1, "the same token was tried twice"


def test_the_policy_in_the_message_allows_the_read(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    said = failure(provider(openbao, stored, token=openbao.token()), errors.CredentialDeniedError)
    openbao.policy("as-told", said[said.index("path ") :])
    allowed = provider(openbao, stored, token=openbao.token(["as-told"]))
    assert allowed.get_credential().secret.reveal() == KEY


def test_without_a_token_anywhere_it_says_where_one_may_stand(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    said = failure(provider(openbao, stored, token=UNSET), errors.CredentialConfigurationError)
    for place in ("token=", "token_file=", "bao login"):
        assert place in said


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \n\n"])
def test_the_token_helper_s_file_is_used(
    end: str, openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    helper, token = Path("~/.vault-token").expanduser(), f"{openbao.root_token}{end}"
    helper.write_bytes(token.encode())
    assert provider(openbao, stored, token=UNSET).get_credential().secret.reveal() == KEY
    for given in ({"token": token}, {"token": UNSET, "token_file": str(helper)}):
        assert provider(openbao, stored, **given).get_credential().secret.reveal() == KEY


def test_a_token_file_is_read_again_once_its_token_is_refused(
    openbao: OpenBaoServer, stored: str, tmp_path: Path, provider: MakeProvider, failure: Failure
) -> None:
    sink = tmp_path / "sink"
    first = openbao.token(["root"])
    sink.write_text(first)
    vault = provider(openbao, stored, token=UNSET, token_file=str(sink))
    vault.get_credential()
    openbao.revoke(first)
    failure(vault, errors.CredentialDeniedError)
    sink.write_text(openbao.token(["root"]))
    assert vault.get_credential().secret.reveal() == KEY


def test_a_named_token_file_wins_over_a_token_that_may_be_a_fall_back(
    openbao: OpenBaoServer, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sink").write_text(openbao.root_token)
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    monkeypatch.setenv("VAULT_ADDR", openbao.address)
    monkeypatch.setenv("VECTORSHIFT_VAULT_PATH", stored)
    monkeypatch.setenv("VECTORSHIFT_VAULT_TOKEN_FILE", str(tmp_path / "sink"))
    vault = VaultProvider.from_settings(Settings.load())
    assert vault is not None
    assert vault.get_credential().secret.reveal() == KEY


def test_settings_without_a_path_make_no_provider() -> None:
    assert VaultProvider.from_settings(Settings(vault_addr="https://vault.example")) is None


def test_settings_reach_the_provider(openbao: OpenBaoServer) -> None:
    openbao.mount_kv("set")
    openbao.write("vs", {"key": KEY}, mount="set")
    openbao.write("vs", {"key": "vs-second"}, mount="set")
    settings = Settings(
        vault_path="vs",
        vault_mount="set",
        vault_field="key",
        vault_version=1,
        vault_addr=openbao.address,
        vault_token=Secret(openbao.root_token),
        vault_on_error="continue",
        vault_on_missing="stop",
        vault_cache_ttl=5,
    )
    vault = VaultProvider.from_settings(settings)
    assert vault is not None
    assert (vault.on_error, vault.on_missing, vault.ttl) == ("continue", "stop", 5)
    assert str(vault.get_credential()).startswith("vault:set/vs#key@1 ")


def test_a_token_file_that_is_not_there_is_named(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(openbao, stored, token=UNSET, token_file="nowhere/sink")
    assert "nowhere/sink" in failure(vault, errors.CredentialConfigurationError)


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN} x", f"{TOKEN}\u00e4", " "])
def test_a_token_that_cannot_stand_in_a_header_is_refused_unseen(
    token: str, tiny: MakeTiny, failure: Failure
) -> None:
    with tiny() as server:
        vault = VaultProvider("vs", addr=server.address, token=token)
        said = failure(vault, errors.CredentialConfigurationError)
        assert TOKEN not in said
        assert "token=" in said
        assert not server.seen


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"auth": "gcp"}, "auth="),
        ({"auth": "approle"}, "role_id="),
        ({"auth": "userpass"}, "username="),
        ({"auth": "ldap", "username": "me"}, "password="),
        ({"auth": "ldap", "username": "me", "password": ""}, "password= is empty"),
        ({"auth": "jwt", "role": "app"}, "jwt_file="),
        ({"auth": "kubernetes"}, "role="),
        ({"auth": "kubernetes", "role": "app"}, "jwt_file="),
        ({"auth": "cert"}, "client_cert="),
        ({"addr": UNSET}, "addr="),
        ({"addr": "vault.example:8200"}, "https://"),
        ({"addr": "http://127.0.0.1:port"}, "addr="),
        ({"addr": "http://::1:8200"}, "addr="),
        ({"addr": "https://vault.example/ui/vault/secrets?namespace=team1"}, "addr="),
        ({"addr": f"https://me:{TOKEN}@vault.example"}, "a user or a password"),
        ({"cacert": "nowhere.pem"}, "cacert="),
        ({"namespace": "a\nb"}, "namespace="),
        ({"mount": ""}, "mount="),
        ({"path": "../sys/auth"}, "path="),
        ({"auth": "approle", "role_id": "r", "auth_mount": "../sys/raw/x"}, "auth_mount="),
        ({"auth": "approle", "role_id": "r", "auth_mount": "x\r\nY: \x1b"}, "auth_mount="),
        ({"auth": "approle", "role_id": "r", "auth_mount": "x\u202ey"}, "auth_mount="),
        ({"path": "/"}, "path="),
        ({"kv_version": 3}, "kv_version="),
        ({"kv_version": 1, "version": 2}, "version="),
    ],
)
def test_a_wrong_setting_is_named_without_contact(
    settings: dict[str, Any], fix: str, tiny: MakeTiny, failure: Failure
) -> None:
    with tiny() as server:
        vault = VaultProvider(**{"path": "vs", "addr": server.address, "token": TOKEN, **settings})
        said = failure(vault, errors.CredentialConfigurationError)
        assert fix in said
        assert said.isprintable()
        assert TOKEN not in said
        assert not server.seen
