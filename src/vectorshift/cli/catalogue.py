"""`providers list`: what a chain can be made of, and what it is made of now."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from vectorshift.cli.exits import Exit
from vectorshift.cli.screen import console, on_terminal, printable, say_facts, say_json, table
from vectorshift.context import AMBIENT
from vectorshift.errors import CredentialConfigurationError
from vectorshift.registry import providers_of

if TYPE_CHECKING:
    from vectorshift.providers.base import Description
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One provider.

    Args:
        name: as `VECTORSHIFT_PROVIDERS` has it.
        position: in the chain of the present settings, from 1; None if it is not in it.
        configured: whether a call that comes to it would ask it.
        source: where it looks.
        configured_by: what configures it.
        detail: what it says of itself, or what is wrong with its settings.
    """

    name: str
    position: int | None
    configured: bool
    source: str
    configured_by: str
    detail: str


def show_providers(as_json: bool) -> Exit:
    """Print the providers. Contacts nothing.

    Raises:
        CredentialConfigurationError: the settings are wrong, or name a provider that there is not.
    """
    entries = _entries(AMBIENT.settings)
    if as_json:
        say_json({"providers": [asdict(entry) for entry in entries]})
    elif on_terminal():
        _draw(entries)
    else:
        for entry in entries:
            facts = {name: value for name, value in asdict(entry).items() if name != "name"}
            say_facts({f"{printable(entry.name)}.{name}": value for name, value in facts.items()})
    return Exit.GOOD


def _entries(settings: Settings) -> list[_Entry]:
    """Return the members of the chain in order, then the other providers that there are."""
    members = enumerate(providers_of(settings), 1)
    chain = [_entry(provider.name, provider.describe(), place) for place, provider in members]
    inside = {entry.name for entry in chain}
    return chain + [_outside(name, settings) for name in BUILT_IN if name not in inside]


def _outside(name: str, settings: Settings) -> _Entry:
    """Return a provider that the chain leaves out, as it would be if it were named."""
    try:
        described = providers_of(settings.model_copy(update={"providers": (name,)}))[-1].describe()
    except CredentialConfigurationError as error:
        return _Entry(
            name=name,
            position=None,
            configured=True,
            source=error.source or name,
            configured_by=BUILT_IN[name],
            detail=error.message,
        )
    return _entry(name, described, None)


def _entry(name: str, described: Description, position: int | None) -> _Entry:
    return _Entry(
        name=name,
        position=position,
        configured=described.configured,
        source=described.source,
        configured_by=BUILT_IN.get(name, ""),
        detail=described.detail,
    )


def _draw(entries: list[_Entry]) -> None:
    from rich.text import Text

    rows = table(("", "provider", "configured", "by"))
    for entry in entries:
        found = (entry.source, entry.detail) if entry.configured else ()
        told = "\n".join(filter(None, (entry.configured_by, *found)))
        style = "dim" if entry.position is None else "green" if entry.configured else ""
        place = "-" if entry.position is None else str(entry.position)
        configured = "yes" if entry.configured else "no"
        rows.add_row(place, printable(entry.name), configured, Text(printable(told)), style=style)
    screen = console()
    screen.print(rows)
    screen.print()
    screen.print(Text("Numbered: the chain, in its order. VECTORSHIFT_PROVIDERS sets both.", "dim"))
