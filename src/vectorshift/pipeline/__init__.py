"""`Pipeline`: the calls of the API for pipelines and their runs."""

from __future__ import annotations

from typing import Any

from vectorshift._compat import missing
from vectorshift.pipeline.chunks import AsyncChunks
from vectorshift.pipeline.handler import RunHandler
from vectorshift.pipeline.pipeline import Pipeline
from vectorshift.pipeline.results import (
    Answer,
    BulkRunResult,
    PipelineList,
    RunResult,
    RunStatus,
    StreamChunk,
)

__all__ = [
    "Answer",
    "AsyncChunks",
    "BulkRunResult",
    "Pipeline",
    "PipelineList",
    "RunHandler",
    "RunResult",
    "RunStatus",
    "StreamChunk",
]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
