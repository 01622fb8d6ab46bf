"""The Vault server: its address, the way to it, and the pooled connections. Holds no token."""

from __future__ import annotations

import json as json_
import os
import re
import socket
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from vectorshift._platform.files import unexpanded, wrong_name
from vectorshift._platform.urls import is_loopback
from vectorshift._platform.vault_variables import without_known_path
from vectorshift.credentials.events import log
from vectorshift.providers.vault.tls import UnusableError, certificates_of, new_context, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vectorshift.providers.vault.arguments import VaultArguments

__all__ = ["Connections", "VaultServer"]

_UNIX: Final = "unix://"
_POOL: Final = 10
"""Idle connections that are kept. More may be in use at once."""


class VaultServer:
    """A server and its connections, which are opened at first use. Thread-safe.

    Args:
        arguments: those of the provider.
        spell: names settings in a message as the user gave them.

    Attributes:
        proxy: the variable that names the proxy, if there is one.
    """

    def __init__(self, arguments: VaultArguments, spell: Callable[[str], str] = str) -> None:
        self.arguments = arguments
        self._spell = spell
        addr = (arguments.addr or "").strip()
        self._addr = addr if addr.startswith(_UNIX) else without_known_path(addr)
        self.namespace = arguments.namespace or None
        self._connections: Connections | None = None
        self._certificates: tuple[object, ...] = ()
        self.proxy = "VECTORSHIFT_VAULT_PROXY"
        self._warned = False
        self._lock = threading.Lock()

    @property
    def _socket(self) -> str | None:
        """The socket's file if the address is `unix://...`."""
        return self._addr.removeprefix(_UNIX) if self._addr.startswith(_UNIX) else None

    @property
    def url(self) -> str:
        """The URL that HTTP requests go to."""
        return "http://localhost" if self._socket else self._addr

    @property
    def address(self) -> str:
        """The address for messages, without user information, path and query."""
        if not self._addr:
            return "no address"
        if self._addr_flaw() is not None:
            return "an unreadable address"
        if self._socket:
            return self._addr
        url = urlsplit(self._addr)
        return f"{url.scheme}://{url.netloc}"

    @property
    def is_local(self) -> bool:
        """Return whether the server is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def has_path(self) -> bool:
        """Return whether the address has a path, as behind some proxies."""
        return "/" in self.url.partition("://")[2]

    def connections(self) -> Connections:
        """Return the open connections. Changed certificates are read again: they are rotated too.

        Raises:
            UnusableError: a certificate, a key or the proxy cannot be used.
        """
        with self._lock:
            read, self._certificates = self._certificates, certificates_of(self.arguments)
            if self._connections is not None and read != self._certificates:
                self._connections.close()
                self._connections = None
            if self._connections is None:
                if not self._warned:
                    self._warn()
                    self._warned = True
                self._connections = Connections(self._new_manager())
            return self._connections

    def close(self) -> None:
        """Close the connections. The next use makes new ones and reads the certificates again."""
        with self._lock:
            connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()

    def flaw(self) -> str | None:
        """Return why this server must not be contacted, or None. Makes no contact."""
        if not self._addr:
            return "no address is set. Set VECTORSHIFT_VAULT_ADDR (or BAO_ADDR, or VAULT_ADDR)."
        return self._addr_flaw() or self._http_flaw() or self._file_flaw() or self._header_flaw()

    def _addr_flaw(self) -> str | None:
        look = "Look at VECTORSHIFT_VAULT_ADDR."
        if self._socket is not None:
            is_path = self._socket.startswith("/") and not wrong_name(self._socket)
            return None if is_path else f"the address names no unix socket. {look}"
        try:
            url = urlsplit(self._addr)
            host, _ = url.hostname, url.port
        except ValueError:
            return f"the address is malformed. {look}"
        if self._addr[:1] in ("'", '"'):
            return "the address is in quotation marks. Remove them from VECTORSHIFT_VAULT_ADDR."
        if url.scheme not in ("http", "https") or not host:
            return f"the address must begin with https:// and a host. {look}"
        if "@" in url.netloc:
            return "the address has a user or a password. Remove them from VECTORSHIFT_VAULT_ADDR."
        if url.query or url.fragment or not re.fullmatch(r"[!-~]{1,2048}", self._addr):
            return f"the address is malformed. {look}"
        return None

    def _http_flaw(self) -> str | None:
        if self.url.startswith("https://") or self.is_local or self.arguments.allow_http:
            return None
        return (
            "plain HTTP would show the token and the key to the network. Use https:// in "
            "VECTORSHIFT_VAULT_ADDR. If the network itself encrypts, set "
            "VECTORSHIFT_VAULT_ALLOW_HTTP=1."
        )

    def _file_flaw(self) -> str | None:
        for name in ("cacert", "client_cert", "client_key"):
            setting, path = f"VECTORSHIFT_VAULT_{name.upper()}", getattr(self.arguments, name)
            if not path or (name == "cacert" and "-----BEGIN" in path):
                continue
            if flaw := wrong_name(path):
                return f"{setting} {flaw}."
            if not path_of(path).exists():
                fix = unexpanded(str(path_of(path)))
                return f"{setting} names a file that is not there: {path}" + (fix and f". {fix}")
        return None

    def _header_flaw(self) -> str | None:
        if re.fullmatch(r"[!-~]*", self.namespace or ""):
            return None
        return "VECTORSHIFT_VAULT_NAMESPACE has a character that is not allowed in a header."

    def _warn(self) -> None:
        """Log a warning for each protection that the user has switched off."""
        if self.url.startswith("http://") and not self.is_local:
            log.warning(
                "Vault at %s is contacted over plain HTTP, as %s allows.",
                self.address,
                self._spell("VECTORSHIFT_VAULT_ALLOW_HTTP"),
            )
        if self.arguments.skip_verify and self.url.startswith("https://"):
            log.warning(
                "The certificate of Vault at %s is not verified, because of %s.",
                self.address,
                self._spell("VECTORSHIFT_VAULT_SKIP_VERIFY"),
            )

    def _new_manager(self) -> Any:
        """Return a pool manager of urllib3. It uses the proxies of the environment, but not for
        loopback.
        """
        import urllib3

        options: dict[str, Any] = {"maxsize": _POOL}
        if self.url.startswith("https://"):
            context = new_context(self.arguments)
            options |= {"ssl_context": context, "cert_reqs": context.verify_mode}
            if self.arguments.skip_verify:
                options["assert_hostname"] = False
            if self.arguments.tls_server_name:
                options["server_hostname"] = self.arguments.tls_server_name
        if self._socket:
            manager: Any = urllib3.PoolManager(**options)
            manager.pool_classes_by_scheme = {"http": _unix_pool(self._socket)}
            return manager
        self.proxy, proxy = self._proxy()
        return _proxied(proxy, self.proxy, options) if proxy else urllib3.PoolManager(**options)

    def _proxy(self) -> tuple[str, str]:
        """Return the variable that names the proxy, and the proxy; two empty texts without one."""
        from requests.utils import get_environ_proxies, select_proxy

        if self.is_local:
            return "", ""
        if self.arguments.proxy is not None:
            return "VECTORSHIFT_VAULT_PROXY", self.arguments.proxy.reveal()
        proxy = select_proxy(self.url, get_environ_proxies(self.url)) or ""
        scheme = self.url.partition(":")[0]
        names = (f"{each}_proxy" for each in (scheme, "all"))
        both = [spelt for name in names for spelt in (name, name.upper())]
        return next((name for name in both if os.environ.get(name) == proxy), "HTTPS_PROXY"), proxy


def _proxied(proxy: str, variable: str, options: Mapping[str, Any]) -> Any:
    """Return a manager that uses a proxy."""
    from requests.utils import get_auth_from_url
    from urllib3 import ProxyManager, make_headers
    from urllib3.exceptions import HTTPError

    user, password = get_auth_from_url(proxy)
    is_socks = proxy.lower().startswith("socks")
    if is_socks and find_spec("socks") is None:
        raise UnusableError(
            f"{variable} names a SOCKS proxy, which needs a package: pip install pysocks"
        )
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        if not urlsplit(proxy).hostname or not re.fullmatch(r"[!-~]+", proxy):
            raise ValueError
        if is_socks:
            from urllib3.contrib.socks import SOCKSProxyManager

            return SOCKSProxyManager(proxy, username=user or None, password=password, **options)
        headers = make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        return ProxyManager(proxy, proxy_headers=headers, **options)
    except (HTTPError, ValueError):
        raise UnusableError(
            f"the proxy of {variable} is malformed. It has the form http://host:port."
        ) from None


def _unix_pool(path: str) -> type:
    """Return a pool class whose connections go to a socket of this machine."""
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.exceptions import NewConnectionError

    class UnixConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connected.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
            try:
                connected.connect(path)
            except OSError as error:
                connected.close()
                raise NewConnectionError(self, "no connection") from error
            return connected

    class UnixPool(HTTPConnectionPool):
        ConnectionCls: Any = UnixConnection

    return UnixPool


class Connections:
    """Pooled connections, in place of the session that hvac's adapter expects.

    A session of requests would print headers in its errors, read `~/.netrc`, and merge all TLS
    errors into one.
    """

    verify = cert = proxies = None  # the adapter reads these

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def request(
        self,
        *,
        method: str,
        url: str,
        headers: dict[str, str],
        timeout: tuple[float, float],
        params: Mapping[str, Any] | None = None,
        json: object = None,
        **_unused: object,
    ) -> Any:
        """Send a request, and return a response whose body is not read yet."""
        from urllib3 import Timeout

        given = {name: value for name, value in (params or {}).items() if value is not None}
        body = None
        if json is not None:
            body, headers = json_.dumps(json), {"Content-Type": "application/json", **headers}
        response = self._manager.request(
            method.upper(),
            f"{url}?{urlencode(given)}" if given else url,
            body=body,
            headers=headers,
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        response.ok = True  # the adapter would raise an error with the body
        return response

    def close(self) -> None:
        """Close idle connections now, and those in use later."""
        self._manager.clear()
