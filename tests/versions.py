"""Which releases of the libraries are installed: `make lowest` runs with the oldest."""

from __future__ import annotations

from importlib.metadata import version

from packaging.version import Version

__all__ = ["is_older"]


def is_older(package: str, release: str) -> bool:
    """Return whether an installed package is older than a release."""
    return Version(version(package)) < Version(release)
