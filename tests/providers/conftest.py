"""What the tests of all stores share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.providers.patience import skipping

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Skip the pauses between attempts, on the monotonic clock too."""
    with skipping():
        yield
