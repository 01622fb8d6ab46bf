"""A plugin's own settings: `VECTORSHIFT_<NAME>_...` in the environment, or
`Settings(plugins={...})` in code.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar, cast, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from vectorshift._platform import public
from vectorshift._platform.plugin_names import canonical, is_service_link, plugin_of, prefix_of
from vectorshift._platform.public import Self
from vectorshift._platform.urls import is_loopback, url_without_password
from vectorshift.credentials.events import log
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialConfigurationError, CredentialError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

__all__ = [
    "CommonSettings",
    "FrozenMap",
    "PluginSettings",
    "StoreUrl",
    "Value",
    "declared",
    "for_instance",
    "formatted",
    "held",
    "of_plugins",
]

V = TypeVar("V")
P = TypeVar("P", bound="PluginSettings")

Value = Secret | str | bool | int | float
"""A value of a plugin's setting. A string is stored as a `Secret`, because it may be one."""

_SAFE = """
    none_required literal_error enum is_instance_of is_subclass_of callable_type
    greater_than greater_than_equal less_than less_than_equal multiple_of finite_number
    too_short too_long
    string_type string_unicode string_too_short string_too_long string_pattern_mismatch
    bool_type bool_parsing
    int_type int_parsing int_parsing_size int_from_float
    float_type float_parsing
    decimal_type decimal_parsing decimal_max_digits decimal_max_places decimal_whole_digits
    bytes_type bytes_too_short bytes_too_long
    dict_type list_type tuple_type set_type frozen_set_type iterable_type model_type
    date_type date_from_datetime_inexact date_past date_future
    time_type time_delta_type datetime_type datetime_past datetime_future
    timezone_naive timezone_aware
    url_type url_too_long url_scheme uuid_type uuid_version
    store_url
"""
"""The types of pydantic's errors whose texts do not show the value.

The text of any other type is withheld, so also that of a type that a later pydantic adds.
"""

_SAFE_BEFORE_A_COMMA = """
    date_parsing date_from_datetime_parsing datetime_parsing datetime_from_date_parsing
    time_parsing time_delta_parsing url_parsing url_syntax_violation uuid_parsing
"""
"""The texts of these types may quote a part of the value after a comma."""

_SHORTEST_SECRET = 4
"""A shorter value is not a secret, and may be in any message by chance."""


class FrozenMap(Mapping[str, V], Generic[V]):
    """A mapping that cannot be changed. Hashable.

    Args:
        items: the items; they are copied.
        loaded: whether they come from variables: an unknown variable is a warning, not an error.
        owner: the instance whose settings these are, if a plugin reads them by its own name.
    """

    __slots__ = ("_items", "loaded", "owner")

    def __init__(
        self, items: Mapping[str, V], *, loaded: bool = False, owner: str | None = None
    ) -> None:
        self._items = dict(items)
        self.loaded, self.owner = loaded, owner

    def __getitem__(self, name: str) -> V:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


# --- The settings of plugins in `Settings` --------------------------------------------------------


def held(given: object) -> FrozenMap[FrozenMap[Value]]:
    """Return the settings of plugins: strings as `Secret`, without None and blank strings.

    Raises:
        ValueError: it is not a mapping of names to mappings of settings. The error shows no value.
    """
    if not isinstance(given, Mapping):
        raise ValueError("should map the name of each plugin to a mapping of its settings")
    kept: dict[str, FrozenMap[Value]] = {}
    for name, values in cast("Mapping[object, object]", given).items():
        if not isinstance(name, str) or not isinstance(values, Mapping) or canonical(name) in kept:
            raise ValueError(
                "should map the name of each plugin, once, to a mapping of its settings"
            )
        mine = (
            (str(key), _value(f"{name}.{key}", each))
            for key, each in cast("Mapping[object, object]", values).items()
        )
        known = {key: each for key, each in mine if each is not None}
        given_as = cast("object", values)
        kept[canonical(name)] = FrozenMap(
            known,
            loaded=getattr(given_as, "loaded", False),
            owner=getattr(given_as, "owner", None),
        )
    return FrozenMap(kept)


def _value(place: str, given: object) -> Value | None:
    if isinstance(given, os.PathLike):
        given = os.fspath(cast("os.PathLike[str]", given))
    if isinstance(given, str):
        return Secret(given.strip()) if given.strip() else None
    if given is None or isinstance(given, Secret | bool | int | float):
        return given
    raise ValueError(
        f"{place} should be a string, a number, a bool or None, not {type(given).__name__}"
    )


def of_plugins(
    variables: Mapping[str, str], names: Iterable[str], known: Iterable[str]
) -> dict[str, FrozenMap[str]]:
    """Return the variables that belong to plugins, by plugin and by the name of the setting.

    Args:
        variables: the variables of the environment and of a named dotenv file.
        names: the providers that the chain names.
        known: the variables of this package. A plugin gets no variables if its prefix begins one of
            them.
    """
    known = frozenset(known)
    owners = {prefix_of(name): canonical(name) for name in names}
    mine = {
        prefix: name
        for prefix, name in owners.items()
        if not any(each.startswith(prefix) for each in known)
    }
    found: dict[str, dict[str, str]] = {}
    for variable in sorted(variables):
        prefix = max((each for each in mine if variable.startswith(each)), key=len, default=None)
        if prefix is not None and variable == variable.upper() != prefix:
            found.setdefault(mine[prefix], {})[variable.removeprefix(prefix).lower()] = variables[
                variable
            ]
    return {name: FrozenMap(values, loaded=True) for name, values in found.items()}


def _url_of_a_store(value: str) -> str:
    flaw = "should be an https URL with a host"
    try:
        value = url_without_password(value.strip()).rstrip("/")
        url = urlsplit(value)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            flaw = "should be an https URL: others could read plain HTTP"
        elif url.scheme in ("http", "https") and url.hostname and url.port != 0:
            return value
    except ValueError as error:
        flaw = str(error) if "should" in str(error) else flaw
    raise PydanticCustomError("store_url", "{flaw}", {"flaw": flaw}) from None


StoreUrl = Annotated[str, AfterValidator(_url_of_a_store)]
"""The URL of a store, for a field of a `PluginSettings`. It has no user name, password or trailing
slash, and is safe to print. Plain HTTP is allowed only to this machine.
"""


def for_instance(settings: public.Settings, name: str) -> public.Settings:
    """Return settings for an instance of a plugin, such as `acme:prod`. The plugin finds them under
    its own name, `acme`.
    """
    plugin = plugin_of(name)
    if plugin == name:
        return settings
    own = _of(settings, name)
    mine = FrozenMap(own, loaded=own.loaded, owner=name)
    return settings.model_copy(update={"plugins": FrozenMap({**settings.plugins, plugin: mine})})


# --- The settings as a plugin reads them ----------------------------------------------------------

declared: dict[str, Mapping[str, FieldInfo]] = {}
"""The fields of each `PluginSettings` that was read, by the name of the plugin or its instance."""


class PluginSettings(BaseModel):
    """Base of a plugin's own settings. Declare a field for each; `of` reads them.

        class AzureSettings(PluginSettings):
            vault_url: str | None = None      # VECTORSHIFT_AZURE_VAULT_URL
            token: Secret | None = None       # VECTORSHIFT_AZURE_TOKEN

    An immutable pydantic model with the rules of `Settings`. An empty value counts as unset. An
    unknown variable is a warning with the nearest name; an unknown name in code is an error. An
    error names the variable, never the value. Annotate secret values with `Secret`. `on_error`,
    `on_missing` and `cache_ttl` are read for every plugin, and need no field.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        populate_by_name=True,
        loc_by_alias=False,
    )

    @classmethod
    def of(cls, settings: public.Settings, name: str) -> Self:
        """Return the settings of the plugin `name`. Reads no environment.

        Args:
            settings: the argument of `from_settings`.
            name: the name of the plugin's entry point.

        Raises:
            CredentialConfigurationError: a value is wrong or missing. The error names the variable,
                never the value.
        """
        given = _of(settings, name)
        name = given.owner or name
        fields = declared[name] = cls.model_fields
        unknown = sorted(
            key for key in given if key not in fields and key not in CommonSettings.model_fields
        )
        flaws = [_unknown(key, name, given, fields) for key in unknown]
        return _made(cls, given, name, [flaw for flaw in flaws if flaw])


class CommonSettings(PluginSettings):
    """The settings of every plugin, which need no field."""

    on_error: Literal["stop", "continue"] | None = None
    on_missing: Literal["stop", "continue"] | None = None
    cache_ttl: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @classmethod
    def of(cls, settings: public.Settings, name: str) -> Self:
        """Return the common settings of the plugin `name`. Its other settings are not checked."""
        return _made(cls, _of(settings, name), name, [])


def _of(settings: public.Settings, name: str) -> FrozenMap[Value]:
    return held(settings.plugins).get(canonical(name), FrozenMap[Value]({}))


def _unknown(
    key: str, name: str, given: FrozenMap[Value], fields: Mapping[str, object]
) -> str | None:
    """Return the flaw of an unknown name in code. For an unknown variable, log a warning."""
    near = difflib.get_close_matches(key, [*fields, *CommonSettings.model_fields], n=1)
    prefix = prefix_of(name)
    if not given.loaded:
        return f"{key} is not a setting of {canonical(name)}." + (
            f" Did you mean {near[0]}?" if near else ""
        )
    variable = f"{prefix}{key.upper()}"
    if not is_service_link(variable):
        meant = f" Did you mean {prefix}{near[0].upper()}?" if near else ""
        log.warning("%s is not a setting of %s.%s", variable, canonical(name), meant)
    return None


def _shaped(value: Value, annotation: object) -> Value:
    return value.reveal() if isinstance(value, Secret) and not _names_secret(annotation) else value


def _names_secret(annotation: object) -> bool:
    return annotation is Secret or any(map(_names_secret, get_args(annotation)))


def _made(cls: type[P], given: Mapping[str, Value], name: str, flaws: list[str]) -> P:
    """Return the model, or raise without frames that hold a value."""
    fields, prefix = cls.model_fields, prefix_of(name)
    try:
        made = cls.model_validate(
            {key: _shaped(given[key], fields[key].annotation) for key in given if key in fields}
        )
        if not flaws:
            return made
        del made  # a traceback may show locals
    except ValidationError as error:
        flaws += [
            _explained(flaw, prefix)
            for flaw in error.errors(include_url=False, include_context=False)
        ]
    except CredentialError as error:  # an author's own check: its text is for users
        flaws.append(error.message)
    except Exception as error:  # its text and its frames may hold the value
        flaws.append(f"{prefix}...: a check of the plugin raised {type(error).__name__}.")
    raise CredentialConfigurationError("Invalid settings: " + " ".join(flaws))


def _explained(flaw: ErrorDetails, prefix: str) -> str:
    """Return what is wrong with a setting. The text of an author's check is left out: it may quote
    the value.
    """
    name = f"{prefix}{str(flaw['loc'][0]).upper()}" if flaw["loc"] else f"{prefix}..."
    if flaw["type"] == "missing":
        return f"{name}: is required but not set."
    return f"{name}: {formatted(flaw) or 'a check of the plugin refuses it'}."


def formatted(flaw: ErrorDetails) -> str | None:
    """Return pydantic's text about a value, or None if it may show a part of the value."""
    words = flaw["msg"]
    if flaw["type"] in _SAFE_BEFORE_A_COMMA.split():
        words = words.partition(", ")[0]
    elif flaw["type"] not in _SAFE.split():
        return None
    given: object = flaw["input"]
    value = given.reveal() if isinstance(given, Secret) else given
    # an author's check may use one of these types with its own text
    if (
        isinstance(value, str | int | float)
        and len(str(value)) >= _SHORTEST_SECRET
        and str(value) in words
    ):
        return None
    return words.removeprefix("Input ")
