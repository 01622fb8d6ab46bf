"""The examples of docs/deploy, run by their frameworks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from tests.docs.blocks import ROOT, blocks_of
from tests.organisations import process

import vectorshift
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with process(monkeypatch, "acme") as running:
        running.add_pipeline("acme", "invoices")
        yield running


def example(page: str) -> dict[str, Any]:
    """Run the only block of Python on a page, and return what it defines."""
    (block,) = (each for each in blocks_of(ROOT / page) if each.language == "python")
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block.code, str(block), "exec", dont_inherit=True), names)
    return names


def test_the_service_on_fastapi_warms_up_answers_and_closes(api: FakeVectorShift) -> None:
    with TestClient(example("docs/deploy/fastapi.md")["app"]) as browser:
        assert api.requests == []
        assert browser.get("/pipelines").json()[-1] == "invoices"
    asyncio.run(vectorshift.aclose())


def test_the_service_on_fastapi_does_not_start_with_a_wrong_key_source(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "Bearer of-a-header")
    vectorshift.reset()
    app = example("docs/deploy/fastapi.md")["app"]
    with pytest.raises(vectorshift.CredentialConfigurationError), TestClient(app):
        pass
    assert api.requests == []


def test_the_task_of_celery_is_tried_again_after_a_limit(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_MAX_RETRIES", "0")
    vectorshift.reset()
    names = example("docs/deploy/celery.md")
    api.fail_next(429)
    assert names["list_pipelines"].apply().get()[-1] == "invoices"
    assert [request.status for request in api.requests] == [429, 200]
