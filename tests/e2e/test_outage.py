"""The store dies for longer than ttl under traffic, and comes back: no call fails, and the backoff
is kept.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.e2e.stage import Gate, Rotation, Threads, loads, traffic, wait_until

from vectorshift import (
    Credential,
    CredentialProvider,
    Description,
    Pipeline,
    ProviderChain,
    VaultProvider,
    VectorShift,
)
from vectorshift.testing import FakeVectorShift, ManualClock, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TTL, MAX_STALE, STEP = 300.0, 3600.0, 10.0
TRIES_AT_MOST = 3  # the provider itself tries a broken connection again, within one contact


class Counted(CredentialProvider):
    """A provider of ours, with the moment of each contact."""

    name = "vault"

    def __init__(self, inner: CredentialProvider, clock: ManualClock) -> None:
        self.inner, self.clock = inner, clock
        self.contacts: list[float] = []

    def describe(self) -> Description:
        return self.inner.describe()

    def get_credential(self) -> Credential:
        self.contacts.append(self.clock.time())
        return self.inner.get_credential()


def predicted(begin: float, end: float) -> Iterator[float]:
    """Yield when a store that fails from `begin` on is asked by callers who look every `STEP`
    seconds.
    """
    moment, due, pause = begin, begin, 1.0
    while moment <= end:
        if moment >= due:
            yield moment
            due, pause = moment + pause, min(pause * 2, 60.0)
        moment += STEP


def settled(threads: Threads) -> None:
    """Wait until each caller has looked at the clock, and the loads that they began have landed."""
    threads.turn()
    threads.turn()
    wait_until(lambda: not loads())


def warm(api: FakeVectorShift, store: Counted) -> VectorShift:
    """Return a client that has read the store once."""
    chain = ProviderChain(
        [store], ttl=TTL, max_stale=MAX_STALE, clock=store.clock, random=lambda: 0.0
    )
    client = VectorShift(chain, base_url=api.base_url)
    client.request("GET", "/pipelines")
    return client


def back(clock: ManualClock, threads: Threads, rotation: Rotation) -> None:
    """Let the callers notice that the store answers again, and rotate."""
    clock.advance(60)
    settled(threads)
    rotation.rotate()
    settled(threads)


def test_an_outage_longer_than_ttl_fails_no_call_and_the_next_rotation_is_picked_up(
    api: FakeVectorShift,
) -> None:
    """Observation to fail, in a copy of the tree, with a pause that does not double, and with a
    failure that drops the key.
    """
    clock = ManualClock()
    with Gate() as gate, OpenBaoServer(token="root-of-both") as second:
        with OpenBaoServer(token="root-of-both") as first:
            gate.lead(first.address)
            rotation = Rotation(api, lambda key: first.write("vs", {"api_key": key}))
            store = Counted(VaultProvider("vs", addr=gate.address, token="root-of-both"), clock)
            client = warm(api, store)
        gate.hang_up()
        visits = gate.visits
        with client, traffic(4, lambda: Pipeline.list(client=client)) as threads:
            began = clock.time()
            while clock.time() < began + 2 * TTL:
                clock.advance(STEP)
                settled(threads)
            assert threads.failures == []
            outage = store.contacts[1:]
            assert outage == list(predicted(began + TTL, clock.time()))
            tries, left = divmod(gate.visits - visits, len(outage))
            assert left == 0
            assert 1 <= tries <= TRIES_AT_MOST

            rotation.put = lambda key: second.write("vs", {"api_key": key})
            gate.lead(second.address)
            rotation.put(rotation.keys[-1])
            back(clock, threads, rotation)
        assert threads.failures == []
        assert rotation.accepted() == set(rotation.keys)
        assert second.reads("vs") == 2


def test_a_sealed_store_fails_no_call_and_is_asked_as_the_backoff_says(
    api: FakeVectorShift,
) -> None:
    clock = ManualClock()
    with OpenBaoServer() as bao:
        rotation = Rotation(api, lambda key: bao.write("vs", {"api_key": key}))
        store = Counted(VaultProvider("vs", addr=bao.address, token=bao.root_token), clock)
        client = warm(api, store)
        bao.seal()
        with client, traffic(4, lambda: Pipeline.list(client=client)) as threads:
            began = clock.time()
            while clock.time() < began + 1.5 * TTL:
                clock.advance(STEP)
                settled(threads)
            assert store.contacts[1:] == list(predicted(began + TTL, clock.time()))
            bao.unseal()
            back(clock, threads, rotation)
        assert threads.failures == []
        assert rotation.accepted() == set(rotation.keys)


WITHOUT_DESCRIPTORS = """
import contextlib, ctypes, resource
import vectorshift

with contextlib.suppress(OSError):  # glibc opens it when the first thread ends
    libgcc = ctypes.CDLL("libgcc_s.so.1")

ttl = 1.0  # so that each of the calls below also wants to read the store again
clock = vectorshift.testing.ManualClock()
vault = vectorshift.VaultProvider("vs", addr={addr!r}, token={token!r})
files = [vectorshift.EnvProvider(), vectorshift.DotenvProvider()]
chain = vectorshift.ProviderChain([*files, vault], ttl=ttl, clock=clock)
with vectorshift.VectorShift(chain, base_url={api!r}, max_retries=0) as client:
    client.request("GET", "/pipelines")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    for _ in range(3):
        clock.advance(2)
        print(type(client.request("GET", "/pipelines")).__name__)
"""


def test_out_of_descriptors_calls_go_on_with_the_cached_key(
    api: FakeVectorShift, openbao: OpenBaoServer, tmp_path: Path
) -> None:
    openbao.write("vs", {"api_key": api.create_key()})
    program = WITHOUT_DESCRIPTORS.format(
        addr=openbao.address, token=openbao.root_token, api=api.base_url
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import vectorshift.testing{program}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert (done.returncode, len(done.stdout.split())) == (0, 3), done.stderr
