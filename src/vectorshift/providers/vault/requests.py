"""One exchange with a Vault server: tried again while that may help, and over when its time is
over.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from vectorshift.providers.vault.classify import Reply, as_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["TOTAL", "Budget", "TransportFailure", "send"]

TOTAL: Final = 10.0
"""Seconds that one look-up may take in all, with its retries and its login."""

TIMEOUTS: Final = (2.0, 5.0)
"""Seconds to connect and to wait for bytes."""

ATTEMPTS: Final = 3
LARGEST_BODY: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """Why there is no reply.

    Args:
        reason: a sentence without a secret in it.
        passing: whether the store is unavailable; else the configuration is wrong.
        sent: whether the server may have got the request.
    """

    reason: str
    transient: bool
    sent: bool = True


class Budget:
    """The time that the exchanges of one look-up have together.

    Args:
        seconds: how long.
        deadline: the moment in seconds of `time.monotonic` at which it is over in any case, or
            None.
        attempts: how often one exchange may be tried.
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


def send(
    call: Callable[[tuple[float, float]], Any], budget: Budget, *, repeatable: bool = True
) -> Reply | TransportFailure:
    """Do one exchange with the server and return the reply, or why there is none. Raises only
    interrupts.

    Args:
        call: does the exchange within the time-outs it is given, and returns a `requests.Response`
            as a stream.
        budget: the time that is left for this and what comes after it.
        repeatable: whether the server may do it twice; else it is tried again only if it surely did
            nothing.
    """
    outcome: Reply | TransportFailure = TransportFailure(
        reason=_TOO_LATE, transient=True, sent=False
    )
    for attempt in range(budget.attempts):
        if budget.left() == 0:
            break
        outcome = _once(call, budget)
        # spreads callers, hides nothing
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
        return _failure(error)
    except BaseException as interrupt:  # its frames are those of requests, and they hold the token
        interrupt.__context__ = interrupt.__cause__ = None
        raise interrupt.with_traceback(None) from None


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
    """Read the body as it comes: a server that sends a byte now and then must not outlast the
    budget.
    """
    read = getattr(
        raw, "read1", raw.read
    )  # urllib3 1 has no read1, and its time-out counts for each byte alone
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
    """Classify what requests raised by type alone: its text may hold a header or a proxy's
    password.
    """
    from requests import exceptions as seen
    from urllib3 import exceptions as below

    if isinstance(error, seen.SSLError | below.SSLError):
        return TransportFailure(reason=_TLS, transient=False)
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


def _innermost(error: BaseException) -> str:
    """Return the name of the innermost type that is known, else of the error's own."""
    inner = error.args[0] if error.args else None
    for candidate in (getattr(inner, "reason", None), inner, error):
        if (name := type(candidate).__name__) in _REASONS:
            return name
    return type(error).__name__
