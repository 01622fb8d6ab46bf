"""What a Vault server's replies mean: pure functions from a reply to one of five failures.

No message repeats text of the server, as a body may hold a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final, cast

from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)

__all__ = ["Reply", "SecretRef", "as_object", "classify_login", "classify_read", "parse_time"]


def as_object(value: object) -> dict[str, Any] | None:
    """Return a JSON object as such, or None for any other value."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of the server.

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
        """Return whether one of the server's errors is `words`: a longer one may quote a path."""
        return any(error.strip().rstrip(".").lower() == words for error in self._texts("errors"))

    @property
    def warns_of_versions(self) -> bool:
        """Whether the server says that a mount of KV version 2 was read as version 1."""
        start = "Invalid path for a versioned K/V secrets engine"
        return any(warning.startswith(start) for warning in self._texts("warnings"))

    def _texts(self, name: str) -> list[str]:
        texts = (self.body or {}).get(name)
        return (
            [str(each) for each in cast("list[object]", texts)] if isinstance(texts, list) else []
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """The secret, its server and the auth method, as every message names them."""

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
    """Return the error that a reply to a read means, or None if it brings a secret.

    Args:
        reply: the reply.
        ref: the secret that was read.
        other_kv: whether the mount is known to be of the other KV version.
        new_token: whether a login has just brought the token, so that it cannot have ended.
    """
    if reply.status == 200 and as_object((reply.body or {}).get("data")) is not None:
        return None
    if reply.status in (401, 403) or (reply.status == 400 and reply.says("missing client token")):
        return ref.denied(_denial(ref, new_token=new_token))
    if reply.status == 404 and reply.body is not None:
        return _classify_404(reply, ref, other_kv=other_kv)
    return _classify_status(reply, ref)


def _denial(ref: SecretRef, *, new_token: bool) -> str:
    """Return why a read may be refused. With a new token, only the policy can be the reason."""
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
    """Return the error that a reply to a login means, or None if it brings a token."""
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
    return _classify_status(reply, ref)


def _classify_404(reply: Reply, ref: SecretRef, *, other_kv: bool) -> CredentialError:
    """Distinguish a gap, a deleted version, a missing mount and the other KV version."""
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
        return _classify_status(reply, ref)
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
    """Whether the metadata prove that the version is gone. A time in the future proves nothing."""
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


def _classify_status(reply: Reply, ref: SecretRef) -> CredentialError:
    """Return the error that a reply means if it is about the server and not about the request."""
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


_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", flags=re.ASCII
)


def parse_time(text: object) -> datetime | None:
    """Return an RFC 3339 time, cut to whole seconds, or None for anything else."""
    found = _RFC_3339.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    day, time, sign, hours, minutes = found.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
        local = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=timezone.utc)
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None
