"""What every part of `Pipeline` stands on: which pipeline it is, and through which client it is
reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

from vectorshift.client.default import async_client, sync_client
from vectorshift.pipeline.ids import checked_id
from vectorshift.pipeline.results import id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["Reference"]


class Reference:
    """A pipeline by its id. See `Pipeline`."""

    def __init__(
        self, id: str | Mapping[str, Any], *, client: VectorShift | AsyncVectorShift | None = None
    ) -> None:
        self._id = checked_id(id)
        self._client = client
        self.raw: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """The pipeline's id."""
        return self._id

    @property
    def name(self) -> str | None:
        """The pipeline's name, or None if the server was not asked."""
        return self.raw.get("name")

    @property
    def branch_id(self) -> str | None:
        """The branch, or None if the server was not asked."""
        return id_of(self.raw.get("branch_id"))

    @classmethod
    def _described(
        cls, id: str, raw: dict[str, Any], client: VectorShift | AsyncVectorShift | None
    ) -> Self:
        pipeline = cls(id, client=client)
        pipeline.raw = raw
        return pipeline

    def _named(self, client: Any) -> Any:
        """The client that a call names, or this pipeline was made with, or None."""
        return self._client if client is None else client

    def _sync(self, client: VectorShift | None) -> VectorShift:
        return sync_client(self._named(client))

    def _async(self, client: AsyncVectorShift | None) -> AsyncVectorShift:
        return async_client(self._named(client))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Do as for any object. Raises TypeError if a client was named: without it, it would act as
        somebody else.
        """
        if self._client is not None:
            raise TypeError(
                "A Pipeline that has a client cannot be pickled, as connections stay in their"
                " process. Hand over its id, and make Pipeline(id, client=...) there."
            )
        return super().__reduce_ex__(protocol)

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __repr__(self) -> str:
        return f"<Pipeline {self.id}{f' {self.name!r}' if self.name else ''}>"
