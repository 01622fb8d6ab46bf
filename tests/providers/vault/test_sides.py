"""Behind a real `bao agent` and `bao proxy` that log in by themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.providers.vault.stand_ins import BaoSide, role

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.providers.vault.conftest import Failure

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"


@pytest.fixture(scope="module", params=["agent", "proxy"])
def side(
    request: pytest.FixtureRequest, openbao: OpenBaoServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BaoSide]:
    """An agent or a proxy with auto-auth, a listener, and a file that it keeps its token in."""
    home = tmp_path_factory.mktemp(request.param)
    for name, text in role(openbao, "side").items():
        (home / name).write_text(text)
    openbao.write("beside", {"api_key": KEY})
    files = {
        "role_id_file_path": str(home / "role_id"),
        "secret_id_file_path": str(home / "secret_id"),
        "remove_secret_id_file_after_reading": False,
    }
    sink = [{"sink": [{"type": "file", "config": {"path": str(home / "sink")}}]}]
    listener = {"address": "127.0.0.1:PORT", "tls_disable": True, "require_request_header": True}
    config = {
        "vault": {"address": openbao.address},
        "auto_auth": {"method": [{"type": "approle", "config": files}], "sinks": sink},
        "api_proxy": {"use_auto_auth_token": True},
        "listener": [{"tcp": listener}],
    }
    with BaoSide(request.param, json.dumps(config), home) as running:
        running.wait_for("secret/data/beside")
        yield running


def test_its_own_token_is_used_and_none_of_ours(
    side: BaoSide, openbao: OpenBaoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hvs.wrong")
    vault = VaultProvider("beside", addr=side.address, auth="agent")
    assert vault.get_credential().secret.reveal() == KEY
    openbao.write("beside", {"api_key": KEY})
    assert int(vault.get_credential().version or 0) > 1


def test_what_its_token_may_not_read_is_denied_with_the_policy_that_lacks(
    side: BaoSide, openbao: OpenBaoServer, failure: Failure
) -> None:
    openbao.mount_kv(f"beyond-{side.port}")
    vault = VaultProvider("vs", mount=f"beyond-{side.port}", addr=side.address, auth="agent")
    said = failure(vault, errors.CredentialDeniedError)
    assert f'path "beyond-{side.port}/data/vs"' in said


def test_what_is_not_there_is_not_found_through_it_too(
    side: BaoSide, path: str, failure: Failure
) -> None:
    failure(VaultProvider(path, addr=side.address, auth="agent"), errors.CredentialNotFoundError)


def test_the_file_it_keeps_its_token_in_serves_a_provider_of_the_server_itself(
    side: BaoSide, openbao: OpenBaoServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sink = side.home / "sink"
    vault = VaultProvider("beside", addr=openbao.address, token_file=str(sink))
    assert vault.get_credential().secret.reveal() == KEY


def test_many_processes_share_it_with_one_login(
    side: BaoSide, openbao: OpenBaoServer, tmp_path: Path
) -> None:
    logins = openbao.calls("auth/approle/login", "update")
    code = (
        "import sys; from vectorshift import VaultProvider\nprint(VaultProvider('beside',"
        " addr=sys.argv[1], auth='agent').get_credential().fingerprint)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, side.address],
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for _ in range(3)
    ]
    fingerprint = (
        VaultProvider("beside", addr=side.address, auth="agent").get_credential().fingerprint
    )
    assert [child.communicate()[0].strip() for child in children] == [fingerprint] * 3
    assert openbao.calls("auth/approle/login", "update") == logins
