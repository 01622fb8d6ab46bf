"""HashiCorp Vault, OpenBao, and other servers with their API."""

from __future__ import annotations

import logging
import os
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset
from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.importing import load
from vectorshift._platform.public import Self
from vectorshift._platform.urls import has_control_characters
from vectorshift._platform.vault_variables import VaultMethod
from vectorshift.credentials.events import log_safely
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Secret, masked
from vectorshift.errors import CredentialConfigurationError, CredentialError, fresh_copy
from vectorshift.providers.vault.arguments import (
    ARGUMENTS,
    VaultArguments,
    VaultSetup,
    sources_of,
    with_variables,
)
from vectorshift.providers.vault.classify import (
    Mount,
    Reply,
    SecretRef,
    classify_read,
    is_denied,
)
from vectorshift.providers.vault.login import choose_login
from vectorshift.providers.vault.requests import Budget, VaultRequests
from vectorshift.providers.vault.server import VaultServer
from vectorshift.providers.vault.tokens import CurrentToken
from vectorshift.providers.vault.value import read_key

if TYPE_CHECKING:
    from vectorshift.providers.vault.tokens import TokenLease

__all__ = ["VaultProvider", "VaultReader", "reader_of"]


class VaultProvider(BaseProvider):
    """Read the key from a KV secret of HashiCorp Vault or OpenBao.

    Thread-safe. Nothing is imported, read or contacted before the first call. One session serves
    all threads; at most one login runs at a time. A read takes at most 10 s, with retries and
    login.

    The first read past half of a token's life renews the token or logs in again. A denied
    read is tried once more if a new login, or the token file, has another token. The credential's
    `expires_at` is the earlier of `expires_at` in the secret's custom metadata (RFC 3339) and the
    deletion time of the version.

    The first call reads the standard variables for arguments that are left out: `addr`,
    `namespace`, `token`, `cacert`, `client_cert`, `client_key`, `tls_server_name`, `skip_verify`
    and `proxy`. `BAO_X` comes before `VAULT_X`, and an agent's address (`BAO_AGENT_ADDR`,
    `VAULT_AGENT_ADDR`) before the server's. If `BAO_X` and `VAULT_X` differ, pass the argument. A
    token from a variable is sent to your `addr` only if the variables name the same address or
    none. A provider of `from_settings` reads no variable.

    Args:
        path: the secret's path under the mount, without `data/`.
        mount: where the KV engine is mounted.
        field: the field of the secret that is the key.
        kv_version: 2, or 1.
        version: the version of the secret to read (KV 2 only); the newest by default.
        addr: the server's address, such as `https://vault.example.com:8200`, or
            `unix:///run/agent.sock`.
        namespace: the namespace; `""` is the root namespace.
        cacert: a file or folder with the CA that signed the server's certificate, in PEM, or its
            text; by default what `SSL_CERT_FILE` or `SSL_CERT_DIR` names, else certifi's.
        client_cert: a file with the client's certificate.
        client_key: a file with the client's key, unless the certificate's file holds it.
        tls_server_name: the name to expect in the server's certificate; that of `addr` by default.
        skip_verify: leave the server's certificate unverified; logs a warning.
        allow_http: speak plain HTTP to other machines too; logs a warning.
        proxy: the proxy to another machine; by default that of the environment (`HTTPS_PROXY`).
        auth: `token`, `approle`, `kubernetes`, `jwt`, `userpass`, `ldap`, `aws`, `cert`, or `agent`
            (no token of ours).
        auth_mount: where the auth method is mounted; its own name by default.
        auth_namespace: the namespace of the auth method; `namespace` by default.
        token: the token, unless a `token_file` is named; by default that of a variable, else that
            of `~/.vault-token`.
        token_file: a file with the token, read again at each read.
        role: the role of `kubernetes`, `jwt`, `aws` and `cert`.
        role_id: the role id of `approle`.
        secret_id: the secret id of `approle`, or the token that wraps it.
        secret_id_file: a file with the same, read at each login.
        secret_id_wrapped: whether the secret id is response-wrapped.
        creation_path: where a wrapped secret id must have been made, such as
            `auth/approle/role/app/secret-id`; any role of the mount by default.
        username: the name of `userpass` and `ldap`.
        password: their password.
        password_file: a file with the same, read at each login.
        jwt: the token of `kubernetes` and `jwt`.
        jwt_file: a file with the same, read at each login.
        aws_server_id: what `aws` sends as `X-Vault-AWS-IAM-Server-ID`.
        on_error: `"continue"` lets another source answer when this one fails.
        on_missing: `"stop"` lets no other source answer when this one is empty.
        ttl: seconds for which an answer is fresh; the common setting by default.
        clock: the source of time for the age of tokens.

    Raises:
        TypeError: an argument that decides on the server, the identity or trust is None, or of
            another type.
    """

    name = "vault"
    _lock: threading.Lock

    def __init__(  # pyright: ignore[reportInconsistentConstructor]
        self,
        path: str,
        *,
        mount: str = "secret",
        field: str = "api_key",
        kv_version: int = 2,
        version: int | None = None,
        addr: str | Unset = UNSET,
        namespace: str | Unset = UNSET,
        cacert: str | Unset = UNSET,
        client_cert: str | Unset = UNSET,
        client_key: str | Unset = UNSET,
        tls_server_name: str | Unset = UNSET,
        skip_verify: bool | Unset = UNSET,
        allow_http: bool = False,
        proxy: str | Secret | Unset = UNSET,
        auth: VaultMethod = "token",
        auth_mount: str | Unset = UNSET,
        auth_namespace: str | Unset = UNSET,
        token: str | Secret | Unset = UNSET,
        token_file: str | Unset = UNSET,
        role: str | Unset = UNSET,
        role_id: str | Unset = UNSET,
        secret_id: str | Secret | Unset = UNSET,
        secret_id_file: str | Unset = UNSET,
        secret_id_wrapped: bool = False,
        creation_path: str | Unset = UNSET,
        username: str | Unset = UNSET,
        password: str | Secret | Unset = UNSET,
        password_file: str | Unset = UNSET,
        jwt: str | Secret | Unset = UNSET,
        jwt_file: str | Unset = UNSET,
        aws_server_id: str | Unset = UNSET,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
        ttl: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        # first, so that no later traceback shows a secret
        token, secret_id, proxy = masked(token), masked(secret_id), masked(proxy)
        password, jwt = masked(password), masked(jwt)
        given = locals()
        self._given = VaultArguments.checked(**{name: given[name] for name in ARGUMENTS})
        self.on_error = on_error
        self.on_missing = on_missing
        self.ttl = ttl
        self._clock = clock
        self._in_code = True
        self._reader: VaultReader | None = None
        self._reread = False
        self._after_fork()
        renew_after_fork(self)

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self | None:
        """Return the provider that the settings describe, or None if they name no path. It reads no
        variable.
        """
        if settings.vault_path is None:
            return None
        made = cls(
            **VaultArguments.in_settings(settings),
            on_error=settings.vault_on_error,
            on_missing=settings.vault_on_missing,
            ttl=settings.vault_cache_ttl,
        )
        made._in_code = False
        return made

    def describe(self) -> Description:
        """Say which secret is read and where, without contact."""
        ref = (self._reader or VaultReader(self._set_up(), self._clock)).ref
        detail = f"{ref.address}, auth method {ref.auth}"
        return Description(configured=True, source=ref.source, detail=detail, locator=True)

    def close(self) -> None:
        """Close the connections and forget the token. The next call creates both again."""
        reader = self._reader
        if reader is not None:
            reader.close()

    def resolve(self, request: LookupRequest) -> Result:
        """Read the secret; after a 403, once more with a new token. Then renew the token, if that
        is due.
        """
        reader = self.current_reader()
        # do not wait for a source that may be skipped: the next one needs the time
        patient = self.on_error != "continue"
        answer = reader.read(Budget(deadline=request.deadline, patient=patient))
        if isinstance(answer, CredentialError):
            answer.message = reader.setup.spell(answer.message)
            self._reread = self._in_code and isinstance(answer, CredentialConfigurationError)
        return answer

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # never held while contacting the server
        if self._reader is not None:
            self._reader = VaultReader(self._reader.setup, self._clock)

    def current_reader(self) -> VaultReader:
        """Return the reader of this process. Variables are read for the first look-up, and again
        after a configuration error.
        """
        with self._lock:
            reader = self._reader
            if reader is not None and not self._reread:
                return reader
            self._reread = False
            setup = self._set_up()
            if reader is not None and reader.setup == setup:  # it keeps its login
                return reader
            reader = self._reader = VaultReader(setup, self._clock)
        for used, other in setup.ignored:
            before = setup.spell(used)
            log_safely(logging.WARNING, "%s is not used: %s comes before it.", other, before)
        return reader

    def _set_up(self) -> VaultSetup:
        if self._in_code:
            return with_variables(self._given, os.environ)
        return VaultSetup(arguments=self._given, sources=sources_of(self._given, os.environ))


def reader_of(settings: public.Settings) -> VaultReader | None:
    """Return a reader of the secret that the settings name, or None if they name no path."""
    made = VaultProvider.from_settings(settings)
    return None if made is None else made.current_reader()


class VaultReader:
    """Reads one secret, with the connections and the token that it needs."""

    def __init__(self, setup: VaultSetup, clock: Clock) -> None:
        arguments = setup.arguments
        self.setup = setup
        self._login = choose_login(setup)
        self._server = VaultServer(arguments, setup.spell)
        self.ref = SecretRef(
            address=self._server.address,
            namespace=self._server.namespace,
            mount=arguments.mount.strip("/"),
            path=arguments.path.strip("/"),
            field=arguments.field,
            kv_version=arguments.kv_version,
            version=arguments.version,
            auth=self._login.label,
        )
        self._tokens = CurrentToken(self._login, self.ref, clock)

    def close(self) -> None:
        """Close the connections and forget the token."""
        self._tokens.forget()
        self._server.close()

    def read(self, budget: Budget) -> Result:
        """Return the credential or the error, within the time of one look-up."""
        session = self.session(budget)
        if isinstance(session, CredentialError):
            return session
        try:
            return self._read(*session)
        except CredentialError as error:
            return fresh_copy(error)

    def _read(self, requests: VaultRequests, lease: TokenLease) -> Result:
        reply = requests.read(lease.token)
        refused, second_login = reply.status == 403, False
        if refused:
            again = self._tokens.open(requests, rejected=lease)
            if again.token != lease.token:
                lease, reply = again, requests.read(again.token)
                second_login = self._login.contacts
        new_token = refused and self._login.contacts
        failure = self._failure(
            reply, requests, lease, new_token=new_token, second_login=second_login
        )
        if reply.is_gap:  # perhaps of a lagging replica: the next read may reach another one
            self._server.close()
        if reply.status in (200, 404):  # the token must last until a missing secret is written
            self._tokens.renew_if_due(lease, requests)
        return read_key(reply, self.ref) if failure is None else failure

    def session(self, budget: Budget) -> tuple[VaultRequests, TokenLease] | CredentialError:
        """Return an object that makes requests within the budget, and the token for them."""
        flaw = self._flaw()
        if flaw is not None:
            return self.ref.wrong(flaw)
        requests = VaultRequests(self._server, budget, self.ref)
        try:
            return requests, self._tokens.open(requests)
        except CredentialError as error:
            return fresh_copy(error)

    def _failure(
        self,
        reply: Reply,
        requests: VaultRequests,
        lease: TokenLease,
        *,
        new_token: bool,
        second_login: bool,
    ) -> CredentialError | None:
        mount, other, used_up, ref = None, None, False, self.ref
        lacks_right = is_denied(reply) and not reply.rejects_token
        if lacks_right or (reply.status == 404 and reply.is_of_vault):

            def mount_of(place: str) -> Reply:
                return requests.get(f"/v1/sys/internal/ui/mounts/{quote(place)}", lease.token)

            with suppress(CredentialError):  # what they say is only for a better message
                found = mount_of(ref.whole)
                if found.is_gap and self._server.has_path:  # every Vault has this path
                    return ref.wrong(
                        "VECTORSHIFT_VAULT_ADDR has a path where no Vault answers. Remove the path."
                    )
                mount, used_up = Mount.from_reply(found), is_denied(found) and found.rejects_token
                if "/" in ref.path:
                    other = Mount.from_reply(mount_of(ref.path.removeprefix("v1/")))
        return classify_read(
            reply,
            ref,
            mount=mount,
            other=other,
            new_token=new_token,
            second_login=second_login,
            used_up=used_up,
        )

    def _flaw(self) -> str | None:
        """Return what is wrong with the configuration, as far as known without contact."""
        ref = self.ref
        try:
            load("hvac")
        except ImportError:
            return "the package hvac is missing. Install it: pip install 'vectorshift[vault]>=2'"
        flaw = self.setup.flaw or self._server.flaw()
        if flaw is not None:
            return flaw
        given = self.setup.arguments
        auth_mount = (given.auth_mount or given.auth).strip("/")
        places = (("MOUNT", ref.mount), ("PATH", ref.path), ("AUTH_MOUNT", auth_mount))
        for setting, text in places:
            is_path = text and not has_control_characters(text)
            if not is_path or re.search(r"(^|/)\.{1,2}(/|$)", text):
                return f"VECTORSHIFT_VAULT_{setting} is empty or is not a plain path."
        if ref.kv_version not in (1, 2):
            return "VECTORSHIFT_VAULT_KV_VERSION must be 1 or 2."
        if ref.version is not None and ref.version < 1:  # the server would return the newest
            return "VECTORSHIFT_VAULT_VERSION must be 1 or more."
        if ref.kv_version == 1 and ref.version is not None:
            return "KV version 1 has no versions. Unset VECTORSHIFT_VAULT_VERSION."
        return None
