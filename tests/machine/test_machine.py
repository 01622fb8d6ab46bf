"""Never another's key: random steps over the whole public surface, judged by an oracle that fits on
a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.machine.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

A_RUN = 50
ANY = settings(
    stateful_step_count=A_RUN, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL", "vectorshift"):
        yield


def test_no_call_is_sent_with_a_key_that_nobody_meant() -> None:
    run_state_machine_as_test(Machine, settings=settings(ANY, max_examples=60, derandomize=True))
