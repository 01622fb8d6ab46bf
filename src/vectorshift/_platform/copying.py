"""Keep objects with locks, connections or a key in their process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["StaysInProcess"]


class StaysInProcess:
    """Copies share locks and connections. A deep copy is the object itself. Pickling raises.

    Frameworks copy the objects that hold a client: `dataclasses.asdict`, pydantic, LangGraph.
    """

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: locks, connections and keys stay in their "
            "process. Create it in the other process, in the function that uses it."
        )
