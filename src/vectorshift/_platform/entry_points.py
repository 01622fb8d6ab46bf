"""Finds the providers of other packages by their entry points, without importing them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from vectorshift._platform.plugin_names import canonical
from vectorshift.errors import CredentialConfigurationError
from vectorshift.errors.bodies import printable

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["GROUP", "RESERVED", "PluginEntry", "available"]

GROUP = "vectorshift.providers"

RESERVED = frozenset({"explicit", "env", "dotenv", "vault", "aws", "login", "default"})
"""Names that plugins cannot have: the built-in providers and their default order."""
_NAME = r"(?a:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)"


class PluginEntry(NamedTuple):
    """A provider of an installed distribution, which is not imported.

    Args:
        name: its name in `VECTORSHIFT_PROVIDERS`, in lower case with dashes; `?` if it has none.
        distribution: the name of the distribution that offers it.
        version: that distribution's version.
        target: what would be imported, as `module:attribute`. In these three, a `?` replaces a
            character that cannot be printed.
        problem: why it cannot be used, or an empty string.
    """

    name: str
    distribution: str
    version: str
    target: str
    problem: str = ""

    @property
    def origin(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}".rstrip()


def available() -> tuple[PluginEntry, ...]:
    """Return the installed plugins, sorted by name, with the problem of each. Reads the metadata of
    all distributions; imports nothing.

    Raises:
        CredentialConfigurationError: the entry points of a distribution cannot be read.
    """
    found = _scan()
    return tuple(each._replace(problem=_problem(each, found)) for each in found)


def _scan() -> list[PluginEntry]:
    from importlib.metadata import distributions

    found: set[tuple[str, str, str, str]] = set()
    for each in distributions():
        try:
            text = each.read_text("entry_points.txt") or ""
            points = each.entry_points if GROUP in text else ()  # ignore damage without a plugin
            mine = {
                (canonical(printable(p.name)) or "?", printable(p.value))
                for p in points
                if p.group == GROUP
            }
        except RecursionError:
            raise
        except Exception:
            damaged = " ".join(_about(each)).rstrip()
            raise CredentialConfigurationError(
                "The installed packages cannot be searched for plugins: entry_points.txt of "
                f"{damaged} is damaged."
            ) from None
        if mine:
            first = _first_of_its_name(each)
            if first is each or first.read_text("entry_points.txt") == text:
                found.update((name, *_about(first), target) for name, target in mine)
    return [
        PluginEntry(name=n, distribution=d, version=v, target=t) for n, d, v, t in sorted(found)
    ]


def _first_of_its_name(one: Distribution) -> Distribution:
    """Return the distribution in force: of two with one name, the first on the path hides the
    other.
    """
    from importlib.metadata import distribution

    try:
        return distribution(one.metadata["Name"])
    except Exception:  # it has no name
        return one


def _about(distribution: Distribution) -> tuple[str, str]:
    try:
        name, version = distribution.metadata["Name"], distribution.version
    except Exception:
        name = version = ""
    return printable(name or "an unnamed distribution"), printable((name and version) or "")


def _problem(entry: PluginEntry, among: list[PluginEntry]) -> str:
    if not re.fullmatch(_NAME, entry.name):
        return (
            "its name should have letters, digits, dashes, dots and underscores alone, and a letter"
            " or digit at both ends"
        )
    if entry.name in RESERVED:
        return "a built-in provider has this name"
    same = [other for other in among if other.name == entry.name]
    if len(same) > 1:
        places = " and ".join(f"{other.origin} ({other.target})" for other in same)
        return f"several plugins have this name: {places}. Uninstall all but one"
    return ""
