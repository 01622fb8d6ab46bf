"""What a Vault server's answers mean: pure functions from a reply to a credential or one of five
failures.

Nothing that the server wrote is repeated in a message, as a body may hold a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from vectorshift.credentials.values import Credential, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.vault.expiry import EXPIRES_AT, MalformedTime, parse_time, read_expiry

if TYPE_CHECKING:
    from datetime import datetime

    from vectorshift.credentials.resolving import Result

__all__ = ["Reply", "SecretRef", "as_object", "classify_login", "classify_read", "read_key"]


def as_object(value: object) -> dict[str, Any] | None:
    """Return a JSON object as such, or None for any other value."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answered.

    Args:
        status: the HTTP status.
        body: the JSON object of the body, or None. May hold a secret, so it is not printed.
        plain_http: whether the server complained of plain HTTP on a TLS port.
        retry_after: seconds to wait as the server asked, or None.
        date: when the server answered, by its own clock, or None.
    """

    status: int
    body: dict[str, Any] | None = field(repr=False)
    plain_http: bool = False
    retry_after: float | None = None
    date: datetime | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The `data` of the body, or an empty object."""
        return as_object((self.body or {}).get("data")) or {}

    @property
    def is_gap(self) -> bool:
        """Whether the server says, as Vault does, that nothing is there."""
        return self.status == 404 and (self.body or {}).get("errors") == []

    def says(self, words: str) -> bool:
        """Return whether one of the server's errors is `words`: one that only holds them may quote
        a path.
        """
        return any(error.strip().rstrip(".").lower() == words for error in self._texts("errors"))

    @property
    def warns_of_versions(self) -> bool:
        """Whether the server says that the mount holds KV version 2, which was read as version
        1.
        """
        start = "Invalid path for a versioned K/V secrets engine"
        return any(warning.startswith(start) for warning in self._texts("warnings"))

    def _texts(self, name: str) -> list[str]:
        texts = (self.body or {}).get(name)
        return (
            [str(each) for each in cast("list[object]", texts)] if isinstance(texts, list) else []
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """The secret that is asked for, and how one gets there: what every message names."""

    address: str
    namespace: str | None
    mount: str
    path: str
    field: str
    kv_version: int
    version: int | None
    auth: str

    @property
    def source(self) -> str:
        """The printable place without the version, such as `vault:secret/vectorshift#api_key`."""
        return f"vault:{self.mount}/{self.path}#{self.field}"

    @property
    def api_path(self) -> str:
        """The path that a policy has to allow."""
        return (
            f"{self.mount}/data/{self.path}"
            if self.kv_version == 2
            else f"{self.mount}/{self.path}"
        )

    def error(
        self, kind: type[CredentialError], what: str, *, retry_after: float | None = None
    ) -> CredentialError:
        """Return an error of `kind` whose message names this place and says `what`."""
        namespace = f", namespace {self.namespace}" if self.namespace else ""
        text = f"{self.source} ({self.address}{namespace}, auth method {self.auth}): {what}"
        if kind is CredentialStoreUnavailableError:
            return CredentialStoreUnavailableError(
                text, source=self.source, provider="vault", retry_after=retry_after
            )
        return kind(text, source=self.source, provider="vault")

    def wrong(self, what: str) -> CredentialError:
        """Return a configuration error that says `what`."""
        return self.error(CredentialConfigurationError, what)

    def denied(self, what: str) -> CredentialError:
        """Return a denied error that says `what`."""
        return self.error(CredentialDeniedError, what)

    def unavailable(self, what: str, *, retry_after: float | None = None) -> CredentialError:
        """Return a store-unavailable error that says `what`."""
        return self.error(CredentialStoreUnavailableError, what, retry_after=retry_after)


def classify_read(
    reply: Reply, ref: SecretRef, *, other_kv: bool = False, new_token: bool = False
) -> CredentialError | None:
    """Say what a reply to a read means; None if it brings a secret.

    Args:
        reply: the reply.
        place: what was asked for.
        other_kv: whether the mount is known to be of the other KV version.
        new_token: whether a login has just brought the token, so that it cannot have ended.
    """
    if reply.status == 200 and as_object((reply.body or {}).get("data")) is not None:
        return None
    if reply.status in (401, 403) or (reply.status == 400 and reply.says("missing client token")):
        return ref.denied(_denial(ref, new_token=new_token))
    if reply.status == 404 and reply.body is not None:
        return _judge_404(reply, ref, other_kv=other_kv)
    return _judge_server(reply, ref)


def _denial(ref: SecretRef, *, new_token: bool) -> str:
    """Say why a read may be refused: of a token that has just been made, the policy alone is in
    doubt.
    """
    if new_token:
        why = "A new login did not help: the policies of its role lack these lines"
    elif ref.auth == "agent":
        why = (
            "Either the agent adds no token (use_auto_auth_token), or the policy of its token lacks"
            " these lines"
        )
    else:
        why = "Either the token is wrong, expired or revoked, or its policy lacks these lines"
    return (
        "the server refuses the read, as it does where nothing is mounted"
        f" (VECTORSHIFT_VAULT_MOUNT). {why}:\n"
        f'  path "{ref.api_path}" {{\n    capabilities = ["read"]\n  }}'
    )


def classify_login(reply: Reply, ref: SecretRef, fix: str) -> CredentialError | None:
    """Say what a reply to a login means; None if it brings a token."""
    auth = as_object((reply.body or {}).get("auth")) or {}
    if reply.status == 200 and auth.get("client_token"):
        return None
    if reply.status == 404 and reply.body is not None:
        return ref.wrong(
            "nothing is mounted where the login goes. Set VECTORSHIFT_VAULT_AUTH_MOUNT to the mount"
            " of the auth method, and look at VECTORSHIFT_VAULT_NAMESPACE."
        )
    if reply.status in (401, 403):
        return ref.denied(
            "the server refuses the login, as it does where no auth method is mounted "
            f"(VECTORSHIFT_VAULT_AUTH_MOUNT). {fix}"
        )
    if reply.status == 400 and reply.body is not None:
        return ref.denied(f"the server refuses the login. {fix}")
    return _judge_server(reply, ref)


def _judge_404(reply: Reply, ref: SecretRef, *, other_kv: bool) -> CredentialError:
    """Tell apart the reasons for a 404: a gap, a deleted version, a missing mount, the other KV
    version.
    """
    body = reply.body or {}
    metadata = as_object(reply.data.get("metadata")) or {}
    if metadata.get("destroyed") is True or metadata.get("deletion_time"):
        if not _is_gone(metadata, reply.date):
            return ref.unavailable(
                "the server does not serve a version that it is to delete later. Look at its log"
                " and its clock."
            )
        return ref.error(CredentialRevokedError, _gone(metadata, ref))
    if other_kv or (ref.kv_version == 1 and reply.warns_of_versions):
        other = 1 if ref.kv_version == 2 else 2
        return ref.wrong(
            f"the mount '{ref.mount}' holds KV version {other}, not {ref.kv_version}. "
            f"Set VECTORSHIFT_VAULT_KV_VERSION={other}."
        )
    if reply.says("namespace not found"):
        return ref.wrong("the server has no such namespace. Look at VECTORSHIFT_VAULT_NAMESPACE.")
    if body.get("errors"):
        return ref.wrong(
            f"nothing is mounted at '{ref.mount}'. Look at VECTORSHIFT_VAULT_MOUNT and"
            " VECTORSHIFT_VAULT_NAMESPACE."
        )
    if "errors" not in body:
        return _judge_server(reply, ref)
    if ref.version:
        return ref.error(
            CredentialNotFoundError,
            f"the server has no version {ref.version} of it. Look at VECTORSHIFT_VAULT_VERSION.",
        )
    hint = (
        " KV version 2 adds 'data/' by itself: leave it out of the path."
        if ref.path.startswith("data/")
        else ""
    )
    return ref.error(
        CredentialNotFoundError,
        f"the server has no such secret.{hint} Look at VECTORSHIFT_VAULT_PATH, or write one: "
        f"bao kv put -mount={ref.mount} {ref.path} {ref.field}=...",
    )


def _is_gone(metadata: dict[str, Any], date: datetime | None) -> bool:
    """Whether the metadata prove that the version is gone: a time to come, by the server's own
    clock, is no proof.
    """
    if metadata.get("destroyed") is True:
        return True
    deleted = parse_time(metadata.get("deletion_time"))
    return deleted is not None and (date is None or deleted <= date + _CLOCKS)


_CLOCKS: Final = timedelta(seconds=60)
"""How far the clocks of a cluster's servers may be apart."""


def _gone(metadata: dict[str, Any], ref: SecretRef) -> str:
    version = metadata.get("version") if isinstance(metadata.get("version"), int) else "?"
    if metadata.get("destroyed") is True:
        fix = f"bao kv put -mount={ref.mount} {ref.path} {ref.field}=..."
        return f"version {version} was destroyed. Write a new one: {fix}"
    return (
        f"version {version} was deleted. Write a new one, or bring it back: "
        f"bao kv undelete -mount={ref.mount} -versions={version} {ref.path}"
    )


def _judge_server(reply: Reply, ref: SecretRef) -> CredentialError:
    """Say what a reply means that is about the server and not about what it was asked."""
    status = reply.status
    if status == 503 and reply.says("vault is sealed"):
        return ref.unavailable("the server is sealed. Unseal it.", retry_after=reply.retry_after)
    if status == 429:
        return ref.unavailable(
            "the server limits the rate (429). Raise its quota, or VECTORSHIFT_VAULT_CACHE_TTL.",
            retry_after=reply.retry_after,
        )
    if status >= 500 or status == 412:
        return ref.unavailable(
            f"the server fails (HTTP {status}). Look at its log.", retry_after=reply.retry_after
        )
    if reply.plain_http:
        return ref.wrong(
            "the server speaks TLS there. Let VECTORSHIFT_VAULT_ADDR begin with https://."
        )
    if 300 <= status < 400:
        return ref.wrong(
            f"the server redirects (HTTP {status}), which is not followed, as it would carry the"
            " token elsewhere. Set VECTORSHIFT_VAULT_ADDR to the address that answers itself."
        )
    if status in (472, 473):
        return ref.denied(
            f"the server is a standby that does not serve reads (HTTP {status}). "
            "Set VECTORSHIFT_VAULT_ADDR to one that does."
        )
    if status < 300 or reply.body is None or status == 404:
        return ref.wrong(
            f"what answers there (HTTP {status}) is not a Vault server. Look at"
            " VECTORSHIFT_VAULT_ADDR: it is the server's address without a path."
        )
    if status == 400:
        return ref.wrong("the server calls the request malformed (HTTP 400).")
    return ref.denied(f"the server refuses the request (HTTP {status}).")


def read_key(reply: Reply, ref: SecretRef) -> Result:
    """Return the credential that a successful reply brings, or the error that says what is wrong
    with it.
    """
    fields, version, expires_at = reply.data, None, None
    if ref.kv_version == 2:
        metadata, inner = as_object(fields.get("metadata")), as_object(fields.get("data"))
        if metadata is None or inner is None:
            return ref.wrong(
                "the answer is not one of KV version 2. Set VECTORSHIFT_VAULT_KV_VERSION=1."
            )
        fields, version = inner, str(metadata.get("version"))
        ends = read_expiry(metadata)
        if isinstance(ends, MalformedTime):
            return ref.wrong(_BAD_EXPIRY.format(path=ref.path, mount=ref.mount))
        expires_at = ends
    if ref.field not in fields:
        return ref.wrong(_no_field(fields, ref))
    text = fields[ref.field]
    if not isinstance(text, str):
        return ref.wrong(f"the field '{ref.field}' is not a string. Write the key as a string.")
    key = parse_key(
        text, source=ref.source, provider="vault", field_setting="VECTORSHIFT_VAULT_FIELD"
    )
    if isinstance(key, CredentialError):
        return key
    return Credential(
        secret=key, source=ref.source, provider="vault", version=version, expires_at=expires_at
    )


_BAD_EXPIRY = (
    f"the custom metadata's '{EXPIRES_AT}' is not a time as RFC 3339 has it, such as"
    " 2027-01-31T00:00:00Z. Set it: bao kv metadata patch -mount={mount}"
    f" -custom-metadata={EXPIRES_AT}=... {{path}}"
)


def _no_field(fields: dict[str, Any], ref: SecretRef) -> str:
    if ref.kv_version == 1 and {"data", "metadata"} <= set(fields):
        return (
            "the mount holds KV version 2. Set VECTORSHIFT_VAULT_KV_VERSION=2 and leave 'data/' out"
            " of the path."
        )
    names = ", ".join(sorted(name for name in fields if re.fullmatch(r"[\w.\-]{1,64}", name))[:20])
    return (
        f"the secret has no field '{ref.field}'. Its fields are: {names or 'none'}. "
        "Name the one that is the key with VECTORSHIFT_VAULT_FIELD."
    )
