"""What a forked child makes of a secret id that its parent unwrapped."""

from __future__ import annotations

import os

import pytest
from tests.forks import held_by_another_thread, succeeds_in_a_child

from vectorshift.credentials import Secret
from vectorshift.providers.vault import VaultProvider, login
from vectorshift.providers.vault.arguments import VaultSetup


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_has_what_its_parent_unwrapped_though_another_thread_was_unwrapping() -> None:
    """Observation to fail when the lock was not made anew: the child waits for a thread that it
    does not have.
    """
    wrapping, unwrapped = Secret("hvs.wrapping"), Secret("an-unwrapped-secret-id")
    vault = VaultProvider("vs", auth="approle", role_id="role", secret_id=wrapping)
    approle = login.AppRoleLogin(VaultSetup(arguments=vault._given))
    login._unwrapped.secret_ids[wrapping] = unwrapped
    try:
        with held_by_another_thread(login._unwrapped.lock):
            assert succeeds_in_a_child(lambda: approle._unwrap(wrapping, None) == unwrapped)  # type: ignore[arg-type]
    finally:
        del login._unwrapped.secret_ids[wrapping]
