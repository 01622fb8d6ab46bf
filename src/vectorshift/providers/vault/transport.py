"""How one gets to a Vault server: address, TLS, proxies, timeouts and retries. Holds no token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vectorshift.events import log
from vectorshift.hosts import is_loopback
from vectorshift.providers.vault.answers import Reply, as_object

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Trouble", "VaultServer", "exchange"]

TIMEOUTS: Final = (2.0, 5.0)
"""Seconds to connect and to wait for bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why there is no reply.

    Args:
        reason: a sentence without a secret in it.
        passing: whether the store is unavailable; else the configuration is wrong.
    """

    reason: str
    passing: bool


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

    def flaw(self) -> str | None:
        """Say what keeps this server from being contacted at all; None if nothing does. Makes no contact."""
        if not (self.addr and self.addr.strip()):
            return "no address is given. Set VECTORSHIFT_VAULT_ADDR (VAULT_ADDR serves too), or addr= in code."
        return _address_flaw(self.addr.strip()) or self._http_flaw() or self._file_flaw() or self._namespace_flaw()

    def _http_flaw(self) -> str | None:
        if self.address.startswith("https://") or self.is_local or self.allow_http:
            return None
        return (
            "plain HTTP would show the token and the key to the network. "
            "Let VECTORSHIFT_VAULT_ADDR begin with https://, or set VECTORSHIFT_VAULT_ALLOW_HTTP=1 "
            "where the network below encrypts."
        )

    def _file_flaw(self) -> str | None:
        named = {"CACERT": self.cacert, "CLIENT_CERT": self.client_cert, "CLIENT_KEY": self.client_key}
        for name, path in named.items():
            if path and not Path(path).exists():
                return f"VECTORSHIFT_VAULT_{name} names a file that is not there: {path}"
        return None

    def _namespace_flaw(self) -> str | None:
        if self.namespace is None or re.fullmatch(r"[!-~]*", self.namespace):
            return None
        return "VECTORSHIFT_VAULT_NAMESPACE holds a character that cannot stand in a header."

    def warn(self) -> None:
        """Log a warning for each protection that the user has switched off."""
        if self.address.startswith("http://") and not self.is_local:
            log.warning("Vault at %s is spoken to in plain HTTP, as VECTORSHIFT_VAULT_ALLOW_HTTP says.", self.address)
        if self.skip_verify and self.address.startswith("https://"):
            log.warning(
                "The certificate of Vault at %s is not verified, as VECTORSHIFT_VAULT_SKIP_VERIFY says.",
                self.address,
            )

    def session(self) -> Any:
        """Return a new `requests.Session`; it takes from the environment only proxies beyond loopback."""
        import requests
        from requests.adapters import HTTPAdapter
        from requests.utils import get_environ_proxies
        from urllib3.util import Retry

        addr = (self.addr or "").strip()
        session = requests.Session()
        session.trust_env = False  # also keeps ~/.netrc from setting an Authorization header
        session.verify = False if self.skip_verify else self.cacert or True
        if self.client_cert:
            session.cert = (self.client_cert, self.client_key) if self.client_key else self.client_cert
        if not self.is_local:
            session.proxies.update(get_environ_proxies(addr))
        # A Retry-After is handed on to who schedules the next contact: obeyed here, it could take hours.
        retry = Retry(
            total=2,
            connect=2,
            read=1,
            status=2,
            other=0,
            redirect=0,
            status_forcelist=(412, 429, 500, 502, 503, 504),
            backoff_factor=0.1,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def adapter(self, session: Any, token: str) -> Any:
        """Return an hvac adapter that sends `token` over `session` and answers with plain responses.

        Not `hvac.Client`: that reads `VAULT_` variables by itself, some of them when it is imported. And no
        exceptions of hvac: they hold the whole body.
        """
        from hvac.adapters import RawAdapter  # pyright: ignore[reportMissingTypeStubs]

        return RawAdapter(
            base_uri=(self.addr or "").strip().rstrip("/"),
            token=token,
            session=session,
            verify=session.verify,
            cert=session.cert,
            proxies=session.proxies,
            timeout=TIMEOUTS,  # pyright: ignore[reportArgumentType]
            namespace=self.namespace or None,  # pyright: ignore[reportArgumentType]
            allow_redirects=False,
            ignore_exceptions=True,
        )


def exchange(call: Callable[[], Any]) -> Reply | Trouble:
    """Do one exchange with the server and return the reply, or why there is none. Raises only interrupts.

    Args:
        call: does the exchange and returns a `requests.Response`.
    """
    try:
        return _reply(call())
    except Exception as error:
        return _trouble(error)
    except BaseException as interrupt:  # its frames are those of requests, and they hold the token
        interrupt.__context__ = interrupt.__cause__ = None
        raise interrupt.with_traceback(None) from None


def _reply(response: Any) -> Reply:
    try:
        body = response.json()
    except ValueError:
        body = None
    try:
        retry_after = max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        retry_after = None
    return Reply(
        status=response.status_code,
        body=as_object(body),
        plain_http=response.status_code == 400 and b"HTTP request to an HTTPS server" in response.content[:200],
        retry_after=retry_after,
    )


def _trouble(error: Exception) -> Trouble:
    """Classify what requests raised by type alone: its text may hold a header or a proxy's password."""
    from requests import exceptions as seen

    if isinstance(error, seen.SSLError):
        return Trouble(reason=_TLS, passing=False)
    if isinstance(error, seen.InvalidSchema | seen.MissingSchema | seen.InvalidURL | seen.InvalidHeader):
        return Trouble(reason="the address or a header is malformed. Look at VECTORSHIFT_VAULT_ADDR.", passing=False)
    if isinstance(error, seen.RequestException):
        return Trouble(reason=f"the server cannot be reached: {_why(error)}.", passing=True)
    if isinstance(error, OSError):
        return Trouble(
            reason="a certificate file cannot be read. Look at VECTORSHIFT_VAULT_CACERT, _CLIENT_CERT and _CLIENT_KEY.",
            passing=False,
        )
    return Trouble(reason=f"the exchange failed with {type(error).__name__}.", passing=False)


_TLS = (
    "TLS failed: the server's certificate is not trusted, is for another name, or no TLS is spoken there. "
    "Set VECTORSHIFT_VAULT_CACERT to the CA's file."
)

_REASONS: Final = {
    "NameResolutionError": "its name does not resolve",
    "ConnectTimeoutError": f"no connection within {TIMEOUTS[0]:g} s",
    "ReadTimeoutError": f"no answer within {TIMEOUTS[1]:g} s",
    "ProxyError": "the proxy of the environment failed",
    "NewConnectionError": "nothing listens there",
    "ProtocolError": "the connection broke",
    "ConnectTimeout": f"no connection within {TIMEOUTS[0]:g} s",
    "ReadTimeout": f"no answer within {TIMEOUTS[1]:g} s",
}


def _why(error: BaseException) -> str:
    """Say why, by the innermost type that is known."""
    inner = error.args[0] if error.args else None
    for candidate in (getattr(inner, "reason", None), inner, error):
        if (reason := _REASONS.get(type(candidate).__name__)) is not None:
            return reason
    return type(error).__name__


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
