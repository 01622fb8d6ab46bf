"""The providers that the settings name, in their order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vectorshift._platform.entry_points import PluginEntry, available
from vectorshift._platform.importing import load
from vectorshift._platform.misspelt import did_you_mean
from vectorshift._platform.plugin_names import canonical, is_instance, plugin_of, prefix_of
from vectorshift.credentials.events import log
from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.static import UnconfiguredProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.providers.explicit import ExplicitProvider
    from vectorshift.settings import Settings

__all__ = [
    "BUILT_IN",
    "DEFAULT_ORDER",
    "BuiltIn",
    "built_in",
    "may_be_key",
    "providers_of",
]


class BuiltIn(NamedTuple):
    """A provider of this package.

    Args:
        home: its module and its class.
        configured_by: how a user configures it.
        settings: the fields of `Settings` that lead to its key.
        unset: the reason that is shown if these fields are not set, or "".
        in_files: whether it must look for files to know if it is configured.
        is_store: whether it has its own settings, whose variables begin with its name.
    """

    home: tuple[str, str]
    configured_by: str
    settings: tuple[str, ...] = ()
    unset: str = ""
    in_files: bool = False
    is_store: bool = False


BUILT_IN: Final = {
    "explicit": BuiltIn(
        home=("vectorshift.providers.explicit", "ExplicitProvider"),
        configured_by="vectorshift.api_key = ... in code",
    ),
    "env": BuiltIn(
        home=("vectorshift.providers.env", "EnvProvider"),
        configured_by="VECTORSHIFT_API_KEY or VECTORSHIFT_API_KEY_FILE",
        settings=("api_key_file",),
        in_files=True,
    ),
    "dotenv": BuiltIn(
        home=("vectorshift.providers.dotenv", "DotenvProvider"),
        configured_by=".env in the working directory, or VECTORSHIFT_ENV_FILE",
        settings=("env_file",),
        unset="VECTORSHIFT_ENV_FILE is set to nothing",
        in_files=True,
    ),
    "vault": BuiltIn(
        home=("vectorshift.providers.vault", "VaultProvider"),
        configured_by="VECTORSHIFT_VAULT_PATH",
        settings=("vault_path",),
        unset="VECTORSHIFT_VAULT_PATH is not set",
        is_store=True,
    ),
    "aws": BuiltIn(
        home=("vectorshift.providers.aws", "AwsSecretsManagerProvider"),
        configured_by="VECTORSHIFT_AWS_SECRET_ID or VECTORSHIFT_AWS_PARAMETER",
        settings=("aws_secret_id", "aws_parameter"),
        unset="VECTORSHIFT_AWS_SECRET_ID is not set",
        is_store=True,
    ),
    "login": BuiltIn(
        home=("vectorshift.providers.login", "LoginProvider"),
        configured_by="VECTORSHIFT_PROFILE, or login in VECTORSHIFT_PROVIDERS",
        in_files=True,
    ),
}
"""The providers of this package by name, in the order of the chain."""
DEFAULT_ORDER: Final = tuple(name for name in BUILT_IN if name != "login")
"""The providers that `default` in `VECTORSHIFT_PROVIDERS` stands for."""

substitute: Callable[[CredentialProvider], tuple[CredentialProvider, ...]] | None = None
"""For tests: makes the members of a chain from the first one, without files, stores and plugins."""

_LONGEST_NAME = 24


def providers_of(
    settings: Settings, explicit: ExplicitProvider | None = None
) -> tuple[CredentialProvider, ...]:
    """Return the providers that the settings name, in order; explicit assignment is always first.
    A profile replaces all others.

    Plugins are searched only if a name is not built in. Only a plugin that is named is imported.

    Raises:
        CredentialConfigurationError: a name is unknown, appears twice, or belongs to two plugins;
            or there are settings for a plugin that is not named.
    """
    names: list[str] = []
    for name in ("login",) if settings.profile else map(canonical, settings.providers):
        names.extend(DEFAULT_ORDER if name == "default" else (name,))
    rest = [name for name in names if name != "explicit"]
    for name in rest:
        if rest.count(name) > 1:
            standing = (
                f" 'default' stands for {', '.join(DEFAULT_ORDER)}."
                if name in DEFAULT_ORDER
                else ""
            )
            raise CredentialConfigurationError(
                f"VECTORSHIFT_PROVIDERS names {name!r} twice.{standing}"
            )
    entries = _entries(settings, [name for name in rest if name not in BUILT_IN])
    _check_all_are_named(settings, entries)
    first = explicit if explicit is not None else built_in("explicit", settings)
    if substitute is not None:
        return substitute(first)
    return (
        first,
        *(
            _plugged(entries[name], settings) if name in entries else built_in(name, settings)
            for name in rest
        ),
    )


def _plugged(entry: PluginEntry, settings: Settings) -> CredentialProvider:
    home = load("vectorshift.chain.plugin_provider")  # imports pydantic
    provider: CredentialProvider = home.PluginProvider(entry, settings)
    return provider


def built_in(name: str, settings: Settings) -> CredentialProvider:
    """Return a provider of this package, made from these settings."""
    kind = BUILT_IN[name]
    provider: CredentialProvider | None = None
    if not kind.is_store or any(getattr(settings, each) is not None for each in kind.settings):
        module, cls = kind.home  # a store that is not configured is not imported
        provider = getattr(load(module), cls).from_settings(settings)
    if provider is not None:
        return provider
    on_missing: Any = getattr(settings, f"{name}_on_missing", "continue")
    return UnconfiguredProvider(name, kind.unset, on_missing=on_missing)


def _entries(settings: Settings, names: Collection[str]) -> dict[str, PluginEntry]:
    """Return the entry points of these plugins, by name."""
    if not names:
        return {}
    if settings.disable_plugins:
        raise _no_such(
            next(iter(names)), [], " VECTORSHIFT_DISABLE_PLUGINS=1 allows built-in providers alone."
        )
    from difflib import get_close_matches

    found = available()
    for entry in found:
        if entry.name in BUILT_IN:
            log.warning(
                "The plugin %s of %s is not used: %s.", entry.name, entry.origin, entry.problem
            )
    entries = {entry.name: entry for entry in found}
    prefixes: dict[str, str] = {}
    for name in names:
        plugin = plugin_of(name)
        if plugin not in entries or (":" in name and not is_instance(name)):
            raise _no_such(name, [each.name for each in found if not each.problem])
        if entries[plugin].problem:
            raise CredentialConfigurationError(
                f"VECTORSHIFT_PROVIDERS names {name!r}: {entries[plugin].problem}."
            )
        if (other := prefixes.setdefault(prefix_of(name), name)) != name:
            raise CredentialConfigurationError(
                f"VECTORSHIFT_PROVIDERS names {other!r} and {name!r}, whose variables would both"
                f" begin with {prefix_of(name)}. Name one of them otherwise."
            )
        entries[name] = entries[plugin]._replace(name=name)
        if near := get_close_matches(name, BUILT_IN, n=1, cutoff=0.8):
            text = "The plugin %s of %s is used, not the built-in %s, whose name is similar."
            log.warning(text, name, entries[name].origin, near[0])
    return {name: entries[name] for name in names}


def may_be_key(name: str) -> bool:
    """Return whether what stands in place of a provider's name may be a key, set by mistake."""
    parts = name.split(":")
    return any(len(part) > _LONGEST_NAME or re.match("(?i:vs|sk)-", part) for part in parts)


def _no_such(name: str, installed: Collection[str], why: str = "") -> CredentialConfigurationError:
    there = ["default", *BUILT_IN, *sorted(installed)]
    meant = did_you_mean(name, there) or f" There are: {', '.join(there)}."
    if plugin_of(name) in installed:
        meant = f" An instance is named as {plugin_of(name)}:prod is: 1 to 24 of a-z, 0-9 and -."
    elif re.search(r"[;:|\s\[]", name.strip()):
        meant = " Separate names with commas, such as env,vault."
        if plugin_of(name) in BUILT_IN and ":" in name:
            meant += " Only a plugin has instances, such as acme:prod."
    printable_name = "a provider" if may_be_key(name) else repr(name)
    what = "is not built in." if why else "is neither built in nor an installed plugin."
    return CredentialConfigurationError(
        f"VECTORSHIFT_PROVIDERS names {printable_name}, which {what}{why}{meant}"
    )


def _check_all_are_named(settings: Settings, entries: Collection[str]) -> None:
    for name, values in settings.plugins.items():
        if name in entries:
            continue
        if getattr(values, "loaded", False):  # variables that begin with a built-in's name
            for key in values:
                log.warning("%s%s is not a vectorshift setting.", prefix_of(name), key.upper())
            continue
        if name in BUILT_IN:
            raise CredentialConfigurationError(
                f"plugins has settings of {name!r}, which is built in: they are {name}_..."
            )
        raise CredentialConfigurationError(
            f"plugins has settings for {name!r}, which providers does not name."
            f"{did_you_mean(name, entries)}"
        )
