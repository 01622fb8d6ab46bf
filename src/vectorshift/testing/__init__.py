"""Real servers on loopback and a clock that a test moves: for your tests as for this package's own.

Importing this package imports none of them, nor the packages that they need.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from vectorshift.testing.api import FakeVectorShift
    from vectorshift.testing.aws_agent import FakeSecretsManagerAgent
    from vectorshift.testing.clock import ManualClock
    from vectorshift.testing.contract import ProviderContract
    from vectorshift.testing.memory import MemoryProvider, MemoryStore
    from vectorshift.testing.moto import MotoServer
    from vectorshift.testing.openbao import OpenBaoServer
    from vectorshift.testing.openbao_cluster import OpenBaoCluster
    from vectorshift.testing.records import RecordedRequest

__all__ = [
    "FakeSecretsManagerAgent",
    "FakeVectorShift",
    "ManualClock",
    "MemoryProvider",
    "MemoryStore",
    "MotoServer",
    "OpenBaoCluster",
    "OpenBaoServer",
    "ProviderContract",
    "RecordedRequest",
]

_HOME = {
    "FakeSecretsManagerAgent": "aws_agent",
    "FakeVectorShift": "api",
    "ManualClock": "clock",
    "MemoryProvider": "memory",
    "MemoryStore": "memory",
    "MotoServer": "moto",
    "OpenBaoCluster": "openbao_cluster",
    "OpenBaoServer": "openbao",
    "ProviderContract": "contract",
    "RecordedRequest": "records",
}


if not TYPE_CHECKING:  # a checker is to find a mistyped name

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
