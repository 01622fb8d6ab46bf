"""As which organisation a call acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift import Pipeline

if TYPE_CHECKING:
    from vectorshift import AsyncVectorShift, VectorShift

__all__ = ["aseen", "seen"]


def seen(client: VectorShift | None = None) -> str:
    """Return the organisation that a sync call acts as."""
    return _org(Pipeline.list(verbose=True, client=client))


async def aseen(client: AsyncVectorShift | None = None) -> str:
    """Return the organisation that an async call acts as."""
    return _org(await Pipeline.alist(verbose=True, client=client))


def _org(answer: Any) -> str:
    (name,) = {pipeline.raw["org_name"] for pipeline in answer}
    return str(name)
