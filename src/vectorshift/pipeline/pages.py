"""Walking a list that comes in pages, and that may change on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.pipeline.answers import PipelineList, id_of
from vectorshift.pipeline.operations import as_list, list_call

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from vectorshift.calls import Call

__all__ = ["Found", "walk"]

Found = tuple[str, "dict[str, Any]"]
"""A pipeline's id and what the server says of it."""


def walk(include_shared: bool, folder_id: str | None, page_size: int) -> Generator[Call | Found, Any, None]:
    """Yield a call for each page, and each pipeline of it once.

    It ends at an empty page. A page without anything new is followed by one more, as a list that others change may have
    such a page in its midst, unless it is the page before again: that server does not know of `offset`.
    """
    seen: set[str] = set()
    before: list[str] = []
    offset, stale = 0, False
    while True:
        call = list_call(include_shared, True, folder_id, offset, page_size)
        page = as_list((yield call), call)
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


def _items(page: PipelineList) -> Iterator[Found]:
    """Yield what a page holds: objects, or ids alone from a server that does not know of `verbose`."""
    described = {id: each for each in page.objects if (id := id_of(each))}
    for id in dict.fromkeys([*page.ids, *described]):
        yield id, described.get(id, {})
