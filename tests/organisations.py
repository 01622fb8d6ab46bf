"""As which organisation a process and its calls act."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import vectorshift
from vectorshift import Pipeline
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from vectorshift import AsyncVectorShift, VectorShift

__all__ = ["aseen", "process", "seen"]


@contextmanager
def process(monkeypatch: pytest.MonkeyPatch, org: str = "process") -> Iterator[FakeVectorShift]:
    """Give an API that the environment names, with a key of `org`; nothing else is configured."""
    with FakeVectorShift() as api:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", api.base_url)
        monkeypatch.setenv("VECTORSHIFT_API_KEY", api.create_key(org=org))
        _forget()
        yield api
        _forget()
    gc.collect()


def _forget() -> None:
    vectorshift.reset()
    del vectorshift.api_key


def seen(client: VectorShift | None = None) -> str:
    """Return the organisation that a sync call acts as."""
    return _org(Pipeline.list(verbose=True, client=client))


async def aseen(client: AsyncVectorShift | None = None) -> str:
    """Return the organisation that an async call acts as."""
    return _org(await Pipeline.alist(verbose=True, client=client))


def _org(answer: Any) -> str:
    (name,) = {pipeline.raw["org_name"] for pipeline in answer}
    return str(name)
