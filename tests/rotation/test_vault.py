"""A key is written to a KV secret, and nothing else in it is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.rotation.stage import checks, planned, rotated

from vectorshift import (
    AuthenticationError,
    CredentialDeniedError,
    CredentialStoreUnavailableError,
    Secret,
)
from vectorshift.rotation.flow import rotate
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from tests.rotation.stage import Keys

    from vectorshift import Settings
    from vectorshift.testing import OpenBaoServer


def stored(openbao: OpenBaoServer, path: str) -> dict[str, Any]:
    return dict(openbao.call("GET", f"secret/data/{path}")["data"])


@pytest.fixture
def settings(openbao: OpenBaoServer, path: str, keys: Keys) -> Settings:
    """Settings that lead to the old key."""
    openbao.write(path, {"api_key": keys.old})
    return keys.in_vault(openbao, path)


def limited(keys: Keys, openbao: OpenBaoServer, path: str, rights: str) -> Settings:
    """Return settings with a token that has only these rights on the secret."""
    openbao.policy(path, f'path "secret/data/{path}" {{ capabilities = [{rights}] }}')
    return keys.in_vault(openbao, path, vault_token=Secret(openbao.token([path])))


def test_one_field_is_written_and_the_others_stay(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old, "owner": "web", "size": 1.5, "deep": {"a": [1]}})
    done = rotated(keys.in_vault(openbao, path), keys.new, "vault")
    assert done.version == "2"
    assert stored(openbao, path)["data"] == {
        "api_key": keys.new,
        "owner": "web",
        "size": 1.5,
        "deep": {"a": [1]},
    }
    assert done.chain == f"A call uses the new key, from vault:secret/{path}#api_key."


def test_a_token_without_patch_writes_all_fields_with_cas(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old, "owner": "web"})
    settings = limited(keys, openbao, path, '"read", "update"')
    rotated(settings, keys.new, "vault")
    assert stored(openbao, path)["data"] == {"api_key": keys.new, "owner": "web"}


def test_a_token_that_may_only_read_is_told_the_line_of_the_policy(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old})
    settings = limited(keys, openbao, path, '"read"')
    with pytest.raises(RotationError) as raised:
        rotated(settings, keys.new, "vault")
    line = f'path "secret/data/{path}" {{ capabilities = ["read", "patch"] }}'
    assert line in raised.value.message
    # what the message advises is enough
    openbao.policy(path, line)
    rotated(settings, keys.new, "vault")
    assert stored(openbao, path)["data"] == {"api_key": keys.new}


@pytest.mark.parametrize("rights", ['"read", "patch"', '"read", "update"'])
def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(
    openbao: OpenBaoServer, path: str, keys: Keys, rights: str
) -> None:
    openbao.write(path, {"api_key": keys.old})
    settings = limited(keys, openbao, path, rights)
    plan = planned(settings, keys.new, "vault")
    openbao.write(path, {"api_key": "vs-of-somebody-else"})
    with pytest.raises(RotationError, match="somebody else wrote it after version 1"):
        plan.target.write(plan.key)
    assert stored(openbao, path)["data"] == {"api_key": "vs-of-somebody-else"}


# --- The expiry in the metadata ---


def with_expiry(openbao: OpenBaoServer, path: str, keys: Keys) -> None:
    openbao.write(path, {"api_key": keys.old})
    metadata = {"expires_at": "2999-01-01T00:00:00Z", "owner": "web"}
    openbao.call("POST", f"secret/metadata/{path}", {"custom_metadata": metadata})


def test_an_expiry_of_the_old_key_has_to_be_set_anew(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    with_expiry(openbao, path, keys)
    settings = keys.in_vault(openbao, path)
    with pytest.raises(RotationError, match="--expires-at never"):
        rotated(settings, keys.new, "vault")
    for wrong in ("tomorrow", "2020-01-01T00:00:00Z"):
        with pytest.raises(RotationError, match="not an RFC 3339 time in the future"):
            rotated(settings, keys.new, "vault", expires_at=wrong)
    assert stored(openbao, path)["data"] == {"api_key": keys.old}


@pytest.mark.parametrize("rights", ['"patch"', '"read", "update"'])
@pytest.mark.parametrize(
    ("expires_at", "left"),
    [
        ("3000-01-01T00:00:00Z", {"expires_at": "3000-01-01T00:00:00Z", "owner": "web"}),
        ("never", {"owner": "web"}),
    ],
)
def test_the_expiry_is_written_with_the_key_and_other_metadata_stay(
    openbao: OpenBaoServer,
    path: str,
    keys: Keys,
    rights: str,
    expires_at: str,
    left: dict[str, str],
) -> None:
    with_expiry(openbao, path, keys)
    data = f'path "secret/data/{path}" {{ capabilities = ["read", "patch"] }}'
    metadata = f'path "secret/metadata/{path}" {{ capabilities = [{rights}] }}'
    openbao.policy(path, f"{data}\n{metadata}")
    settings = keys.in_vault(openbao, path, vault_token=Secret(openbao.token([path])))
    rotated(settings, keys.new, "vault", expires_at=expires_at)
    found = stored(openbao, path)
    assert found["metadata"]["custom_metadata"] == left
    assert found["data"] == {"api_key": keys.new}


def test_without_the_right_to_the_metadata_the_key_is_not_written_either(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    with_expiry(openbao, path, keys)
    settings = limited(keys, openbao, path, '"read", "patch"')
    with pytest.raises(RotationError, match=f'path "secret/metadata/{path}"'):
        rotated(settings, keys.new, "vault", expires_at="never")
    assert stored(openbao, path)["data"] == {"api_key": keys.old}


def test_an_expiry_that_is_written_is_told_if_the_key_is_not(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    with_expiry(openbao, path, keys)
    ends = "3000-01-01T00:00:00Z"
    plan = planned(keys.in_vault(openbao, path), keys.new, "vault", expires_at=ends)
    openbao.write(path, {"api_key": "vs-of-somebody-else"})
    with pytest.raises(RotationError, match=f"Its expires_at is {ends} already"):
        plan.target.write(plan.key)


# --- KV version 1, pinned versions, going back ---


@pytest.fixture(scope="module")
def kv1(openbao: OpenBaoServer) -> str:
    openbao.mount_kv("rotation-kv1", version=1)
    return "rotation-kv1"


def test_kv_1_is_written_only_if_it_is_said_that_it_has_no_check(
    openbao: OpenBaoServer, kv1: str, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old, "owner": "web"}, mount=kv1)
    settings = keys.in_vault(openbao, path, vault_mount=kv1, vault_kv_version=1)
    with pytest.raises(RotationError, match="--no-check-and-set"):
        rotated(settings, keys.new, "vault")
    done = rotated(settings, keys.new, "vault", check_and_set=False)
    assert done.version is None
    found = openbao.call("GET", f"{kv1}/{path}")["data"]
    assert found == {"api_key": keys.new, "owner": "web"}
    with pytest.raises(RotationError, match="keeps no versions"):
        rotated(settings, None, "vault", check_and_set=False)


def test_a_pinned_version_is_refused(openbao: OpenBaoServer, path: str, keys: Keys) -> None:
    openbao.write(path, {"api_key": keys.old})
    with pytest.raises(RotationError, match="Unset VECTORSHIFT_VAULT_VERSION"):
        rotated(keys.in_vault(openbao, path, vault_version=1), keys.new, "vault")


def test_undo_puts_the_key_before_in_a_new_version(
    openbao: OpenBaoServer, path: str, keys: Keys, settings: Settings
) -> None:
    with pytest.raises(RotationError, match="only one version"):
        rotated(settings, None, "vault")
    rotated(settings, keys.new, "vault")
    assert rotated(settings, None, "vault").version == "3"
    assert stored(openbao, path)["data"] == {"api_key": keys.old}


def test_undo_says_why_it_has_no_key_to_go_back_to(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.call("POST", f"secret/metadata/{path}", {"max_versions": 2})
    settings = keys.in_vault(openbao, path)
    for size in range(2):
        openbao.write(path, {"api_key": keys.old, "size": size})
    with pytest.raises(RotationError, match=r"The version before holds #[0-9a-f]{8} too"):
        rotated(settings, None, "vault")
    openbao.call("POST", f"secret/metadata/{path}", {"max_versions": 1})
    openbao.write(path, {"api_key": keys.old})
    with pytest.raises(RotationError, match="version 2 was removed"):
        rotated(settings, None, "vault")


def test_undo_does_not_go_back_to_a_key_that_was_revoked(
    openbao: OpenBaoServer, path: str, keys: Keys, settings: Settings
) -> None:
    rotated(settings, keys.new, "vault")
    keys.api.revoke_key(keys.old)
    with pytest.raises(RotationError, match="refuses the new key"):
        rotated(settings, None, "vault")
    assert stored(openbao, path)["data"] == {"api_key": keys.new}


def test_a_write_that_cannot_be_read_back_says_what_is_known(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old})
    settings = limited(keys, openbao, path, '"read", "patch"')
    plan = planned(settings, keys.new, "vault")
    openbao.policy(path, f'path "secret/data/{path}" {{ capabilities = ["patch"] }}')
    with pytest.raises(CredentialDeniedError, match="key was written but cannot be read back"):
        rotate(plan, checks(settings))
    assert stored(openbao, path)["data"] == {"api_key": keys.new}


def test_a_key_that_the_api_refuses_after_the_write_is_said_to_be_written(
    openbao: OpenBaoServer, path: str, keys: Keys, settings: Settings
) -> None:
    plan = planned(settings, keys.new, "vault")
    keys.api.revoke_key(keys.new)
    with pytest.raises(AuthenticationError) as raised:
        rotate(plan, checks(settings))
    assert f"vault:secret/{path}#api_key holds the new key" in raised.value.message
    assert keys.new not in raised.value.message


def test_a_store_that_is_down_at_the_write_is_not_said_to_have_either_key(
    openbao: OpenBaoServer, path: str, keys: Keys, settings: Settings
) -> None:
    plan = planned(settings, keys.new, "vault")
    openbao.seal()
    try:
        with pytest.raises(
            CredentialStoreUnavailableError, match="may or may not have been written"
        ):
            rotate(plan, checks(settings))
    finally:
        openbao.unseal()
    assert stored(openbao, path)["data"] == {"api_key": keys.old}
