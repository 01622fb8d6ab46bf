"""The settings of a process that sets none, without pydantic, whose import takes 170 ms."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift._platform.vault_variables import VaultMethod
    from vectorshift.credentials.values import Secret

__all__ = ["DefaultSettings", "is_default"]

_PREFIX = "VECTORSHIFT_"
_KEY = "VECTORSHIFT_API_KEY"
_STANDARD = "CREDENTIALS_DIRECTORY"  # those of Vault count only where its path is set


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSettings:
    """The fields of `Settings`, with their types and defaults. A test compares the two."""

    model_fields_set = frozenset[str]()

    api_key_file: str | None = None
    credentials_directory: str | None = None
    base_url: str = "https://api.vectorshift.ai/v1"
    ca_bundle: str | None = None
    allow_http: bool = False
    disable_plugins: bool = False
    require_using: bool = False
    providers: tuple[str, ...] = ("default",)
    profile: str | None = None
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
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


def is_default(environ: Mapping[str, str]) -> bool:
    """Return whether these variables set nothing, so that there is nothing to check or to warn of.

    A misspelt `VECTORSHIFT_` name sets nothing either, and is to be warned of: it gives False.
    """
    return not any(
        name == _STANDARD or (name.startswith(_PREFIX) and name != _KEY) for name in environ
    )
