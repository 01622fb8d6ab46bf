"""Every setting, as `Settings(...)` in code or as `VECTORSHIFT_...` in the environment."""

from __future__ import annotations

from vectorshift.settings.model import Settings

__all__ = ["Settings"]
