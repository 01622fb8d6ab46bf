"""`CredentialAuth`: look up the current credential and put it on a request."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from vectorshift._platform.copying import StaysInProcess
from vectorshift._platform.urls import DIRECT, PORTS, in_the_clear, wrong_api
from vectorshift.chain.chain import ProviderChain
from vectorshift.chain.coerce import as_provider
from vectorshift.credentials.events import (
    REJECTED,
    announce_accepted,
    announce_rejected,
    log,
    rejected_since,
)
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import (
    DEFAULT_REQUEST,
    BaseProvider,
    LookupRequest,
    Result,
    unwrap,
)
from vectorshift.credentials.usage import usage
from vectorshift.credentials.values import Credential, masked, same_source
from vectorshift.errors import CredentialConfigurationError
from vectorshift.transport.http import API_KEY_HEADER, Origin, httpx, origin_of
from vectorshift.transport.rejection import REJECTION, Rejection

# isort: split
# After http: it imports anyio, and httpx takes 4 ms longer to import behind that.
from vectorshift.transport.body import end_generators

if TYPE_CHECKING:
    from vectorshift._platform.clock import Clock

__all__ = [
    "API_KEY_TOO",
    "CALL",
    "CREDENTIAL",
    "CallContext",
    "CredentialAuth",
    "KeyFlow",
    "SourceMoved",
]

CREDENTIAL: Final = "vectorshift.credential"
"""The key in `request.extensions` of the `Credential` that the request is sent with."""
CALL: Final = "vectorshift.call"
"""The key in `request.extensions` of the `CallContext`, for requests of our own clients."""
API_KEY_TOO: Final = "vectorshift.api-key"
"""The key in `request.extensions` that adds the API key as `Api-Key`. Send such a request without
following redirects: towards another origin, httpx drops `Authorization` but no other header."""

_NO_URL = "origin should be a URL such as https://api.vectorshift.ai."
_UNREPEATABLE = "the body of this request cannot be sent twice. Call again."
_TOO_LATE = "the time limit of this call has passed. Call again."
_MOVED_ON = (
    "a redirect had already answered this request, so it may have taken effect and is not sent "
    "again."
)


@dataclass(eq=False, repr=False, slots=True, kw_only=True)
class CallContext:
    """State of one call that its attempts share: a call never changes its organisation half-way.

    Args:
        provider: the provider of all attempts, whatever is configured meanwhile.
        clock: tells the time.
        ends: the deadline of the call, in seconds of the monotonic clock.
        credential: the credential of the previous attempt.
    """

    provider: BaseProvider
    clock: Clock
    ends: float = inf
    credential: Credential | None = None

    def left(self) -> float:
        """Return how many seconds are left for the call."""
        return self.ends - self.clock.monotonic()

    def bind(self, credential: Credential) -> None:
        """Note the credential of the next attempt.

        Raises:
            SourceMoved: its source is not that of the previous attempt.
        """
        before = self.credential
        if before is not None and not same_source(before, credential):
            raise SourceMoved(f"the key was {before}, and would be {credential} by now.")
        self.credential = credential


class SourceMoved(httpx.StreamError):
    """Raised instead of sending an attempt whose key would be from another source. The client
    catches it like httpx's own errors.
    """


class KeyFlow(StaysInProcess):
    """The flow of `CredentialAuth`, for httpx and for libraries with the same interface."""

    unread: type[Exception]
    """The error that `request.content` raises if the body was not read."""

    def __init__(
        self, provider: object, *, origin: str, allow_http: bool = False, replace: bool = False
    ) -> None:
        provider = masked(provider, CredentialProvider)
        self.provider: BaseProvider = as_provider(provider)
        self._replaces = replace
        self._process: int | None = None
        if not isinstance(cast("object", origin), str | httpx.URL):
            raise TypeError(f"{_NO_URL[:-1]}, not {type(origin).__name__}.")
        try:
            url = httpx.URL(origin)
            self._origin: Origin = origin_of(url)
            if url.scheme not in PORTS or not url.host:
                raise httpx.InvalidURL(_NO_URL)
        except (httpx.InvalidURL, UnicodeError):  # the text has the URL, which may hold a password
            raise CredentialConfigurationError(_NO_URL) from None
        self._url = str(url)
        is_exposed = url.scheme != "https" and url.host not in DIRECT
        if is_exposed and allow_http:
            log.warning(
                "The API key is sent over plain HTTP to %s, as VECTORSHIFT_ALLOW_HTTP allows.",
                url.host,
            )
        self._refuses = is_exposed and not allow_http

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive `_flow` for a sync client."""
        flow, reply = self._flow(request), None
        with suppress(StopIteration):
            while True:
                step = flow.send(reply)
                reply = step.run() if isinstance(step, (_Work, _Drain)) else (yield step)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Drive `_flow` for an async client."""
        flow, reply = self._flow(request), None
        with suppress(StopIteration):
            while True:
                step = flow.send(reply)
                reply = await step.arun() if isinstance(step, (_Work, _Drain)) else (yield step)

    def _flow(self, request: httpx.Request) -> Generator[_Step, Any, None]:
        """Yield each step: work, a request to send, a body to read. Receive its result."""
        if not self._is_ours(request):
            yield request
            return
        request.extensions.pop(REJECTION, None)
        call: CallContext | None = request.extensions.get(CALL)
        if call is None:  # our own clients handle forks themselves
            self._check_process()
        if self._refuses:
            raise CredentialConfigurationError(in_the_clear(request.url.host))
        why_not = "" if self._is_replayable(request) else _UNREPEATABLE
        # that of a call stays the same in all attempts, also after `configure()`
        provider = self.provider if call is None else call.provider
        if provider.stands_for_another:  # all look-ups of one request ask the same provider
            provider = yield _Work(provider.resolved, provider.aresolved)
        result = provider.get_cached()
        if result is None:
            asked: Result = yield _ask(provider, DEFAULT_REQUEST)
            result = asked
        credential = result if isinstance(result, Credential) else unwrap(result)
        if call is not None:
            call.bind(credential)
        response = yield self._with_key(request, credential)
        if not self._is_rejection(response):
            if REJECTED and response.is_success:
                announce_accepted(credential)
            return
        if response.request.method != request.method:
            why_not = _MOVED_ON
        answer: Result = yield _ask(provider, LookupRequest(rejected=credential))
        if rejected_since(credential) is None:  # unless a cache has reported it
            announce_rejected(credential)
        resend = not why_not and _is_newer(answer, credential)
        if resend and call is not None:
            yield _Drain(response, call)  # httpx would read it whole, and only after this decision
            why_not = _TOO_LATE if call.left() <= 0 else ""
            resend = not why_not
        goes_back = isinstance(answer, Credential) and provider.is_previous(answer)
        request.extensions[REJECTION] = Rejection(
            rejected=credential,
            answer=answer,
            resent=resend,
            goes_back=goes_back,
            why_not=why_not,
            shadowed_stores=_shadowed_stores(provider, credential),
        )
        if not resend:
            return
        again = unwrap(answer)
        response = yield self._with_key(request, again)
        if goes_back and self._is_rejection(response):
            provider.invalidate(again)

    def _with_key(self, request: httpx.Request, credential: Credential) -> httpx.Request:
        bound_to = credential.origin
        if bound_to and (flaw := wrong_api(credential.source, bound_to, self._url)):
            raise CredentialConfigurationError(flaw, credential.source, credential.provider)
        request.headers["Authorization"] = _bearer(credential)
        if API_KEY_TOO in request.extensions:
            request.headers[API_KEY_HEADER] = credential.secret.reveal()
        request.extensions[CREDENTIAL] = credential
        if usage.note is not None:
            usage.note(credential)
        return request

    def _is_ours(self, request: httpx.Request) -> bool:
        """Return whether a request gets our key: it goes to our origin and has no other key.

        A request object that is sent a second time still has the key of the first time.
        """
        if origin_of(request.url) != self._origin:
            return False
        if self._replaces or "Authorization" not in request.headers:
            return True
        previous: Credential | None = request.extensions.get(CREDENTIAL)
        return previous is not None and request.headers["Authorization"] == _bearer(previous)

    def _check_process(self) -> None:
        """Raise in a forked child: the client may share connections with its parent."""
        if self._process is None:
            self._process = os.getpid()
        if self._process != os.getpid():
            raise CredentialConfigurationError(
                f"This {type(self).__name__} was used by another process, {self._process}, of "
                "which this one is a fork. Its client may share connections with that process, "
                "and they would read each other's answers. Create the client and its "
                f"{type(self).__name__} in the child."
            )

    def _is_rejection(self, response: httpx.Response) -> bool:
        """Return whether this is a 401 of our origin, not of a redirect's target."""
        return response.status_code == 401 and origin_of(response.request.url) == self._origin

    def _is_replayable(self, request: httpx.Request) -> bool:
        """Return whether the body can be sent twice. An iterator would be empty the second time."""
        try:
            request.content  # noqa: B018
        except self.unread:
            return False
        return True


class CredentialAuth(KeyFlow, httpx.Auth):
    """Ask the provider on every request, and set `Authorization: Bearer` on those to one origin.

    On a 401 the provider is asked again. If the same source has another key, the request is sent
    once more with it. If the API may not know a new key yet, the request is sent once more with the
    previous key.

    An `Authorization` header of the caller wins. Works with sync and async clients of
    httpx, in threads and event loops, and never blocks an event loop. A forked child must create
    its own, like its client. For clients of httpx2, use `httpx2_auth`.

    Args:
        provider: a `CredentialProvider`, a key, or a sync or async callable that returns one.
        origin: the URL whose scheme, host and port the key may be sent to.
        allow_http: whether plain HTTP to other machines than this one is allowed.
        replace: whether to replace an existing `Authorization` header, such as the one that another
            SDK sets.

    Raises:
        TypeError, CredentialConfigurationError: at once, if an argument is of another kind.
        CredentialConfigurationError: on a request, if `origin` is plain HTTP and not allowed, if
            the key is bound to another origin, or if a parent process used this.
        CredentialError: on a request, if no key is available.
    """

    unread = httpx.RequestNotRead


def _bearer(credential: Credential) -> str:
    return f"Bearer {credential.secret.reveal()}"


def _shadowed_stores(provider: BaseProvider, rejected: Credential) -> tuple[str, ...]:
    """Return the stores that were not asked and may hold the right key. Only a chain has any."""
    return tuple(provider.shadowed_stores(rejected)) if isinstance(provider, ProviderChain) else ()


class _Work(NamedTuple):
    """Do work that may block, and return its result: in sync code by `run`, in async by `arun`."""

    run: Callable[[], Any]
    arun: Callable[[], Awaitable[Any]]


def _ask(provider: BaseProvider, request: LookupRequest) -> _Work:
    return _Work(lambda: provider.resolve(request), lambda: provider.aresolve(request))


_ENOUGH = 16_384
"""Bytes of a 401 that are read before the request is sent again."""


class _Drain:
    """Read the body of a response, up to a limit of bytes and of time, and close it."""

    __slots__ = ("_call", "_response")

    def __init__(self, response: httpx.Response, call: CallContext) -> None:
        self._response, self._call = response, call

    def run(self) -> None:
        body, raw = cast("httpx.SyncByteStream", self._response.stream), bytearray()
        try:
            for piece in body:
                raw += piece
                if self._is_enough(raw):
                    break
        finally:
            body.close()
        self._keep(raw)

    async def arun(self) -> None:
        body, raw = cast("httpx.AsyncByteStream", self._response.stream), bytearray()
        pieces = aiter(body)
        try:
            async for piece in pieces:
                raw += piece
                if self._is_enough(raw):
                    break
        finally:
            await body.aclose()
        await end_generators(pieces)
        self._keep(raw)

    def _is_enough(self, raw: bytearray) -> bool:
        return len(raw) >= _ENOUGH or self._call.left() <= 0

    def _keep(self, raw: bytearray) -> None:
        self._response.stream = httpx.ByteStream(bytes(raw[:_ENOUGH]))
        self._response.read()


_Step = httpx.Request | _Work | _Drain


def _is_newer(answer: Result, rejected: Credential) -> bool:
    """Return whether this is another key of the same source.

    A request never changes its organisation half-way.
    """
    return (
        isinstance(answer, Credential)
        and answer.secret != rejected.secret
        and same_source(answer, rejected)
    )
