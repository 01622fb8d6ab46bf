"""A process that holds a new key leaves no core dump."""

from __future__ import annotations

import sys

import pytest
from tests.interpreter import printed

PROGRAM = """
import ctypes, resource
from vectorshift.rotation.core_dumps import turn_off
turn_off()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the second number is Linux's")
def test_the_limit_is_0_and_the_process_is_not_dumpable() -> None:
    assert printed(PROGRAM).split() == ["0", "0"]
