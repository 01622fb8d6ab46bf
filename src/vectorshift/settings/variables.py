"""Read settings from variables, and explain those that are wrong or unknown."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import AliasChoices
from pydantic_settings import BaseSettings, EnvSettingsSource

from vectorshift._platform.dotenv_syntax import Assignments, assignments_in
from vectorshift._platform.entry_points import available
from vectorshift._platform.files import absolute, read_small, reason_of, text_of, unexpanded
from vectorshift._platform.misspelt import did_you_mean, nearest
from vectorshift._platform.permissions import FilePermissions
from vectorshift._platform.pipes import PATIENCE, PipeError
from vectorshift._platform.plugin_names import (
    canonical,
    is_instance,
    is_service_link,
    plugin_of,
    prefix_of,
    profile_flaw,
)
from vectorshift._platform.vault_variables import TOKEN_HELPER, is_there, standard_variables
from vectorshift.credentials.events import log_safely
from vectorshift.errors import CredentialConfigurationError, CredentialStoreUnavailableError
from vectorshift.settings.plugin import formatted, of_plugins

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pydantic import ValidationError

__all__ = ["PREFIX", "explained", "loaded_from", "names_in", "variables_of"]

PREFIX = "VECTORSHIFT_"
_ENV_FILE = "VECTORSHIFT_ENV_FILE"
_VAULT_PATH = "VECTORSHIFT_VAULT_PATH"
_VAULT = "VECTORSHIFT_VAULT_"
_CACERT = "VECTORSHIFT_VAULT_CACERT"
_SKIP_VERIFY = "VECTORSHIFT_VAULT_SKIP_VERIFY"
_PLUGINS = "plugins"
_PROFILE = "VECTORSHIFT_PROFILE"
_OTHER_SOURCES = (
    "VECTORSHIFT_PROVIDERS",
    "VECTORSHIFT_CREDENTIALS_DIRECTORY",
    _VAULT_PATH,
    "VECTORSHIFT_AWS_SECRET_ID",
    "VECTORSHIFT_AWS_PARAMETER",
)
"""Settings that lead to another source, and are ignored if a profile is named."""
_OF_A_PLUGIN = "If it belongs to a plugin, name the plugin in VECTORSHIFT_PROVIDERS."
_KEY = "VECTORSHIFT_API_KEY"
_NOT_FIELDS = (_KEY, _ENV_FILE)

S = TypeVar("S", bound=BaseSettings)

_warning_about: set[str] = set()
"""The variables whose warning is being logged, in any thread: a log handler may load the settings
again, also in another thread.
"""


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def loaded_from(cls: type[S], process: Mapping[str, str]) -> S | CredentialConfigurationError:
    """Return the settings of the variables, or an error without frames that hold a value."""
    try:
        env_file = process[_ENV_FILE].strip() if _ENV_FILE in process else None
        cls(env_file=env_file)  # checks the name before a message prints it
        found = _named_file(env_file)
        variables = {**_set_in(found.values), **_set_in(process)}
        if _VAULT_PATH in variables and (
            flaw := _vault_flaw({**found.values, **process, **variables})
        ):
            return CredentialConfigurationError(f"Invalid settings: {flaw}")
        if flaw := _two_keys(variables):
            return CredentialConfigurationError(f"Invalid settings: {flaw}")
        values = _by_variable(cls, _Variables(cls, variables)(), variables)
        known = variables_of(cls)
        if flaw := _contradiction(found, known, has_vault=_VAULT_PATH in variables):
            raise _wrong_file(env_file, flaw)
        names = names_in(variables.get(f"{PREFIX}PROVIDERS", ""))
        if plugins := of_plugins(variables, names, known):
            values[_PLUGINS] = plugins
        _warn_of_unknown(variables, known, plugins, names)
        if env_file is not None:
            values["env_file"] = env_file
        return cls(**values)
    except CredentialConfigurationError as error:
        return error.with_traceback(None)


def _set_in(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are not blank, with their values stripped."""
    return {name: value.strip() for name, value in variables.items() if value.strip()}


class _Variables(EnvSettingsSource):
    """A source that reads these variables instead of `os.environ`."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = {
            name.lower(): value
            for name, value in variables.items()
            if name == name.upper() and name not in (_ENV_FILE, PREFIX + _PLUGINS.upper())
        }
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _by_variable(
    cls: type[BaseSettings], values: dict[str, Any], variables: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values with a store's standard variable as the key, so that an error names it.

    The variables of Vault are left out unless its path is set.
    """
    for field in cls.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            own, *standard = map(str, field.validation_alias.choices)
            if own in values and own not in variables:
                value = values.pop(own)
                name = next(name for name in standard if name in variables)
                if own == _SKIP_VERIFY and _CACERT in variables:
                    continue  # a named CA must be used to verify
                if _VAULT_PATH in variables or not name.startswith(("BAO_", "VAULT_")):
                    values[name] = value
    return values


def _vault_flaw(variables: Mapping[str, str]) -> str | None:
    """Return why the standard variables leave server, identity or namespace open, or None.

    Warns about variables that are not used.
    """
    own = {
        name.removeprefix(_VAULT).lower(): value
        for name, value in variables.items()
        if name.startswith(_VAULT) and value.strip()
    }
    found = standard_variables(variables, own)
    flaws = list(found.flaws)
    if found.helper_flaw and is_there(TOKEN_HELPER):
        flaws.append(found.helper_flaw)
    for used, other in found.ignored:
        _warn(other, "%s is not used: %s comes before it.", other, used)
    return " ".join(flaws) or None


def _two_keys(variables: Mapping[str, str]) -> str:
    """Return a flaw if both a key and a profile are set, else "". Warns about settings that the
    profile replaces.
    """
    profile = variables.get(_PROFILE, "")
    if not profile or profile_flaw(profile):
        return ""
    for name in (_KEY, f"{_KEY}_FILE"):
        if name in variables:
            return (
                f"The profile {profile} is named, by {_PROFILE} or --profile, and {name} is set "
                "too. Unset one of them."
            )
    for name in _OTHER_SOURCES:
        if name in variables and "login" not in names_in(variables[name]):
            _warn(name, "%s is not used: the profile %s comes before it.", name, profile)
    return ""


def _named_file(env_file: str | None) -> Assignments:
    if not env_file:
        return Assignments(values={})
    flaw, text, fix = "it is not UTF-8 text", None, "Save it as UTF-8, or name another."
    try:
        content, status = read_small(env_file, pipe_within=_pipe_within())
        text = text_of(content)
        exposure = FilePermissions(absolute(env_file))
        exposure.see(status.st_mode, status.st_uid)
        exposure.warn_once()  # it may set where keys are read from and sent to
    except PipeError as error:
        raise CredentialStoreUnavailableError(
            f"{_ENV_FILE} names {env_file}: {error.strerror}.", source=f"dotenv:{env_file}"
        ) from None
    except OSError as error:
        flaw, fix = reason_of(error), "Name a file that this process can read, or unset it."
        if isinstance(error, FileNotFoundError):
            fix = unexpanded(env_file) or "Name a file that exists, or unset it."
    if text is None:
        raise CredentialConfigurationError(
            f"{_ENV_FILE} names {env_file}, which cannot be read: {flaw}. {fix}",
            source=f"dotenv:{env_file}",
        )
    found = assignments_in(text)
    if found.flaw:
        raise _wrong_file(env_file, found.flaw)
    return found


def _pipe_within() -> float:
    """Return how many seconds to wait for a pipe. Settings inside the pipe are not known yet."""
    try:
        return float(os.environ.get("VECTORSHIFT_LOAD_TIMEOUT", ""))
    except ValueError:
        return PATIENCE


def _wrong_file(env_file: str | None, flaw: str) -> CredentialConfigurationError:
    return CredentialConfigurationError(
        f"{_ENV_FILE} names {env_file}: {flaw}", source=f"dotenv:{env_file}"
    )


def _contradiction(found: Assignments, known: Iterable[str], *, has_vault: bool) -> str:
    """Return which lines of the named file contradict each other, or "".

    Two different keys are left to the provider: a key in the environment would come before both.
    """
    settings = [
        name
        for name in found.twice
        if name != _KEY and (name in known or name.startswith(PREFIX))
        if has_vault or not name.startswith(("VAULT_", "BAO_"))
    ]
    if has_vault and found.flaw_of_stores:
        return found.flaw_of_stores
    both = [_KEY, f"{_KEY}_FILE"]
    if flaw := found.contradiction(settings):
        return flaw
    if all(found.values.get(name, "").strip() for name in both):
        first, second = (found.lines[name] for name in both)
        return (
            f"{both[0]} is set in line {first}, and so is {both[1]} in line {second}. Remove one "
            "of them."
        )
    return ""


def variables_of(cls: type[BaseSettings]) -> dict[str, str]:
    """Return the field that each known variable sets, by the name of the variable."""
    found: dict[str, str] = dict.fromkeys(_NOT_FIELDS, "")
    for name, field in cls.model_fields.items():
        if name == _PLUGINS:  # its variables are those of the plugins
            continue
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [PREFIX + name.upper()]
        found.update(dict.fromkeys(map(str, names), name))
    return found


def _warn_of_unknown(
    variables: Mapping[str, str],
    known: Collection[str],
    plugins: Mapping[str, Iterable[str]],
    names: Iterable[str],
) -> None:
    taken = {f"{prefix_of(name)}{key.upper()}" for name, keys in plugins.items() for key in keys}
    for name in sorted(set(variables) - set(known) - taken):
        if not name.startswith(PREFIX) or is_service_link(name):
            continue
        near = nearest(name, known)
        hint = _of_an_installed(name, names) or (f"Did you mean {near}?" if near else _OF_A_PLUGIN)
        _warn(name, "%s is not a vectorshift setting. %s", name, hint)


def _of_an_installed(variable: str, names: Iterable[str]) -> str:
    """Return a hint to the installed plugin that would read a variable, or to the variables of its
    instances; else "".
    """
    try:
        plugins = [
            each
            for each in available()
            if not each.problem and variable.startswith(prefix_of(each.name))
        ]
    except CredentialConfigurationError:  # some package's metadata is damaged
        return ""
    if not plugins:
        return ""
    meant = max(plugins, key=lambda each: len(each.name))
    instances = [each for each in map(canonical, names) if plugin_of(each) == meant.name]
    if own := " and ".join(f"{prefix_of(each)}..." for each in instances if is_instance(each)):
        return f"VECTORSHIFT_PROVIDERS names instances of {meant.name}: they read {own}"
    return (
        f"The plugin {meant.name} ({meant.origin}) is installed and reads it if "
        "VECTORSHIFT_PROVIDERS names it."
    )


def _warn(variable: str, message: str, *args: str) -> None:
    """Log a warning about a variable, unless a handler of this same warning led here."""
    if variable in _warning_about:
        return
    _warning_about.add(variable)
    try:
        log_safely(logging.WARNING, message, *args)
    finally:
        _warning_about.discard(variable)


_KEYS: Final = ("api_key", "apikey", "key", "token", "credentials")


def explained(cls: type[BaseSettings], error: ValidationError) -> CredentialConfigurationError:
    """Return the error that names each invalid setting and its flaw. It shows no value."""
    fields = {name: variable for variable, name in reversed(variables_of(cls).items())}
    lines: list[str] = []
    for flaw in error.errors(include_url=False, include_context=False):
        name = str(flaw["loc"][0]) if flaw["loc"] else "settings"
        if flaw["type"] == "extra_forbidden" and name.lower().removeprefix("vectorshift_") in _KEYS:
            lines.append(
                f"{name} is no setting. Set vectorshift.api_key, or pass the key as credentials=."
            )
            continue
        if flaw["type"] == "extra_forbidden":
            lines.append(f"{name} is no setting.{did_you_mean(name, cls.model_fields)}")
            continue
        ours = flaw["msg"].removeprefix("Value error, ") if flaw["type"] == "value_error" else None
        lines.append(
            f"{fields.get(name, name)}: {ours or formatted(flaw) or 'a check refuses it'}."
        )
    return CredentialConfigurationError("Invalid settings: " + " ".join(lines))
