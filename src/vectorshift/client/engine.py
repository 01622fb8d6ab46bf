"""One call on its way: what each attempt sends, how long it may take, and what came of it. Shared
by sync and async code.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from vectorshift.client.answers import failed, read, secrets_in
from vectorshift.credentials.events import log
from vectorshift.transport.auth import CALL, CallContext, SourceMoved
from vectorshift.transport.failures import AttemptFailure, RetrySafety
from vectorshift.transport.http import API_KEY_HEADER, connection_error, httpx

if TYPE_CHECKING:
    from vectorshift._platform.clock import WaitingClock
    from vectorshift.client.call import Call
    from vectorshift.client.uploads import Loaded
    from vectorshift.credentials.resolving import BaseProvider
    from vectorshift.credentials.values import Secret
    from vectorshift.transport.auth import CredentialAuth
    from vectorshift.transport.http import Timeouts

__all__ = ["CallState", "settled"]


class CallState:
    """What the attempts of one call have in common. Not thread-safe, as a call belongs to one
    thread or task.

    A call has to be over when all of its attempts could have taken their whole time-out: `read * (1
    + max_retries)` seconds after its first attempt began. Attempts, the waits between them and the
    reading of the answer count; the time in the queue for a connection before the first does not,
    so that a long queue fails nobody.

    Args:
        call: the call.
        auth: stamps each attempt with the key of that moment.
        provider: who is asked for that key, for all attempts.
        base_url: the URL below which paths lie.
        limits: the time limits of an attempt.
        max_retries: how many attempts there may be after the first.
        clock: what time it is.
    """

    __slots__ = (
        "auth", "base_url", "before", "call", "clock", "files", "limits", "max_retries", "one",
        "sent", "tries",
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        auth: CredentialAuth,
        provider: BaseProvider,
        base_url: str,
        limits: Timeouts,
        max_retries: int,
        clock: WaitingClock,
    ) -> None:
        self.call, self.auth, self.base_url = call, auth, base_url
        self.limits, self.max_retries, self.clock = limits, max_retries, clock
        self.one = CallContext(provider=provider, clock=clock)
        self.before: AttemptFailure | None = None
        self.files: Loaded | None = None
        self.tries = 0
        self.sent: httpx.Request | None = None
        if call.within is not None:
            self.limits = clipped(limits, call.within)
            self.one.ends = clock.monotonic() + call.within

    @property
    def follow_redirects(self) -> Any:
        """What to tell httpx: an `Api-Key`, ours or the caller's, must not travel on to where a
        redirect leads.
        """
        is_there = self.sent is not None and API_KEY_HEADER in self.sent.headers
        return False if is_there or self.call.is_beside else httpx.USE_CLIENT_DEFAULT

    def left(self) -> float:
        """Return how many seconds are left for all of it."""
        return self.one.left()

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request of the next attempt.

        Raises:
            TypeError: the call holds something that cannot be sent.
            httpx.HTTPError, httpx.StreamError, UnicodeError: nothing can be sent; what
                `connection_error` makes an error of ours.
        """
        self.sent, limits = None, clipped(dict(self.limits), self.left())
        self.tries += 1
        if self.tries == 1:
            self.one.ends = min(self.one.ends, self.clock.monotonic() + self._patience())
        if http.is_closed:
            raise httpx.StreamError("the httpx client that was handed in is closed.")
        try:
            self.sent = self.call.request(self.base_url, http.build_request, limits, self.files)
        except UnicodeEncodeError as error:
            what = "its method or a header" if error.encoding == "ascii" else "a text in it"
            flaw = f"{what} holds a character that cannot be sent."
        except RecursionError:
            flaw = "its body is nested too deep."
        except (TypeError, ValueError, AttributeError) as error:
            flaw = f"{error}."
        else:
            self.sent.extensions[CALL] = self.one
            return self.sent
        raise TypeError(f"{self.call.method} {self.call.path} was not sent: {flaw}")

    def may_follow(self, failure: AttemptFailure) -> bool:
        """Whether the call may be sent again after this failure, as far as its rules and its count
        go.
        """
        self.before = failure
        if self.tries > self.max_retries or failure.repeat is RetrySafety.NEVER:
            return False
        return failure.repeat is RetrySafety.ANY or self.call.may_be_repeated

    def connection_error(self, error: Exception, *, begun: bool = False) -> AttemptFailure:
        """Return what it means that this attempt has no answer, or, if one has begun, no whole
        one.
        """
        if isinstance(error, SourceMoved) and self.before is not None:
            log.warning("%s %s is not sent again: %s", self.call.method, self.call.path, error)
            return AttemptFailure(self.before.error, RetrySafety.NEVER)
        return connection_error(
            error, self.sent, self.call.method, self.call.path, self.tries, begun=begun
        )

    def answered(self, error: httpx.HTTPStatusError) -> httpx.Response | AttemptFailure:
        """Return the answer for which a hook of the httpx client raised: it is judged here, as any
        other.

        Else a failure, as the error is that of another request, or of a success.
        """
        response, first = error.response, self.sent
        sent = response._request  # pyright: ignore[reportPrivateUsage]
        if first is None or sent is None or response.is_success or not _leads_to(first, sent):
            return self.connection_error(error)
        if sent is not first and not response.history:  # httpx had not come to that
            response.history = [httpx.Response(302, request=first)]
        return response

    def secrets(self) -> list[Secret]:
        """Return what this attempt has sent and nobody else may read."""
        return [] if self.sent is None else secrets_in(self.sent)

    def read(self, response: httpx.Response) -> Any:
        """Return the parsed body of an answer that was read whole, or a `AttemptFailure`."""
        return read(response, self.call, self.tries)

    def failed(self, response: httpx.Response) -> AttemptFailure:
        """Return what it means that an answer, which was read whole, is not a success."""
        return failed(response, self.call, self.tries)

    def clip(self, response: httpx.Response) -> None:
        """Let no wait for the next bytes of the body take longer than what is left."""
        left, patience = self.left(), self.limits["read"]
        if patience is None or left < patience:
            limits: Timeouts = response.request.extensions["timeout"]
            limits.update(clipped(limits, left))

    def check(self) -> None:
        """Raise a time-out when the call should be over: a body that drips never waits long for its
        next byte.
        """
        if self.left() <= 0:
            raise httpx.ReadTimeout(f"the answer was not whole after {self._patience():g} s.")

    def _patience(self) -> float:
        """Seconds for all of it."""
        each, within = self.limits["read"], self.call.within
        return min(
            inf if each is None else each * (1 + self.max_retries),
            inf if within is None else within,
        )


def _leads_to(first: httpx.Request, request: httpx.Request) -> bool:
    """Whether it is the same request, or one to which redirects of it led: these take over what
    stands beside it.
    """
    return request.extensions.get("timeout") is first.extensions["timeout"]


def clipped(limits: Timeouts, left: float) -> Timeouts:
    """Return the limits with none that is longer than what is left."""
    if left == inf:
        return limits
    left = max(left, 0.001)
    return {
        name: left if seconds is None else min(seconds, left) for name, seconds in limits.items()
    }


def settled(outcome: Any) -> Any:
    """Return what the API said, or raise what went wrong."""
    if isinstance(outcome, AttemptFailure):
        raise outcome.error
    return outcome
