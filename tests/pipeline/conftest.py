"""An organisation with a pipeline, and the pipeline as a client of each kind has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import Pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.call_styles import CallStyle

    from vectorshift.testing import FakeVectorShift


@pytest.fixture
def api(api: FakeVectorShift) -> FakeVectorShift:
    """The stand-in API, where `acme` has the pipeline `p1`."""
    api.add_pipeline("acme", "invoices", id="p1", version=1)
    return api


@pytest.fixture
async def client(api: FakeVectorShift, style: CallStyle) -> AsyncIterator[Any]:
    """A client with a key of `acme`."""
    async with style.client(api) as made:
        yield made


@pytest.fixture
def pipeline(client: Any) -> Pipeline:
    """The pipeline `p1`, called through the client."""
    return Pipeline("p1", client=client)
