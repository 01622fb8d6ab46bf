"""What a cold read of a key in Vault costs, beside a bare read with hvac: `python -m
benchmarks.vault`.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.figures import in_turn, median, ratio, show
from benchmarks.surroundings import clean_surroundings, python
from vectorshift import ProviderChain, Secret, Settings
from vectorshift.testing import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY = "vs-bench-vault"
_BARE = "hvac, a new client and one read"
_BARE_PROCESS = "a process that imports hvac and reads"

_HVAC = """
import hvac, os
client = hvac.Client(os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
secret = client.secrets.kv.v2.read_secret_version("vectorshift", raise_on_deleted_version=True)
print(secret["data"]["data"]["api_key"])
"""
_OURS = """
import vectorshift
print(vectorshift.get_credential().secret.reveal())
"""


def vault(rounds: int = 101, processes: int = 11) -> None:
    with OpenBaoServer() as bao:
        settings = partial(_settings, bao)
        read_before = settings()
        bao.write("vectorshift", {"api_key": _KEY})
        environ = {**bao.environment(), "VECTORSHIFT_VAULT_PATH": "vectorshift"}
        cold: dict[str, Callable[[], float]] = {
            _BARE: partial(_seconds, partial(_hvac, bao)),
            "vectorshift, a new chain and one read": partial(
                _seconds, partial(_ours, lambda: read_before)
            ),
            "vectorshift, new settings, a new chain, one read": partial(
                _seconds, partial(_ours, settings)
            ),
        }
        whole: dict[str, Callable[[], float]] = {
            _BARE_PROCESS: partial(_seconds, partial(python, _HVAC, **environ)),
            "a process that imports vectorshift and reads": partial(
                _seconds, partial(python, _OURS, **environ)
            ),
        }
        for call in (*cold.values(), *whole.values()):
            call()  # imports, and the bytecode of the children
        found = in_turn(cold, rounds) | in_turn(whole, processes)
    show(
        "A cold read of a key in Vault",
        ("", "ms", "× hvac"),
        [
            (name, f"{median(found, name) * 1e3:.2f}", f"{ratio(found, name, base):.2f}")
            for names, base in ((cold, _BARE), (whole, _BARE_PROCESS))
            for name in names
        ],
        f"OpenBao on loopback; medians of {rounds} rounds, and of {processes} with whole"
        " processes.",
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _hvac(bao: OpenBaoServer) -> None:
    import hvac

    client: Any = hvac.Client(bao.address, token=bao.root_token)
    secret = client.secrets.kv.v2.read_secret_version("vectorshift", raise_on_deleted_version=True)
    assert secret["data"]["data"]["api_key"] == _KEY
    client.adapter.close()


def _settings(bao: OpenBaoServer) -> Settings:
    return Settings(
        vault_path="vectorshift", vault_addr=bao.address, vault_token=Secret(bao.root_token)
    )


def _ours(settings: Callable[[], Settings]) -> None:
    with ProviderChain.from_settings(settings()) as chain:
        assert chain.get_credential().secret.reveal() == _KEY


def main() -> None:
    with clean_surroundings():
        vault()


if __name__ == "__main__":
    main()
