"""Reading a key from a real OpenBao server, and what the secret may lack."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio
import pytest

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.vault.conftest import Failure, MakeProvider, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"


def test_reads_the_newest_version_and_says_which(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    vault = provider(openbao, stored)
    found = vault.get_credential()
    assert (found.secret.reveal(), found.version) == (KEY, "1")
    assert (found.source, found.provider) == (f"vault:secret/{stored}#api_key", "vault")
    openbao.write(stored, {"api_key": "vs-second"})
    assert (vault.get_credential().secret.reveal(), vault.get_credential().version) == (
        "vs-second",
        "2",
    )


def test_answers_async_callers(openbao: OpenBaoServer, stored: str, provider: MakeProvider) -> None:
    assert anyio.run(provider(openbao, stored).aget_credential).secret.reveal() == KEY


def test_reads_a_pinned_version(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.write(stored, {"api_key": "vs-second"})
    assert provider(openbao, stored, version=1).get_credential().secret.reveal() == KEY
    assert "version 9" in failure(
        provider(openbao, stored, version=9), errors.CredentialNotFoundError
    )


def test_reads_another_field_of_another_mount(
    openbao: OpenBaoServer, provider: MakeProvider
) -> None:
    openbao.mount_kv("teams/blue")
    openbao.write("vs", {"key": KEY}, mount="teams/blue")
    for mount in ("teams/blue", "/teams/blue/"):
        found = provider(openbao, "vs", mount=mount, field="key").get_credential()
        assert found.source == "vault:teams/blue/vs#key"


@pytest.mark.parametrize("written", ["/{}", "{}/", "//{}//"])
def test_slashes_around_a_path_make_no_difference(
    written: str, openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    openbao.policy("one", f'path "secret/data/{stored}" {{ capabilities = ["read"] }}')
    vault = provider(openbao, written.format(stored), token=openbao.token(["one"]))
    assert vault.get_credential().secret.reveal() == KEY


def test_reads_kv_version_1(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    openbao.mount_kv("old", version=1)
    openbao.write("vs", {"api_key": KEY}, mount="old")
    found = provider(openbao, "vs", mount="old", kv_version=1).get_credential()
    assert (found.secret.reveal(), found.version) == (KEY, None)
    failure(provider(openbao, "none", mount="old", kv_version=1), errors.CredentialNotFoundError)


def test_names_the_setting_when_the_mount_holds_the_other_kv_version(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.mount_kv("older", version=1)
    openbao.write("vs", {"api_key": KEY}, mount="older")
    wrong = errors.CredentialConfigurationError
    assert "kv_version=1" in failure(provider(openbao, "vs", mount="older"), wrong)
    assert "kv_version=2" in failure(provider(openbao, stored, kv_version=1), wrong)
    assert "kv_version=2" in failure(provider(openbao, f"data/{stored}", kv_version=1), wrong)


def test_describes_itself_without_contact() -> None:
    described = VaultProvider("vs", addr="https://vault.example:8200/x", auth="approle").describe()
    assert described.configured
    assert described.locator
    assert described.source == "vault:secret/vs#api_key"
    assert described.detail == "https://vault.example:8200, auth method approle at auth/approle"


def test_many_threads_share_one_login(
    openbao: OpenBaoServer, stored: str, approle: MakeProvider
) -> None:
    vault = approle(openbao, stored)
    before = openbao.calls("auth/approle/login", "update")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vault.get_credential().secret.reveal(), range(40)))
    assert set(found) == {KEY}
    assert openbao.calls("auth/approle/login", "update") == before + 1


def test_closing_lets_it_be_asked_again(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    with provider(openbao, stored) as vault:
        vault.get_credential()
    assert vault.get_credential().secret.reveal() == KEY


def test_a_missing_path_is_not_found(
    openbao: OpenBaoServer, path: str, provider: MakeProvider, failure: Failure
) -> None:
    said = failure(provider(openbao, path), errors.CredentialNotFoundError)
    assert f"bao kv put -mount=secret {path} api_key=" in said
    assert openbao.address in said


def test_a_path_with_the_api_s_own_data_part_gets_a_hint(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    said = failure(provider(openbao, f"data/{stored}"), errors.CredentialNotFoundError)
    assert f'Set path="{stored}"' in said


@pytest.mark.parametrize("before", ["", "secret/", "vault:secret/"])
def test_a_source_as_it_is_printed_in_place_of_a_path_gets_a_hint(
    before: str, openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(openbao, f"{before}{stored}#key")
    said = failure(vault, errors.CredentialNotFoundError)
    assert f'Set path="{stored}" and field="key".' in said


@pytest.mark.parametrize(
    ("path", "flaw"),
    [
        ("https://vault.example.com/v1/secret/data/vs", "is a URL"),
        ("ref+vault://secret/vs#/key", "is a URL"),
        ("'vs'", "is in quotation marks"),
        ("${APP}/vs", "has a reference that was not resolved"),
        ("$VAULT_PATH", "has a reference that was not resolved"),
        ("{{ path }}", "has a reference that was not resolved"),
        ("%(app)s/vs", "has a reference that was not resolved"),
        ("team/<app>", "has a reference that was not resolved"),
    ],
)
def test_a_path_that_nobody_meant_as_it_is_does_not_move_a_chain_on(
    path: str,
    flaw: str,
    openbao: OpenBaoServer,
    provider: MakeProvider,
    failure: Failure,
) -> None:
    said = failure(provider(openbao, path), errors.CredentialConfigurationError)
    assert f"no such secret. The path {flaw}. Set path= to the plain path." in said


def test_a_secret_whose_path_looks_like_a_reference_is_read(
    openbao: OpenBaoServer, provider: MakeProvider
) -> None:
    openbao.write("${A}/vs", {"api_key": KEY})
    assert provider(openbao, "${A}/vs").get_credential().secret.reveal() == KEY


def test_a_deleted_version_is_revoked(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.delete(stored)
    said = failure(provider(openbao, stored), errors.CredentialRevokedError)
    assert f"bao kv undelete -mount=secret -versions=1 {stored}" in said


def test_the_newest_version_counts_though_an_older_one_is_there(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.write(stored, {"api_key": "vs-second"})
    openbao.delete(stored)
    said = failure(provider(openbao, stored), errors.CredentialRevokedError)
    assert "version 2 was deleted" in said
    assert provider(openbao, stored, version=1).get_credential().secret.reveal() == KEY


def test_metadata_alone_are_no_secret(
    openbao: OpenBaoServer, path: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.call("POST", f"secret/metadata/{path}", {"max_versions": 3})
    failure(provider(openbao, path), errors.CredentialNotFoundError)


@pytest.mark.parametrize("name", ["api key", "user:key", "api/key"])
def test_a_field_of_an_odd_name_is_counted_and_can_be_named(
    openbao: OpenBaoServer, path: str, name: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.write(path, {name: KEY})
    said = failure(provider(openbao, path), errors.CredentialConfigurationError)
    assert "Its fields are: 1, whose names are not shown." in said
    assert provider(openbao, path, field=name).get_credential().secret.reveal() == KEY


def test_a_field_within_a_field_is_not_read(
    openbao: OpenBaoServer, path: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.write(path, {"a": {"b": KEY}})
    said = failure(provider(openbao, path, field="a.b"), errors.CredentialConfigurationError)
    assert "no field 'a.b'. Its fields are: a." in said


def test_a_destroyed_version_is_revoked(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.destroy(stored, [1])
    assert "was destroyed" in failure(provider(openbao, stored), errors.CredentialRevokedError)


def test_a_missing_field_lists_the_names_of_the_others(
    openbao: OpenBaoServer, path: str, provider: MakeProvider, failure: Failure
) -> None:
    openbao.write(path, {"token": KEY, "user": "me"})
    said = failure(provider(openbao, path), errors.CredentialConfigurationError)
    assert "token, user" in said
    assert "field=" in said
    assert KEY not in said


def test_a_version_without_data_is_of_kv_version_2(tiny: MakeTiny, failure: Failure) -> None:
    body = {"data": {"data": None, "metadata": {"version": 1}}}
    with tiny(200, json.dumps(body)) as server:
        vault = VaultProvider("vs", addr=server.address, token="t")
        assert "Its fields are: none" in failure(vault, errors.CredentialConfigurationError)


@pytest.mark.parametrize("value", [12345678, None, True, ["vs"], {"a": "b"}])
def test_a_field_that_is_no_string_is_a_configuration_error(
    openbao: OpenBaoServer, path: str, value: object, provider: MakeProvider, failure: Failure
) -> None:
    openbao.write(path, {"api_key": value})
    said = failure(provider(openbao, path), errors.CredentialConfigurationError)
    assert "not a string" in said
    assert "12345678" not in said


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (f"{KEY}\nsecond", "line break"),
        (f"{KEY}\u2013", "ASCII"),
        ("", "empty"),
        (" \n", "empty"),
        (json.dumps({"inner": KEY}), "with the fields: inner. Give the key alone."),
        (f"Bearer {KEY}", "Bearer"),
    ],
)
def test_a_value_that_is_no_key_is_refused_unseen(
    openbao: OpenBaoServer,
    path: str,
    value: str,
    hint: str,
    provider: MakeProvider,
    failure: Failure,
) -> None:
    openbao.write(path, {"api_key": value})
    said = failure(provider(openbao, path), errors.CredentialConfigurationError)
    assert hint in said
    assert KEY[:8] not in said


def test_white_space_around_the_key_is_stripped(
    openbao: OpenBaoServer, path: str, provider: MakeProvider
) -> None:
    openbao.write(path, {"api_key": f"{KEY}\n"})
    assert provider(openbao, path).get_credential().secret.reveal() == KEY


def test_a_missing_mount_is_a_configuration_error(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    said = failure(provider(openbao, "vs", mount="nowhere"), errors.CredentialConfigurationError)
    assert "mount=" in said


def test_a_missing_namespace_is_a_configuration_error(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    said = failure(
        provider(openbao, "vs", namespace="nowhere"), errors.CredentialConfigurationError
    )
    assert "namespace=" in said
    assert "namespace nowhere" in said


def test_reads_from_a_namespace(openbao: OpenBaoServer, provider: MakeProvider) -> None:
    openbao.call("POST", "sys/namespaces/blue")
    there = {"X-Vault-Namespace": "blue"}
    openbao.call(
        "POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "1"}}, headers=there
    )
    openbao.call("POST", "kv/vs", {"api_key": KEY}, headers=there)
    vault = provider(openbao, "vs", mount="kv", kv_version=1, namespace="blue")
    assert vault.get_credential().secret.reveal() == KEY


def test_logs_in_and_reads_kv_version_2_in_a_namespace_within_a_namespace(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    openbao.call("POST", "sys/namespaces/green")
    openbao.call("POST", "sys/namespaces/team", headers={"X-Vault-Namespace": "green"})
    there = {"X-Vault-Namespace": "green/team"}
    openbao.call(
        "POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, headers=there
    )
    openbao._until(lambda: openbao.call("GET", "green/team/kv/config"), "the mount")
    openbao.call("POST", "kv/data/vs", {"data": {"api_key": KEY}}, headers=there)
    openbao.call("POST", "sys/auth/approle", {"type": "approle"}, headers=there)
    policy = {"policy": 'path "kv/data/vs" { capabilities = ["read"] }'}
    openbao.call("PUT", "sys/policies/acl/reader", policy, headers=there)
    openbao.call("POST", "auth/approle/role/app", {"token_policies": "reader"}, headers=there)
    role_id = openbao.call("GET", "auth/approle/role/app/role-id", headers=there)["data"]["role_id"]
    secret_id = openbao.call("POST", "auth/approle/role/app/secret-id", headers=there)["data"][
        "secret_id"
    ]
    login = {"auth": "approle", "role_id": role_id, "secret_id": secret_id, "mount": "kv"}
    vault = provider(openbao, "vs", namespace="green/team", **login)
    assert (vault.get_credential().secret.reveal(), vault.get_credential().version) == (KEY, "1")
    failure(provider(openbao, "vs", **login), errors.CredentialDeniedError)


@pytest.mark.parametrize(
    "name", ["a b", "a%b", "a%2Fb", "a?b=c", "a#b", "a+b", "\u00e4\u00f6/\u00fc"]
)
def test_a_path_of_odd_characters_is_read_as_it_was_written(
    openbao: OpenBaoServer, provider: Callable[..., VaultProvider], name: str
) -> None:
    openbao.call("POST", f"secret/data/odd/{quote(name)}", {"data": {"api_key": KEY}})
    assert provider(openbao, f"odd/{name}").get_credential().secret.reveal() == KEY
