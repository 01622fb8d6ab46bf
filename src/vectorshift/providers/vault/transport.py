"""How one gets to a Vault server: address, TLS, proxies, connections. Holds no token."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from vectorshift._platform.urls import is_loopback
from vectorshift.credentials.events import log
from vectorshift.credentials.values import Secret
from vectorshift.providers.vault.requests import Budget, TransportFailure, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.providers.vault.classify import Reply, SecretRef

__all__ = ["NO_TOKEN", "Connections", "Payload", "VaultRequests", "VaultServer"]

Payload = dict[str, str | Secret]

NO_TOKEN = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultServer:
    """Where the server is and how to talk to it. See `VaultProvider` for the fields."""

    addr: str | None
    namespace: str | None
    cacert: str | None
    client_cert: str | None
    client_key: str | None
    skip_verify: bool
    allow_http: bool

    @property
    def address(self) -> str:
        """The address as it can be shown: user information, path and query are left out."""
        if not self.addr:
            return "no address"
        try:
            url = urlsplit(self.addr.strip())
            return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
        except ValueError:
            return "an unreadable address"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this very machine."""
        try:
            return is_loopback(urlsplit((self.addr or "").strip()).hostname or "")
        except ValueError:
            return False

    @property
    def has_path(self) -> bool:
        """Whether the address goes on behind host and port, as behind some proxies."""
        return "/" in (self.addr or "").strip().rstrip("/").partition("://")[2]

    def flaw(self) -> str | None:
        """Say what keeps this server from being contacted at all; None if nothing does. Makes no
        contact.
        """
        if not (self.addr and self.addr.strip()):
            return (
                "no address is given. Set VECTORSHIFT_VAULT_ADDR (BAO_ADDR or VAULT_ADDR serve"
                " too)."
            )
        return (
            _address_flaw(self.addr.strip())
            or self._http_flaw()
            or self._file_flaw()
            or self._namespace_flaw()
        )

    def _http_flaw(self) -> str | None:
        if self.address.startswith("https://") or self.is_local or self.allow_http:
            return None
        return (
            "plain HTTP would show the token and the key to the network. "
            "Let VECTORSHIFT_VAULT_ADDR begin with https://, or set VECTORSHIFT_VAULT_ALLOW_HTTP=1 "
            "where the network below encrypts."
        )

    def _file_flaw(self) -> str | None:
        named = {
            "CACERT": self.cacert,
            "CLIENT_CERT": self.client_cert,
            "CLIENT_KEY": self.client_key,
        }
        for name, path in named.items():
            # that of Path raises, of a name too long for one
            if path and not os.path.exists(path):  # noqa: PTH110
                return f"VECTORSHIFT_VAULT_{name} names a file that is not there: {path}"
        return None

    def _namespace_flaw(self) -> str | None:
        if self.namespace is None or re.fullmatch(r"[!-~]*", self.namespace):
            return None
        return "VECTORSHIFT_VAULT_NAMESPACE holds a character that cannot stand in a header."

    def warn(self, spell: Callable[[str], str] = str) -> None:
        """Log a warning for each protection that the user has switched off.

        Args:
            spell: how a setting is called where the provider was made.
        """
        if self.address.startswith("http://") and not self.is_local:
            log.warning(
                "Vault at %s is spoken to in plain HTTP, as %s says.",
                self.address,
                spell("VECTORSHIFT_VAULT_ALLOW_HTTP"),
            )
        if self.skip_verify and self.address.startswith("https://"):
            log.warning(
                "The certificate of Vault at %s is not verified, as %s says.",
                self.address,
                spell("VECTORSHIFT_VAULT_SKIP_VERIFY"),
            )

    def session(self) -> Any:
        """Return a new `requests.Session`; it takes from the environment only proxies beyond
        loopback.
        """
        import requests
        from requests.utils import get_environ_proxies

        session = requests.Session()
        session.trust_env = False  # also keeps ~/.netrc from setting an Authorization header
        session.verify = False if self.skip_verify else self.cacert or True
        session.stream = True  # the body is read under the look-up's own deadline
        if self.client_cert:
            session.cert = (
                (self.client_cert, self.client_key) if self.client_key else self.client_cert
            )
        if not self.is_local:
            session.proxies.update(get_environ_proxies((self.addr or "").strip()))
        return session


class Connections:
    """The pooled connections to one server, made at first use. Thread-safe.

    Args:
        server: where to connect to.
        spell: how a setting is called where the provider was made.
    """

    def __init__(self, server: VaultServer, spell: Callable[[str], str] = str) -> None:
        self.server = server
        self._spell = spell
        self._session: Any = None
        self._warned = False
        self._lock = threading.Lock()

    def session(self) -> Any:
        """Return the session of this moment."""
        with self._lock:
            if self._session is None:
                if not self._warned:
                    self.server.warn(self._spell)
                    self._warned = True
                self._session = self.server.session()
            return self._session

    def close(self) -> None:
        """Close the connections; the next use makes new ones, with the certificate files as they
        are then.
        """
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()


class VaultRequests:
    """The way to the server for one look-up: shared connections, and the time that is left.

    Args:
        connections: the connections.
        budget: the time for everything that goes over this line.
    """

    def __init__(self, connections: Connections, budget: Budget) -> None:
        self._connections = connections
        self.budget = budget

    def part(self, seconds: float) -> VaultRequests:
        """Return a line for something that can wait."""
        return VaultRequests(self._connections, self.budget.part(seconds))

    def reconnect(self) -> None:
        """Use new connections from here on."""
        self._connections.close()

    def get(self, path: str, token: Secret) -> Reply | TransportFailure:
        """Get an API path."""
        return send(lambda timeouts: self._adapter(token, timeouts).get(path), self.budget)

    def post(
        self, path: str, payload: Payload, token: Secret = NO_TOKEN
    ) -> Reply | TransportFailure:
        """Post a JSON object, secrets revealed, to an API path. Not sent twice if the server may
        have acted on it.
        """

        def call(timeouts: tuple[float, float]) -> Any:
            plain = {
                name: value.reveal() if isinstance(value, Secret) else value
                for name, value in payload.items()
            }
            return self._adapter(token, timeouts).post(path, json=plain)

        return send(call, self.budget, repeatable=False)

    def read(self, ref: SecretRef, token: Secret) -> Reply | TransportFailure:
        """Read the secret."""
        from hvac.api import secrets_engines  # pyright: ignore[reportMissingTypeStubs]

        engines = cast("Any", secrets_engines)
        where: dict[str, Any] = {"path": ref.path, "mount_point": ref.mount}

        def call(timeouts: tuple[float, float]) -> Any:
            adapter = self._adapter(token, timeouts)
            if ref.kv_version == 1:
                return engines.KvV1(adapter).read_secret(**where)
            return engines.KvV2(adapter).read_secret_version(
                **where, version=ref.version, raise_on_deleted_version=True
            )

        return send(call, self.budget)

    def _adapter(self, token: Secret, timeouts: tuple[float, float]) -> Any:
        """Return an hvac adapter that answers with plain responses.

        Not `hvac.Client`: that reads `VAULT_` variables by itself, some of them when it is
        imported. And no exceptions of hvac: they hold the whole body.
        """
        from hvac.adapters import RawAdapter  # pyright: ignore[reportMissingTypeStubs]

        session, server = self._connections.session(), self._connections.server
        return RawAdapter(
            base_uri=(server.addr or "").strip().rstrip("/"),
            token=token.reveal(),
            session=session,
            verify=session.verify,
            cert=session.cert,
            proxies=session.proxies,
            timeout=timeouts,  # pyright: ignore[reportArgumentType]
            namespace=server.namespace or None,  # pyright: ignore[reportArgumentType]
            allow_redirects=False,
            ignore_exceptions=True,
        )


def _address_flaw(addr: str) -> str | None:
    try:
        url = urlsplit(addr)
        host, _ = url.hostname, url.port
    except ValueError:
        return "the address is malformed. Look at VECTORSHIFT_VAULT_ADDR."
    if url.scheme not in ("http", "https") or not host:
        return "the address has to begin with https:// and a host. Look at VECTORSHIFT_VAULT_ADDR."
    if "@" in url.netloc:
        return "the address holds a user or a password. Take them out of VECTORSHIFT_VAULT_ADDR."
    if url.query or url.fragment or not re.fullmatch(r"[!-~]+", addr):
        return "the address is malformed. Look at VECTORSHIFT_VAULT_ADDR."
    return None
