"""`providers list`: the available providers, and those in the chain."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from vectorshift._platform.entry_points import available
from vectorshift._platform.pipes import left_alone
from vectorshift._platform.plugin_names import plugin_of, prefix_of
from vectorshift.chain.order import BUILT_IN, built_in, providers_of
from vectorshift.cli.screen import (
    complain,
    console,
    printable,
    prints_of_plugins_aside,
    rows_or_problem,
    show,
    table,
)
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialConfigurationError
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.settings.plugin import StoreUrl, declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo

    from vectorshift._platform.entry_points import PluginEntry
    from vectorshift.cli.exits import Exit
    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.settings import Settings

__all__ = ["show_providers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProviderRow:
    """One provider.

    Args:
        name: its name in `VECTORSHIFT_PROVIDERS`.
        position: its position in the current chain, from 1, or None.
        configured: whether a call may ask it; None for a plugin that is not imported. Files are
            read to find out.
        source: its source.
        configured_by: the variable or the file that configures it.
        detail: its own description, or the error in its settings.
        distribution: the distribution that installed it, if that is not this package.
        version: that distribution's version.
        problem: why it cannot be used, or None.
        variables: its variables, for a plugin in the chain.
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
    variables: tuple[_Variable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variable:
    """One variable that a plugin reads."""

    name: str
    type: str
    default: str

    def __str__(self) -> str:
        return f"{self.name} ({self.type}, {self.default})"


_TYPES = {Secret: "secret", str: "text", bool: "1 or 0", int: "whole number", float: "number"}


def show_providers(as_json: bool) -> Exit:
    """Print the providers. Contacts no store, and imports no plugin that the chain does not name.

    Raises:
        CredentialError: the settings are wrong, name an unknown provider, or are in a pipe. With
            JSON, this is printed, not raised.
    """

    def read() -> list[_ProviderRow]:
        with left_alone(), prints_of_plugins_aside():
            return _rows(DEFAULT_SCOPE.settings)

    rows, problem, end = rows_or_problem(read, as_json)
    facts = {
        f"{_fact(row)}.{name}": value
        for row in rows
        for name, value in (asdict(row) | {"variables": row.variables}).items()
        if name != "name"
    }
    data = {"problem": problem, "providers": [asdict(row) for row in rows]}
    show(as_json, data, lambda: _draw(rows), facts)
    return end


def _fact(row: _ProviderRow) -> str:
    """Return the prefix for the facts of a row. A plugin with a problem may have any name."""
    return printable(f"{row.name} of {row.distribution}" if row.problem else row.name)


def _rows(settings: Settings) -> list[_ProviderRow]:
    """Return the providers of the chain in their order, then the other available ones."""
    chain = [_row(provider, place) for place, provider in enumerate(providers_of(settings), 1)]
    inside = {plugin_of(row.name) for row in chain}
    plugins = _plugins()
    usable = {plugin.name: plugin for plugin in plugins if not plugin.problem}
    return [
        *(
            _of_plugin(row, usable[plugin]) if (plugin := plugin_of(row.name)) in usable else row
            for row in chain
        ),
        *(_outside(name, settings) for name in BUILT_IN if name not in inside),
        *(
            _not_imported(plugin, settings)
            for plugin in plugins
            if plugin.problem or plugin.name not in inside
        ),
    ]


def _plugins() -> Sequence[PluginEntry]:
    try:
        return available()
    except CredentialConfigurationError as error:
        complain(error.message)
        return ()


def _row(provider: CredentialProvider, position: int | None) -> _ProviderRow:
    known = BUILT_IN.get(provider.name)
    if known is not None and known.in_files:
        files = adapt(provider)
        if not files.takes_once and not provider.remote:
            files.resolve(DEFAULT_REQUEST)
    maker = adapt(provider).maker()
    if maker is not None:
        maker.resolve(DEFAULT_REQUEST)
    described = provider.describe()
    return _ProviderRow(
        name=provider.name,
        position=position,
        configured=described.configured,
        source=described.source,
        configured_by="" if known is None else known.configured_by,
        detail=described.detail,
    )


def _of_plugin(row: _ProviderRow, plugin: PluginEntry) -> _ProviderRow:
    """Return the row with the distribution that installed the plugin."""
    variables = _variables(row.name)
    return replace(
        row,
        configured_by="" if variables else f"{prefix_of(row.name)}...",
        variables=variables,
        distribution=plugin.distribution,
        version=plugin.version,
    )


def _variables(name: str) -> tuple[_Variable, ...]:
    """Return the variables of a plugin, if it reads its settings with a `PluginSettings`."""
    return tuple(
        _Variable(
            name=f"{prefix_of(name)}{key.upper()}",
            type=_type(_annotation(field)),
            default="needed" if field.is_required() else _default(field.default),
        )
        for key, field in declared.get(name, {}).items()
    )


def _default(value: object) -> str:
    return "none" if value is None or isinstance(value, Secret) else str(value)


def _annotation(field: FieldInfo) -> Any:
    """Return the original annotation of a field: pydantic keeps metadata, such as the check of a
    `StoreUrl`, apart from the type.
    """
    written: Any = Annotated
    parts = (field.annotation, *field.metadata)
    return written[parts] if field.metadata else field.annotation


def _type(annotation: object) -> str:
    """Return the type of a setting for the user, such as `text or number`."""
    if annotation == StoreUrl:
        return "https URL"
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if isinstance(annotation, type) and not get_args(annotation):
        return _TYPES.get(annotation, annotation.__name__)
    parts = [_type(each) for each in get_args(annotation) if each is not type(None)]
    return " or ".join(parts) if parts else repr(annotation)


def _outside(name: str, settings: Settings) -> _ProviderRow:
    """Return the row of a built-in provider that is not in the chain."""
    try:
        provider = built_in(name, settings)
    except CredentialConfigurationError as error:
        return _ProviderRow(
            name=name,
            position=None,
            configured=True,
            source=error.source or name,
            configured_by=BUILT_IN[name].configured_by,
            detail=error.message,
        )
    return _row(provider, None)


def _not_imported(plugin: PluginEntry, settings: Settings) -> _ProviderRow:
    """Return the row of an installed plugin that is not in the chain: it is not imported."""
    problem = plugin.problem
    if not problem and settings.disable_plugins:
        problem = "VECTORSHIFT_DISABLE_PLUGINS=1 allows built-in providers alone"
    names = ",".join([*settings.providers, plugin.name])
    return _ProviderRow(
        name=plugin.name,
        position=None,
        configured=None,
        source=plugin.name,
        configured_by=""
        if problem
        else f"not in the chain; to add it: VECTORSHIFT_PROVIDERS={names}",
        detail="",
        distribution=plugin.distribution,
        version=plugin.version,
        problem=problem or None,
    )


def _draw(providers: list[_ProviderRow]) -> None:
    from rich.text import Text

    rows = table(("", "provider", "configured", "by"))
    for row in providers:
        found = (row.source, row.detail) if row.configured else ()
        installed = f"installed by {row.distribution} {row.version}" if row.distribution else ""
        problem = f"It cannot be named: {row.problem}." if row.problem else ""
        by = (row.configured_by, *map(str, row.variables), *found, installed, problem)
        described = "\n".join(filter(None, by))
        style = "dim" if row.position is None else "green" if row.configured else ""
        place = "-" if row.position is None else str(row.position)
        configured = {True: "yes", False: "no", None: "-"}[row.configured]
        rows.add_row(
            place, printable(row.name), configured, Text(printable(described)), style=style
        )
    screen = console()
    screen.print(rows)
    screen.print()
    screen.print(Text("Numbered: the chain, in its order. VECTORSHIFT_PROVIDERS sets both.", "dim"))
