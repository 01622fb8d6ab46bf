"""Walking a list that comes in pages, and that may change on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vectorshift.client.call import Call
from vectorshift.pipeline.operations import as_list, list_call
from vectorshift.pipeline.results import PipelineList, id_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["AsyncPages", "Found", "Pages", "Walk", "walk"]

T = TypeVar("T")
Found = tuple[str, "dict[str, Any]"]
"""A pipeline's id and what the server says of it."""
Walk = Generator[Call | Found, PipelineList | None, None]


_PATIENCE = 10
"""Pages in a row without anything new that are borne, besides two for each page that had something
new.
"""


def walk(include_shared: bool, folder_id: str | None, page_size: int) -> Walk:
    """Yield a call for each page, be sent the page, and yield each pipeline of it once.

    Each page begins with the last pipeline of the one before. So one in which nothing is known
    tells that pipelines before it were deleted, and the walk steps back. It ends at a page that has
    nothing but the one that is known.
    """
    limit = max(page_size, 2)  # one that is known, and one more
    place = _Place()
    while not place.ended:
        page = yield list_call(include_shared, True, folder_id, place.offset, limit)
        assert page is not None
        yield from place.new_on(dict(_items(page)))


class _Place:
    """Where a walk is in a list that others change: they take away anywhere, and put to the front.

    Some servers round the offset, give one item at a time, or do not know of offsets. Theirs is the
    second page that is the first one again, and there the walk goes on from page to page without
    looking for what is known.
    """

    def __init__(self) -> None:
        self.offset, self.ended = 0, False
        self._seen: set[str] = set()
        self._before: set[str] | None = None
        self._largest, self._overlap = 1, 1
        self._good = self._idle = 0

    def new_on(self, page: dict[str, dict[str, Any]]) -> list[Found]:
        """Take a page, move on, and return what is new."""
        self._largest = max(self._largest, len(page))
        if self.offset and self._overlap and not page.keys() & self._seen:
            self._before = None
            self._count(new=False)
            self.offset = max(0, self.offset - max(1, self._largest - 1))
            return []
        new = [(id, described) for id, described in page.items() if id not in self._seen]
        self._seen.update(page)
        self._count(new=bool(new))
        again, self._before = page.keys() == self._before, set(page)
        self._move_on(len(page), again, bool(new))
        return new

    def _count(self, *, new: bool) -> None:
        self._good, self._idle = (self._good + 1, 0) if new else (self._good, self._idle + 1)
        self.ended = self._idle > 2 * self._good + _PATIENCE

    def _move_on(self, size: int, again: bool, new: bool) -> None:
        if not size or (not new and (size == 1 or not self._overlap)):
            self.ended = True
        elif (
            again and self.offset
        ):  # as many as the page has steps were put to the front, or it knows of no offsets
            self.offset = 0
        else:
            if again or size == 1:
                self._overlap = 0
            self.offset += size - self._overlap


class _Pages(Generic[T]):
    """What sync and async know: where the walk is, and the page that is due."""

    def __init__(self, steps: Walk, made: Callable[[Found], T]) -> None:
        self._steps, self._made = steps, made
        self._due: Call | None = None

    def _step(self) -> Call | Found | None:
        """Return what comes next: the page that got no answer, if there is one."""
        return self._due or self._next(None)

    def _took(self, call: Call, page: PipelineList) -> Call | Found | None:
        """Return what comes behind a page; if two tasks share this and asked for the same one,
        behind the first.
        """
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

    A page that gets no good answer is asked for again when the next pipeline is, so that nothing is
    left out silently.
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
    """What `Pages` is, without blocking the event loop. A page is asked for again after a cancelled
    wait, too.

    An iterator and no generator: one that is left in the middle is nothing that an event loop has
    to clean up.
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
    """Yield what a page holds: objects, or ids alone from a server that does not know of
    `verbose`.
    """
    described = {id: each for each in page.objects if (id := id_of(each))}
    for id in dict.fromkeys([*page.ids, *described]):
        yield id, described.get(id, {})
