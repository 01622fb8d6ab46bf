"""`Secret`, `Credential`, and the contract of providers."""

from __future__ import annotations

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from vectorshift.credentials.values import Credential, Secret

__all__ = ["Credential", "Secret"]


if not TYPE_CHECKING:  # so that type checkers find a mistyped name

    def __getattr__(name: str) -> object:
        if name not in {*__all__, "_sealed"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from vectorshift.credentials import values

        if name == "_sealed":  # pickles of 1.0 call it
            return values.Secret._without_text  # pyright: ignore[reportPrivateUsage]
        value: object = getattr(values, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
