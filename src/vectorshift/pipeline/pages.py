"""Walking a list that comes in pages."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vectorshift.client.call import Call
from vectorshift.pipeline.ids import object_in, pipelines_in
from vectorshift.pipeline.steps import Steps, Use, aperform, perform

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client.default import PinnedClients
    from vectorshift.pipeline.steps import Client

__all__ = ["Walk", "apages", "pages"]

T = TypeVar("T")


class Walk(Generic[T]):
    """A walk through all pipelines: what sync and async iterators have in common.

    All pages are read before the first pipeline comes up, so that a loop may delete what it is
    given. The end is an empty page, or one more page without anything new than there were with:
    pipelines made meanwhile shift known ones by so many pages at most, and a server that knows no
    offsets gives the first page for ever.

    Args:
        clients: the clients that read the pages.
        query: the parameters of the list.
        page_size: how many pipelines to ask for at a time.
        make: makes a pipeline of an id and its description.
    """

    def __init__(
        self,
        clients: PinnedClients,
        query: dict[str, Any],
        page_size: int,
        make: Callable[[str, dict[str, Any]], T],
    ) -> None:
        self.clients = clients
        self._query, self._make = query, make
        self._page_size = page_size
        self._offset = 0
        self._known: set[str] = set()
        self._due: deque[tuple[str, dict[str, Any]]] = deque()
        self._pages_with_new = self._pages_without = 0
        self._read_all = False

    def next(self, client: Client) -> Steps[T | None]:
        """Give the next pipeline, or None at the end.

        A page that could not be had is asked for again by the next call.
        """
        yield Use(client)
        while not self._read_all:
            offset = self._offset
            page = yield from self._page(offset)
            if offset == self._offset:  # else another task has read it meanwhile
                self._take(page)
        return self._make(*self._due.popleft()) if self._due else None

    def _page(self, offset: int) -> Steps[dict[str, dict[str, Any]]]:
        query = {**self._query, "verbose": True, "offset": offset, "limit": self._page_size}
        call = Call(method="GET", path="/pipelines", query=query)
        return dict(pipelines_in(object_in((yield call), call), call))

    def _take(self, page: dict[str, dict[str, Any]]) -> None:
        new = [(id, described) for id, described in page.items() if id not in self._known]
        self._offset += len(page)
        self._known.update(page)
        self._due.extend(new)
        if new:
            self._pages_with_new, self._pages_without = self._pages_with_new + 1, 0
        else:
            self._pages_without += 1
        self._read_all = not page or self._pages_without > self._pages_with_new


class _Pages(Iterator[T]):
    def __init__(self, walk: Walk[T]) -> None:
        self._walk, self._client = walk, walk.clients.sync

    def __next__(self) -> T:
        found = perform(self._walk.next(self._client))
        if found is None:
            raise StopIteration
        return found


class _AsyncPages(AsyncIterator[T]):
    """An iterator and no generator: one that is left in the middle needs no event loop to be
    closed.
    """

    def __init__(self, walk: Walk[T]) -> None:
        self._walk, self._client = walk, walk.clients.asynchronous

    async def __anext__(self) -> T:
        found = await aperform(self._walk.next(self._client))
        if found is None:
            raise StopAsyncIteration
        return found


def pages(walk: Walk[T]) -> Iterator[T]:
    """Return what goes through a walk in sync code."""
    return _Pages(walk)


def apages(walk: Walk[T]) -> AsyncIterator[T]:
    """Return what goes through a walk without blocking the event loop."""
    return _AsyncPages(walk)
