"""The ways to a Vault token. Each answers with a token as a value, or with the error that says why
not.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Final

from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.vault_variables import TOKEN_HELPER, is_there
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import Reply, SecretRef, classify_login
from vectorshift.providers.vault.login import (
    Login,
    MountedLogin,
    checked_token,
    read_token,
    troubled,
)
from vectorshift.providers.vault.requests import TransportFailure
from vectorshift.providers.vault.tokens import TokenLease
from vectorshift.providers.vault.transport import NO_TOKEN, Payload, VaultRequests

__all__ = ["choose_login"]

KUBERNETES_JWT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"


@dataclass(kw_only=True)
class UnknownLogin(Login):
    """A method that does not exist."""

    label: str

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Answer with a configuration error."""
        return ref.wrong(
            "there is no such auth method. "
            "Set VECTORSHIFT_VAULT_AUTH to token, approle, kubernetes, jwt, cert or agent."
        )


@dataclass(kw_only=True)
class AgentLogin(Login):
    """No token of ours: a Vault Agent or Proxy at the address adds its own, unless a request brings
    one.
    """

    label: str = "agent"
    contacts = False

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Answer with the empty token."""
        return TokenLease(token=NO_TOKEN)


@dataclass(kw_only=True)
class TokenLogin(Login):
    """A token that is given, or stands in a file which is read at each login."""

    given: Secret | None
    file: str | None
    helper_flaw: str | None = None
    """Why the token of `~/.vault-token` must not go to this server, or None."""
    label: str = "token"
    contacts = False

    def __post_init__(self) -> None:
        self.watches = bool(self.file) or self.given is None

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Answer with the named file's token, else the given one, else that of `~/.vault-token`."""
        token = self._token(ref)
        return token if isinstance(token, CredentialError) else TokenLease(token=token, known=False)

    def _token(self, ref: SecretRef) -> Secret | CredentialError:
        if self.file:  # first, as the given one may be VAULT_TOKEN, which is only a fall-back
            return read_token(self.file, "VECTORSHIFT_VAULT_TOKEN_FILE", ref)
        if self.given is not None:
            return checked_token(self.given.reveal(), "VECTORSHIFT_VAULT_TOKEN", ref)
        if is_there(TOKEN_HELPER):
            if self.helper_flaw:
                return ref.wrong(self.helper_flaw)
            return read_token(TOKEN_HELPER, "The token helper's file", ref)
        return ref.wrong(
            "there is no token. Set VECTORSHIFT_VAULT_TOKEN (BAO_TOKEN or VAULT_TOKEN serve too),"
            " name a file with VECTORSHIFT_VAULT_TOKEN_FILE, run 'bao login' or 'vault login', or"
            " choose"
            " another VECTORSHIFT_VAULT_AUTH."
        )


@dataclass(kw_only=True)
class AppRoleLogin(MountedLogin):
    """AppRole; the secret id inline, in a file that is read at each login, or response-wrapped."""

    role_id: str | None
    secret_id: Secret | None
    secret_id_file: str | None
    wrapped: bool
    creation_path: str | None
    fix = (
        "The role id or the secret id is wrong, expired or used up. Look at"
        " VECTORSHIFT_VAULT_ROLE_ID and VECTORSHIFT_VAULT_SECRET_ID, or make a new one: bao write"
        " -f auth/approle/role/<role>/secret-id"
    )

    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return role id and secret id."""
        if not self.role_id:
            return ref.wrong("AppRole needs a role id. Set VECTORSHIFT_VAULT_ROLE_ID.")
        payload: Payload = {"role_id": self.role_id.strip()}
        secret = self._secret(ref)
        if isinstance(secret, Secret) and self.wrapped:
            secret = self._unwrap(secret, requests, ref)
        if isinstance(secret, CredentialError):
            return secret
        if secret is not None:
            payload["secret_id"] = secret
        return payload

    def _secret(self, ref: SecretRef) -> Secret | CredentialError | None:
        """Return the secret id or the token that wraps it; None for a role that is bound
        otherwise.
        """
        if self.secret_id is not None:
            return checked_token(self.secret_id.reveal(), "VECTORSHIFT_VAULT_SECRET_ID", ref)
        if self.secret_id_file:
            return read_token(self.secret_id_file, "VECTORSHIFT_VAULT_SECRET_ID_FILE", ref)
        return None

    def _unwrap(
        self, wrapping: Secret, requests: VaultRequests, ref: SecretRef
    ) -> Secret | CredentialError:
        """Unwrap once in the life of the process, and keep the result: the token serves once."""
        with _unwrapped.lock:
            kept = _unwrapped.secret_ids.get(wrapping)
            if kept is not None:
                return kept
            secret = self._unwrap_now(wrapping, requests, ref)
            if isinstance(secret, Secret):
                _unwrapped.secret_ids[wrapping] = secret
            return secret

    def _unwrap_now(
        self, wrapping: Secret, requests: VaultRequests, ref: SecretRef
    ) -> Secret | CredentialError:
        """Unwrap, after looking at who wrapped it."""
        looked = requests.post("/v1/sys/wrapping/lookup", {"token": wrapping})
        if isinstance(looked, TransportFailure):
            return troubled(looked, ref)
        if looked.status != 200:
            return _not_unwrapped(looked, ref)
        if not self._is_ours(str(looked.data.get("creation_path"))):
            return ref.denied(
                "the wrapped secret id was not made where it should have been: somebody may have"
                " swapped it. Look at VECTORSHIFT_VAULT_CREATION_PATH, and revoke the secret id if"
                " that is right."
            )
        reply = requests.post("/v1/sys/wrapping/unwrap", {}, wrapping)
        if isinstance(reply, TransportFailure):
            return troubled(reply, ref)
        if reply.status != 200:
            return _not_unwrapped(reply, ref)
        return checked_token(str(reply.data.get("secret_id") or ""), "The unwrapped secret id", ref)

    def _is_ours(self, creation_path: str) -> bool:
        if self.creation_path:
            return creation_path == self.creation_path.strip("/")
        return bool(
            re.fullmatch(rf"auth/{re.escape(self.mount)}/role/[^/]+/secret-id", creation_path)
        )


class _Unwrapped:
    """What this process unwrapped, by wrapping token: another provider of the same settings needs
    it as well.
    """

    def __init__(self) -> None:
        self.secret_ids: dict[Secret, Secret] = {}
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self.lock = threading.RLock()


_unwrapped = _Unwrapped()


def _not_unwrapped(reply: Reply, ref: SecretRef) -> CredentialError:
    if reply.status in (400, 403) and reply.body is not None:
        return ref.denied(f"the secret id cannot be unwrapped. {_INTERCEPTED}")
    return classify_login(reply, ref, "") or ref.wrong(_NOT_WRAPPED)


_INTERCEPTED = (
    "The wrapping token has expired or was unwrapped before: somebody else may hold the secret id. "
    "If this process did not unwrap it, revoke the secret id and deliver a new one."
)
_NOT_WRAPPED = "the token does not wrap a secret id. Look at VECTORSHIFT_VAULT_SECRET_ID_WRAPPED."


@dataclass(kw_only=True)
class JwtLogin(MountedLogin):
    """Kubernetes and JWT: a signed token from a file that is read at each login."""

    role: str | None
    jwt_file: str | None

    fix = (
        "The role does not exist or does not accept this token, or the token has expired. Look at"
        " VECTORSHIFT_VAULT_ROLE, VECTORSHIFT_VAULT_JWT_FILE and VECTORSHIFT_VAULT_AUTH_MOUNT."
    )

    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return the role and the file's token."""
        file = self.jwt_file or (KUBERNETES_JWT if self.method == "kubernetes" else None)
        if file is None:
            return ref.wrong("JWT needs a file with the token. Set VECTORSHIFT_VAULT_JWT_FILE.")
        if not self.role and self.method == "kubernetes":
            return ref.wrong("Kubernetes needs a role. Set VECTORSHIFT_VAULT_ROLE.")
        jwt = read_token(file, "VECTORSHIFT_VAULT_JWT_FILE", ref)
        if isinstance(jwt, CredentialError):
            return jwt
        return {"jwt": jwt, "role": self.role} if self.role else {"jwt": jwt}


@dataclass(kw_only=True)
class CertLogin(MountedLogin):
    """The client certificate of the TLS connection."""

    role: str | None
    has_cert: bool

    fresh_connection = True  # a certificate file that was replaced counts for new connections alone
    fix = (
        "No role accepts the client certificate. Look at VECTORSHIFT_VAULT_CLIENT_CERT,"
        " VECTORSHIFT_VAULT_ROLE and VECTORSHIFT_VAULT_AUTH_MOUNT."
    )

    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return the role, if one is named."""
        if not self.has_cert or not ref.address.startswith("https://"):
            return ref.wrong(
                "certificate login needs an https:// address and a certificate. "
                "Set VECTORSHIFT_VAULT_CLIENT_CERT and VECTORSHIFT_VAULT_CLIENT_KEY."
            )
        return {"name": self.role} if self.role else {}


def choose_login(
    auth: str,
    *,
    mount: str | None,
    token: Secret | None,
    token_file: str | None,
    role: str | None,
    role_id: str | None,
    secret_id: Secret | None,
    secret_id_file: str | None,
    secret_id_wrapped: bool,
    creation_path: str | None,
    jwt_file: str | None,
    has_cert: bool,
    helper_flaw: str | None = None,
) -> Login:
    """Return the login for an auth method. See `VaultProvider` for the arguments."""
    at = (mount or auth).strip("/")
    if auth == "token":
        return TokenLogin(given=token, file=token_file, helper_flaw=helper_flaw)
    if auth == "agent":
        return AgentLogin()
    if auth == "approle":
        return AppRoleLogin(
            method=auth,
            mount=at,
            role_id=role_id,
            secret_id=secret_id,
            secret_id_file=secret_id_file,
            wrapped=secret_id_wrapped,
            creation_path=creation_path,
        )
    if auth in ("kubernetes", "jwt"):
        return JwtLogin(method=auth, mount=at, role=role, jwt_file=jwt_file)
    if auth == "cert":
        return CertLogin(method=auth, mount=at, role=role, has_cert=has_cert)
    return UnknownLogin(label=auth)
