"""Never another's key: random steps over the whole public surface, judged by `oracle.py`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.machine import oracle, stage
from tests.machine.bao import BaoStore
from tests.machine.machine import Machine

from vectorshift.testing import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machine.oracle import Source
    from tests.machine.process import Client, Process
    from tests.machine.world import World

STEPS = int(os.environ.get("SOAK_STEPS", "1_000_000"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
ONE_SCRIPT = 50
ANY = settings(
    stateful_step_count=ONE_SCRIPT,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left() -> Iterator[None]:
    yield
    stage.stop()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Log lines are not judged here."""
    log = logging.getLogger("vectorshift")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(before)


def test_no_call_is_sent_with_a_key_that_nobody_meant() -> None:
    run_state_machine_as_test(Machine, settings=settings(ANY, max_examples=80, derandomize=True))


@pytest.mark.soak
def test_no_call_of_a_million_is_sent_with_a_key_that_nobody_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each batch has a seed of its own, as hypothesis remembers all that it has tried."""
    began, batch, Machine.steps = time.process_time(), 0, 0
    while Machine.steps < STEPS:

        @seed(SEED * 1_000_000 + batch)
        class Batch(Machine):
            """A machine with the seed of this batch."""

        run_state_machine_as_test(Batch, settings=settings(ANY, max_examples=100))
        batch += 1
        cpu = time.process_time() - began
        with capsys.disabled():
            print(f"{Machine.steps:,} steps, {cpu:,.0f} s of CPU, no failure", flush=True)


@pytest.mark.soak
def test_no_call_is_sent_with_a_key_that_nobody_meant_where_the_stores_are_real(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OpenBaoServer() as first, OpenBaoServer() as second:
        monkeypatch.setattr(stage, "one", BaoStore("one", first))
        monkeypatch.setattr(stage, "two", BaoStore("two", second))
        run_state_machine_as_test(Machine, settings=settings(ANY, max_examples=STEPS // 5_000))


def test_a_wrong_answer_is_a_short_script_that_can_be_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The oracle is told a lie: that a block comes to an end when time passes."""

    def lie(process: Process, world: World, blocks: list[Source], client: Client) -> Source:
        return true(process, world, [] if world.now else blocks, client)

    true = oracle.in_force
    monkeypatch.setattr(oracle, "in_force", lie)
    few = settings(ANY, derandomize=True, stateful_step_count=8, max_examples=300)
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(Machine, settings=few)
    script = tmp_path / "this.py"
    script.write_text(str(caught.value).partition("\n\n")[2])
    assert len(script.read_text().splitlines()) < 25
    ran = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "AssertionError" in ran.stderr
