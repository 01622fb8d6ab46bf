"""`CredentialAuth`: asks for the credential of the moment and stamps it on a request."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from vectorshift._platform.urls import DIRECT, in_the_clear
from vectorshift.chain.chain import ProviderChain
from vectorshift.chain.coerce import as_provider
from vectorshift.credentials.events import log
from vectorshift.credentials.resolving import (
    DEFAULT_REQUEST,
    BaseProvider,
    LookupRequest,
    Result,
    unwrap,
)
from vectorshift.credentials.values import Credential, same_source
from vectorshift.errors import CredentialConfigurationError, CredentialError
from vectorshift.transport.http import API_KEY_HEADER, Origin, httpx, origin_of
from vectorshift.transport.request_state import CALL, CREDENTIAL, REJECTION, CallContext, Rejection

__all__ = ["API_KEY_TOO", "CredentialAuth", "KeyFlow"]

if TYPE_CHECKING:
    from typing import TypeGuard

API_KEY_TOO: Final = "vectorshift.api-key"
"""A request with this in its extensions gets the key as `Api-Key` as well. Send it without
following redirects: httpx takes `Authorization` off a request that is led to another origin, and no
other header."""

_NO_URL = "origin should be a URL such as https://api.vectorshift.ai."
_UNREPEATABLE = "the body of this request cannot be sent twice. Call again."
_TOO_LATE = "the time for this call is over. Call again."
_MOVED_ON = (
    "a redirect had answered this request by then, so that it may have been carried out, and is not"
    " sent again."
)


class KeyFlow:
    """What `CredentialAuth` does, for the requests and responses of httpx and of those that are
    made like it.
    """

    unread: type[Exception]
    """What `request.content` raises for a body that was not read."""

    def __init__(
        self, provider: object, *, origin: str, allow_http: bool = False, replace: bool = False
    ) -> None:
        self._replaces = replace
        self._process: int | None = None
        try:
            self.provider: BaseProvider = as_provider(provider)
        finally:
            del provider  # a traceback may show locals, and it may be a key
        if not isinstance(cast("object", origin), str | httpx.URL):
            raise TypeError(f"{_NO_URL[:-1]}, not {type(origin).__name__}.")
        try:
            url = httpx.URL(origin)
            self._origin: Origin = origin_of(url)
        except (httpx.InvalidURL, UnicodeError):  # the text has the URL, which may hold a password
            raise CredentialConfigurationError(_NO_URL) from None
        self._exposed = url.scheme != "https" and url.host not in DIRECT
        if self._exposed and allow_http:
            log.warning(
                "The API key is sent over plain HTTP to %s, as VECTORSHIFT_ALLOW_HTTP allows.",
                url.host,
            )
        self._refuses = self._exposed and not allow_http

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive `_steps` for a sync client."""
        steps = self._steps(request)
        step, provider = next(steps, None), self.provider
        while step is not None:
            if isinstance(step, BaseProvider):
                provider = step.resolved()
                step = _next(steps, provider)
            elif isinstance(step, LookupRequest):
                step = _next(steps, _answer(provider, step))
            elif isinstance(step, _Drain):
                step.read()
                step = _next(steps)
            else:
                step = _next(steps, (yield step))

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Drive `_steps` for an async client."""
        steps = self._steps(request)
        step, provider = next(steps, None), self.provider
        while step is not None:
            if isinstance(step, BaseProvider):
                provider = await step.aresolved()
                step = _next(steps, provider)
            elif isinstance(step, LookupRequest):
                step = _next(steps, await _aanswer(provider, step))
            elif isinstance(step, _Drain):
                await step.aread()
                step = _next(steps)
            else:
                step = _next(steps, (yield step))

    def _asked_for(self, request: httpx.Request) -> BaseProvider:
        call: CallContext | None = request.extensions.get(CALL)
        return self.provider if call is None else call.provider

    def _steps(self, request: httpx.Request) -> Steps:
        """Yield who is asked, what to ask, and what to send to the server."""
        if (not self._replaces and _is_the_callers(request)) or origin_of(
            request.url
        ) != self._origin:
            yield request
            return
        request.extensions.pop(REJECTION, None)
        if CALL not in request.extensions:  # our own clients look after their connections
            self._check_process()
        if self._refuses:
            raise CredentialConfigurationError(in_the_clear(request.url.host))
        why_not = "" if self._is_replayable(request) else _UNREPEATABLE
        provider = yield self._asked_for(request)
        assert isinstance(provider, BaseProvider)
        credential = unwrap(_answer_of((yield DEFAULT_REQUEST)))
        call: CallContext | None = request.extensions.get(CALL)
        if call is not None:
            call.bind(credential)
        response = yield _stamped(request, credential)
        if not self._is_refusal(response):
            return
        if response.request.method != request.method:
            why_not = _MOVED_ON
        answer = _answer_of((yield LookupRequest(rejected=credential)))
        resend = not why_not and _succeeds(answer, credential)
        if resend and call is not None:
            yield _Drain(response, call)  # httpx would read it whole, after this decision
            why_not = _TOO_LATE if call.left() <= 0 else ""
            resend = not why_not
        goes_back = isinstance(answer, Credential) and provider.is_previous(answer)
        request.extensions[REJECTION] = Rejection(
            rejected=credential,
            answer=answer,
            resent=resend,
            goes_back=goes_back,
            why_not=why_not,
            shadowed_stores=_unasked(provider, credential),
        )
        if not resend:
            return
        again = unwrap(answer)
        response = yield _stamped(request, again)
        if goes_back and self._is_refusal(response):
            provider.invalidate(again)

    def _check_process(self) -> None:
        """Refuse a client that may share its connections with a parent process, which cannot be
        told from a new one here.
        """
        if self._process is None:
            self._process = os.getpid()
        if self._process != os.getpid():
            raise CredentialConfigurationError(
                f"This {type(self).__name__} has been used by another process, {self._process}, of"
                " which this one is a fork. The client that it belongs to may share its connections"
                " with that process, and they would read each other's answers. Make the client and"
                f" its {type(self).__name__} in the child."
            )

    def _is_refusal(self, response: _Reply) -> TypeGuard[httpx.Response]:
        """Whether this is a 401 of the origin itself, not of a place that it redirected to."""
        assert response is not None
        assert not isinstance(response, Credential | CredentialError | BaseProvider)
        return response.status_code == 401 and origin_of(response.request.url) == self._origin

    def _is_replayable(self, request: httpx.Request) -> bool:
        """Whether the body can be sent twice. An iterator would silently send an empty one the
        second time.
        """
        try:
            request.content  # noqa: B018
        except self.unread:
            return False
        return True


class CredentialAuth(KeyFlow, httpx.Auth):
    """Ask the provider on every request, and stamp `Authorization: Bearer` on those to one origin.

    On a 401 the provider is asked again, and if the same source has another key by then, the
    request is sent once more with it; so it is with the key before, if the API may not know the new
    one yet. An `Authorization` header that the caller set wins. Works
    with sync and async clients of httpx, is shared by threads and event loops, and never blocks an
    event loop. It belongs to the process that uses it first, as the connections of the client do: a
    forked child makes both. One request asks one and the same provider, whatever is configured
    meanwhile. `httpx2_auth` makes one for clients of httpx2.

    Args:
        provider: a `CredentialProvider`, a key, or a sync or async callable that returns one.
        origin: the URL whose scheme, host and port the key may be sent to.
        allow_http: whether plain HTTP to other machines than this one is allowed.
        replace: whether to take the place of an `Authorization` header that is there already, such
            as the one that another SDK makes of the key that it was given.

    Raises:
        CredentialConfigurationError: on a request, if `origin` is plain HTTP to another machine and
            not allowed, or if this was used in a parent process.
        CredentialError: on a request, if no key can be had.
    """

    unread = httpx.RequestNotRead


def _answer(provider: BaseProvider, lookup: LookupRequest) -> Result:
    answer = provider.get_cached() if lookup is DEFAULT_REQUEST else None
    return provider.resolve(lookup) if answer is None else answer


async def _aanswer(provider: BaseProvider, lookup: LookupRequest) -> Result:
    answer = provider.get_cached() if lookup is DEFAULT_REQUEST else None
    return await provider.aresolve(lookup) if answer is None else answer


def _unasked(provider: BaseProvider, rejected: Credential) -> tuple[str, ...]:
    """Return what only the chain knows: stores that may hold the right key, and were not asked."""
    return tuple(provider.shadowed_stores(rejected)) if isinstance(provider, ProviderChain) else ()


_ENOUGH = 16_384
"""Bytes of a 401 that are read before a request is sent again."""


@dataclass(frozen=True, slots=True)
class _Drain:
    """A step of a flow: read a response to its end, or as long as there is time and it is short,
    and close it.
    """

    response: httpx.Response
    call: CallContext

    def read(self) -> None:
        body, raw = cast("httpx.SyncByteStream", self.response.stream), bytearray()
        try:
            for piece in body:
                raw += piece
                if self._is_enough(raw):
                    break
        finally:
            body.close()
        self._keep(raw)

    async def aread(self) -> None:
        body, raw = cast("httpx.AsyncByteStream", self.response.stream), bytearray()
        pieces = aiter(body)
        try:
            async for piece in pieces:
                raw += piece
                if self._is_enough(raw):
                    break
        finally:
            if isinstance(
                pieces, AsyncGenerator
            ):  # left to the collector, it would be ended in a task of its own
                await cast("AsyncGenerator[bytes, None]", pieces).aclose()
            await body.aclose()
        self._keep(raw)

    def _is_enough(self, raw: bytearray) -> bool:
        return len(raw) >= _ENOUGH or self.call.left() <= 0

    def _keep(self, raw: bytearray) -> None:
        self.response.stream = httpx.ByteStream(bytes(raw[:_ENOUGH]))
        self.response.read()


_Step = BaseProvider | LookupRequest | _Drain | httpx.Request
_Reply = BaseProvider | Result | httpx.Response | None
Steps = Generator[_Step, _Reply, None]


def _next(steps: Steps, result: _Reply = None) -> _Step | None:
    try:
        return steps.send(result)
    except StopIteration:
        return None


def _answer_of(result: _Reply) -> Result:
    assert isinstance(result, Credential | CredentialError)
    return result


def _is_the_callers(request: httpx.Request) -> bool:
    """Whether the caller set `Authorization`; a request that is sent again has what we stamped on
    it before.
    """
    ours: Credential | None = request.extensions.get(CREDENTIAL)
    return "Authorization" in request.headers and not (
        ours is not None and request.headers["Authorization"] == f"Bearer {ours.secret.reveal()}"
    )


def _stamped(request: httpx.Request, credential: Credential) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {credential.secret.reveal()}"
    if API_KEY_TOO in request.extensions:
        request.headers[API_KEY_HEADER] = credential.secret.reveal()
    request.extensions[CREDENTIAL] = credential
    return request


def _succeeds(answer: Result, rejected: Credential) -> bool:
    """Whether this is another key from the same place: a request never changes its organisation
    half-way.
    """
    if not isinstance(answer, Credential) or answer.secret == rejected.secret:
        return False
    return same_source(answer, rejected)
