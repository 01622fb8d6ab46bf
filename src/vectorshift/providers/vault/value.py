"""The key in Vault's reply, and when it expires: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vectorshift.credentials.values import Credential, field_names, parse_key
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import as_object, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vectorshift.credentials.resolving import Result
    from vectorshift.providers.vault.classify import Reply, SecretRef

__all__ = ["EXPIRES_AT", "read_expiry", "read_key"]

EXPIRES_AT: Final = "expires_at"
"""The key in a secret's custom metadata. Its value is an RFC 3339 time."""


def read_key(reply: Reply, ref: SecretRef) -> Result:
    """Return the credential in a successful reply, or the error that says what is wrong."""
    fields, version, expires_at = reply.data, None, None
    if ref.kv_version == 2:
        metadata, inner = as_object(fields.get("metadata")), as_object(fields.get("data") or {})
        if metadata is None or inner is None or "data" not in fields:
            return ref.wrong(
                "the answer is not from KV version 2. Set VECTORSHIFT_VAULT_KV_VERSION=1."
            )
        fields, version = inner, metadata.get("version")
        try:
            expires_at = read_expiry(metadata)
        except ValueError:
            return ref.wrong(
                f"the custom metadata's '{EXPIRES_AT}' is not an RFC 3339 time such as "
                f"2027-01-31T00:00:00Z. Set it: bao kv metadata patch -mount={ref.mount} "
                f"-custom-metadata={EXPIRES_AT}=... {ref.path}"
            )
    if ref.field not in fields:
        return ref.wrong(_no_field(fields, ref))
    text = fields[ref.field]
    if not isinstance(text, str):
        return ref.wrong(f"the field '{ref.field}' is not a string. Write the key as a string.")
    key = parse_key(text, source=ref.source, provider="vault")
    if isinstance(key, CredentialError):
        return key
    return Credential(
        secret=key, source=ref.source, provider="vault", version=version, expires_at=expires_at
    )


def read_expiry(metadata: Mapping[str, Any]) -> datetime | None:
    """Return the earlier of the time in the custom metadata and the version's own deletion time.

    Args:
        metadata: the metadata that KV version 2 returns with a version.

    Raises:
        ValueError: the value in the custom metadata is not a time.
    """
    named = (as_object(metadata.get("custom_metadata")) or {}).get(EXPIRES_AT)
    own = parse_time(named)
    if named is not None and own is None:
        raise ValueError(EXPIRES_AT)
    times = [time for time in (own, parse_time(metadata.get("deletion_time"))) if time is not None]
    return min(times, default=None)


def _no_field(fields: Mapping[str, Any], ref: SecretRef) -> str:
    if ref.kv_version == 1 and {"data", "metadata"} <= set(fields):
        return (
            "the mount has KV version 2. Set VECTORSHIFT_VAULT_KV_VERSION=2, and remove 'data/' "
            "from the path."
        )
    return (
        f"the secret has no field '{ref.field}'. Its fields are: {field_names(fields)}. "
        "Name the one that is the key with VECTORSHIFT_VAULT_FIELD."
    )
