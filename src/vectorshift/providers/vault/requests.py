"""Requests to a Vault server, repeated while that may help, within the time of one look-up."""

from __future__ import annotations

import json
import os
import random
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote, urlsplit

from vectorshift._platform.frames import raise_callers_own
from vectorshift.credentials.values import Secret
from vectorshift.errors.bodies import seconds
from vectorshift.providers.vault.classify import Reply, as_object
from vectorshift.providers.vault.tls import UnusableError, tls_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from vectorshift.errors import CredentialError
    from vectorshift.providers.vault.classify import SecretRef
    from vectorshift.providers.vault.server import VaultServer

__all__ = ["NO_TOKEN", "TOTAL", "Budget", "Payload", "TransportFailure", "VaultRequests"]

TOTAL: Final = 10.0
"""The default limit of one look-up in seconds, with its retries and its login."""

_SPARE: Final = 0.25
"""A look-up ends at most these seconds before its caller gives up, to report the reason."""

_CONNECT, _READ = 1 / 5, 1 / 2
"""The parts of the time for one connection and for one wait for bytes. The rest is for retries."""

_LONGEST_PAUSE: Final = 1.0
_LAG: Final = 0.3
"""Seconds after which a standby has usually caught up with its leader."""

_LARGEST_BODY: Final = 1 << 20

Payload = dict[str, str | Secret]
NO_TOKEN: Final = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """The reason why there is no reply.

    Args:
        reason: a sentence without secrets.
        transient: True if the store is unavailable; False if the configuration is wrong.
        sent: whether the server may have got the request.
    """

    reason: str
    transient: bool
    sent: bool = True

    def error(self, ref: SecretRef) -> CredentialError:
        """Return the error for a look-up."""
        return ref.unavailable(self.reason) if self.transient else ref.wrong(self.reason)


class Budget:
    """The time that all requests of one look-up share.

    Args:
        seconds: the time, if there is no deadline.
        deadline: when the caller gives up, in seconds of `time.monotonic`, or None.
        attempts: how often a request without an answer is tried.
        patient: whether a server that answers, but cannot serve now, is asked until the time is
            over.
    """

    def __init__(
        self,
        seconds: float = TOTAL,
        *,
        deadline: float | None = None,
        attempts: int = 3,
        patient: bool = True,
    ) -> None:
        now = time.monotonic()
        if deadline is not None:
            seconds = deadline - now - min(_SPARE, (deadline - now) / 20)
        self.seconds = max(0.0, seconds)
        self.attempts = attempts
        self.patient = patient
        self._end = now + self.seconds

    def left(self) -> float:
        """Return the seconds that are left, or 0."""
        return max(0.0, self._end - time.monotonic())

    def timeouts(self) -> tuple[float, float]:
        """Return the seconds for one attempt: to connect, and to wait for bytes."""
        left = max(0.001, self.left())
        if self.attempts == 1:
            return left, left
        return min(self.seconds * _CONNECT, left), min(self.seconds * _READ, left)

    def part(self, seconds: float) -> Budget:
        """Return a part of this budget, with one attempt, for work that is not urgent."""
        return Budget(min(seconds, self.left()), attempts=1, patient=False)


class VaultRequests:
    """The requests of one look-up.

    Each raises a `CredentialError` if there is no reply.

    Args:
        server: the server, with its connections.
        budget: the time for all of them.
        ref: the secret that they are for, as messages name it.
    """

    def __init__(self, server: VaultServer, budget: Budget, ref: SecretRef) -> None:
        self._server = server
        self.budget = budget
        self.ref = ref

    def part(self, seconds: float) -> VaultRequests:
        """Return requests that are not urgent, with a part of the time."""
        return VaultRequests(self._server, self.budget.part(seconds), self.ref)

    @property
    def auth_namespace(self) -> str | None:
        """The namespace of logins and tokens; that of the secret by default."""
        own = self._server.arguments.auth_namespace
        return self._server.namespace if own is None else own or None

    def reconnect(self) -> None:
        """Use new connections from here on."""
        self._server.close()

    def get(self, path: str, token: Secret) -> Reply:
        """Get an API path."""
        return self.send(path, lambda adapter: adapter.get(path), token=token)

    def post(
        self,
        path: str,
        payload: Payload,
        token: Secret = NO_TOKEN,
        *,
        repeatable: bool = True,
    ) -> Reply:
        """Post a JSON object with its secrets revealed."""

        def call(adapter: Any) -> Any:
            plain = {
                name: value.reveal() if isinstance(value, Secret) else value
                for name, value in payload.items()
            }
            return adapter.post(path, json=plain)

        return self.send(path, call, token=token, repeatable=repeatable)

    def post_later(self, path: str, payload: Payload) -> Reply:
        """Post once more, after a moment and on a new connection."""
        time.sleep(min(_LAG, self.budget.left()))
        self.reconnect()
        return self.post(path, payload)

    def read(self, token: Secret) -> Reply:
        """Read the secret."""
        from hvac.api import secrets_engines  # pyright: ignore[reportMissingTypeStubs]

        engines, ref = cast("Any", secrets_engines), self.ref
        where: dict[str, Any] = {"path": ref.path, "mount_point": ref.mount}

        def call(adapter: Any) -> Any:
            if ref.kv_version == 1:
                return engines.KvV1(adapter).read_secret(**where)
            return engines.KvV2(adapter).read_secret_version(
                **where, version=ref.version, raise_on_deleted_version=True
            )

        return self.send(f"/v1/{ref.api_path}", call, token=token)

    def send(
        self,
        path: str,
        call: Callable[[Any], Any],
        *,
        token: Secret = NO_TOKEN,
        repeatable: bool = True,
    ) -> Reply:
        """Make a request and return the reply.

        A server that answers, but cannot serve now, is asked until the time is over: an election
        takes seconds. A request without any answer is tried three times.

        Args:
            path: the API path, to recognise the redirect of a standby.
            call: makes the request with hvac's adapter.
            token: the token to send.
            repeatable: whether the server may do it twice. If not, it is repeated only if the
                server surely did nothing.

        Raises:
            CredentialError: there is no reply.
        """
        budget, pause, attempts = self.budget, 0.1, 0
        outcome: Reply | TransportFailure = _too_late(budget, sent=False)
        last_reply: Reply | None = None
        while budget.left() > 0:
            attempts += 1
            outcome = self._once(path, call, token)
            last_reply = outcome if isinstance(outcome, Reply) else last_reply
            if not _is_retryable(outcome, repeatable=repeatable):
                break
            if attempts >= budget.attempts and not (budget.patient and _may_recover(outcome)):
                break
            wait = pause * random.uniform(0.5, 1)  # noqa: S311
            if isinstance(outcome, Reply):
                wait = max(wait, outcome.retry_after or 0.0)
            if wait >= budget.left():
                break
            self.reconnect()  # a load balancer may choose another server
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)
        # an attempt that ran out of time says less than the one before it
        if last_reply is not None and budget.left() == 0:
            return last_reply
        if isinstance(outcome, TransportFailure):
            raise outcome.error(self.ref)
        return outcome

    def _once(
        self, path: str, call: Callable[[Any], Any], token: Secret
    ) -> Reply | TransportFailure:
        try:
            connections = self._server.connections()
        except UnusableError as error:
            return TransportFailure(reason=str(error), transient=False, sent=False)
        try:
            response = call(self._adapter(path, connections, token))
            try:
                is_standby = _is_standby(response, self._server.url, path)
                return _reply(response, self.budget, is_standby=is_standby)
            finally:
                response.close()  # keeps the connection if the body was read, else drops it
        except Exception as error:
            raise_callers_own(error)
            failure = _failure(error, self._server, self.budget)
            self.reconnect()  # reads certificate files again
            return failure
        except BaseException as interrupt:  # the frames below hold the token
            interrupt.__context__ = interrupt.__cause__ = None
            raise interrupt.with_traceback(None) from None

    def _adapter(self, path: str, connections: object, token: Secret) -> Any:
        """Return an hvac adapter that returns plain responses.

        `hvac.Client` reads `VAULT_` variables by itself, some of them when it is imported. The
        exceptions of hvac hold the whole body.
        """
        from hvac.adapters import RawAdapter  # pyright: ignore[reportMissingTypeStubs]

        is_login = path.startswith(("/v1/auth/", "/v1/sys/wrapping/"))
        namespace = self.auth_namespace if is_login else self._server.namespace
        return RawAdapter(
            base_uri=self._server.url,
            token=token.reveal(),
            session=connections,  # pyright: ignore[reportArgumentType]
            timeout=self.budget.timeouts(),  # pyright: ignore[reportArgumentType]
            namespace=namespace,  # pyright: ignore[reportArgumentType]
            allow_redirects=False,
            ignore_exceptions=True,
        )


def _is_retryable(outcome: Reply | TransportFailure, *, repeatable: bool) -> bool:
    """Return whether another attempt may have another outcome."""
    if isinstance(outcome, TransportFailure):
        return outcome.transient and (repeatable or not outcome.sent)
    did_nothing = outcome.status in (412, 429, 503) or outcome.is_standby
    return outcome.is_transient and (repeatable or did_nothing)


def _may_recover(outcome: Reply | TransportFailure) -> bool:
    """Return whether the server cannot serve now, but may soon without help."""
    return isinstance(outcome, Reply) and not outcome.needs_a_person


def _is_standby(response: Any, url: str, path: str) -> bool:
    """Return whether a standby redirects to its leader: to the same API path on another server. A
    redirect from http:// to https:// on the same host is something else.
    """
    if response.status != 307:
        return False
    try:
        there, here = urlsplit(str(response.headers.get("Location", ""))), urlsplit(url)
        elsewhere = (there.hostname, there.port) != (here.hostname, here.port)
        upgrade = there.scheme != here.scheme and there.hostname == here.hostname
    except ValueError:
        return False
    is_same = unquote(there.path).endswith(unquote(path).rstrip("/"))
    is_far = there.hostname is not None and elsewhere
    return is_same and is_far and not (upgrade and there.port in (None, 443))


def _reply(response: Any, budget: Budget, *, is_standby: bool) -> Reply | TransportFailure:
    content = _content(response, budget)
    if isinstance(content, TransportFailure):
        return content
    if response.status == 200 and not content:  # it was cut off within its headers
        return TransportFailure(reason="the answer is empty: it was cut off.", transient=True)
    try:
        body = as_object(json.loads(content)) or {}
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        body = {}
        if response.status == 200 and content.startswith(b"{"):
            return TransportFailure(reason="the answer was cut off.", transient=True)
    return Reply(
        status=response.status,
        body=body,
        plain_http=response.status == 400 and re.search(_PLAIN_HTTP, content[:1000]) is not None,
        retry_after=seconds(response.headers.get("Retry-After")),
        date=_date(response.headers.get("Date", "")),
        is_standby=is_standby,
    )


_PLAIN_HTTP: Final = (
    rb"HTTP request to an HTTPS server|HTTP request was sent to HTTPS|plain HTTP to an SSL-enabled"
)
"""The errors of Vault's own listener, nginx and Apache for plain HTTP on a TLS port."""


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else None


def _content(response: Any, budget: Budget) -> bytes | TransportFailure:
    """Read the body in pieces: a server that drips bytes must not outlast the budget."""
    # urllib3 1 has no read1; there, the time-out applies to each byte
    read = getattr(response, "read1", response.read)
    content = bytearray()
    while piece := read(65_536, decode_content=False):
        content += piece
        if len(content) > _LARGEST_BODY:
            return TransportFailure(
                reason="what answers there is not a Vault server: it sends too much. Check "
                "VECTORSHIFT_VAULT_ADDR.",
                transient=False,
            )
        if budget.left() == 0:
            return _too_late(budget)
    return bytes(content)


def _failure(error: Exception, server: VaultServer, budget: Budget) -> TransportFailure:
    """Classify an exception of urllib3 by its type: its text may hold a proxy's password."""
    from urllib3 import exceptions as seen

    if isinstance(error, seen.SSLError):
        reason, transient = tls_failure(error, server.arguments)
        return TransportFailure(reason=reason, transient=transient, sent=False)
    if isinstance(error, seen.LocationValueError | UnicodeError):
        return TransportFailure(
            reason="the address is malformed. Check VECTORSHIFT_VAULT_ADDR.", transient=False
        )
    name = type(error).__name__
    if not isinstance(error, seen.HTTPError | OSError):
        return TransportFailure(reason=f"the request failed with {name}.", transient=False)
    text, sent, unused = _BY_CLASS.get(name, (f"the connection broke. {_LOOK}", True, ""))
    connect, read = budget.seconds * _CONNECT, budget.seconds * _READ
    reason = text.format(proxy=server.proxy, connect=connect, read=read)
    if server.arguments.auth == "agent":
        reason = reason.replace("Check the server", "Check the agent")
    return TransportFailure(
        reason=f"the server cannot be reached: {reason}{unused and _unused(unused)}",
        transient=True,
        sent=sent,
    )


_LOOK: Final = "Check the server and VECTORSHIFT_VAULT_ADDR."
_MORE_TIME: Final = (
    "Check the server, or allow more time with VECTORSHIFT_LOAD_TIMEOUT: an answer may take half "
    "of that."
)
_BY_CLASS: Final = {
    "ProxyError": ("the proxy of {proxy} failed.", False, ""),
    "NameResolutionError": (f"its name does not resolve. {_LOOK}", False, "SRV_LOOKUP"),
    "ConnectTimeoutError": (f"no connection within {{connect:.1f}} s. {_LOOK}", False, ""),
    "NewConnectionError": (f"nothing listens there. {_LOOK}", False, ""),
    "ReadTimeoutError": (f"no answer within {{read:.1f}} s. {_MORE_TIME}", True, "CLIENT_TIMEOUT"),
}
"""The reason for each class of urllib3, whether the server may have got the request, and a variable
of the official command lines that would change it."""


def _unused(name: str) -> str:
    """Return a hint that a variable of the official command lines is not used, if it is set."""
    found = next((f + name for f in ("BAO_", "VAULT_") if os.environ.get(f + name)), None)
    return f" {found} is not used." if found else ""


def _too_late(budget: Budget, *, sent: bool = True) -> TransportFailure:
    return TransportFailure(
        reason=f"the server cannot be reached: no complete answer in time ({budget.seconds:.1f} "
        f"s). {_MORE_TIME}",
        transient=True,
        sent=sent,
    )
