"""Sync and async of a call under one name, so that a test is written once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from vectorshift import AsyncVectorShift, VectorShift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vectorshift.testing import FakeVectorShift

__all__ = ["ASYNC", "CALL_STYLES", "SYNC", "CallStyle"]


class CallStyle:
    """Sync or async.

    Args:
        prefix: what the names of its methods begin with.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __repr__(self) -> str:
        return "async" if self.prefix else "sync"

    @property
    def other(self) -> CallStyle:
        """The other of the two."""
        return SYNC if self.prefix else ASYNC

    @property
    def kind(self) -> Any:
        """The class of its clients."""
        return AsyncVectorShift if self.prefix else VectorShift

    @asynccontextmanager
    async def client(
        self, api: FakeVectorShift, org: str = "acme", **given: Any
    ) -> AsyncIterator[Any]:
        """Give a client of this kind, with a key of `org`, if no `credentials` are given."""
        key = given.pop("credentials", None) or api.create_key(org=org)
        async with self.open(key, base_url=api.base_url, **given) as client:
            yield client

    @asynccontextmanager
    async def open(self, *args: Any, **given: Any) -> AsyncIterator[Any]:
        """Give a client of this kind that is made of these arguments."""
        client = self.kind(*args, **given)
        if not self.prefix:
            with client:
                yield client
            return
        async with client:
            yield client

    @asynccontextmanager
    async def stream(self, client: Any, *args: Any, **given: Any) -> AsyncIterator[Any]:
        """Give the streamed answer to a request of a client."""
        if not self.prefix:
            with client.stream(*args, **given) as stream:
                yield stream
            return
        async with client.stream(*args, **given) as astream:
            yield astream

    async def request(self, client: Any, *args: Any, **given: Any) -> Any:
        """Send a request of a client."""
        return await self.outcome(client.request(*args, **given))

    async def outcome(self, called: Any) -> Any:
        """Return what was returned, or what it leads to."""
        return await called if self.prefix else called

    async def call(self, target: Any, name: str, /, *args: Any, **given: Any) -> Any:
        """Call a method, or await its async twin."""
        return await self.outcome(getattr(target, self.prefix + name)(*args, **given))

    def iterator(self, target: Any, name: str, /, *args: Any, **given: Any) -> Any:
        """Return what a method, or its async twin, gives to loop over."""
        return getattr(target, self.prefix + name)(*args, **given)

    async def next(self, iterator: Any) -> Any:
        """Return the next item."""
        return await anext(iterator) if self.prefix else next(iterator)

    async def all(self, iterator: Any) -> list[Any]:
        """Return all items."""
        return [item async for item in iterator] if self.prefix else list(iterator)


CALL_STYLES = SYNC, ASYNC = CallStyle(""), CallStyle("a")
