"""The auth methods. Each returns a Vault token, or raises the error that explains why it cannot."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from vectorshift._platform.files import read_small, unexpanded, wrong_name
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.vault_variables import (
    OTHER_METHODS,
    TOKEN_HELPER,
    foreign_helper,
    is_there,
)
from vectorshift.credentials.references import unresolved
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import Reply, classify_login, printable
from vectorshift.providers.vault.requests import NO_TOKEN, Payload
from vectorshift.providers.vault.tokens import TokenLease

if TYPE_CHECKING:
    from vectorshift.providers.vault.arguments import VaultSetup
    from vectorshift.providers.vault.classify import SecretRef
    from vectorshift.providers.vault.requests import VaultRequests

__all__ = ["AppRoleLogin", "Login", "choose_login"]

KUBERNETES_JWT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def choose_login(setup: VaultSetup) -> Login:
    """Return the login for the auth method of the arguments."""
    return _METHODS.get(setup.arguments.auth, UnknownLogin)(setup)


class Login(ABC):
    """An auth method. At most one login runs at a time.

    Args:
        setup: the arguments of the provider, and where they are from.

    Attributes:
        label: the method, and its mount if it has one, for messages.
        contacts: whether a login makes the server create a new token.
        watches: whether the token is in a file that another program renews. It is read again at
            each look-up.
    """

    contacts = True
    watches = False

    def __init__(self, setup: VaultSetup) -> None:
        self._arguments = setup.arguments
        self.label = setup.arguments.auth

    @abstractmethod
    def log_in(self, requests: VaultRequests) -> TokenLease:
        """Return a token. It is empty if a proxy adds one.

        Raises:
            CredentialError: there is none. The frames of the error may hold a secret.
        """


class UnknownLogin(Login):
    """A method that does not exist."""

    def log_in(self, requests: VaultRequests) -> TokenLease:
        """Raise a configuration error."""
        raise requests.ref.wrong(f"there is no such auth method. {OTHER_METHODS}")


class AgentLogin(Login):
    """No token from us: a Vault Agent or Proxy adds its own token."""

    contacts = False

    def log_in(self, requests: VaultRequests) -> TokenLease:
        """Return the empty token."""
        return TokenLease(token=NO_TOKEN)


class TokenLogin(Login):
    """A token that was passed, or one in a file that is read at each login."""

    contacts = False

    def __init__(self, setup: VaultSetup) -> None:
        super().__init__(setup)
        self._addr = setup.own_addr
        self.watches = bool(self._arguments.token_file) or self._arguments.token is None

    def log_in(self, requests: VaultRequests) -> TokenLease:
        """Return the token of `token_file`, else `token`, else that of `~/.vault-token`."""
        return TokenLease(token=self._token(requests.ref), known=False)

    def _token(self, ref: SecretRef) -> Secret:
        token, file = self._arguments.token, self._arguments.token_file
        if file:  # first: the token may be from VAULT_TOKEN, which is only a fall-back
            return _read_token(file, "VECTORSHIFT_VAULT_TOKEN_FILE", ref)
        if token is not None:
            return _checked_token(token.reveal(), "VECTORSHIFT_VAULT_TOKEN", ref)
        if is_there(TOKEN_HELPER):
            # The file belongs to the server of the environment, even for a provider made in code.
            if self._addr and (flaw := foreign_helper(os.environ, self._addr)):
                raise ref.wrong(flaw)
            return _read_token(TOKEN_HELPER, "The token helper's file", ref)
        raise ref.wrong(
            "there is no token. Set VECTORSHIFT_VAULT_TOKEN (or BAO_TOKEN, or VAULT_TOKEN) or"
            " VECTORSHIFT_VAULT_TOKEN_FILE, or run 'bao login' or 'vault login'. To log in another"
            " way, set VECTORSHIFT_VAULT_AUTH; use agent if an agent or a proxy adds its token."
            f"{_unused_token()}"
        )


class MountedLogin(Login):
    """A method that posts a document to `auth/<mount>/login`."""

    fix = ""
    may_be_new = False
    """True if the secret of the login may have been created just before this process started."""
    fresh_connection = False
    """True if the connection itself logs in, so that each login needs a new one."""

    def __init__(self, setup: VaultSetup) -> None:
        super().__init__(setup)
        mount = (self._arguments.auth_mount or self._arguments.auth).strip("/")
        self._mount = mount.removeprefix("auth/")
        self.label = f"{self._arguments.auth} at auth/{printable(self._mount)}"

    @property
    def path(self) -> str:
        """The API path of the login."""
        return f"/v1/auth/{quote(self._mount, errors='replace')}/login"

    @abstractmethod
    def payload(self, requests: VaultRequests) -> Payload:
        """Return the document to post, or raise the error that names what is missing."""

    def log_in(self, requests: VaultRequests) -> TokenLease:
        """Post the document and return the token of the reply."""
        ref, payload = requests.ref, self.payload(requests)
        if self.fresh_connection:
            requests.reconnect()
        may_be_new, self.may_be_new = self.may_be_new, False
        reply = requests.post(self.path, payload)
        if may_be_new and reply.status == 400:
            # A standby that lags behind does not know a new secret yet. Try this once per process:
            # servers lock out clients that fail often.
            reply = requests.post_later(self.path, payload)
        fix = self.explain(reply, payload)
        flaw = classify_login(reply, ref, fix, namespace=requests.auth_namespace)
        if flaw is not None:
            raise flaw
        text = str(reply.auth["client_token"])
        token = _checked_token(text, "The server's answer to the login", ref)
        return TokenLease.granted(token, reply.auth)

    def explain(self, reply: Reply, payload: Payload) -> str:
        """Return the likely reason if the server refuses the login."""
        return self.fix


class AppRoleLogin(MountedLogin):
    """AppRole. The secret id may be in a file, which is read at each login, or response-wrapped."""

    may_be_new = True
    fix = (
        "The role id or the secret id is wrong, expired or used up, or several wrong ones have "
        "locked the role for some minutes. Check "
        "VECTORSHIFT_VAULT_ROLE_ID and VECTORSHIFT_VAULT_SECRET_ID, or create a new secret id: "
        "bao write -f auth/approle/role/<role>/secret-id"
    )

    def payload(self, requests: VaultRequests) -> Payload:
        """Return role id and secret id."""
        ref = requests.ref
        if not self._arguments.role_id:
            raise ref.wrong("AppRole needs a role id. Set VECTORSHIFT_VAULT_ROLE_ID.")
        payload: Payload = {"role_id": self._arguments.role_id.strip()}
        secret = self._secret_id(ref)
        if secret is not None and self._arguments.secret_id_wrapped:
            secret = self._unwrap(secret, requests)
        if secret is not None:
            payload["secret_id"] = secret
        return payload

    def explain(self, reply: Reply, payload: Payload) -> str:
        """Return the likely reason: bound to other addresses, a token in its place, or wrong."""
        secret_id = payload.get("secret_id")
        if reply.mentions("cidr"):
            return "The secret id may only be used from other addresses (secret_id_bound_cidrs)."
        if isinstance(secret_id, Secret) and re.match(_TOKEN, secret_id.reveal()):
            return (
                "The secret id looks like a token. If the token wraps it, set "
                "VECTORSHIFT_VAULT_SECRET_ID_WRAPPED=1."
            )
        return self.fix

    def _secret_id(self, ref: SecretRef) -> Secret | None:
        """Return the secret id, or the token that wraps it; None if none is configured."""
        secret_id, file = self._arguments.secret_id, self._arguments.secret_id_file
        if secret_id is not None:
            return _checked_token(secret_id.reveal(), "VECTORSHIFT_VAULT_SECRET_ID", ref)
        if file:
            return _read_token(file, "VECTORSHIFT_VAULT_SECRET_ID_FILE", ref)
        return None

    def _unwrap(self, wrapping: Secret, requests: VaultRequests) -> Secret:
        """Unwrap once per process, as the token works only once, and keep the result."""
        with _unwrapped.lock:
            secret_ids = _unwrapped.secret_ids
            if wrapping not in secret_ids:
                secret_ids[wrapping] = self._unwrap_now(wrapping, requests)
            return secret_ids[wrapping]

    def _unwrap_now(self, wrapping: Secret, requests: VaultRequests) -> Secret:
        """Check who wrapped the secret id, then unwrap it."""
        ref = requests.ref
        if not re.match(_TOKEN, wrapping.reveal()):
            raise ref.wrong(
                "the secret id does not look like a wrapping token. If it is plain, unset "
                "VECTORSHIFT_VAULT_SECRET_ID_WRAPPED."
            )
        looked = requests.post("/v1/sys/wrapping/lookup", {"token": wrapping})
        if looked.status != 200:
            raise _not_unwrapped(looked, ref)
        if not self._is_ours(str(looked.data.get("creation_path"))):
            raise ref.denied(
                "the wrapped secret id was created at another path: somebody may have swapped "
                "it. Check VECTORSHIFT_VAULT_CREATION_PATH. If that is right, revoke the secret "
                "id."
            )
        reply = requests.post("/v1/sys/wrapping/unwrap", {}, wrapping, repeatable=False)
        if reply.status != 200:
            raise _not_unwrapped(reply, ref)
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
    if reply.status in (400, 403) and reply.is_of_vault:
        return ref.denied(
            "the secret id cannot be unwrapped. The wrapping token has expired or was unwrapped "
            "before: somebody else may have the secret id. If this process did not unwrap it, "
            "revoke the secret id and deliver a new one."
        )
    return classify_login(reply, ref, "") or ref.wrong(
        "the token does not wrap a secret id. Check VECTORSHIFT_VAULT_SECRET_ID_WRAPPED."
    )


class JwtLogin(MountedLogin):
    """Kubernetes and JWT: a signed token. It may be in a file, which is read at each login."""

    fix = (
        "The role does not exist or does not accept this token, or the token has expired. Check "
        "VECTORSHIFT_VAULT_ROLE, VECTORSHIFT_VAULT_JWT_FILE and VECTORSHIFT_VAULT_AUTH_MOUNT."
    )

    def payload(self, requests: VaultRequests) -> Payload:
        """Return the role and the signed token."""
        is_kubernetes, role = self._arguments.auth == "kubernetes", self._arguments.role
        given, file, ref = self._arguments.jwt, self._arguments.jwt_file, requests.ref
        file = file or (KUBERNETES_JWT if is_kubernetes else None)
        if given is None and file is None:
            raise ref.wrong(
                "JWT needs a token. Set VECTORSHIFT_VAULT_JWT_FILE to its file, or"
                " VECTORSHIFT_VAULT_JWT to the token."
            )
        if is_kubernetes and not role:
            raise ref.wrong("Kubernetes needs a role. Set VECTORSHIFT_VAULT_ROLE.")
        if given is not None:
            jwt = _checked_token(given.reveal(), "VECTORSHIFT_VAULT_JWT", ref)
        elif file == KUBERNETES_JWT and not is_there(file):
            raise ref.wrong(
                f"there is no token of a service account at {file}. Set"
                " automountServiceAccountToken: true for the pod, or mount a projected token"
                " and name its file with VECTORSHIFT_VAULT_JWT_FILE."
            )
        else:
            jwt = _read_token(file or "", "VECTORSHIFT_VAULT_JWT_FILE", ref)
        return {"jwt": jwt, "role": role} if role else {"jwt": jwt}

    def explain(self, reply: Reply, payload: Payload) -> str:
        """Return the likely reason. A Kubernetes role binds more than a JWT role."""
        if self._arguments.auth != "kubernetes":
            return self.fix
        return (
            "Check the service account, the namespace and the audience that the role"
            " (VECTORSHIFT_VAULT_ROLE) binds. The server must reach the API of the cluster, and the"
            " account that reviews tokens for it needs the cluster role system:auth-delegator."
        )


class CertLogin(MountedLogin):
    """The client certificate of the TLS connection."""

    fresh_connection = True  # only a new connection uses a replaced certificate file
    fix = (
        "No role accepts the client certificate. Check VECTORSHIFT_VAULT_CLIENT_CERT, "
        "VECTORSHIFT_VAULT_ROLE and VECTORSHIFT_VAULT_AUTH_MOUNT. A load balancer that ends TLS "
        "does not forward the certificate: make it pass TLS through."
    )

    def payload(self, requests: VaultRequests) -> Payload:
        """Return the role, if one is configured."""
        ref = requests.ref
        if self._arguments.client_cert is None or not ref.address.startswith("https://"):
            raise ref.wrong(
                "certificate login needs an https:// address and a certificate. "
                "Set VECTORSHIFT_VAULT_CLIENT_CERT and VECTORSHIFT_VAULT_CLIENT_KEY."
            )
        return {"name": self._arguments.role} if self._arguments.role else {}


class PasswordLogin(MountedLogin):
    """Userpass and LDAP: a name, and a password that may be in a file, read at each login."""

    fix = (
        "The name or the password is wrong, or several wrong ones have locked the user for some "
        "minutes. Check VECTORSHIFT_VAULT_USERNAME and VECTORSHIFT_VAULT_PASSWORD."
    )

    @property
    def path(self) -> str:
        """The API path of the login, which ends with the user name."""
        name = (self._arguments.username or "").strip()
        return f"{super().path}/{quote(name, safe='', errors='replace')}"

    def payload(self, requests: VaultRequests) -> Payload:
        """Return the password."""
        ref = requests.ref
        if not self._arguments.username:
            raise ref.wrong("this login needs a name. Set VECTORSHIFT_VAULT_USERNAME.")
        password, file = self._arguments.password, self._arguments.password_file
        if password is None and file is None:
            raise ref.wrong(
                "this login needs a password. Set VECTORSHIFT_VAULT_PASSWORD, or name its file with"
                " VECTORSHIFT_VAULT_PASSWORD_FILE."
            )
        setting = "VECTORSHIFT_VAULT_PASSWORD"
        if password is None:
            setting = f"{setting}_FILE"
            password = Secret(_read(file or "", setting, ref).strip())
        password = Secret(password.reveal().rstrip("\r\n"))  # as a Kubernetes secret often ends
        if not password.reveal():  # the server fails for an empty password
            raise ref.wrong(f"{setting} is empty.")
        return {"password": password}


class AwsLogin(MountedLogin):
    """AWS IAM: a signed request that the server forwards to AWS's STS, to learn who signed it."""

    fix = (
        "No role accepts the AWS identity of this process. Check VECTORSHIFT_VAULT_ROLE, "
        "VECTORSHIFT_VAULT_AWS_SERVER_ID and the role's bound_iam_principal_arn."
    )

    def payload(self, requests: VaultRequests) -> Payload:
        """Return the request, signed with the AWS credentials that botocore finds."""
        # only this method needs boto3
        from vectorshift.providers.aws.identity import signed_identity

        server_id = self._arguments.aws_server_id
        signed = signed_identity(
            {"X-Vault-AWS-IAM-Server-ID": server_id} if server_id else {},
            deadline=time.monotonic() + requests.budget.left(),
        )
        if isinstance(signed, CredentialError):
            raise requests.ref.error(type(signed), signed.message)
        every = {name: [value] for name, value in signed.headers.items()}
        role: Payload = {"role": self._arguments.role} if self._arguments.role else {}
        return role | {
            "iam_http_request_method": "POST",
            "iam_request_url": _encoded(signed.url),
            "iam_request_body": _encoded(signed.body),
            "iam_request_headers": Secret(_encoded(json.dumps(every))),
        }

    def explain(self, reply: Reply, payload: Payload) -> str:
        """Return the likely reason: AWS's own error, which the server passes on, or the role."""
        if not reply.mentions("from sts"):
            return self.fix
        return (
            "AWS refuses the request that this process signed: its AWS credentials have expired "
            "or are wrong, or this machine's clock is. Renew the credentials."
        )


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


_METHODS: Final[dict[str, type[Login]]] = {
    "token": TokenLogin,
    "agent": AgentLogin,
    "approle": AppRoleLogin,
    "kubernetes": JwtLogin,
    "jwt": JwtLogin,
    "userpass": PasswordLogin,
    "ldap": PasswordLogin,
    "aws": AwsLogin,
    "cert": CertLogin,
}


_TOKEN: Final = r"(hv)?[sb]\."
"""The beginning of tokens, including wrapping tokens."""


def _unused_token() -> str:
    """Return a hint if another place, which is not read, may have a token."""
    for name in ("TOKEN_FILE", "CONFIG_PATH"):
        for variable in (f"BAO_{name}", f"VAULT_{name}"):
            if os.environ.get(variable):
                return f" {variable} is not used."
    for file in ("~/.bao", "~/.vault"):
        if is_there(file):
            return f" The token helper of the command line ({file}) is not used."
    return ""


def _read(path: str, setting: str, ref: SecretRef) -> str:
    """Return the content of a file."""
    try:
        content, _ = read_small(Path(path).expanduser())
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: no file can have this name
        why = error.strerror if type(error) is OSError else type(error).__name__
    else:
        return content.decode(errors="replace")
    if wrong_name(path):
        raise ref.wrong(f"{setting}: the file cannot be read ({why}). Its name is not shown.")
    fix = unexpanded(os.path.expanduser(path))  # noqa: PTH111  # as `path_of`
    raise ref.wrong(f"{setting}: the file {path} cannot be read ({why}). {fix}".rstrip())


def _read_token(path: str, setting: str, ref: SecretRef) -> Secret:
    """Return the content of a file as a checked token."""
    return _checked_token(_read(path, setting, ref), f"{setting}: the file {path}", ref)


def _checked_token(text: str, where: str, ref: SecretRef) -> Secret:
    """Return a token if it can be the value of a header: hvac would print any other."""
    token = text.strip()
    if not token:
        raise ref.wrong(f"{where} is empty.")
    if re.match(r"\{[^{}]*:|\[", token):
        raise ref.wrong(f"{where} has JSON in it. Give only the token, as in its client_token.")
    if unresolved(token):
        raise ref.wrong(f"{where} is a reference that was not resolved. Give the token itself.")
    if token[0] in "\"'":
        raise ref.wrong(f"{where} has quotation marks in it. Give only the token.")
    if re.fullmatch(r"[!-~]+", token):
        return Secret(token)
    raise ref.wrong(
        f"{where} has a space, a line break or a non-ASCII character. Give the token alone."
    )
