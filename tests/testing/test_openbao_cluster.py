"""The cluster of OpenBao that ships for tests. `tests/providers/vault` has what it is used for."""

from __future__ import annotations

import httpx
import pytest

from vectorshift.testing import OpenBaoCluster


def test_it_elects_freezes_heals_and_leaves_nothing_behind() -> None:
    with OpenBaoCluster() as bao:
        addresses, first = bao.addresses, bao.leader
        assert len({*addresses, bao.address}) == 4
        assert bao.write("a", {"b": "c"}) == 1
        bao.kill(first)
        assert bao.leader != first
        frozen = bao.leader
        bao.freeze(frozen)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{addresses[frozen]}/v1/sys/health", timeout=0.2, trust_env=False)
        bao.heal()
        for node in range(3):
            bao.route(node)
            asked = httpx.get(
                f"{bao.address}/v1/secret/data/a",
                headers={"X-Vault-Token": bao.root_token},
                trust_env=False,
            )
            assert asked.json()["data"]["data"] == {"b": "c"}
    for address in addresses:
        with pytest.raises(httpx.ConnectError):
            httpx.get(address, trust_env=False)
    with pytest.raises(RuntimeError, match="not running"):
        assert bao.address
