"""Iterating over a list that the API sends in pages."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from vectorshift.client.call import Call
from vectorshift.client.default import async_client, sync_client
from vectorshift.pipeline.results import pipelines_in
from vectorshift.pipeline.steps import Steps, Use, aperform, perform

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.client.default import PinnedClients
    from vectorshift.pipeline.steps import Client

__all__ = ["Walk", "apages", "pages"]

T = TypeVar("T")


class Walk(Iterator[T], AsyncIterator[T]):
    """Yields all pipelines, each once, to `for` or `async for`. Not a generator, so that it can go
    on after an error, and needs no clean-up by an event loop.

    All pages are read before the first pipeline is yielded, so that a loop may delete it. An empty
    page is the end. Reading also ends after more pages without new pipelines than with new ones.
    New pipelines shift known ones by at most that many pages, and a server without offsets repeats
    the first page for ever.

    Args:
        clients: the clients that read the pages.
        query: the query parameters.
        page_size: how many pipelines to ask for at a time.
        make: creates a pipeline from its id and its description.
    """

    client: Client

    def __init__(
        self,
        clients: PinnedClients,
        query: dict[str, Any],
        page_size: int,
        make: Callable[[str, dict[str, Any]], T],
    ) -> None:
        self.clients = clients
        self._query, self._make = {**query, "verbose": True, "limit": page_size}, make
        self._offset = 0
        self._known: set[str] = set()
        self._due: deque[tuple[str, dict[str, Any]]] = deque()
        self._pages_with_new = self._pages_without = 0
        self._read_all = False

    def next(self) -> Steps[T | None]:
        """Return the next pipeline, or None at the end.

        If reading a page fails, the next call reads it again.
        """
        yield Use(self.client)
        while not self._read_all:
            offset = self._offset
            query = {**self._query, "offset": offset}
            page, _ = yield Call("GET", "/pipelines", query, parse=pipelines_in)
            if offset == self._offset:  # else another task has read this page
                self._take(dict(page))
        return self._make(*self._due.popleft()) if self._due else None

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

    def __next__(self) -> T:
        found = perform(self.next())
        if found is None:
            raise StopIteration
        return found

    async def __anext__(self) -> T:
        found = await aperform(self.next())
        if found is None:
            raise StopAsyncIteration
        return found


def pages(walk: Walk[T]) -> Iterator[T]:
    """Return a walk for sync code."""
    walk.client = sync_client(walk.clients)
    return walk


def apages(walk: Walk[T]) -> AsyncIterator[T]:
    """Return a walk that does not block the event loop."""
    walk.client = async_client(walk.clients)
    return walk
