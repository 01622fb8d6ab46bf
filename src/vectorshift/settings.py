"""Every setting, as `Settings(...)` in code or as `VECTORSHIFT_...` in the environment."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, PlainSerializer, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from vectorshift.credentials import Secret
from vectorshift.errors import CredentialConfigurationError
from vectorshift.events import log
from vectorshift.files import file_name, read_small, text_of
from vectorshift.hosts import api_url, url_without_password

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]

_PREFIX = "VECTORSHIFT_"
_ENV_FILE = "VECTORSHIFT_ENV_FILE"
_BUILT_IN = ("explicit", "env", "dotenv", "vault", "aws", "login")
_NOT_FIELDS = ("VECTORSHIFT_API_KEY", _ENV_FILE)


def _wrapped(value: object) -> object:
    return Secret(value.strip()) if isinstance(value, str) else value


def _path(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names:
        raise ValueError("should name at least one provider, or be unset")
    return names


def _fallback(field: str, *others: str) -> Any:
    """Read the field from its own variable, else from the store's standard one."""
    return Field(None, validation_alias=AliasChoices(_PREFIX + field.upper(), *others))


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
File = Annotated[str, BeforeValidator(_path)]
SecretFile = Annotated[File, AfterValidator(file_name)]
Url = Annotated[str, AfterValidator(url_without_password)]
Token = Annotated[Secret, BeforeValidator(_wrapped), PlainSerializer(str)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What can be set. In code it is pure: `Settings(...)` reads no environment; `Settings.load()` does.

    Immutable, thread-safe, and without a key: the key is no setting. Durations are in seconds.

    Raises:
        CredentialConfigurationError: a setting there is not, or a value it cannot have; names the setting, never
            the value.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )

    api_key_file: SecretFile | None = None
    credentials_directory: SecretFile | None = _fallback("credentials_directory", "CREDENTIALS_DIRECTORY")
    base_url: Annotated[str, AfterValidator(api_url)] = "https://api.vectorshift.ai/v1"
    ca_bundle: File | None = None
    allow_http: bool = False
    disable_plugins: bool = False
    providers: Names = ("default",)
    env_file: SecretFile | None = None
    timeout: Positive = 60.0
    cache_ttl: Seconds = 300.0
    cache_max_stale: Seconds = 86_400.0
    load_timeout: Positive = 10.0

    vault_path: str | None = None
    vault_mount: str = "secret"
    vault_field: str = "api_key"
    vault_kv_version: Annotated[int, Field(ge=1, le=2)] = 2
    vault_version: Annotated[int, Field(ge=1)] | None = None
    vault_addr: Url | None = _fallback("vault_addr", "VAULT_ADDR")
    vault_namespace: str | None = _fallback("vault_namespace", "VAULT_NAMESPACE")
    vault_cacert: File | None = _fallback("vault_cacert", "VAULT_CACERT")
    vault_client_cert: File | None = _fallback("vault_client_cert", "VAULT_CLIENT_CERT")
    vault_client_key: File | None = _fallback("vault_client_key", "VAULT_CLIENT_KEY")
    vault_skip_verify: bool = Field(
        default=False, validation_alias=AliasChoices("VECTORSHIFT_VAULT_SKIP_VERIFY", "VAULT_SKIP_VERIFY")
    )
    vault_allow_http: bool = False
    vault_auth: Literal["token", "approle", "kubernetes", "jwt", "cert", "agent"] = "token"
    vault_token: Token | None = _fallback("vault_token", "VAULT_TOKEN")
    vault_token_file: SecretFile | None = None
    vault_role: str | None = None
    vault_role_id: str | None = None
    vault_secret_id: Token | None = None
    vault_secret_id_file: SecretFile | None = None
    vault_secret_id_wrapped: bool = False
    vault_creation_path: str | None = None
    vault_jwt_file: SecretFile | None = None
    vault_auth_mount: str | None = None
    vault_on_error: Literal["stop", "continue"] = "stop"
    vault_on_missing: Literal["stop", "continue"] = "continue"
    vault_cache_ttl: Seconds | None = None

    aws_secret_id: str | None = None
    aws_field: str | None = None
    aws_version_stage: str = "AWSCURRENT"
    aws_version_id: str | None = None
    aws_region: str | None = None
    aws_profile: str | None = None
    aws_endpoint_url: Url | None = None
    aws_agent_url: Url | None = None
    aws_on_error: Literal["stop", "continue"] = "stop"
    aws_on_missing: Literal["stop", "continue"] = "continue"
    aws_cache_ttl: Seconds | None = None

    if not TYPE_CHECKING:

        def __init__(self, /, **values):
            flaw = None
            try:
                super().__init__(**values)
            except ValidationError as error:
                flaw = _explained(error)
            values.clear()  # a traceback that starts here shows no token
            if flaw is not None:
                raise flaw

        def __setattr__(self, name, value):
            del value  # pydantic's own error quotes it
            raise AttributeError(f"Settings are frozen: give {name} when they are made.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given in code and nothing else: the environment is read by `load` alone."""
        return (init_settings,)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the process environment, over the dotenv file that `VECTORSHIFT_ENV_FILE` names.

        A variable that is set to nothing counts as unset, but for `VECTORSHIFT_ENV_FILE`, which is turned off by it.
        `os.environ` is not written. An unknown `VECTORSHIFT_` variable is logged as a warning.

        Args:
            environ: the environment to read; that of the process by default.

        Raises:
            CredentialConfigurationError: a value that a setting cannot have, or a named file that is missing.
        """
        loaded = _loaded(cls, os.environ if environ is None else environ)
        if isinstance(loaded, CredentialConfigurationError):
            del environ  # a traceback that starts here shows no key and no token
            raise loaded
        return loaded


def _loaded(cls: type[Settings], process: Mapping[str, str]) -> Settings | CredentialConfigurationError:
    try:
        env_file = process.get(_ENV_FILE)
        env_file = "" if env_file is not None and not env_file.strip() else env_file
        cls(env_file=env_file)  # what is no name is refused before it is printed as one
        variables = {
            **_named_file(env_file),
            **{name: value for name, value in process.items() if value.strip()},
        }
        _warn_of_unknown(variables)
        values = _by_variable(_Variables(cls, variables)(), variables)
        if env_file is not None:
            values["env_file"] = env_file
        return cls(**values)
    except CredentialConfigurationError as error:
        return error.with_traceback(None)


class _Variables(EnvSettingsSource):
    """A source that reads the given variables, and not `os.environ`."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = {
            name.lower(): value for name, value in variables.items() if name == name.upper() != _ENV_FILE
        }
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _by_variable(values: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Key what was read from a store's standard variable by that, so that an error names the variable that is set."""
    for field in Settings.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            own, standard = map(str, field.validation_alias.choices)
            if own in values and own not in variables:
                values[standard] = values.pop(own)
    return values


def _named_file(env_file: str | None) -> dict[str, str]:
    if not env_file:
        return {}
    from io import StringIO

    from dotenv import dotenv_values

    flaw, text = "it is not UTF-8 text", None
    try:
        text = text_of(read_small(env_file)[0])
    except OSError as error:
        flaw = (error.strerror or type(error).__name__).lower()
    except ValueError:
        flaw = "no file can have this name"
    if text is None:
        raise CredentialConfigurationError(
            f"{_ENV_FILE} names {env_file}, which cannot be read: {flaw}. Name a file that is there, or unset it.",
            source=f"dotenv:{env_file}",
        )
    values = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value and value.strip()}


def _variables_of_fields() -> dict[str, str]:
    """Return the name of each variable that is read, with the field that it sets."""
    found: dict[str, str] = dict.fromkeys(_NOT_FIELDS, "")
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [_PREFIX + name.upper()]
        found.update(dict.fromkeys(map(str, names), name))
    return found


def _warn_of_unknown(variables: Mapping[str, str]) -> None:
    known = _variables_of_fields()
    plugins = tuple(f"{_PREFIX}{name.upper().replace('-', '_')}_" for name in _names_of(variables) - set(_BUILT_IN))
    for name in sorted(variables):
        if not name.startswith(_PREFIX) or name in known or name.startswith(plugins):
            continue
        if "_PORT" in name or "_SERVICE_" in name:  # Kubernetes' service links
            continue
        near = difflib.get_close_matches(name, known, n=1)
        log.warning("%s is no setting of vectorshift.%s", name, f" Did you mean {near[0]}?" if near else "")


def _names_of(variables: Mapping[str, str]) -> set[str]:
    return set(variables.get(f"{_PREFIX}PROVIDERS", "").replace(" ", "").split(",")) - {""}


def _explained(error: ValidationError) -> CredentialConfigurationError:
    """Name each setting that is wrong, and how, without its value or that of a sibling."""
    fields = {name: variable for variable, name in reversed(_variables_of_fields().items())}
    lines: list[str] = []
    for flaw in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(flaw["loc"][0]) if flaw["loc"] else "settings"
        if flaw["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            lines.append(f"{name} is no setting." + (f" Did you mean {near[0]}?" if near else ""))
            continue
        says = flaw["msg"].removeprefix("Value error, ").removeprefix("Input ")
        lines.append(f"{fields.get(name, name)}: {says}.")
    return CredentialConfigurationError("A setting is wrong. " + " ".join(lines))
