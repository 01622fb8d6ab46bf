"""From a call of the API down to a real server and back: what happens to tokens reaches no
caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.stage import traffic
from tests.providers.vault.stand_ins import role

from vectorshift import CachingProvider, Pipeline, ProviderChain, VectorShift
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from vectorshift.testing.openbao import OpenBaoServer

LOGIN = "auth/approle/login"


@pytest.mark.parametrize("ttl", [0.0, 0.05])
def test_a_token_that_expires_under_steady_traffic_fails_no_call_and_costs_one_login(
    ttl: float, openbao: OpenBaoServer, path: str, api: FakeVectorShift
) -> None:
    openbao.write(path, {"api_key": api.create_key(org="acme")})
    clock = ManualClock()  # it stands still, so that the provider cannot foresee the end
    found = role(openbao, "stack", token_ttl="1s", token_max_ttl="1s")
    vault = VaultProvider(
        path,
        addr=openbao.address,
        auth="approle",
        role_id=found["role_id"],
        secret_id=found["secret_id"],
        clock=clock,
    )
    chain = ProviderChain([CachingProvider(vault, ttl=ttl)])
    with VectorShift(chain, base_url=api.base_url) as client:
        Pipeline.list(client=client)
        openbao.call("POST", "auth/approle/role/stack", {"token_ttl": "1h", "token_max_ttl": "2h"})
        logins = openbao.calls(LOGIN, "update")
        refused = f"secret/data/{path}"
        with traffic(3, lambda: Pipeline.list(client=client)) as threads:
            threads.turn_until(lambda: openbao.refusals(refused))
            since = openbao.reads(path)
            threads.turn_until(lambda: openbao.reads(path) > since + 5)
    assert threads.failures == []
    assert openbao.calls(LOGIN, "update") == logins + 1
    assert openbao.refusals(refused) == 1
