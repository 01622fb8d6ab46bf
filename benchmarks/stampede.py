"""How often a slow source is asked when many threads need its first answer at once."""

from __future__ import annotations

import datetime
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks.figures import show, turns
from vectorshift import Credential, CredentialProvider, ProviderChain

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 50
_SLOW = 0.2


class _Source:
    """A store that takes its time and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def read(self) -> str:
        with self._lock:
            self.calls += 1
        time.sleep(_SLOW)
        return "vs-bench"


def stampede(rounds: int = 5) -> None:
    getters = {"vectorshift": _ours, "botocore": _botocore, "google-auth": _google}
    runs: dict[str, list[tuple[int, float]]] = {name: [] for name in getters}
    for name in turns(getters, rounds):
        source = _Source()
        seconds = _all_at_once(getters[name](source))
        runs[name].append((source.calls, seconds))
    rows = [
        (
            name,
            f"{statistics.median(calls for calls, _ in found):.0f}",
            f"{statistics.median(seconds for _, seconds in found):.2f}",
        )
        for name, found in runs.items()
    ]
    show(
        f"{_THREADS} threads at once on a cold source that takes {_SLOW:g} s",
        ("", "reads of the source", "s until all have it"),
        rows,
        f"Median of {rounds} rounds.",
    )


def _all_at_once(get: Callable[[], object]) -> float:
    start = threading.Barrier(_THREADS + 1)

    def one() -> None:
        start.wait()
        get()

    threads = [threading.Thread(target=one) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _ours(source: _Source) -> Callable[[], object]:
    class SlowProvider(CredentialProvider):
        def get_credential(self) -> Credential:
            return Credential(secret=source.read(), source="slow:bench", provider=self.name)

    return ProviderChain([SlowProvider()]).get_credential


def _botocore(source: _Source) -> Callable[[], object]:
    from botocore.credentials import DeferredRefreshableCredentials

    def refresh() -> dict[str, str]:
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        return {
            "access_key": "bench",
            "secret_key": source.read(),
            "token": "",
            "expiry_time": later.isoformat(),
        }

    credentials: Any = DeferredRefreshableCredentials(refresh, "bench")
    return lambda: credentials.get_frozen_credentials()


def _google(source: _Source) -> Callable[[], object]:
    from google.auth.credentials import Credentials

    class SlowCredentials(Credentials):
        def refresh(self, request: Any) -> None:
            self.token = source.read()
            self.expiry = datetime.datetime.now(datetime.timezone.utc).replace(
                tzinfo=None
            ) + datetime.timedelta(days=1)

    credentials: Any = SlowCredentials()  # type: ignore[no-untyped-call]
    return lambda: credentials.before_request(None, "GET", "https://api.example.com/v1", {})
