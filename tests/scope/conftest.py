"""A process that the environment gives a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.organisations import process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.testing import FakeVectorShift


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    """The API that the environment names, where the process itself has the key of `process`."""
    with process(monkeypatch) as running:
        yield running
