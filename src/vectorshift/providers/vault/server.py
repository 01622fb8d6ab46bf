"""The Vault server: its address, TLS, proxies, and the pooled connections to it. Holds no token."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vectorshift._platform.urls import is_loopback
from vectorshift.credentials.events import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.providers.vault.arguments import VaultArguments

__all__ = ["VaultServer"]


class VaultServer:
    """A server, and the connections to it, which are made at first use. Thread-safe.

    Args:
        arguments: those of the provider.
        spell: returns a message with settings named as they were where the provider was made.
    """

    def __init__(self, arguments: VaultArguments, spell: Callable[[str], str] = str) -> None:
        self._arguments = arguments
        self._spell = spell
        self.url = (arguments.addr or "").strip().rstrip("/")
        self.namespace = arguments.namespace or None
        self._session: Any = None
        self._warned = False
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """The address as it can be shown: user information, path and query are left out."""
        if not self._arguments.addr:
            return "no address"
        try:
            url = urlsplit(self.url)
            return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
        except ValueError:
            return "an unreadable address"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this very machine."""
        try:
            return is_loopback(urlsplit(self.url).hostname or "")
        except ValueError:
            return False

    @property
    def has_path(self) -> bool:
        """Whether the address has a path, as behind some proxies."""
        return "/" in self.url.partition("://")[2]

    def session(self) -> Any:
        """Return the `requests.Session` in use."""
        with self._lock:
            if self._session is None:
                if not self._warned:
                    self._warn()
                    self._warned = True
                self._session = self._new_session()
            return self._session

    def close(self) -> None:
        """Close the connections. The next use makes new ones and reads the certificates again."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def flaw(self) -> str | None:
        """Return why this server must not be contacted, or None. Makes no contact."""
        if not (self._arguments.addr or "").strip():
            return (
                "no address is given. Set VECTORSHIFT_VAULT_ADDR (BAO_ADDR or VAULT_ADDR serve"
                " too)."
            )
        return (
            self._address_flaw() or self._http_flaw() or self._file_flaw() or self._namespace_flaw()
        )

    def _address_flaw(self) -> str | None:
        malformed = "the address is malformed. Look at VECTORSHIFT_VAULT_ADDR."
        try:
            url = urlsplit(self.url)
            host, _ = url.hostname, url.port
        except ValueError:
            return malformed
        if url.scheme == "unix":
            return (
                "a unix socket is not spoken to. Give the agent a listener of type tcp on loopback,"
                " and let VECTORSHIFT_VAULT_ADDR name that: http://127.0.0.1:8100."
            )
        if url.scheme not in ("http", "https") or not host:
            return (
                "the address has to begin with https:// and a host. Look at VECTORSHIFT_VAULT_ADDR."
            )
        if "@" in url.netloc:
            return (
                "the address holds a user or a password. Take them out of VECTORSHIFT_VAULT_ADDR."
            )
        if url.query or url.fragment or not re.fullmatch(r"[!-~]+", self.url):
            return malformed
        return None

    def _http_flaw(self) -> str | None:
        if self.address.startswith("https://") or self.is_local or self._arguments.allow_http:
            return None
        return (
            "plain HTTP would show the token and the key to the network. "
            "Let VECTORSHIFT_VAULT_ADDR begin with https://, or set VECTORSHIFT_VAULT_ALLOW_HTTP=1 "
            "where the network below encrypts."
        )

    def _file_flaw(self) -> str | None:
        for name in ("cacert", "client_cert", "client_key"):
            path = getattr(self._arguments, name)
            # Path.exists raises if a name is too long
            if path and not os.path.exists(path):  # noqa: PTH110
                return f"VECTORSHIFT_VAULT_{name.upper()} names a file that is not there: {path}"
        return None

    def _namespace_flaw(self) -> str | None:
        if re.fullmatch(r"[!-~]*", self.namespace or ""):
            return None
        return "VECTORSHIFT_VAULT_NAMESPACE holds a character that cannot stand in a header."

    def _warn(self) -> None:
        """Log a warning for each protection that the user has switched off."""
        if self.address.startswith("http://") and not self.is_local:
            log.warning(
                "Vault at %s is spoken to in plain HTTP, as %s says.",
                self.address,
                self._spell("VECTORSHIFT_VAULT_ALLOW_HTTP"),
            )
        if self._arguments.skip_verify and self.address.startswith("https://"):
            log.warning(
                "The certificate of Vault at %s is not verified, as %s says.",
                self.address,
                self._spell("VECTORSHIFT_VAULT_SKIP_VERIFY"),
            )

    def _new_session(self) -> Any:
        """Return a session. From the environment it takes only proxies, and none for loopback."""
        import requests
        from requests.utils import get_environ_proxies

        cert, key = self._arguments.client_cert, self._arguments.client_key
        session = requests.Session()
        session.trust_env = False  # also keeps ~/.netrc from setting an Authorization header
        session.verify = False if self._arguments.skip_verify else self._arguments.cacert or True
        session.stream = True  # the body is read under the look-up's own deadline
        if cert:
            session.cert = (cert, key) if key else cert
        if not self.is_local:
            session.proxies.update(get_environ_proxies(self.url))
        return session
