"""The base of all errors: a message, and attributes that survive `pickle` and `copy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

E = TypeVar("E", bound="VectorshiftError")

__all__ = ["VectorshiftError", "fresh_copy"]


def revive(cls: type[E], args: tuple[Any, ...], state: dict[str, Any]) -> E:
    """Return an error that was pickled."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


revive.__module__ = "vectorshift.errors"  # pickles contain this name
_revive = revive  # pickles of 1.0 contain this name


class VectorshiftError(Exception):
    """Base of all errors of this package.

    Attributes:
        message: the failure, the source and the fix. Holds no key.
    """

    _parameters: tuple[str, ...] = ("message",)

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    @property
    def args(self) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The arguments of the constructor, as types that JSON has.

        Celery's JSON results, for example, store only these, and call the class with them.
        """
        maker = next(each for each in type(self).__mro__ if "__init__" in vars(each))
        names: tuple[str, ...] = vars(maker).get("_parameters", ("message",))
        return tuple(getattr(self, name, None) for name in names)

    @args.setter
    def args(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, value: tuple[Any, ...]
    ) -> None:
        """Ignore the value: `args` follow from the attributes."""

    def __str__(self) -> str:
        return str(vars(self).get("message", ""))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return revive, (type(self), (self.message,), self.__dict__)


def fresh_copy(error: E) -> E:
    """Return an equal error without traceback and context: those of a shared error would grow with
    each raise.
    """
    copied = revive(type(error), (error.message,), error.__dict__)
    # To set a cause, even None, hides the exception that is being handled at the raise.
    copied.__cause__ = error.__cause__
    if "__notes__" in vars(copied):  # do not share the list: callers add to it
        vars(copied)["__notes__"] = list(vars(copied)["__notes__"])
    return copied
