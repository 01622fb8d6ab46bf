"""Requests to a Vault server: tried again while that may help, within the time of one look-up."""

from __future__ import annotations

import json
import random
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast

from vectorshift._platform.frames import raise_callers_own
from vectorshift.credentials.values import Secret
from vectorshift.providers.vault.classify import Reply, as_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from vectorshift.errors import CredentialError
    from vectorshift.providers.vault.classify import SecretRef
    from vectorshift.providers.vault.server import VaultServer

__all__ = ["NO_TOKEN", "TOTAL", "Budget", "Payload", "TransportFailure", "VaultRequests", "send"]

TOTAL: Final = 10.0
"""Seconds that one look-up may take in all, with its retries and its login."""

TIMEOUTS: Final = (2.0, 5.0)
"""Seconds to connect and to wait for bytes."""

ATTEMPTS: Final = 3
LARGEST_BODY: Final = 1 << 20

Payload = dict[str, str | Secret]
NO_TOKEN: Final = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """The reason why there is no reply.

    Args:
        reason: a sentence without a secret in it.
        transient: whether the store is unavailable; else the configuration is wrong.
        sent: whether the server may have got the request.
    """

    reason: str
    transient: bool
    sent: bool = True

    def error(self, ref: SecretRef) -> CredentialError:
        """Return the error that this is for a look-up."""
        return ref.unavailable(self.reason) if self.transient else ref.wrong(self.reason)


class Budget:
    """The time that all requests of one look-up share.

    Args:
        seconds: how long.
        deadline: the moment in seconds of `time.monotonic` at which it ends in any case, or None.
        attempts: how often one request may be tried.
    """

    def __init__(
        self, seconds: float = TOTAL, *, deadline: float | None = None, attempts: int = ATTEMPTS
    ) -> None:
        end = time.monotonic() + seconds
        self._end = end if deadline is None else min(end, deadline)
        self.attempts = attempts

    def left(self) -> float:
        """Return the seconds that are left; 0 when it is over."""
        return max(0.0, self._end - time.monotonic())

    def timeouts(self) -> tuple[float, float]:
        """Return the seconds to connect and to wait for bytes that are left for one attempt."""
        left = max(0.001, self.left())
        return min(TIMEOUTS[0], left), min(TIMEOUTS[1], left)

    def part(self, seconds: float) -> Budget:
        """Return a budget for something that can wait: a part of this one, and one attempt."""
        return Budget(seconds, deadline=self._end, attempts=1)


class VaultRequests:
    """The requests of one look-up.

    Args:
        server: the server, with its connections.
        budget: the time for all of them.
    """

    def __init__(self, server: VaultServer, budget: Budget) -> None:
        self._server = server
        self.budget = budget

    def part(self, seconds: float) -> VaultRequests:
        """Return the way to make requests that can wait, in a part of the time."""
        return VaultRequests(self._server, self.budget.part(seconds))

    def reconnect(self) -> None:
        """Use new connections from here on."""
        self._server.close()

    def get(self, path: str, token: Secret) -> Reply | TransportFailure:
        """Get an API path."""
        return send(lambda timeouts: self._adapter(token, timeouts).get(path), self.budget)

    def post(
        self, path: str, payload: Payload, token: Secret = NO_TOKEN
    ) -> Reply | TransportFailure:
        """Post a JSON object with its secrets revealed. It is not sent twice if the server may have
        acted on it.
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
        """Return an hvac adapter that returns plain responses.

        `hvac.Client` reads `VAULT_` variables by itself, some of them when it is imported. The
        exceptions of hvac hold the whole body.
        """
        from hvac.adapters import RawAdapter  # pyright: ignore[reportMissingTypeStubs]

        session = self._server.session()
        return RawAdapter(
            base_uri=self._server.url,
            token=token.reveal(),
            session=session,
            verify=session.verify,
            cert=session.cert,
            proxies=session.proxies,
            timeout=timeouts,  # pyright: ignore[reportArgumentType]
            namespace=self._server.namespace,  # pyright: ignore[reportArgumentType]
            allow_redirects=False,
            ignore_exceptions=True,
        )


def send(
    call: Callable[[tuple[float, float]], Any], budget: Budget, *, repeatable: bool = True
) -> Reply | TransportFailure:
    """Make a request and return the reply, or the reason why there is none.

    Args:
        call: makes it within the time-outs it gets, and returns a streamed `requests.Response`.
        budget: the time that is left for this request and those after it.
        repeatable: whether the server may do it twice. Else it is tried again only if the server
            surely did nothing.

    Raises:
        Exception: only what the caller's code has raised meanwhile, such as a signal handler.
    """
    outcome: Reply | TransportFailure = TransportFailure(
        reason=_TOO_LATE, transient=True, sent=False
    )
    for attempt in range(budget.attempts):
        if budget.left() == 0:
            break
        outcome = _once(call, budget)
        pause = 0.1 * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
        if not _may_pass(outcome, repeatable=repeatable) or pause >= budget.left():
            break
        if attempt + 1 < budget.attempts:
            time.sleep(pause)
    return outcome


def _may_pass(outcome: Reply | TransportFailure, *, repeatable: bool) -> bool:
    if isinstance(outcome, TransportFailure):
        return outcome.transient and (repeatable or not outcome.sent)
    return outcome.status in ((412, 429, 500, 502, 503, 504) if repeatable else (412, 429, 503))


def _once(call: Callable[[tuple[float, float]], Any], budget: Budget) -> Reply | TransportFailure:
    try:
        response = call(budget.timeouts())
        try:
            return _reply(response, budget)
        finally:
            response.close()  # gives the connection back if the body was read, else drops it
    except Exception as error:
        raise_callers_own(error)
        return _failure(error)


def _reply(response: Any, budget: Budget) -> Reply | TransportFailure:
    content = _content(response.raw, budget)
    if isinstance(content, TransportFailure):
        return content
    try:
        body = as_object(json.loads(content))
    except ValueError:
        body = None
    try:
        retry_after = max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        retry_after = None
    return Reply(
        status=response.status_code,
        body=body,
        plain_http=response.status_code == 400
        and b"HTTP request to an HTTPS server" in content[:200],
        retry_after=retry_after,
        date=_date(response.headers.get("Date", "")),
    )


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else None


def _content(raw: Any, budget: Budget) -> bytes | TransportFailure:
    """Read the body as it comes. A server that sends a byte now and then must not outlast the
    budget.
    """
    # urllib3 1 has no read1, and its time-out counts for each byte alone
    read = getattr(raw, "read1", raw.read)
    content = bytearray()
    while piece := read(65_536, decode_content=True):
        content += piece
        if len(content) > LARGEST_BODY:
            return TransportFailure(
                reason="what answers there is not a Vault server: it sends too much.",
                transient=False,
            )
        if budget.left() == 0:
            return TransportFailure(reason=_TOO_LATE, transient=True)
    return bytes(content)


def _failure(error: Exception) -> TransportFailure:
    """Classify an exception of requests by its type: its text may hold a proxy's password."""
    from requests import exceptions as seen
    from urllib3 import exceptions as below

    if isinstance(error, seen.SSLError | below.SSLError):
        is_own = _is_of_own_certificate(error)
        return TransportFailure(reason=_OWN_CERTIFICATE if is_own else _TLS, transient=False)
    if isinstance(
        error, seen.InvalidSchema | seen.MissingSchema | seen.InvalidURL | seen.InvalidHeader
    ):
        return TransportFailure(
            reason="the address or a header is malformed. Look at VECTORSHIFT_VAULT_ADDR.",
            transient=False,
        )
    if isinstance(error, seen.RequestException | below.HTTPError):
        name = _innermost(error)
        reason = _REASONS.get(name, name)
        return TransportFailure(
            reason=f"the server cannot be reached: {reason}. {_LOOK}",
            transient=True,
            sent=name not in _UNSENT,
        )
    if isinstance(error, OSError):
        return TransportFailure(
            reason=(
                "a certificate file cannot be read. Look at VECTORSHIFT_VAULT_CACERT,"
                " VECTORSHIFT_VAULT_CLIENT_CERT and VECTORSHIFT_VAULT_CLIENT_KEY."
            ),
            transient=False,
        )
    return TransportFailure(
        reason=f"the exchange failed with {type(error).__name__}.", transient=False
    )


_LOOK = "Look at the server and at VECTORSHIFT_VAULT_ADDR."
_TOO_LATE = (
    f"the server cannot be reached: no whole answer in time ({TOTAL:g} s in all at most). {_LOOK}"
)

_TLS = (
    "TLS failed: the server's certificate is not trusted, is for another name, or no TLS is spoken"
    " there. Set VECTORSHIFT_VAULT_CACERT to the CA's file."
)

_OWN_CERTIFICATE = (
    "the client's certificate and its key do not belong together, or one of their files holds"
    " neither. Look at VECTORSHIFT_VAULT_CLIENT_CERT and VECTORSHIFT_VAULT_CLIENT_KEY."
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
_UNSENT: Final = {
    "NameResolutionError",
    "ConnectTimeoutError",
    "ConnectTimeout",
    "NewConnectionError",
    "ProxyError",
}


def _is_of_own_certificate(error: BaseException) -> bool:
    """Return whether OpenSSL could not load the client's certificate or key, by its codes: what it
    calls "PEM lib" has no reason in some versions.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return False
    reason = cast("str | None", cause.reason)
    if reason is None:
        return cause.library == "SSL"
    return reason in ("KEY_VALUES_MISMATCH", "PEM_LIB")


def _innermost(error: BaseException) -> str:
    """Return the name of the innermost exception type that is known, else that of the error."""
    inner = error.args[0] if error.args else None
    for candidate in (getattr(inner, "reason", None), inner, error):
        if (name := type(candidate).__name__) in _REASONS:
            return name
    return type(error).__name__
