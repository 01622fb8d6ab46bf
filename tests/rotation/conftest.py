"""The stand-in API with three keys, and a place in the stores that no other test uses."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.rotation.stage import Keys

from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def keys() -> Iterator[Keys]:
    with FakeVectorShift() as api:
        yield Keys(api)


@pytest.fixture
def path() -> str:
    return f"rotation/{uuid.uuid4().hex}"
