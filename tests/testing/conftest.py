"""A plain client of the stand-in API, and a pipeline there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.testing import FakeVectorShift


@pytest.fixture
def http(api: FakeVectorShift) -> Iterator[httpx.Client]:
    """A client that sends no key of its own."""
    with httpx.Client(base_url=api.base_url, trust_env=False) as client:
        yield client


@pytest.fixture
def id(api: FakeVectorShift) -> str:
    """A pipeline of `acme`, at `P`."""
    return api.add_pipeline("acme", "invoices", id="a/b?c")
