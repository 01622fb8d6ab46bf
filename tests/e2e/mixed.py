"""Calls of every kind, written once for sync and async. Each has a mark of its own in what it
sends.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.call_styles import ASYNC, SYNC, CallStyle

from vectorshift import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from tests.e2e.faulty import Faulty

__all__ = ["ASYNC", "SYNC", "Mixed"]


class Mixed:
    """What the calls of one campaign work with.

    Args:
        style: sync or async.
        client: the client.
        api: the server.
        file: some file.
    """

    def __init__(self, style: CallStyle, client: Any, api: Faulty, file: Path) -> None:
        self.style, self.client, self.file = style, client, file
        self.id = api.add_pipeline("acme", "mixed")
        self.pipeline = Pipeline(self.id, client=client)

    async def call(self, name: str, /, *args: Any, on: Any = None, **given: Any) -> Any:
        return await self.style.call(on or self.pipeline, name, *args, **given)

    async def request(self, *args: Any, **given: Any) -> Any:
        answer = self.client.request(*args, **given)
        return await answer if self.style is ASYNC else answer

    async def next(self, items: Any) -> Any:
        return await anext(items, None) if self.style is ASYNC else next(items, None)

    async def listed(self, mark: str) -> None:
        await self.call("list", on=Pipeline, client=self.client, limit=3, verbose=True)

    async def fetched(self, mark: str) -> None:
        assert (await self.call("fetch", self.id, on=Pipeline, client=self.client)).id == self.id

    async def run(self, mark: str) -> None:
        _is_for(mark, (await self.call("run", {"mark": mark})).outputs)

    async def run_with_files(self, mark: str) -> None:
        files = {"a": b"x" * 70_000, "b": self.file, "c": io.BytesIO(b"y")}
        outputs = (await self.call("run", {"mark": mark, **files})).outputs
        _is_for(mark, outputs)
        assert not outputs or [outputs[name]["size"] for name in "abc"] == [70_000, 5, 1]

    async def bulk_run(self, mark: str) -> None:
        for each in (await self.call("bulk_run", [{"mark": mark}, {"mark": mark}])).runs:
            _is_for(mark, each.outputs)

    async def started(self, mark: str) -> None:
        handler = await self.call("start", {"mark": mark})
        _is_for(mark, (await self.call("result", on=handler)).outputs)

    async def started_and_ended(self, mark: str) -> None:
        handler = await self.call("start", {"mark": mark})
        await self.call("terminate", on=handler)
        await self.call("run_status", on=handler)

    async def streamed(self, mark: str, pieces: int = 1_000) -> None:
        chunks = self.style.iterator(self.pipeline, "stream", {"mark": mark, "text": "a b c d e f"})
        last: Any = {}
        try:
            for _ in range(pieces):
                if (chunk := await self.next(chunks)) is None:
                    _is_for(mark, last.get("outputs", {}))
                    break
                last = chunk
        finally:
            await (chunks.aclose() if self.style is ASYNC else _at_once(chunks.close))

    async def streamed_and_left(self, mark: str) -> None:
        await self.streamed(mark, pieces=2)

    async def iterated(self, mark: str) -> None:
        seen = await self.style.all(self.style.iterator(Pipeline, "iterate", client=self.client))
        assert len({each.id for each in seen}) == len(seen)

    async def iterated_and_left(self, mark: str) -> None:
        pages = self.style.iterator(Pipeline, "iterate", client=self.client, page_size=1)
        for _ in range(3):
            await self.next(pages)

    async def copied_and_deleted(self, mark: str) -> None:
        copy = await self.call("duplicate", mark)
        await self.call("delete", on=copy)

    async def shared(self, mark: str) -> None:
        await self.call("share", org_id="guest", name=mark)
        await self.call("unshare", org_id="guest")

    async def requested(self, mark: str) -> None:
        form = {"inputs": json.dumps({"mark": mark})}
        answer = await self.request(
            "POST", f"/pipeline/{self.id}/run", form=form, files={"inputs.f": b"z"}
        )
        _is_for(mark, answer.get("outputs", {}) if isinstance(answer, dict) else {})

    async def read_by_lines(self, mark: str, lines: int = 1_000) -> None:
        block = self.client.stream("GET", "/pipelines", query={"verbose": True})
        if self.style is SYNC:
            with block as stream:
                for _, _line in zip(range(lines), stream.iter_lines(), strict=False):
                    pass
            return
        async with block as stream:
            pieces = stream.aiter_bytes()
            for _ in range(lines):
                if await anext(pieces, None) is None:
                    break

    async def read_and_left(self, mark: str) -> None:
        await self.read_by_lines(mark, lines=0)

    async def no_json(self, mark: str) -> None:
        with pytest.raises(TypeError, match="was not sent"):
            await self.call("run", {"mark": mark, "object": object()})

    async def no_id(self, mark: str) -> None:
        with pytest.raises(ValueError, match="The id of"):
            await self.call("run_status", "..")

    async def no_header(self, mark: str) -> None:
        with pytest.raises(TypeError, match="was not sent: the header 'X' holds"):
            await self.request(
                "POST",
                f"/pipeline/{self.id}/run",
                json={"inputs": {"mark": mark}},
                headers={"X": "\n"},
            )

    @property
    def all(self) -> list[Callable[[str], Coroutine[Any, Any, None]]]:
        return [each for name, each in self._named() if not name.startswith("_")]

    def _named(self) -> Iterator[tuple[str, Any]]:
        for name in vars(type(self)):
            if name not in ("all", "call", "next", "request"):
                yield name, getattr(self, name)


def _is_for(mark: str, outputs: dict[str, Any]) -> None:
    """No call may have another's answer; one whose answer was 204 has none."""
    assert outputs.get("mark", mark) == mark, f"{mark} was given the answer to {outputs['mark']}"


async def _at_once(work: Callable[[], None]) -> None:
    work()
