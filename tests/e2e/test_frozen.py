"""A load that hangs for ever, and a process that is stopped in the middle of one: the key is there
a second after the store is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import anyio
import pytest
from tests.e2e.stage import Gate, Rotation, environment, loads, script, traffic, wait_until

from vectorshift import (
    AsyncVectorShift,
    CredentialStoreUnavailableError,
    Pipeline,
    ProviderChain,
    VaultProvider,
    VectorShift,
)
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from vectorshift.testing import OpenBaoServer

LOAD_TIMEOUT = 1.0


GAVE_UP = "no answer within"  # the store's own budget ends before the caller's patience


def answers(call: Callable[[], object]) -> bool:
    """Whether a call has its key. A store that failed is asked again a second later."""
    try:
        call()
    except CredentialStoreUnavailableError:
        return False
    return True


async def aanswers(call: Callable[[], Awaitable[object]]) -> bool:
    try:
        await call()
    except CredentialStoreUnavailableError:
        return False
    return True


@pytest.fixture
def gate(openbao: OpenBaoServer) -> Iterator[Gate]:
    with Gate(openbao.address) as made:
        yield made


@pytest.fixture
def store(gate: Gate, openbao: OpenBaoServer, path: str, rotation: Rotation) -> VaultProvider:
    assert len(rotation.keys) == 1
    return VaultProvider(path, addr=gate.address, token=openbao.root_token)


def test_a_load_that_hangs_for_ever_fails_within_the_load_timeout_and_not_for_long(
    gate: Gate, store: VaultProvider, rotation: Rotation
) -> None:
    gate.held = True
    chain = ProviderChain([store], load_timeout=LOAD_TIMEOUT)
    with VectorShift(chain, base_url=rotation.api.base_url) as client:
        with pytest.raises(CredentialStoreUnavailableError, match=GAVE_UP):
            Pipeline.list(client=client)
        gate.held = False
        wait_until(lambda: answers(lambda: Pipeline.list(client=client)), 10)
    gate.hang_up()


@pytest.mark.anyio
async def test_the_same_in_an_event_loop(
    gate: Gate, store: VaultProvider, rotation: Rotation
) -> None:
    gate.held = True
    chain = ProviderChain([store], load_timeout=LOAD_TIMEOUT)
    async with AsyncVectorShift(chain, base_url=rotation.api.base_url) as client:
        with pytest.raises(CredentialStoreUnavailableError, match=GAVE_UP):
            await Pipeline.alist(client=client)
        gate.held = False
        with anyio.fail_after(10):
            while not await aanswers(lambda: Pipeline.alist(client=client)):
                await anyio.sleep(0.05)
    gate.hang_up()


def test_a_refresh_that_hangs_for_ever_holds_nobody_up(
    gate: Gate, store: VaultProvider, rotation: Rotation
) -> None:
    clock = ManualClock()
    chain = ProviderChain([store], ttl=300, load_timeout=LOAD_TIMEOUT, clock=clock)
    with VectorShift(chain, base_url=rotation.api.base_url) as client:
        Pipeline.list(client=client)
        gate.hang_up()
        gate.held, visits = True, gate.visits
        clock.advance(301)
        with traffic(8, lambda: Pipeline.list(client=client)) as threads:
            wait_until(lambda: gate.visits > visits)
            for _ in range(5):
                threads.turn()
            assert gate.visits == visits + 1, (
                "the store's own patience, 5 s, is not over: nobody has waited for it"
            )
        assert threads.failures == []
        gate.held = False
        clock.advance(LOAD_TIMEOUT)
        wait_until(lambda: not loads(), 10)
        clock.advance(LOAD_TIMEOUT)
        rotation.rotate()
        assert Pipeline.list(client=client).raw["status"] == "success"
    gate.hang_up()


CALLER = """
    import sys, threading, time
    from vectorshift import CredentialError, Pipeline, ProviderChain, Settings, VectorShift

    client = VectorShift(ProviderChain.from_settings(Settings.load()))

    def call() -> None:
        try:
            print(Pipeline.list(client=client).raw["status"], flush=True)
        except CredentialError as error:
            print(type(error).__name__, flush=True)

    client.prepare()
    threading.Thread(target=call, daemon=True).start()
    sys.stdin.readline()
    for _ in range(10):
        time.sleep(0.25)
        call()
"""


def running(command: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_process_that_was_stopped_in_the_middle_of_a_load_gets_its_key_when_it_goes_on(
    gate: Gate, rotation: Rotation, openbao: OpenBaoServer, path: str, tmp_path: Path
) -> None:
    """As a frozen Lambda: the connection is dead on return. The call that waited fails, and the
    next one has its key at once.
    """
    gate.held = True
    variables = environment(
        VECTORSHIFT_BASE_URL=rotation.api.base_url,
        VECTORSHIFT_VAULT_PATH=path,
        VECTORSHIFT_VAULT_ADDR=gate.address,
        VECTORSHIFT_VAULT_TOKEN=openbao.root_token,
        VECTORSHIFT_LOAD_TIMEOUT="1",
    )
    with running(script(tmp_path, CALLER), variables) as process:
        try:
            wait_until(lambda: gate.visits)
            os.kill(process.pid, signal.SIGSTOP)
            gate.held = False  # the store is well; what was asked before the stop is never answered
            time.sleep(2.25)  # a process that stands still has no clock of ours
            os.kill(process.pid, signal.SIGCONT)
            said, _ = process.communicate("go on\n", timeout=60)
        finally:
            process.kill()
    gate.hang_up()
    assert said.splitlines()[0] == "CredentialStoreUnavailableError"
    assert said.splitlines()[1:] == ["success"] * 10
