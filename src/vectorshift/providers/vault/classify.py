"""Classify the replies of a Vault server: pure functions from a reply to a kind of failure.

No message repeats the server's text: a body may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final, cast

from vectorshift._platform.files import content_in_place_of_name
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)

__all__ = [
    "Mount",
    "Reply",
    "SecretRef",
    "as_object",
    "classify_login",
    "classify_read",
    "is_denied",
    "parse_time",
    "printable",
]

_TRANSIENT: Final = (412, 429, 472, 473, 500, 502, 503, 504)


def as_object(value: object) -> dict[str, Any] | None:
    """Return a JSON object, or None for any other value."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def printable(text: str) -> str:
    """Return a name, unless it looks like the content of a file: that is not shown."""
    return "(not shown)" if content_in_place_of_name(text) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of the server.

    Args:
        status: the HTTP status.
        body: the JSON object of the body, or an empty one. Not printed, as it may hold a secret.
        plain_http: whether the server complained of plain HTTP on a TLS port.
        retry_after: seconds to wait as the server asked, or None.
        date: the time of the reply by the server's clock, or None.
        is_standby: whether it is a standby's redirect to its leader.
    """

    status: int
    body: dict[str, Any] = field(repr=False)
    plain_http: bool = False
    retry_after: float | None = None
    date: datetime | None = None
    is_standby: bool = False

    @property
    def is_transient(self) -> bool:
        """Return whether the server cannot serve now, but may soon."""
        is_preparing = self.status == 400 and self.mentions("upgrading")  # a new mount of KV 2
        return self.is_standby or self.status in _TRANSIENT or is_preparing

    @property
    def is_of_vault(self) -> bool:
        """Return whether a refusal is from Vault. That of a gateway in between has no list of
        errors.
        """
        return isinstance(self.body.get("errors"), list)

    @property
    def rejects_token(self) -> bool:
        """Return whether the server does not know the token: it has other words for a token without
        the right.
        """
        return self.says("permission denied") or self.mentions("invalid token")

    @property
    def data(self) -> dict[str, Any]:
        """The `data` of the body, or an empty object."""
        return as_object(self.body.get("data")) or {}

    @property
    def auth(self) -> dict[str, Any]:
        """The `auth` of the body, which has a token, or an empty object."""
        return as_object(self.body.get("auth")) or {}

    @property
    def is_gap(self) -> bool:
        """Return whether Vault says that there is no secret."""
        return self.status == 404 and self.body.get("errors") == []

    def says(self, words: str) -> bool:
        """Return whether one of the server's errors is exactly `words`: others may quote a path."""
        return any(error.strip().rstrip(".").lower() == words for error in self._texts("errors"))

    def mentions(self, word: str) -> bool:
        """Return whether one of the server's errors contains `word`."""
        return any(word in error.lower() for error in self._texts("errors"))

    @property
    def needs_a_person(self) -> bool:
        """Return whether the server serves nothing until somebody unseals or unlocks it."""
        return self.says("vault is sealed") or self.mentions(_LOCKED)

    @property
    def warns_of_versions(self) -> bool:
        """Return whether the server says that a mount of KV version 2 was read as version 1."""
        start = "Invalid path for a versioned K/V secrets engine"
        return any(warning.startswith(start) for warning in self._texts("warnings"))

    def _texts(self, name: str) -> list[str]:
        texts = self.body.get(name)
        return (
            [str(each) for each in cast("list[object]", texts)] if isinstance(texts, list) else []
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """The secret, its server and the auth method, as messages name them."""

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
        return f"vault:{printable(self.mount)}/{printable(self.path)}#{printable(self.field)}"

    @property
    def whole(self) -> str:
        """The mount and the path."""
        return f"{self.mount}/{self.path}"

    @property
    def api_path(self) -> str:
        """The path that a policy must allow."""
        return f"{self.mount}/data/{self.path}" if self.kv_version == 2 else self.whole

    def error(
        self, kind: type[CredentialError], what: str, *, retry_after: float | None = None
    ) -> CredentialError:
        """Return an error of `kind` whose message names this place and says `what`."""
        namespace = f", namespace {printable(self.namespace)}" if self.namespace else ""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """The mount of a path. The server tells it to tokens that may read something there.

    Args:
        path: the mount's path.
        kv_version: the version of its KV engine.
    """

    path: str
    kv_version: int

    @classmethod
    def from_reply(cls, reply: Reply) -> Mount | None:
        """Return the mount in a reply of `sys/internal/ui/mounts`, or None."""
        path, options = reply.data.get("path"), as_object(reply.data.get("options")) or {}
        if reply.data.get("type") != "kv" or not isinstance(path, str):
            return None
        return cls(path=path.strip("/"), kv_version=2 if options.get("version") == "2" else 1)


def classify_read(
    reply: Reply,
    ref: SecretRef,
    *,
    mount: Mount | None = None,
    other: Mount | None = None,
    new_token: bool = False,
    second_login: bool = False,
    used_up: bool = False,
) -> CredentialError | None:
    """Return the error that a reply to a read means, or None if it has a secret.

    Args:
        reply: the reply.
        ref: the secret that was read.
        mount: the mount of the secret, if known.
        other: the mount that the path begins with, if known.
        new_token: whether the token is from a login just now, so that it cannot have expired.
        second_login: whether that login followed a 403 for the token before it.
        used_up: whether the server no longer knew the token after this reply.
    """
    if reply.status == 200 and as_object(reply.body.get("data")) is not None:
        return None
    if reply.status == 200 and as_object(reply.body.get("wrap_info")):
        return ref.denied(
            "the server wraps its answer, as where a control group has to approve each read. "
            "Give the service a policy without one."
        )
    if reply.status == 404:
        return _classify_404(reply, ref, mount, other)
    if not is_denied(reply):
        return _classify_status(reply, ref)
    if reply.status == 400:
        return ref.denied("the request has no token. " + _NO_AGENT_TOKEN)
    if mount is not None and (flaw := _wrong_mount(ref, mount)):
        return ref.wrong(flaw)
    if used_up:
        return ref.denied(
            "the token was valid for one request only. If it wraps another token, run: bao "
            "unwrap. Otherwise give a token without num_uses."
        )
    return ref.denied(_denial(reply, ref, other, new_token=new_token, second_login=second_login))


def is_denied(reply: Reply) -> bool:
    """Return whether Vault itself refuses a read, not a gateway before it."""
    return reply.is_of_vault and (
        reply.status in (401, 403) or (reply.status == 400 and reply.says("missing client token"))
    )


_NO_AGENT_TOKEN: Final = (
    "Make the agent log in and add its token (use_auto_auth_token), or choose another "
    "VECTORSHIFT_VAULT_AUTH."
)


def _denial(
    reply: Reply, ref: SecretRef, other: Mount | None, *, new_token: bool, second_login: bool
) -> str:
    """Return why a read may be refused: the server does not know the token, or the token lacks the
    right.
    """
    if reply.rejects_token and new_token:
        return (
            "the server does not accept the token that the login brought. The role may bind it to"
            " other addresses (token_bound_cidrs)."
        )
    if reply.rejects_token:
        if ref.auth == "agent":
            return (
                "the server does not know the agent's token, or there is no token. "
                f"{_NO_AGENT_TOKEN}"
            )
        return (
            "the server does not know the token. It may be wrong, expired, revoked, used up, or for"
            " another address or namespace (VECTORSHIFT_VAULT_NAMESPACE). Give a new one; unwrap a"
            " wrapping token first."
        )
    hint = _path_hint(ref, other)
    if second_login:
        hint = f"A new login did not help. {hint}".rstrip()
    where = "VECTORSHIFT_VAULT_MOUNT, VECTORSHIFT_VAULT_PATH, VECTORSHIFT_VAULT_NAMESPACE"
    whose = "the policies of its role" if new_token else "the token's policies"
    return (
        f"the server refuses the read. {hint}{' ' if hint else ''}If the place is right ({where}),"
        f" {whose} lack these lines:\n"
        f'  path "{ref.api_path}" {{\n    capabilities = ["read"]\n  }}'
    )


def _path_hint(ref: SecretRef, other: Mount | None) -> str:
    """Return a hint if the path was copied from the API, the command line or the user interface,
    which add parts to it, or is a reference; else an empty text.
    """
    if flaw := _literal(ref.path):
        return f"The path {flaw}. Set VECTORSHIFT_VAULT_PATH to the plain path."
    if other is not None and other.path != ref.mount:
        split = _split(other, ref.path.removeprefix("v1/"))
        return f"The path begins with another mount. If that is meant, set {split}"
    mount = re.sub(r"^v1/|/(data|metadata)$", "", ref.mount)
    if mount != ref.mount:
        return f"The mount has a part that is added for you. Set VECTORSHIFT_VAULT_MOUNT={mount}."
    data = "(data/|metadata/)" if ref.kv_version == 2 else "()"
    pattern = rf"(v1/)?({re.escape(mount)}/{data}?|{data})?(.+)"
    plain, _, field = ref.path.removeprefix("vault:").partition("#")  # a source, as it is printed
    found = re.fullmatch(pattern, plain)
    path = found.groups()[-1] if found else plain
    if path == ref.path:
        return ""
    also = f" and VECTORSHIFT_VAULT_FIELD={field}" if field else ""
    return (
        "Leave out the mount, data/ and v1/, which are added for you"
        f"{', and the field' if field else ''}. Set VECTORSHIFT_VAULT_PATH={path}{also}."
    )


def _literal(path: str) -> str:
    """Return what is wrong with a path that nobody meant as it is, or an empty text."""
    return next((flaw for form, flaw in _LITERAL if re.fullmatch(form, path)), "")


_LITERAL: Final = (
    (r".*\w://.*", "is a URL"),
    (r"""(["'`]).*\1""", "is in quotation marks"),
    (r".*(\$[A-Z_{(]|\{\{|%\(|%[A-Z_]{3,}%|<\w+>).*", "has a reference that was not resolved"),
)


def _wrong_mount(ref: SecretRef, mount: Mount) -> str | None:
    """Return how mount or KV version of a secret differ from the actual mount, or None."""
    if mount.path != ref.mount:
        return f"the engine is mounted at '{mount.path}'. Set {_split(mount, ref.whole)}"
    if mount.kv_version == ref.kv_version:
        return None
    return (
        f"the mount '{ref.mount}' holds KV version {mount.kv_version}, not {ref.kv_version}. "
        f"Set VECTORSHIFT_VAULT_KV_VERSION={mount.kv_version}."
    )


def _split(mount: Mount, whole: str) -> str:
    """Return the settings that split one text into a mount and a path."""
    path = whole.removeprefix(f"{mount.path}/")
    if mount.kv_version == 2:
        path = re.sub(r"^(data|metadata)/", "", path)
    return f"VECTORSHIFT_VAULT_MOUNT={mount.path} and VECTORSHIFT_VAULT_PATH={path}."


def classify_login(
    reply: Reply, ref: SecretRef, fix: str, *, namespace: str | None = None
) -> CredentialError | None:
    """Return the error that a reply to a login means, or None if it has a token.

    Args:
        reply: the reply.
        ref: the secret that the token is for.
        fix: the advice if the server knows the method, but does not accept the identity.
        namespace: the namespace of the login, or None for the root namespace.
    """
    if reply.status == 200 and reply.auth.get("client_token"):
        return None
    if reply.status == 200 and reply.auth.get("mfa_requirement"):
        return ref.denied(
            "the server asks for a second factor, which a service cannot give. Leave the auth "
            "method or the entity out of the login enforcement (identity/mfa/login-enforcement), "
            "or choose another VECTORSHIFT_VAULT_AUTH."
        )
    if not reply.is_of_vault:
        return _classify_status(reply, ref)
    where = (
        " The login goes to the namespace"
        f" {namespace}: set VECTORSHIFT_VAULT_AUTH_NAMESPACE if the auth method is in another one,"
        " such as root."
        if namespace
        else ""
    )
    if reply.status == 404:
        return ref.wrong(
            "no auth method is mounted there. Set VECTORSHIFT_VAULT_AUTH_MOUNT to the mount"
            f" of the auth method, and VECTORSHIFT_VAULT_NAMESPACE to its namespace.{where}"
        )
    silent = next((whom for words, whom in _SILENT if reply.mentions(words)), None)
    if silent and not reply.mentions("received error code"):
        return ref.unavailable(f"the server gets no answer from {silent}. Check its way there.")
    said = next((f": {words}" for words in _REASONS if reply.mentions(words)), "")
    if reply.status in (401, 403) and not said:
        return ref.denied(
            "the server refuses the login, as it does where no auth method is mounted"
            f" (VECTORSHIFT_VAULT_AUTH_MOUNT, VECTORSHIFT_VAULT_NAMESPACE).{where} {fix}"
        )
    if reply.status in (400, 401, 403) and not reply.says(_DISASTER):
        return ref.denied(f"the server refuses the login{said}.{where} {fix}")
    return _classify_status(reply, ref)


_SILENT: Final = (
    ("error making upstream request", "AWS's STS"),
    ("fetching keys", "the issuer of the JWT"),
    ("keyset configuration error", "the issuer of the JWT"),
    ("error connecting to host", "its LDAP server"),
    ('"network error"', "its LDAP server"),
)
"""Words of a 400 for a third party that does not answer the server, and the name of that party."""

_REASONS: Final = (
    "service account name not authorized",
    "service account unauthorized",
    "namespace not authorized",
    "invalid audience",
    "invalid role name",
    "token is expired",
    "token not yet valid",
    "invalid subject",
    "invalid issuer",
    "missing role",
    "missing secret_id",
)
"""Reasons that a server gives when it refuses a login. Messages show no other text of it."""


def _classify_404(
    reply: Reply, ref: SecretRef, mount: Mount | None, other: Mount | None
) -> CredentialError:
    """Tell a missing secret from a deleted version, a missing mount and another KV version."""
    metadata = as_object(reply.data.get("metadata")) or {}
    if metadata.get("destroyed") is True or metadata.get("deletion_time"):
        if not _is_gone(metadata, reply.date):
            return ref.unavailable(
                "the server does not serve a version that it will delete later. Check its log "
                "and its clock."
            )
        return ref.error(CredentialRevokedError, _gone(metadata, ref))
    if mount is None and ref.kv_version == 1 and reply.warns_of_versions:
        mount = Mount(path=ref.mount, kv_version=2)
    if mount is not None and (flaw := _wrong_mount(ref, mount)):
        return ref.wrong(flaw)
    if reply.says("namespace not found"):
        return ref.wrong("the server has no such namespace. Check VECTORSHIFT_VAULT_NAMESPACE.")
    if not reply.is_of_vault:
        return _classify_status(reply, ref)
    hint = _path_hint(ref, other)
    if reply.body["errors"]:
        return ref.wrong(
            f"no KV engine is mounted at '{ref.mount}'. "
            + (hint or "Check VECTORSHIFT_VAULT_MOUNT and VECTORSHIFT_VAULT_NAMESPACE.")
        )
    if ref.version:
        return ref.error(
            CredentialNotFoundError,
            f"the server has no version {ref.version} of it. Check VECTORSHIFT_VAULT_VERSION.",
        )
    fix = (
        hint
        or f"Check VECTORSHIFT_VAULT_PATH, or write one: bao kv put -mount={ref.mount} "
        f"{ref.path} {ref.field}=..."
    )
    # a misspelt reference must not move the chain on to another key
    kind = CredentialConfigurationError if _literal(ref.path) else CredentialNotFoundError
    return ref.error(kind, f"the server has no such secret. {fix}")


def _is_gone(metadata: dict[str, Any], date: datetime | None) -> bool:
    """Return whether the metadata prove that the version is gone. A deletion in the future proves
    nothing.
    """
    if metadata.get("destroyed") is True:
        return True
    deleted = parse_time(metadata.get("deletion_time"))
    return deleted is not None and (date is None or deleted <= date + _CLOCKS)


_CLOCKS: Final = timedelta(seconds=60)
"""The largest difference between the clocks of a cluster's servers."""


def _gone(metadata: dict[str, Any], ref: SecretRef) -> str:
    version = metadata.get("version") if isinstance(metadata.get("version"), int) else "?"
    if metadata.get("destroyed") is True:
        fix = f"bao kv put -mount={ref.mount} {ref.path} {ref.field}=..."
        return f"version {version} was destroyed. Write a new one: {fix}"
    return (
        f"version {version} was deleted. Write a new one, or bring it back: "
        f"bao kv undelete -mount={ref.mount} -versions={version} {ref.path}"
    )


_LOCKED: Final = "access to this namespace has been locked"
_DISASTER: Final = "path disabled in replication dr secondary mode"
_NO_LEADER: Final = "local node not active but active cluster node not found"


def _classify_status(reply: Reply, ref: SecretRef) -> CredentialError:
    """Return the error that a reply means if it concerns the server, not the request.

    If it may be different in a second, the error is "unavailable", whatever the status.
    """
    status = reply.status
    if reply.plain_http:
        return ref.wrong("the server speaks TLS there. Use https:// in VECTORSHIFT_VAULT_ADDR.")
    if 300 <= status < 400 and not reply.is_standby:
        return ref.wrong(
            f"the server redirects (HTTP {status}). Redirects are not followed: they would carry "
            "the token elsewhere. Set VECTORSHIFT_VAULT_ADDR to the address of the server itself."
        )
    if status < 300:
        return ref.wrong(
            f"what answers there (HTTP {status}) is not a Vault server. Check "
            "VECTORSHIFT_VAULT_ADDR."
        )
    text = next(text for applies, text in _UNAVAILABLE if applies(reply))
    wait = reply.retry_after
    if reply.is_standby or reply.says(_NO_LEADER):
        wait = wait or _SOON
    return ref.unavailable(text.format(status=status), retry_after=wait)


_UNAVAILABLE: Final[tuple[tuple[Callable[[Reply], bool], str], ...]] = (
    (
        lambda reply: reply.is_standby,
        "a standby redirects to its leader (HTTP 307), perhaps during an election. If that lasts, "
        "set VECTORSHIFT_VAULT_ADDR to the leader, or to a load balancer.",
    ),
    (
        lambda reply: reply.status == 503 and reply.says("vault is sealed"),
        "the server is sealed. Unseal it.",
    ),
    (
        lambda reply: reply.status == 503 and reply.mentions(_LOCKED),
        "the namespace is locked. Unlock it: bao namespace unlock",
    ),
    (
        lambda reply: reply.status == 429,
        "the server limits the rate (429). Raise its quota, or VECTORSHIFT_VAULT_CACHE_TTL.",
    ),
    (
        lambda reply: reply.status in (472, 473) or reply.says(_DISASTER),
        "the server is a standby that does not serve reads (HTTP {status}). If that lasts, set"
        " VECTORSHIFT_VAULT_ADDR to one that does.",
    ),
    (
        lambda reply: reply.status == 412,
        "the server has not caught up with its leader (HTTP 412). If that lasts, read its log.",
    ),
    (
        lambda reply: reply.says(_NO_LEADER),
        "the cluster has no leader. If that lasts, read its log.",
    ),
    (
        lambda reply: reply.status >= 500,
        "the server fails (HTTP {status}). Read its log.",
    ),
    (
        lambda reply: not reply.is_of_vault,
        "what answered (HTTP {status}) is not Vault but a gateway, a proxy, a login page or "
        "another server. If that lasts, check VECTORSHIFT_VAULT_ADDR.",
    ),
    (
        lambda reply: True,
        "the server does not accept the request (HTTP {status}). If that lasts, read its log.",
    ),
)
"""Why the server cannot serve now: the first that applies."""


_SOON: Final = 1.0
"""Seconds after which the server may be asked again, even if this look-up was slow."""


_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", flags=re.ASCII
)


def parse_time(text: object) -> datetime | None:
    """Return an RFC 3339 time in whole seconds, or None for anything else."""
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
