"""One call: its attempts, the pauses between them, and their results. Does no I/O itself.

`CallState.steps` is a generator that decides. It yields what an operation of `BlockingIO` or
`AsyncIO` returned, and receives the result: as it is in sync code (`drive`), awaited in async code
(`adrive`).
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

from vectorshift._platform.importing import load
from vectorshift.client.answers import failed, secrets_in
from vectorshift.client.uploads import Reader, are_in_memory
from vectorshift.credentials.events import log
from vectorshift.transport.auth import API_KEY_TOO, CALL, CREDENTIAL, CallContext, SourceMoved
from vectorshift.transport.body import read
from vectorshift.transport.failures import (
    AttemptFailure,
    RetrySafety,
    connection_error,
    escapes,
)
from vectorshift.transport.http import (
    API_KEY_HEADER,
    has_proxy_of_environment,
    httpx,
    origin_of,
)
from vectorshift.transport.redacting_logs import CURRENT

if TYPE_CHECKING:
    from vectorshift._platform import public
    from vectorshift.client.async_ import AsyncIO
    from vectorshift.client.call import Call
    from vectorshift.client.sync import BlockingIO
    from vectorshift.client.uploads import Loaded
    from vectorshift.credentials.values import Credential, Secret
    from vectorshift.scope.configuration import Configured
    from vectorshift.transport.auth import CredentialAuth
    from vectorshift.transport.http import AnyClient, ConnectionRoute, Timeouts

    IO: TypeAlias = BlockingIO | AsyncIO

__all__ = ["CallState", "Setup", "Steps", "adrive", "drive"]

T = TypeVar("T")
Steps = Generator[Any, Any, T]

_RETRIES = "vectorshift.client.retries"
"""The module that imports tenacity: loaded after the first failure."""


def _load_retries() -> bool:
    """Load the module. Return False if it cannot be read, as without file descriptors."""
    try:
        load(_RETRIES)
    except (ImportError, OSError):
        return False
    return True


def drive(steps: Steps[T]) -> T:
    """Run steps whose operations return results. A result that is an exception is thrown in."""
    result: Any = None
    try:
        while True:
            result = steps.throw(result) if isinstance(result, Exception) else steps.send(result)
    except StopIteration as end:
        return cast("T", end.value)


async def adrive(steps: Steps[T]) -> T:
    """Run steps whose operations return awaitables. Otherwise like `drive`."""
    result: Any = None
    try:
        while True:
            result = await (
                steps.throw(result) if isinstance(result, Exception) else steps.send(result)
            )
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        steps.close()


class Setup(NamedTuple):
    """The destination and the limits of all calls under one configuration, which may change.

    Args:
        configured: the configuration.
        settings: its settings.
        base_url: the URL below which paths lie.
        auth: puts the current key on each attempt.
        route: where connections lead.
        max_retries: how many attempts of a call there may be after the first.
    """

    configured: Configured
    settings: public.Settings
    base_url: str
    auth: CredentialAuth
    route: ConnectionRoute
    max_retries: int


@dataclass(eq=False, repr=False, slots=True, kw_only=True)
class CallState:
    """The state that the attempts of one call share. Not thread-safe, as a call belongs to one
    thread or task.

    A call must end within the time-outs of all its attempts: `read * (1 + max_retries)` seconds
    after its first attempt began. Attempts, the pauses between them and the reading of the answer
    count. The wait for a connection before the first attempt does not, so a long queue makes no
    call fail. A look-up of the key has a limit of its own, `load_timeout`.

    Args:
        call: the call.
        streamed: whether the body of a success is left unread.
        setup: where the call goes, and how often; `context` tells as whom.
        context: the provider of the key for all attempts, and the deadline.
        limits: the time limits of an attempt.
    """

    call: Call
    streamed: bool
    setup: Setup
    context: CallContext
    limits: Timeouts
    tries: int = field(default=0, init=False)
    _patience: float = field(init=False)
    _files: Loaded | None = field(default=None, init=False)
    _http: AnyClient | None = field(default=None, init=False)
    _sent: httpx.Request | None = field(default=None, init=False)
    _before: AttemptFailure | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        within = inf if self.call.within is None else self.call.within
        self.context.ends = self.context.clock.monotonic() + within
        each = self.limits["read"]
        self._patience = (
            within if each is None else min(within, each * (1 + self.setup.max_retries))
        )

    def steps(self, io: IO) -> Steps[Any]:
        """Make the call.

        Returns: the parsed body of the answer, or the unread body if the call is streamed.

        Raises: see `VectorShift.request`.
        """
        files = self.call.files
        if files is not None:
            work = partial(Reader().load, files)
            self._files = work() if are_in_memory(files) else (yield io.run_blocking(work))
        while isinstance(outcome := (yield from self._attempt(io)), AttemptFailure):
            yield io.release()
            pause = yield from self._pause(io, outcome)
            if pause is None:
                raise outcome.error
            yield io.sleep(pause)
        return outcome

    def _attempt(self, io: IO) -> Steps[Any]:
        """Send the next attempt; return the result of the call, or an `AttemptFailure`."""
        try:
            before = CURRENT.get()
            CURRENT.set(self)
            try:
                try:
                    response = yield io.send(self)
                except httpx.HTTPStatusError as error:
                    response = self._answer_of(error)
                body = io.body(response)
                if self.streamed and response.is_success:
                    return body
                # Waiting for the next bytes must not take longer than the time that is left.
                limits, left = response.request.extensions["timeout"], self.context.left()
                if limits["read"] is None or left < limits["read"]:
                    limits.update(_clipped(limits, left))
                yield from read(body, self._check_time)
            finally:
                CURRENT.set(before)
        except escapes() as error:
            return self.connection_error(error)
        return self._result_of(response)

    def request(self, http: AnyClient) -> httpx.Request:
        """Return the request of the next attempt.

        Raises:
            TypeError: the call holds something that cannot be sent.
            httpx.HTTPError, httpx.StreamError, UnicodeError: nothing can be sent.
                `connection_error` turns these into an error of ours.
        """
        self._http, self._sent, limits = http, None, dict(self.limits)
        if self.context.ends < inf:
            limits = _clipped(limits, self.context.left())
        self.tries += 1
        if self.tries == 1:
            ends = self.context.clock.monotonic() + self._patience
            self.context.ends = min(self.context.ends, ends)
        if http.is_closed:
            raise httpx.StreamError("your httpx client is closed.")
        try:
            self._sent = self.call.request(self.setup.base_url, http, limits, self._files)
        except UnicodeEncodeError as error:
            what = "its method or a header" if error.encoding == "ascii" else "a text in it"
            flaw = f"{what} holds a character that cannot be sent."
        except RecursionError as error:
            if "JSON" not in str(error):  # the stack was full before
                raise
            flaw = "its body is nested too deeply."
        except (TypeError, ValueError, AttributeError) as error:
            flaw = f"{error}."
        else:
            self._sent.extensions[CALL] = self.context
            return self._sent
        raise TypeError(f"{self.call.method} {self.call.path} was not sent: {flaw}")

    @property
    def follow_redirects(self) -> Any:
        """Return the option for httpx. No redirect is followed with an `Api-Key`, ours or the
        caller's.
        """
        assert self._sent is not None
        is_there = API_KEY_HEADER in self._sent.headers or API_KEY_TOO in self._sent.extensions
        return False if is_there else httpx.USE_CLIENT_DEFAULT

    def _answer_of(self, error: httpx.HTTPStatusError) -> httpx.Response:
        """Return the answer for which a hook of the httpx client raised, to handle it like any
        other. Re-raise the error if the answer is a success, or belongs to another request.
        """
        response, first = error.response, self._sent
        sent = response._request  # pyright: ignore[reportPrivateUsage]
        if first is None or sent is None or response.is_success or not _leads_to(first, sent):
            raise error
        if sent is not first and not response.history:  # httpx had not set it yet
            response.history = [httpx.Response(302, request=first)]
        key: Credential | None = first.extensions.get(CREDENTIAL)
        if response.status_code == 401 and key and origin_of(sent.url) == origin_of(first.url):
            self.context.provider.invalidate(key)  # the auth did not see the answer
        return response

    def _result_of(self, response: httpx.Response) -> Any:
        """Return the result of an answer that was read; an empty dict if it has no body.

        Return an `AttemptFailure` if the status or the body says that the call failed, if the body
        is not JSON, or if it lacks what the call needs.
        """
        if not response.is_success:
            return failed(response, self.call, self.tries)
        lacks = ""
        try:
            body: Any = response.json() if response.content else {}
            status = cast("Any", body).get("status") if isinstance(body, dict) else None
        except (ValueError, RecursionError):
            return failed(response, self.call, self.tries, "is not readable JSON")
        if isinstance(status, str) and status.lower() == "failed":
            return failed(response, self.call, self.tries)
        if self.call.parse is None:
            return cast("Any", body)
        try:
            return self.call.parse(body)
        except ValueError as error:
            lacks = str(error)
        return failed(response, self.call, self.tries, lacks)

    def connection_error(self, error: Exception, *, begun: bool = False) -> AttemptFailure:
        """Return the failure of this attempt: its answer is missing, or, if begun, incomplete."""
        if isinstance(error, SourceMoved) and self._before is not None:
            log.warning("%s %s is not sent again: %s", self.call.method, self.call.path, error)
            return AttemptFailure(self._before.error, RetrySafety.NEVER)
        return connection_error(
            error,
            self._sent,
            self.call.method,
            self.call.path,
            self.tries,
            begun=begun,
            has_proxy=self._http is not None and has_proxy_of_environment(self._http),
        )

    def _pause(self, io: IO, failure: AttemptFailure) -> Steps[float | None]:
        """Return how many seconds to wait before the next attempt, or None if there is none."""
        self._before = failure
        if self.tries > self.setup.max_retries or failure.repeat is RetrySafety.NEVER:
            return None
        if failure.repeat is RetrySafety.IDEMPOTENT and not self.call.may_be_repeated:
            return None
        if _RETRIES not in sys.modules and not (yield io.run_blocking(_load_retries)):
            return None
        from vectorshift.client.retries import pause

        return pause(self, failure)

    def secrets(self) -> list[Secret]:
        """Return the secrets that this attempt has sent."""
        return [] if self._sent is None else secrets_in(self._sent)

    def _check_time(self) -> None:
        """Raise a time-out if the call has run out of time."""
        if self.context.left() <= 0:
            raise httpx.ReadTimeout(f"the answer was incomplete after {self._patience:g} s.")


def _leads_to(first: httpx.Request, request: httpx.Request) -> bool:
    """Return whether `request` is `first` or one of its redirects, which keep the extensions."""
    return request.extensions.get("timeout") is first.extensions["timeout"]


def _clipped(limits: Timeouts, left: float) -> Timeouts:
    """Return the limits, each at most as long as the time that is left."""
    if left == inf:
        return limits
    left = max(left, 0.001)
    return {
        name: left if seconds is None else min(seconds, left) for name, seconds in limits.items()
    }
