"""The settings of a process that sets none, or only plain texts. They need no pydantic: to import
it takes 170 ms.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from vectorshift._platform.urls import api_url, has_control_characters, url_without_password
from vectorshift._platform.vault_variables import VaultMethod, standard_variables
from vectorshift.credentials.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PlainSettings", "one_line", "plain_settings"]

_PREFIX: Final = "VECTORSHIFT_"
_KEY: Final = "VECTORSHIFT_API_KEY"
_STANDARD: Final = "CREDENTIALS_DIRECTORY"  # Vault's own variables count only with `vault_path`
_LONGEST_TEXT: Final = 2048


class PlainSettings:
    """The fields of `Settings`, with their types and defaults. A test compares the two.

    It is not a dataclass: to create one with 60 fields would slow down the first call.
    """

    api_key_file: str | None = None
    credentials_directory: str | None = None
    base_url: str = "https://api.vectorshift.ai/v1"
    ca_bundle: str | None = None
    allow_http: bool = False
    disable_plugins: bool = False
    require_using: bool = False
    providers: tuple[str, ...] = ("default",)
    profile: str | None = None
    plugins: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    env_file: str | None = None
    timeout: float = 60.0
    max_retries: int = 2
    cache_ttl: float = 300.0
    cache_max_stale: float = 86_400.0
    load_timeout: float = 10.0
    vault_path: str | None = None
    vault_mount: str = "secret"
    vault_field: str = "api_key"
    vault_kv_version: int = 2
    vault_version: int | None = None
    vault_addr: str | None = None
    vault_namespace: str | None = None
    vault_cacert: str | None = None
    vault_client_cert: str | None = None
    vault_client_key: str | None = None
    vault_tls_server_name: str | None = None
    vault_skip_verify: bool = False
    vault_allow_http: bool = False
    vault_proxy: Secret | None = None
    vault_auth: VaultMethod = "token"
    vault_auth_mount: str | None = None
    vault_auth_namespace: str | None = None
    vault_token: Secret | None = None
    vault_token_file: str | None = None
    vault_role: str | None = None
    vault_role_id: str | None = None
    vault_secret_id: Secret | None = None
    vault_secret_id_file: str | None = None
    vault_secret_id_wrapped: bool = False
    vault_creation_path: str | None = None
    vault_username: str | None = None
    vault_password: Secret | None = None
    vault_password_file: str | None = None
    vault_jwt: Secret | None = None
    vault_jwt_file: str | None = None
    vault_aws_server_id: str | None = None
    vault_on_error: Literal["stop", "continue"] = "stop"
    vault_on_missing: Literal["stop", "continue"] = "continue"
    vault_cache_ttl: float | None = None
    aws_secret_id: str | None = None
    aws_parameter: str | None = None
    aws_field: str | None = None
    aws_version_stage: str = "AWSCURRENT"
    aws_version_id: str | None = None
    aws_region: str | None = None
    aws_profile: str | None = None
    aws_endpoint_url: str | None = None
    aws_agent_url: str | None = None
    aws_agent_role_arn: str | None = None
    aws_on_error: Literal["stop", "continue"] = "stop"
    aws_on_missing: Literal["stop", "continue"] = "continue"
    aws_cache_ttl: float | None = None
    model_fields_set: frozenset[str] = frozenset()

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Settings do not change.")


def one_line(value: str) -> str:
    """Return the text if it is safe to print.

    Raises:
        ValueError: it is not safe to print. The error does not repeat the text.
    """
    if has_control_characters(value):
        raise ValueError("should have no line break and no other control character")
    if "-----BEGIN" in value or len(value) > _LONGEST_TEXT:
        raise ValueError("should be a short text. It is not shown: it may be a key")
    return value


def _method(value: str) -> str:
    if value not in get_args(VaultMethod):
        raise ValueError
    return value


_TEXTS: Final = (
    "vault_path vault_mount vault_field vault_namespace vault_auth_mount vault_role vault_role_id"
    " aws_secret_id aws_parameter aws_field aws_version_stage aws_region aws_profile"
)
_CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    **dict.fromkeys(_TEXTS.split(), one_line),
    **dict.fromkeys(("vault_addr", "aws_endpoint_url", "aws_agent_url"), url_without_password),
    **dict.fromkeys(("vault_token", "vault_secret_id"), Secret),
    "base_url": api_url,
    "vault_auth": _method,
}
"""The settings that plain texts can set, and their checks, which are those of `Settings`."""


def plain_settings(environ: Mapping[str, str]) -> PlainSettings | None:
    """Return the settings of these variables, or None if `Settings` is needed: for numbers, files,
    misspelt names and wrong values.
    """
    fields = {
        name: name.removeprefix(_PREFIX).lower()
        for name in environ
        if name == _STANDARD or (name.startswith(_PREFIX) and name != _KEY)
    }
    if not _CHECKS.keys() >= set(fields.values()):
        return None
    texts = {field: environ[name].strip() for name, field in fields.items()}
    texts = {field: text for field, text in texts.items() if text}
    if "vault_path" in texts:
        own = {name.removeprefix("vault_"): text for name, text in texts.items()}
        found = standard_variables(environ, own)
        texts |= {f"vault_{each}": environ[name].strip() for each, name in found.used.items()}
        if found.flaws or found.helper_flaw or not _CHECKS.keys() >= texts.keys():
            return None
    try:
        values: dict[str, Any] = {name: _CHECKS[name](text) for name, text in texts.items()}
    except ValueError:
        return None
    return PlainSettings(**values, model_fields_set=frozenset(values))
