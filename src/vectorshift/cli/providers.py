"""`providers list`: what a chain can be made of, and what it is made of now."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from vectorshift._platform.plugin_names import prefix_of
from vectorshift.chain.order import available_plugins, providers_of
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.screen import (
    complain,
    console,
    on_terminal,
    printable,
    say_facts,
    say_json,
    table,
)
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.errors import CredentialConfigurationError
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectorshift.chain.plugins import PluginEntry
    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.settings import Settings

__all__ = ["BUILT_IN", "show_providers"]

BUILT_IN = {
    "explicit": "vectorshift.api_key = ... in code",
    "env": "VECTORSHIFT_API_KEY or VECTORSHIFT_API_KEY_FILE",
    "dotenv": ".env in the working directory, or VECTORSHIFT_ENV_FILE",
    "vault": "VECTORSHIFT_VAULT_PATH",
    "aws": "VECTORSHIFT_AWS_SECRET_ID",
    "login": "the official CLI's login; VECTORSHIFT_PROVIDERS=default,login names it",
}
"""What configures each of the providers that this package brings, in the order of the chain."""

_IN_FILES = (
    "env",
    "dotenv",
    "login",
)  # whether they are configured is known once they have looked for their files


@dataclass(frozen=True, slots=True, kw_only=True)
class _PluginRow:
    """One provider.

    Args:
        name: as `VECTORSHIFT_PROVIDERS` has it.
        position: in the chain of the present settings, from 1; None if it is not in it.
        configured: whether a call that comes to it would ask it; None for a plugin that is not
            imported. Files are looked at to know it.
        source: where it looks.
        configured_by: what configures it.
        detail: what it says of itself, or what is wrong with its settings.
        distribution: what brings it, if that is not this package.
        version: that distribution's version.
        problem: why it cannot be named, or None.
    """

    name: str
    position: int | None
    configured: bool | None
    source: str
    configured_by: str
    detail: str
    distribution: str | None = None
    version: str | None = None
    problem: str | None = None


def show_providers(as_json: bool) -> Exit:
    """Print the providers. Contacts no store, and imports no plugin that the chain does not name.

    Raises:
        CredentialConfigurationError: the settings are wrong, or name a provider that there is not.
            As JSON, this is printed and not raised.
    """
    try:
        entries = _entries(DEFAULT_SCOPE.settings)
    except CredentialConfigurationError as error:
        if not as_json:
            raise
        say_json({"problem": error.message, "providers": []})
        return exit_of(error)
    if as_json:
        say_json({"problem": None, "providers": [asdict(entry) for entry in entries]})
    elif on_terminal():
        _draw(entries)
    else:
        for entry in entries:
            facts = {name: value for name, value in asdict(entry).items() if name != "name"}
            say_facts({f"{printable(entry.name)}.{name}": value for name, value in facts.items()})
    return Exit.GOOD


def _entries(settings: Settings) -> list[_PluginRow]:
    """Return the members of the chain in order, then the other providers that there are."""
    members = enumerate(providers_of(settings), 1)
    chain = [_entry(provider, place) for place, provider in members]
    inside = {entry.name for entry in chain}
    plugins = _plugins()
    mine = {plugin.name: plugin for plugin in plugins if not plugin.problem}
    chain = [_brought(entry, mine[entry.name]) if entry.name in mine else entry for entry in chain]
    others = [_outside(name, settings) for name in BUILT_IN if name not in inside]
    idle = [
        _idle(plugin, settings) for plugin in plugins if plugin.problem or plugin.name not in inside
    ]
    return [*chain, *others, *idle]


def _plugins() -> Sequence[PluginEntry]:
    try:
        return available_plugins()
    except CredentialConfigurationError as error:
        complain(error.message)
        return ()


def _brought(entry: _PluginRow, plugin: PluginEntry) -> _PluginRow:
    by = entry.configured_by or f"{prefix_of(plugin.name)}..."
    return replace(
        entry, configured_by=by, distribution=plugin.distribution, version=plugin.version
    )


def _idle(plugin: PluginEntry, settings: Settings) -> _PluginRow:
    """Return a plugin that is installed and that the chain leaves out, of which nothing more is
    known.
    """
    disabled = (
        "VECTORSHIFT_DISABLE_PLUGINS=1 allows built-in providers alone"
        if settings.disable_plugins
        else ""
    )
    problem = plugin.problem or disabled
    names = ",".join([*settings.providers, plugin.name])
    return _PluginRow(
        name=plugin.name,
        position=None,
        configured=None,
        source=plugin.name,
        configured_by="" if problem else f"VECTORSHIFT_PROVIDERS={names} names it",
        detail="",
        distribution=plugin.distribution,
        version=plugin.version,
        problem=problem or None,
    )


def _outside(name: str, settings: Settings) -> _PluginRow:
    """Return a provider that the chain leaves out, as it would be if it were named."""
    try:
        provider = providers_of(settings.model_copy(update={"providers": (name,)}))[-1]
    except CredentialConfigurationError as error:
        return _PluginRow(
            name=name,
            position=None,
            configured=True,
            source=error.source or name,
            configured_by=BUILT_IN[name],
            detail=error.message,
        )
    return _entry(provider, None)


def _entry(provider: CredentialProvider, position: int | None) -> _PluginRow:
    if provider.name in _IN_FILES:
        adapt(provider).resolve(DEFAULT_REQUEST)
    described = provider.describe()
    return _PluginRow(
        name=provider.name,
        position=position,
        configured=described.configured,
        source=described.source,
        configured_by=BUILT_IN.get(provider.name, ""),
        detail=described.detail,
    )


def _draw(entries: list[_PluginRow]) -> None:
    from rich.text import Text

    rows = table(("", "provider", "configured", "by"))
    for entry in entries:
        found = (entry.source, entry.detail) if entry.configured else ()
        brought = f"installed by {entry.distribution} {entry.version}" if entry.distribution else ""
        problem = f"It cannot be named: {entry.problem}." if entry.problem else ""
        described = "\n".join(filter(None, (entry.configured_by, *found, brought, problem)))
        style = "dim" if entry.position is None else "green" if entry.configured else ""
        place = "-" if entry.position is None else str(entry.position)
        configured = {True: "yes", False: "no", None: "not known"}[entry.configured]
        rows.add_row(
            place, printable(entry.name), configured, Text(printable(described)), style=style
        )
    screen = console()
    screen.print(rows)
    screen.print()
    screen.print(Text("Numbered: the chain, in its order. VECTORSHIFT_PROVIDERS sets both.", "dim"))
