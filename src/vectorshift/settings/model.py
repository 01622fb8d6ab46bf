"""Every setting, as `Settings(...)` in code or as `VECTORSHIFT_...` in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from vectorshift._platform.files import content_in_place_of_name, wrong_name
from vectorshift._platform.plugin_names import profile_flaw
from vectorshift._platform.urls import api_url, url_without_password
from vectorshift._platform.vault_variables import OTHER_METHODS, VaultMethod, fallbacks
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialConfigurationError
from vectorshift.settings.defaults import one_line
from vectorshift.settings.plugin import FrozenMap, Value, held
from vectorshift.settings.variables import PREFIX, explained, loaded_from, names_in

__all__ = ["Settings"]


def _wrapped(value: object) -> object:
    return Secret(value.strip()) if isinstance(value, str) else value


def _path(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


class _PemText(str):
    """The text of certificates, instead of the name of their file."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(certificates)'"


def _pem_or_name(value: str) -> str:
    if "-----BEGIN CERTIFICATE" in value and "PRIVATE KEY" not in value:
        return _PemText(value)
    if content_in_place_of_name(value):
        raise ValueError(
            "should be the name of a file or folder, or the text of certificates in PEM. It is"
            " neither, and is not shown"
        )
    return value


def _method(value: object) -> object:
    if value not in get_args(VaultMethod):
        raise ValueError(f"is not an auth method. {OTHER_METHODS.rstrip('.')}")
    return value


def _without(flaw_of: Callable[[str], str]) -> AfterValidator:
    """Return a check from a function that returns a flaw, or an empty text."""

    def check(value: str) -> str:
        if flaw := flaw_of(value):
            raise ValueError(flaw)
        return value

    return AfterValidator(check)


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = names_in(value)
    if not names:
        raise ValueError("should name at least one provider, or be unset")
    return names


def _masked(plugins: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    return {
        name: {
            key: str(value) if isinstance(value, Secret) else value for key, value in values.items()
        }
        for name, values in plugins.items()
    }


def _fallback(field: str, *others: str) -> Any:
    """Return a field that is read from its own variable, else from the store's standard one."""
    return Field(None, validation_alias=AliasChoices(PREFIX + field.upper(), *others))


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Text = Annotated[str, AfterValidator(one_line)]
File = Annotated[str, BeforeValidator(_path), _without(content_in_place_of_name)]
ProfileName = Annotated[str, _without(profile_flaw)]
SecretFile = Annotated[File, _without(wrong_name)]
Authorities = Annotated[str, BeforeValidator(_path), AfterValidator(_pem_or_name)]
Url = Annotated[str, AfterValidator(url_without_password)]
Token = Annotated[Secret, BeforeValidator(_wrapped), PlainSerializer(str)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OfPlugins = Annotated[
    Mapping[str, Mapping[str, Value]], PlainValidator(held), PlainSerializer(_masked)
]


class Settings(BaseSettings):
    """Every setting. `Settings(...)` in code reads no environment; `Settings.load()` does.

    Immutable and thread-safe. It has no key: the key is not a setting. Durations are in seconds.

    Raises:
        CredentialConfigurationError: a setting is unknown, or its value is invalid. The error names
            the setting, never the value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        str_strip_whitespace=True,
    )

    api_key_file: SecretFile | None = None
    credentials_directory: SecretFile | None = _fallback(
        "credentials_directory", "CREDENTIALS_DIRECTORY"
    )
    base_url: Annotated[str, AfterValidator(api_url)] = "https://api.vectorshift.ai/v1"
    ca_bundle: File | None = None
    allow_http: bool = False
    disable_plugins: bool = False
    require_using: bool = False
    providers: Names = ("default",)
    profile: ProfileName | None = None
    plugins: OfPlugins = FrozenMap[FrozenMap[Value]]({})
    env_file: SecretFile | None = None
    timeout: Positive = 60.0
    max_retries: Annotated[int, Field(ge=0)] = 2
    cache_ttl: Seconds = 300.0
    cache_max_stale: Seconds = 86_400.0
    load_timeout: Positive = 10.0

    vault_path: Text | None = None
    vault_mount: Text = "secret"
    vault_field: Text = "api_key"
    vault_kv_version: Annotated[int, Field(ge=1, le=2)] = 2
    vault_version: Annotated[int, Field(ge=1)] | None = None
    vault_addr: Url | None = _fallback("vault_addr", *fallbacks("addr"))
    vault_namespace: Text | None = _fallback("vault_namespace", *fallbacks("namespace"))
    vault_cacert: Authorities | None = _fallback("vault_cacert", *fallbacks("cacert"))
    vault_client_cert: SecretFile | None = _fallback("vault_client_cert", *fallbacks("client_cert"))
    vault_client_key: SecretFile | None = _fallback("vault_client_key", *fallbacks("client_key"))
    vault_tls_server_name: Text | None = _fallback(
        "vault_tls_server_name", *fallbacks("tls_server_name")
    )
    vault_skip_verify: bool = Field(
        default=False,
        validation_alias=AliasChoices("VECTORSHIFT_VAULT_SKIP_VERIFY", *fallbacks("skip_verify")),
    )
    vault_allow_http: bool = False
    vault_proxy: Token | None = _fallback("vault_proxy", *fallbacks("proxy"))
    vault_auth: Annotated[VaultMethod, BeforeValidator(_method)] = "token"
    vault_auth_mount: Text | None = None
    vault_auth_namespace: Text | None = None
    vault_token: Token | None = _fallback("vault_token", *fallbacks("token"))
    vault_token_file: SecretFile | None = None
    vault_role: Text | None = None
    vault_role_id: Text | None = None
    vault_secret_id: Token | None = None
    vault_secret_id_file: SecretFile | None = None
    vault_secret_id_wrapped: bool = False
    vault_creation_path: Text | None = None
    vault_username: Text | None = None
    vault_password: Token | None = None
    vault_password_file: SecretFile | None = None
    vault_jwt: Token | None = None
    vault_jwt_file: SecretFile | None = None
    vault_aws_server_id: Text | None = None
    vault_on_error: Literal["stop", "continue"] = "stop"
    vault_on_missing: Literal["stop", "continue"] = "continue"
    vault_cache_ttl: Seconds | None = None

    aws_secret_id: Text | None = None
    aws_parameter: Text | None = None
    aws_field: Text | None = None
    aws_version_stage: Text = "AWSCURRENT"
    aws_version_id: Text | None = None
    aws_region: Text | None = None
    aws_profile: Text | None = None
    aws_endpoint_url: Url | None = None
    aws_agent_url: Url | None = None
    aws_agent_role_arn: Text | None = None
    aws_on_error: Literal["stop", "continue"] = "stop"
    aws_on_missing: Literal["stop", "continue"] = "continue"
    aws_cache_ttl: Seconds | None = None

    if not TYPE_CHECKING:

        def __init__(self, /, **values):
            flaw = None
            try:
                super().__init__(**values)
            except ValidationError as error:
                flaw = explained(type(self), error)
            values.clear()  # a traceback that starts here shows no token
            if flaw is not None:
                raise flaw

        def __setattr__(self, name, value):
            del value  # pydantic's own error quotes it
            raise AttributeError(f"Settings are frozen: pass {name} when you create them.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the arguments in code: `load` alone reads the environment."""
        return (init_settings,)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the process environment, and the dotenv file that `VECTORSHIFT_ENV_FILE` names. The
        environment comes first.

        White space around a value is removed. A blank variable counts as unset; a blank
        `VECTORSHIFT_ENV_FILE` turns dotenv files off. The standard variables of Vault and OpenBao
        count once a path is set: `BAO_X` before `VAULT_X`, and an agent's address before the
        server's. `os.environ` is not changed. An unknown `VECTORSHIFT_` variable is logged as a
        warning.

        Args:
            environ: the environment to read; by default, that of the process.

        Raises:
            CredentialConfigurationError: a setting has an invalid value; a named file is missing or
                has a malformed line; or standard variables name two servers, tokens, namespaces or
                client certificates.
        """
        loaded = loaded_from(cls, os.environ if environ is None else environ)
        if isinstance(loaded, CredentialConfigurationError):
            del environ  # a traceback that starts here shows no key and no token
            raise loaded
        return loaded


# pydantic's first validation takes a lock. If another thread forks meanwhile, the child waits for
# the lock for ever. During an import, the fork waits instead.
Settings()
