"""`config`: each setting, its value, and where it is set. No secret is printed."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from vectorshift._platform.dotenv_syntax import Assignments, assignments_in
from vectorshift._platform.files import absolute, read_small, text_of
from vectorshift._platform.pipes import PATIENCE, left_alone
from vectorshift.chain.order import may_be_key
from vectorshift.cli.login import by_option
from vectorshift.cli.screen import console, printable, rows_or_problem, show, table
from vectorshift.credentials.values import Secret
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.settings import Settings
from vectorshift.settings.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vectorshift.cli.exits import Exit

__all__ = ["assignments_of", "show_config"]

_WITHHELD = "(withheld)"


@dataclass(frozen=True, slots=True)
class _SettingRow:
    """One setting.

    Args:
        setting: the variable of the setting.
        value: the value in force, or `(withheld)`; None if it is not set.
        origin: `default`, a variable, or a file and a line.
    """

    setting: str
    value: str | None
    origin: str


def show_config(as_json: bool, everything: bool) -> Exit:
    """Print the settings. Contacts no store, and reads no key.

    Args:
        as_json: whether to print JSON, which has every setting.
        everything: whether to print settings with default values, too.

    Raises:
        CredentialError: the settings are wrong. With JSON, this is printed, not raised.
    """

    def read() -> list[_SettingRow]:
        with left_alone():
            return list(_rows(DEFAULT_SCOPE.settings))

    rows, problem, end = rows_or_problem(read, as_json)
    data = {"problem": problem, "settings": [asdict(row) for row in rows]}
    shown = [row for row in rows if everything or row.origin != "default"]
    facts: dict[str, object] = {
        row.setting: f"{row.value or 'not set'} ({row.origin})" for row in shown
    }
    facts = facts or {"settings": "all have their defaults"}
    show(as_json, data, lambda: _draw(shown, len(rows) - len(shown)), facts)
    return end


def _rows(settings: Settings) -> Iterator[_SettingRow]:
    names: dict[str, list[str]] = {}
    for variable, field in variables_of(Settings).items():
        names.setdefault(field, []).append(variable)
    lines = _lines_of_file(settings)
    for field, variables in names.items():
        if field:
            value = getattr(settings, field)
            if field == "providers":
                value = tuple(_WITHHELD if may_be_key(name) else name for name in value)
            origin = _origin(variables, lines) if field in settings.model_fields_set else "default"
            yield _SettingRow(variables[0], _shown(value), origin)
    yield _SettingRow(
        "VECTORSHIFT_ENV_FILE", settings.env_file, _origin(["VECTORSHIFT_ENV_FILE"], {})
    )
    for plugin, values in settings.plugins.items():
        for name, value in values.items():
            variable = f"VECTORSHIFT_{plugin}_{name}".replace("-", "_").upper()
            yield _SettingRow(variable, _shown(value), _origin([variable], lines))


def assignments_of(env_file: str) -> Assignments:
    """Return the assignments in the dotenv file that the settings were read from."""
    content, _ = read_small(absolute(env_file), pipe_within=PATIENCE)
    return assignments_in(text_of(content) or "")


def _lines_of_file(settings: Settings) -> Mapping[str, str]:
    """Return the file and the line of each name in the dotenv file that the user named."""
    if not settings.env_file:
        return {}
    path, found = absolute(settings.env_file), assignments_of(settings.env_file)
    return {name: f"{path}, line {line}" for name, line in found.lines.items()}


def _origin(variables: list[str], lines: Mapping[str, str]) -> str:
    """Return where the first of these variables is set: the environment comes before the file."""
    for name in variables:
        if name == "VECTORSHIFT_PROFILE" and by_option:
            return "option --profile"
        if os.environ.get(name, "").strip():
            return f"variable {name}"
        if name in lines:
            return lines[name]
    return "default"


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, Secret) or "-----BEGIN" in str(value):
        return _WITHHELD
    if isinstance(value, tuple):
        return ",".join(map(str, cast("tuple[object, ...]", value)))
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _draw(rows: list[_SettingRow], defaults: int) -> None:
    from rich.text import Text

    screen = console()
    lines = table(("setting", "value", "from"), folded=2)
    for row in rows:
        style = "dim" if row.origin == "default" else ""
        origin = printable(row.origin).removesuffix(f" {row.setting}")
        lines.add_row(row.setting, printable(row.value or "not set"), Text(origin), style=style)
    if rows:
        screen.print(lines)
        screen.print()
    if defaults:
        screen.print(Text(f"{defaults} more have their defaults: vectorshift config --all", "dim"))
