"""Count what there is to read, and what a warm request enters: `python -m benchmarks.structure`.

Code: lines, statements (`ast.stmt`) and files of `src/vectorshift` without `testing`. A warm
request: the modules of this package that it enters, how often it changes from one to another, and
the calls of functions. The key is in the environment; resumptions of coroutines and generators,
and generator expressions, do not count.
"""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vectorshift
from benchmarks.surroundings import clean_surroundings, stand_in_api
from vectorshift import AsyncVectorShift, VectorShift

if TYPE_CHECKING:
    from types import CodeType, FrameType

SOURCE = Path(vectorshift.__file__).parent
_SUSPENDS = 0x20 | 0x80 | 0x200  # generators, coroutines, async generators


def code() -> dict[str, int]:
    """Return how many lines, statements and files there are."""
    texts = [
        path.read_text("utf-8")
        for path in SOURCE.rglob("*.py")
        if "testing" not in path.relative_to(SOURCE).parts
    ]
    statements = sum(
        isinstance(node, ast.stmt) for text in texts for node in ast.walk(ast.parse(text))
    )
    lines = sum(text.count("\n") for text in texts)
    return {"lines": lines, "statements": statements, "files": len(texts)}


class Trace:
    """Counts the functions of this package that are called while it is entered."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self._known: list[FrameType] = []

    def __enter__(self) -> Trace:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(str(SOURCE)):
            return
        if frame.f_code.co_name == "<genexpr>" or self._resumes(frame, frame.f_code):
            return
        self.entered.append(frame.f_code.co_filename)

    def _resumes(self, frame: FrameType, code: CodeType) -> bool:
        if not code.co_flags & _SUSPENDS:
            return False
        if any(each is frame for each in self._known):
            return True
        self._known.append(frame)
        return False

    def found(self) -> dict[str, int]:
        """Return the numbers of modules, changes of module and calls."""
        changes = sum(a != b for a, b in zip(self.entered, self.entered[1:], strict=False))
        return {
            "modules": len(set(self.entered)),
            "changes": changes,
            "calls": len(self.entered),
        }


def sync_request(client: VectorShift) -> dict[str, int]:
    """Return what a warm request of a sync client enters."""
    for _ in range(3):
        client.request("GET", "/pipelines")
    with Trace() as trace:
        client.request("GET", "/pipelines")
    return trace.found()


async def async_request(client: AsyncVectorShift) -> dict[str, int]:
    """Return what a warm request of an async client enters."""
    for _ in range(3):
        await client.request("GET", "/pipelines")
    with Trace() as trace:
        await client.request("GET", "/pipelines")
    return trace.found()


def main() -> None:
    """Print the figures."""
    print("src/vectorshift without testing:", code())
    with clean_surroundings() as _, stand_in_api() as api:
        os.environ["VECTORSHIFT_API_KEY"] = api.key
        with VectorShift(base_url=api.base_url) as client:
            print("a warm request, sync:", sync_request(client))

        async def run() -> dict[str, int]:
            async with AsyncVectorShift(base_url=api.base_url) as aclient:
                return await async_request(aclient)

        print("a warm request, async:", asyncio.run(run()))


if __name__ == "__main__":
    main()
