"""Every setting, as `Settings(...)` in code or as `VECTORSHIFT_...` in the environment."""

from __future__ import annotations

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from vectorshift.settings.model import Settings

__all__ = ["Settings"]


if not TYPE_CHECKING:  # so that type checkers find a mistyped name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from vectorshift.settings.model import Settings

        globals()[name] = Settings
        return Settings
