"""From a call of the API down to a real server and back: what happens to tokens reaches no caller."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.providers.vault.stand_ins import role

from vectorshift import CachingProvider, Pipeline, ProviderChain, VectorShift
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.testing.openbao import OpenBaoServer

LOGIN = "auth/approle/login"


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


def calls_for(seconds: float, client: VectorShift, threads: int = 3) -> tuple[int, list[Exception]]:
    """Call the API from several threads; return how many calls were answered, and what was raised."""
    end, answered, raised = time.monotonic() + seconds, [0] * threads, list[Exception]()

    def call(number: int) -> None:
        while time.monotonic() < end:
            try:
                Pipeline.list(client=client)
                answered[number] += 1
            except Exception as error:
                raised.append(error)

    running = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(answered), raised


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
        logins, reads = openbao.calls(LOGIN, "update"), openbao.reads(path)
        answered, raised = calls_for(1.8, client)
    assert raised == []
    assert answered > 50
    assert openbao.calls(LOGIN, "update") == logins + 1
    assert openbao.refusals(f"secret/data/{path}") == 1
    assert openbao.reads(path) - reads > 10
