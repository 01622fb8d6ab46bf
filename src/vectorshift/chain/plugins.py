"""Providers of other packages: installed ones are found by their entry points, and imported when a
chain names them.

An entry point of the group `vectorshift.providers` leads to a class with `from_settings(settings)`,
or to any callable without arguments that returns a provider.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vectorshift._platform.plugin_names import being_made, canonical, making, prefix_of
from vectorshift.credentials.adapter import adapt, flaw_of_ttl
from vectorshift.credentials.events import log_safely
from vectorshift.credentials.guard import line_of
from vectorshift.credentials.provider import CredentialProvider, PolicyError
from vectorshift.errors import CredentialConfigurationError, CredentialError
from vectorshift.providers.static import FailingProvider, UnconfiguredProvider
from vectorshift.settings.plugin import CommonSettings
from vectorshift.settings.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from importlib.metadata import Distribution

    from vectorshift.credentials.resolving import BaseProvider
    from vectorshift.settings import Settings

__all__ = ["GROUP", "PluginEntry", "available", "load"]

GROUP = "vectorshift.providers"

_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?", re.ASCII)
_MODULE = re.compile(r"[\w.]{1,100}", re.ASCII)
_CALLS_THE_CLASS = CredentialProvider.from_settings.__func__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """A provider that an installed distribution offers; nothing of it is imported.

    Args:
        name: what `VECTORSHIFT_PROVIDERS` calls it, in lower case with dashes.
        distribution: the name of the distribution that offers it.
        version: that distribution's version.
        target: what would be imported, as `module:attribute`.
        problem: why it cannot be named, or an empty string.
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


def available(reserved: Collection[str] = ()) -> tuple[PluginEntry, ...]:
    """Return the plugins that are installed, by name. Imports none of them; reads the metadata of
    what is installed.

    Args:
        reserved: names that no plugin can have.

    Raises:
        CredentialConfigurationError: the entry points of a distribution cannot be read; names it.
    """
    found = _scan()
    if isinstance(found, str):
        raise CredentialConfigurationError(
            f"The installed packages cannot be searched for plugins: entry_points.txt of {found} is"
            " damaged."
        )
    return tuple(replace(each, problem=_problem(each, found, reserved)) for each in found)


def _scan() -> list[PluginEntry] | str:
    """Return the plugins, or the name of a distribution whose entry points cannot be read."""
    from importlib.metadata import distributions

    found: set[tuple[str, str, str, str]] = set()
    for each in distributions():
        try:
            text = each.read_text("entry_points.txt") or ""
            points = (
                each.entry_points if GROUP in text else ()
            )  # what has no plugin may be as damaged as it likes
            mine = {
                (canonical(p.name), p.value)
                for p in points
                if p.group == GROUP and _NAME.fullmatch(p.name)
            }
        except RecursionError:
            raise
        except Exception:
            return " ".join(_about(each)).rstrip()
        if mine:
            first = _first_of_its_name(each)
            if first is each or first.read_text("entry_points.txt") == text:
                found.update((name, *_about(first), target) for name, target in mine)
    return [
        PluginEntry(name=n, distribution=d, version=v, target=t) for n, d, v, t in sorted(found)
    ]


def _first_of_its_name(one: Distribution) -> Distribution:
    """Return the distribution that counts: of two with one name, the first on the path hides the
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
    return (name, version or "") if name else ("an unnamed distribution", "")


def _problem(entry: PluginEntry, among: list[PluginEntry], reserved: Collection[str]) -> str:
    if entry.name in reserved:
        return "a built-in provider has this name, and a plugin cannot take it"
    same = [other for other in among if other.name == entry.name]
    if len(same) > 1:
        places = " and ".join(f"{other.origin} ({other.target})" for other in same)
        return f"more than one plugin has this name: {places}. Uninstall all but one"
    return ""


# --- From an entry to a provider ------------------------------------------------------------------


def load(entry: PluginEntry, settings: Settings) -> BaseProvider:
    """Import what an entry names, and return its provider, under the entry's name.

    A plugin that is not configured gives an `UnconfiguredProvider`, and one that fails to be
    imported or made a `FailingProvider`, so that the sources before it still answer. Of what it
    raised, type and line are told.

    Raises:
        CredentialConfigurationError: this was asked for by the very plugin, while it is imported or
            made.
    """
    if entry.name in being_made():
        why = (
            "it asks for a credential while it is imported or made, and would be asked for it"
            " itself."
        )
        raise _broken(entry, why)
    with making(entry.name):
        return _loaded(entry, settings)


def _loaded(entry: PluginEntry, settings: Settings) -> BaseProvider:
    common = made = None
    if _without_variables(entry.name, settings):
        about = entry.name, entry.origin, _taken(entry.name)
        log_safely(logging.WARNING, "The plugin %s of %s is given no variables: %s", *about)
    try:
        common = CommonSettings.of(settings, entry.name)
        made = _made(entry, settings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a plugin must not end the process
        made = _failure(entry, error)
    if made is None:
        on_missing = (common and common.on_missing) or "continue"
        return UnconfiguredProvider(entry.name, _hint(entry, settings), on_missing=on_missing)
    if isinstance(made, CredentialError):
        log_safely(logging.WARNING, "%s", made)
    provider = made if isinstance(made, CredentialProvider) else FailingProvider(made, locator=True)
    adapted = adapt(provider)
    _dress(provider, name=entry.name)
    _dress(adapted, name=entry.name)
    if (
        common is not None
    ):  # around the provider alone: a factory may give the same one to every chain
        _dress(
            adapted, on_error=common.on_error, on_missing=common.on_missing, ttl=common.cache_ttl
        )
    return adapted


def _made(
    entry: PluginEntry, settings: Settings
) -> CredentialProvider | CredentialConfigurationError | None:
    module, _, path = (part.strip() for part in entry.target.partition("[")[0].partition(":"))
    if not module or module.startswith("."):
        return _broken(entry, f"its entry point, {entry.target}, names no module.")
    found: object = import_module(module)
    for name in path.split(".") if path else ():
        found = getattr(found, name, None)
    if not callable(found):
        return _broken(entry, f"{entry.target} is neither a class nor a function.")
    make: Any = getattr(found, "from_settings", None)
    plain = make is None or getattr(make, "__func__", None) is _CALLS_THE_CLASS
    make, given = (found, ()) if plain else (make, (settings,))
    if not _takes(make, *given):
        what = "a from_settings(settings)" if given else "one that can be called without arguments"
        return _broken(
            entry, f"{entry.target} takes other arguments than it is given: there should be {what}."
        )
    provider: object = make(*given)
    if provider is None:
        return None
    if inspect.iscoroutine(provider):
        provider.close()
    if not isinstance(provider, CredentialProvider):
        return _broken(
            entry, f"{entry.target} gave {type(provider).__name__}, not a CredentialProvider."
        )
    flaw = _flaw(provider)
    return _broken(entry, flaw) if flaw else provider


def _takes(called: Callable[..., object], *given: object) -> bool:
    try:
        # a decorator that supplies an argument keeps the signature of what it wraps
        inspect.signature(called, follow_wrapped=False).bind(*given)
    except (TypeError, ValueError) as error:
        return isinstance(error, ValueError)  # nobody knows its arguments
    return True


def _flaw(provider: CredentialProvider) -> str:
    """Say which of the attributes that the framework relies on is wrong."""
    if flaw := flaw_of_ttl(provider.ttl):
        return flaw
    for name in ("on_error", "on_missing"):
        if getattr(provider, name) not in ("stop", "continue"):
            return f"its {name} is neither 'stop' nor 'continue'."
    return ""


def _dress(provider: CredentialProvider, **given: object) -> None:
    """Give a provider the name of its entry point, or what the user set for it."""
    for attribute, value in given.items():
        if value is not None:
            with contextlib.suppress(
                Exception
            ):  # an author's read-only attribute; the adapter has its own
                setattr(provider, attribute, value)


# --- When that fails ------------------------------------------------------------------------------


def _broken(entry: PluginEntry, why: str) -> CredentialConfigurationError:
    return CredentialConfigurationError(
        f"The provider {entry.name} of {entry.origin} cannot be used: {why}",
        source=entry.name,
        provider=entry.name,
    )


def _failure(entry: PluginEntry, error: BaseException) -> CredentialConfigurationError:
    if isinstance(error, CredentialError):  # it chose its words for a user
        return _broken(entry, error.message)
    if isinstance(error, PolicyError):  # the words are ours, and quote no long value
        return _broken(entry, str(error))
    module = (error.name or "") if isinstance(error, ImportError) else ""
    if _MODULE.fullmatch(module):
        if isinstance(error, ModuleNotFoundError):
            return _broken(
                entry,
                f"the module {module} is not installed. Install it, or {entry.distribution} anew.",
            )
        return _broken(
            entry,
            f"something that it needs of the module {module} is not there. Versions may not fit.",
        )
    return _broken(
        entry,
        f"it raised {type(error).__name__} at {line_of(error)}. Its text is withheld, as it may"
        " hold a secret.",
    )


def _without_variables(name: str, settings: Settings) -> bool:
    """Whether the variables that would be the plugin's begin as some of this package's do."""
    return any(variable.startswith(prefix_of(name)) for variable in variables_of(type(settings)))


def _taken(name: str) -> str:
    return (
        f"{prefix_of(name)}... belongs to this package. Settings(plugins={{'{name}': {{...}}}})"
        " sets it in code."
    )


def _hint(entry: PluginEntry, settings: Settings) -> str:
    prefix = prefix_of(entry.name)
    if given := settings.plugins.get(entry.name):
        names = ", ".join(f"{prefix}{key.upper()}" for key in sorted(given))
        return f"{entry.origin} needs more than {names}"
    if _without_variables(entry.name, settings):
        return f"it is given no variables: {_taken(entry.name)}"
    return f"no {prefix}... variable is set; {entry.origin} says which it needs"
