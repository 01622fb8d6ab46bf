"""The auth methods: each returns a Vault token, or the error that says why there is none."""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.vault_variables import TOKEN_HELPER, foreign_helper, is_there
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import classify_login
from vectorshift.providers.vault.requests import NO_TOKEN, Payload, TransportFailure
from vectorshift.providers.vault.tokens import TokenLease

if TYPE_CHECKING:
    from vectorshift.providers.vault.arguments import VaultArguments, VaultSetup
    from vectorshift.providers.vault.classify import Reply, SecretRef
    from vectorshift.providers.vault.requests import VaultRequests

__all__ = ["AppRoleLogin", "Login", "choose_login"]

KUBERNETES_JWT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def choose_login(setup: VaultSetup) -> Login:
    """Return the login for the auth method of the arguments."""
    arguments = setup.arguments
    if arguments.auth == "token":
        return TokenLogin(arguments, setup.own_addr)
    return _METHODS.get(arguments.auth, UnknownLogin)(arguments)


class Login(ABC):
    """An auth method. At most one login runs at a time.

    Args:
        arguments: those of the provider.

    Attributes:
        label: the method, and its mount where it has one, for messages.
        contacts: whether a login asks the server, which then makes a new token.
        watches: whether the token is in a file that another program renews, so that it is read
            again at each look-up.
    """

    contacts = True
    watches = False

    def __init__(self, arguments: VaultArguments) -> None:
        self._arguments = arguments
        self.label = arguments.auth

    @abstractmethod
    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Return a token (empty where a proxy adds one), or the error that says why not."""


class UnknownLogin(Login):
    """A method that does not exist."""

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Return a configuration error."""
        return ref.wrong(
            "there is no such auth method. "
            "Set VECTORSHIFT_VAULT_AUTH to token, approle, kubernetes, jwt, cert or agent."
        )


class AgentLogin(Login):
    """No token of ours: a Vault Agent or Proxy adds its own to requests without one."""

    contacts = False

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Return the empty token."""
        return TokenLease(token=NO_TOKEN)


class TokenLogin(Login):
    """A token that is given, or is in a file that is read at each login.

    Args:
        arguments: those of the provider.
        addr: the server's address, if it was given and no variable named it.
    """

    contacts = False

    def __init__(self, arguments: VaultArguments, addr: str | None) -> None:
        super().__init__(arguments)
        self._addr = addr
        self.watches = bool(arguments.token_file) or arguments.token is None

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Return the named file's token, else the given one, else that of `~/.vault-token`."""
        token = self._token(ref)
        return token if isinstance(token, CredentialError) else TokenLease(token=token, known=False)

    def _token(self, ref: SecretRef) -> Secret | CredentialError:
        token, file = self._arguments.token, self._arguments.token_file
        if file:  # first, as the token may be that of VAULT_TOKEN, which is only a fall-back
            return _read_token(file, "VECTORSHIFT_VAULT_TOKEN_FILE", ref)
        if token is not None:
            return _checked_token(token.reveal(), "VECTORSHIFT_VAULT_TOKEN", ref)
        if is_there(TOKEN_HELPER):
            # The file belongs to the environment's server, however this provider was made.
            if self._addr and (flaw := foreign_helper(os.environ, self._addr)):
                return ref.wrong(flaw)
            return _read_token(TOKEN_HELPER, "The token helper's file", ref)
        return ref.wrong(
            "there is no token. Set VECTORSHIFT_VAULT_TOKEN (BAO_TOKEN or VAULT_TOKEN serve too),"
            " name a file with VECTORSHIFT_VAULT_TOKEN_FILE, run 'bao login' or 'vault login', or"
            " choose"
            " another VECTORSHIFT_VAULT_AUTH."
        )


class MountedLogin(Login):
    """A method that posts a document to `auth/<mount>/login`."""

    fix = ""
    fresh_connection = False
    """Whether the connection itself logs in, so that an old one will not do."""

    def __init__(self, arguments: VaultArguments) -> None:
        super().__init__(arguments)
        self._mount = (arguments.auth_mount or arguments.auth).strip("/")
        self.label = f"{arguments.auth} at auth/{self._mount}"

    @abstractmethod
    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return the document to post, or the error that says what is missing."""

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Post the document and return the token of the reply."""
        payload = self.payload(requests, ref)
        if isinstance(payload, CredentialError):
            return payload
        if self.fresh_connection:
            requests.reconnect()
        reply = requests.post(f"/v1/auth/{quote(self._mount, errors='replace')}/login", payload)
        if isinstance(reply, TransportFailure):
            return reply.error(ref)
        flaw = classify_login(reply, ref, self.fix)
        if flaw is not None:
            return flaw
        auth = (reply.body or {})["auth"]
        token = _checked_token(str(auth["client_token"]), "The server's answer to the login", ref)
        return token if isinstance(token, CredentialError) else TokenLease.granted(token, auth)


class AppRoleLogin(MountedLogin):
    """AppRole; the secret id inline, in a file that is read at each login, or response-wrapped."""

    fix = (
        "The role id or the secret id is wrong, expired or used up. Look at"
        " VECTORSHIFT_VAULT_ROLE_ID and VECTORSHIFT_VAULT_SECRET_ID, or make a new one: bao write"
        " -f auth/approle/role/<role>/secret-id"
    )

    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return role id and secret id."""
        if not self._arguments.role_id:
            return ref.wrong("AppRole needs a role id. Set VECTORSHIFT_VAULT_ROLE_ID.")
        payload: Payload = {"role_id": self._arguments.role_id.strip()}
        secret = self._secret_id(ref)
        if isinstance(secret, Secret) and self._arguments.secret_id_wrapped:
            secret = self._unwrap(secret, requests, ref)
        if isinstance(secret, CredentialError):
            return secret
        if secret is not None:
            payload["secret_id"] = secret
        return payload

    def _secret_id(self, ref: SecretRef) -> Secret | CredentialError | None:
        """Return the secret id or the token that wraps it; None for a role that needs none."""
        secret_id, file = self._arguments.secret_id, self._arguments.secret_id_file
        if secret_id is not None:
            return _checked_token(secret_id.reveal(), "VECTORSHIFT_VAULT_SECRET_ID", ref)
        if file:
            return _read_token(file, "VECTORSHIFT_VAULT_SECRET_ID_FILE", ref)
        return None

    def _unwrap(
        self, wrapping: Secret, requests: VaultRequests, ref: SecretRef
    ) -> Secret | CredentialError:
        """Unwrap once in the life of the process, as the token works once; keep the result."""
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
        """Check who wrapped the secret id, then unwrap it."""
        looked = requests.post("/v1/sys/wrapping/lookup", {"token": wrapping})
        if isinstance(looked, TransportFailure):
            return looked.error(ref)
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
            return reply.error(ref)
        if reply.status != 200:
            return _not_unwrapped(reply, ref)
        secret_id = str(reply.data.get("secret_id") or "")
        return _checked_token(secret_id, "The unwrapped secret id", ref)

    def _is_ours(self, creation_path: str) -> bool:
        if self._arguments.creation_path:
            return creation_path == self._arguments.creation_path.strip("/")
        ours = rf"auth/{re.escape(self._mount)}/role/[^/]+/secret-id"
        return bool(re.fullmatch(ours, creation_path))


class _Unwrapped:
    """The secret ids that this process unwrapped, by wrapping token, for all its providers."""

    def __init__(self) -> None:
        self.secret_ids: dict[Secret, Secret] = {}
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self.lock = threading.RLock()


_unwrapped = _Unwrapped()


def _not_unwrapped(reply: Reply, ref: SecretRef) -> CredentialError:
    if reply.status in (400, 403) and reply.body is not None:
        return ref.denied(
            "the secret id cannot be unwrapped. The wrapping token has expired or was unwrapped"
            " before: somebody else may hold the secret id. If this process did not unwrap it,"
            " revoke the secret id and deliver a new one."
        )
    return classify_login(reply, ref, "") or ref.wrong(
        "the token does not wrap a secret id. Look at VECTORSHIFT_VAULT_SECRET_ID_WRAPPED."
    )


class JwtLogin(MountedLogin):
    """Kubernetes and JWT: a signed token from a file that is read at each login."""

    fix = (
        "The role does not exist or does not accept this token, or the token has expired. Look at"
        " VECTORSHIFT_VAULT_ROLE, VECTORSHIFT_VAULT_JWT_FILE and VECTORSHIFT_VAULT_AUTH_MOUNT."
    )

    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return the role and the file's token."""
        is_kubernetes, role = self._arguments.auth == "kubernetes", self._arguments.role
        file = self._arguments.jwt_file or (KUBERNETES_JWT if is_kubernetes else None)
        if file is None:
            return ref.wrong("JWT needs a file with the token. Set VECTORSHIFT_VAULT_JWT_FILE.")
        if is_kubernetes and not role:
            return ref.wrong("Kubernetes needs a role. Set VECTORSHIFT_VAULT_ROLE.")
        jwt = _read_token(file, "VECTORSHIFT_VAULT_JWT_FILE", ref)
        if isinstance(jwt, CredentialError):
            return jwt
        return {"jwt": jwt, "role": role} if role else {"jwt": jwt}


class CertLogin(MountedLogin):
    """The client certificate of the TLS connection."""

    fresh_connection = True  # only a new connection uses a certificate file that was replaced
    fix = (
        "No role accepts the client certificate. Look at VECTORSHIFT_VAULT_CLIENT_CERT,"
        " VECTORSHIFT_VAULT_ROLE and VECTORSHIFT_VAULT_AUTH_MOUNT."
    )

    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return the role, if one is named."""
        if self._arguments.client_cert is None or not ref.address.startswith("https://"):
            return ref.wrong(
                "certificate login needs an https:// address and a certificate. "
                "Set VECTORSHIFT_VAULT_CLIENT_CERT and VECTORSHIFT_VAULT_CLIENT_KEY."
            )
        return {"name": self._arguments.role} if self._arguments.role else {}


_METHODS: Final[dict[str, type[Login]]] = {
    "agent": AgentLogin,
    "approle": AppRoleLogin,
    "kubernetes": JwtLogin,
    "jwt": JwtLogin,
    "cert": CertLogin,
}


def _read_token(path: str, setting: str, ref: SecretRef) -> Secret | CredentialError:
    """Return the content of a file, checked as a token is."""
    try:
        text = Path(path).expanduser().read_bytes().decode(errors="replace")
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: no file can have this name
        return ref.wrong(f"{setting}: the file {path} cannot be read ({type(error).__name__}).")
    return _checked_token(text, f"{setting}: the file {path}", ref)


def _checked_token(text: str, where: str, ref: SecretRef) -> Secret | CredentialError:
    """Return a token that can be a header's value: requests would print another one."""
    token = text.strip()
    if re.fullmatch(r"[!-~]+", token):
        return Secret(token)
    if not token:
        return ref.wrong(f"{where} is empty.")
    return ref.wrong(
        f"{where} holds a space, a line break or a character outside ASCII. Give the token alone."
    )
