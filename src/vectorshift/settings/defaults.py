"""The settings of a process that sets none, or only plain texts. They need no pydantic: to import
it takes 170 ms.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from vectorshift._platform.urls import api_url, has_control_characters, url_without_password
from vectorshift._platform.vault_variables import VaultMethod, standard_variables
from vectorshift.credentials.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DEFAULTS", "PlainSettings", "one_line", "plain_settings"]

_PREFIX: Final = "VECTORSHIFT_"
_KEY: Final = "VECTORSHIFT_API_KEY"
_STANDARD: Final = "CREDENTIALS_DIRECTORY"  # Vault's own variables count only with `vault_path`
_LONGEST_TEXT: Final = 2048


_NONE: Final = (
    "api_key_file credentials_directory ca_bundle profile env_file"
    " vault_path vault_version vault_addr vault_namespace vault_cacert vault_client_cert"
    " vault_client_key vault_tls_server_name vault_proxy vault_auth_mount vault_auth_namespace"
    " vault_token vault_token_file vault_role vault_role_id vault_secret_id vault_secret_id_file"
    " vault_creation_path vault_username vault_password vault_password_file vault_jwt"
    " vault_jwt_file vault_aws_server_id vault_cache_ttl"
    " aws_secret_id aws_parameter aws_field aws_version_id aws_region aws_profile"
    " aws_endpoint_url aws_agent_url aws_agent_role_arn aws_cache_ttl"
)
_OFF: Final = (
    "allow_http disable_plugins require_using"
    " vault_skip_verify vault_allow_http vault_secret_id_wrapped"
)
DEFAULTS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(_NONE.split()),
    **dict.fromkeys(_OFF.split(), False),
    "base_url": "https://api.vectorshift.ai/v1",
    "providers": ("default",),
    "plugins": MappingProxyType({}),
    "timeout": 60.0,
    "max_retries": 2,
    "cache_ttl": 300.0,
    "cache_max_stale": 86_400.0,
    "load_timeout": 10.0,
    "vault_mount": "secret",
    "vault_field": "api_key",
    "vault_kv_version": 2,
    "vault_auth": "token",
    "vault_on_error": "stop",
    "vault_on_missing": "continue",
    "aws_version_stage": "AWSCURRENT",
    "aws_on_error": "stop",
    "aws_on_missing": "continue",
}
"""The default of each field of `Settings`. A test compares the two."""


class PlainSettings:
    """Has the fields of `Settings`."""

    model_fields_set: frozenset[str]

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(DEFAULTS, **values, model_fields_set=frozenset(values))

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
    return PlainSettings(values)
