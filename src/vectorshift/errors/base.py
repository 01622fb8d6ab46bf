"""The base of all errors: a message, and attributes that survive `pickle` and `copy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    E = TypeVar("E", bound="VectorshiftError")

__all__ = ["VectorshiftError", "fresh_copy"]


def revive(cls: type[E], args: tuple[Any, ...], state: dict[str, Any]) -> E:
    """Make an error again from what a pickle holds."""
    error = cls.__new__(cls, *args)
    error.args = args  # a TimeoutError does not take them from __new__
    error.__dict__.update(state)
    return error


revive.__module__ = "vectorshift.errors"  # a pickle names it
_revive = revive  # pickles of 1.0 name this


class VectorshiftError(Exception):
    """Base of everything that this package raises on purpose.

    Attributes:
        message: what happened, where, and what to do about it. Holds no key.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return revive, (type(self), self.args, self.__dict__)


def fresh_copy(error: E) -> E:
    """Return an equal error without a traceback or context: one that is shared would grow with each
    raise.
    """
    copied = revive(type(error), error.args, error.__dict__)
    # A cause, None too, keeps what is being handled where this is raised out of its traceback.
    copied.__cause__ = error.__cause__
    if "__notes__" in vars(copied):  # a list, to which each caller may add
        vars(copied)["__notes__"] = list(vars(copied)["__notes__"])
    return copied
