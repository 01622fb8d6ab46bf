"""Walking a list that comes in pages, and that may change on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vectorshift.calls import Call
from vectorshift.pipeline.answers import PipelineList, id_of
from vectorshift.pipeline.operations import as_list, list_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["AsyncPages", "Found", "Pages", "Walk", "walk"]

T = TypeVar("T")
Found = tuple[str, "dict[str, Any]"]
"""A pipeline's id and what the server says of it."""
Walk = Generator[Call | Found, PipelineList | None, None]


def walk(include_shared: bool, folder_id: str | None, page_size: int) -> Walk:
    """Yield a call for each page, be sent the page, and yield each pipeline of it once.

    It ends at an empty page. A page without anything new is followed by one more, as a list that others change may have
    such a page in its midst, unless it is the page before again: that server does not know of `offset`.
    """
    seen: set[str] = set()
    before: list[str] = []
    offset, stale = 0, False
    while True:
        page = yield list_call(include_shared, True, folder_id, offset, page_size)
        assert page is not None
        ids = page.ids
        new = 0
        for id, described in _items(page):
            if id not in seen:
                seen.add(id)
                new += 1
                yield id, described
        if not ids or ids == before or (stale and not new):
            return
        before, stale = ids, not new
        offset += len(ids)


class _Pages(Generic[T]):
    """What both colours know: where the walk is, and the page that is due."""

    def __init__(self, steps: Walk, made: Callable[[Found], T]) -> None:
        self._steps, self._made = steps, made
        self._due: Call | None = None

    def _step(self) -> Call | Found | None:
        """Return what comes next: the page that got no answer, if there is one."""
        return self._due or self._next(None)

    def _took(self, call: Call, page: PipelineList) -> Call | Found | None:
        """Return what comes behind a page; if two tasks share this and asked for the same one, behind the first."""
        return self._next(page) if call is self._due else self._step()

    def _next(self, page: PipelineList | None) -> Call | Found | None:
        try:
            step = next(self._steps) if page is None else self._steps.send(page)
        except StopIteration:
            step = None
        self._due = step if isinstance(step, Call) else None
        return step


class Pages(_Pages[T], Iterator[T]):
    """Make the calls of a walk, as late as can be, and give what is made of each pipeline.

    A page that gets no good answer is asked for again when the next pipeline is, so that nothing is left out silently.
    """

    def __init__(self, client: VectorShift, steps: Walk, made: Callable[[Found], T]) -> None:
        super().__init__(steps, made)
        self._client = client

    def __next__(self) -> T:
        step = self._step()
        while isinstance(step, Call):
            step = self._took(step, as_list(self._client.call(step), step))
        if step is None:
            raise StopIteration
        return self._made(step)


class AsyncPages(_Pages[T], AsyncIterator[T]):
    """What `Pages` is, without blocking the event loop. A page is asked for again after a cancelled wait, too.

    An iterator and no generator: one that is left in the middle is nothing that an event loop has to clean up.
    """

    def __init__(self, client: AsyncVectorShift, steps: Walk, made: Callable[[Found], T]) -> None:
        super().__init__(steps, made)
        self._client = client

    async def __anext__(self) -> T:
        step = self._step()
        while isinstance(step, Call):
            step = self._took(step, as_list(await self._client.call(step), step))
        if step is None:
            raise StopAsyncIteration
        return self._made(step)


def _items(page: PipelineList) -> Iterator[Found]:
    """Yield what a page holds: objects, or ids alone from a server that does not know of `verbose`."""
    described = {id: each for each in page.objects if (id := id_of(each))}
    for id in dict.fromkeys([*page.ids, *described]):
        yield id, described.get(id, {})
