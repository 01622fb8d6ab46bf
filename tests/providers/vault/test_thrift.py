"""What a failure that lasts costs the server, and what it must not cost the token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.vault.stand_ins import role

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from tests.providers.vault.conftest import Failure

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
LOGIN = "auth/approle/login"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_policy_that_refuses_for_long_costs_a_login_a_minute_and_a_mended_one_is_noticed(
    openbao: OpenBaoServer, stored: str, clock: ManualClock, failure: Failure
) -> None:
    login: dict[str, Any] = role(openbao, "poor", token_policies="default")
    vault = VaultProvider(stored, addr=openbao.address, auth="approle", clock=clock, **login)
    before = openbao.calls(LOGIN, "update")
    for _ in range(8):
        said = failure(vault, errors.CredentialDeniedError)
        assert "the policies of its role lack these lines" in said
        assert "A new login did not help" not in said  # there was only one
        clock.advance(7)
    assert openbao.calls(LOGIN, "update") == before + 1
    openbao.call("POST", "auth/approle/role/poor", {"token_policies": "reader"})
    clock.advance(7)
    assert vault.get_credential().secret.reveal() == KEY
    assert openbao.calls(LOGIN, "update") == before + 2


def test_a_second_login_that_does_not_help_is_told(
    openbao: OpenBaoServer, stored: str, clock: ManualClock, failure: Failure
) -> None:
    login: dict[str, Any] = role(openbao, "poorer", token_policies="default")
    vault = VaultProvider(stored, addr=openbao.address, auth="approle", clock=clock, **login)
    failure(vault, errors.CredentialDeniedError)
    clock.advance(61)
    assert "A new login did not help" in failure(vault, errors.CredentialDeniedError)


@pytest.mark.parametrize("gap", ["no secret", "deleted"])
def test_a_given_token_is_renewed_while_there_is_no_secret_yet(
    gap: str, openbao: OpenBaoServer, path: str, clock: ManualClock
) -> None:
    if gap == "deleted":
        openbao.write(path, {"api_key": KEY})
        openbao.call("DELETE", f"secret/data/{path}")
    vault = VaultProvider(
        path, addr=openbao.address, token=openbao.token(["root"], ttl="1h"), clock=clock
    )
    before = openbao.calls("auth/token/renew-self", "update")
    for _ in range(4):
        with pytest.raises((errors.CredentialNotFoundError, errors.CredentialRevokedError)):
            vault.get_credential()
        clock.advance(1000)
    assert openbao.calls("auth/token/renew-self", "update") == before + 1


@pytest.mark.parametrize(
    "flaw",
    [{"cacert": "a" * 5000}, {"token_file": "a\0b"}, {"token_file": "a" * 5000}, {"version": 0}],
)
def test_a_setting_that_cannot_be_right_is_a_configuration_error(
    flaw: dict[str, Any], openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    setting = f"{next(iter(flaw))}="
    assert setting in failure(
        VaultProvider(stored, addr=openbao.address, **flaw), errors.CredentialConfigurationError
    )


def test_a_mount_that_cannot_be_encoded_is_denied_and_raises_nothing_else(
    openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    more: dict[str, Any] = {
        "auth": "approle",
        "auth_mount": "a\udcff",
        "role_id": "r",
        "secret_id": "s",
    }
    failure(VaultProvider(stored, addr=openbao.address, **more), errors.CredentialDeniedError)


def test_an_address_with_a_path_below_which_no_vault_answers_is_wrong_and_not_empty(
    openbao: OpenBaoServer, stored: str, failure: Failure
) -> None:
    vault = VaultProvider(stored, addr=f"{openbao.address}/elsewhere", token=openbao.root_token)
    assert "where no Vault answers" in failure(vault, errors.CredentialConfigurationError)
