"""Elections, lag and servers that are lost, on a real cluster of three under traffic."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.vault.stand_ins import role

from vectorshift import CachingProvider, Credential, errors
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import OpenBaoCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "vs-key-3f9c2e71d8"
SOAK_SECONDS = float(os.environ.get("SOAK_CLUSTER_SECONDS", "600"))
THREADS = 16


@pytest.fixture(scope="module")
def running() -> Iterator[OpenBaoCluster]:
    with OpenBaoCluster() as bao:
        bao.write("vs", {"api_key": KEY})
        yield bao


@pytest.fixture
def cluster(running: OpenBaoCluster) -> Iterator[OpenBaoCluster]:
    """The cluster, whole again after each test."""
    yield running
    running.heal()


@pytest.fixture
def login(cluster: OpenBaoCluster) -> Callable[[str], VaultProvider]:
    """Make what a new process has: a provider that logs in by AppRole."""
    ids: Any = role(cluster, "app")
    return lambda address: VaultProvider("vs", addr=address, auth="approle", **ids)


@contextmanager
def traffic(provider: VaultProvider, threads: int = THREADS) -> Iterator[list[object]]:
    """Ask from many threads during a block, each time with a refresh behind; none may fail.

    Yields the calls that were made, so that a test can wait for more of them.
    """
    cached = CachingProvider(provider, ttl=0)
    over, failed, made = threading.Event(), list[BaseException](), list[object]()

    def ask() -> None:
        while not over.wait(0.005):
            try:
                made.append(cached.get_credential().secret.reveal() == KEY or 1 / 0)
            except BaseException as error:
                failed.append(error)

    assert cached.get_credential().secret.reveal() == KEY
    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for each in workers:
        each.start()
    try:
        yield made
    finally:
        over.set()
        for each in workers:
            each.join()
    assert made
    assert failed == []


def go_on(made: list[object], calls: int = 50) -> None:
    """Wait until so many more calls were made."""
    enough = len(made) + calls
    while len(made) < enough:
        time.sleep(0.01)


def test_with_the_leader_killed_no_call_fails_and_a_new_process_gets_its_key(
    cluster: OpenBaoCluster, login: Callable[[str], VaultProvider]
) -> None:
    leader, (standby, other) = cluster.leader, cluster.standbys
    with traffic(login(cluster.address)) as made:
        cluster.kill(leader)
        for address in (cluster.addresses[standby], cluster.addresses[other], cluster.address):
            asked = LookupRequest(deadline=time.monotonic() + 30)
            answer = login(address).resolve(asked)
            assert isinstance(answer, Credential), answer
        assert cluster.leader != leader
        go_on(made)


def test_with_a_standby_frozen_and_thawed_no_call_fails(
    cluster: OpenBaoCluster, login: Callable[[str], VaultProvider]
) -> None:
    standby, _ = cluster.standbys
    with traffic(login(cluster.address)) as made:
        cluster.route(standby)
        cluster.freeze(standby)
        go_on(made)
        cluster.thaw(standby)
        go_on(made)


def test_a_secret_that_is_not_at_a_standby_yet_is_not_dropped(cluster: OpenBaoCluster) -> None:
    """The first answers of a standby that was away are "not found", without a word on deletion."""
    standby, _ = cluster.standbys
    cluster.freeze(standby)
    cluster.write("late", {"api_key": KEY})
    cluster.route(cluster.leader)
    vault = VaultProvider("late", addr=cluster.address, token=cluster.root_token)
    with traffic(vault) as made:
        cluster.route(standby)
        time.sleep(3)  # until the leader pauses with what it sends there; a read waits there now
        cluster.thaw(standby)
        go_on(made, 2_000)


def test_an_identity_that_was_made_a_moment_ago_logs_in_at_a_standby_and_reads_there(
    cluster: OpenBaoCluster,
) -> None:
    standby, _ = cluster.standbys
    for number in range(3):
        ids: Any = role(cluster, f"just-made-{number}")
        with VaultProvider("vs", addr=cluster.addresses[standby], auth="approle", **ids) as vault:
            assert vault.get_credential().secret.reveal() == KEY


def test_without_a_majority_a_new_process_is_told_that_the_store_is_unavailable(
    cluster: OpenBaoCluster, login: Callable[[str], VaultProvider]
) -> None:
    leader, (left, other) = cluster.leader, cluster.standbys
    vault = login(cluster.addresses[left])
    assert vault.get_credential().secret.reveal() == KEY
    vault.close()  # and forgets its login
    cluster.kill(leader)
    cluster.kill(other)
    answer = vault.resolve(LookupRequest(deadline=time.monotonic() + 3))
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert answer.retry_after == 1, "it is asked again at once, and not after a minute"


@pytest.mark.soak
def test_elections_and_lag_at_random_fail_no_call(
    cluster: OpenBaoCluster,
    login: Callable[[str], VaultProvider],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pick, end, elections = random.Random(os.environ.get("SOAK_SEED", "1")), time.monotonic(), 0
    end += SOAK_SECONDS
    with traffic(login(cluster.address), threads=64) as made:
        while time.monotonic() < end:
            node = pick.randrange(3)
            cluster.route(pick.choice([None, None, 0, 1, 2]))
            if pick.random() < 0.5:
                elections += node == cluster.leader
                cluster.kill(node)
                time.sleep(pick.uniform(0, 8))
                cluster.start(node)
            else:
                cluster.freeze(node)
                time.sleep(pick.uniform(0, 8))
                cluster.thaw(node)
            cluster.write("other", {"api_key": str(elections)})
    with capsys.disabled():
        print(f"{len(made):,} calls, {elections} leaders killed, no failed call", flush=True)
