"""`Handle`: what the sync and the async client share. Nothing is read before a call."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from vectorshift._platform import public
from vectorshift._platform.background import SharedWork
from vectorshift._platform.clock import SYSTEM_CLOCK, WaitingClock
from vectorshift._platform.copying import StaysInProcess
from vectorshift._platform.importing import load
from vectorshift._platform.public import Self
from vectorshift._platform.urls import api_url
from vectorshift.chain.coerce import as_provider
from vectorshift.client.call import check_timeout
from vectorshift.client.engine import CallState, Setup
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.resolving import BaseProvider
from vectorshift.credentials.values import masked
from vectorshift.scope.current import DEFAULT_SCOPE, DefaultScope
from vectorshift.transport.auth import CallContext, CredentialAuth
from vectorshift.transport.http import LONGEST_WAIT, httpx, route_to, timeouts
from vectorshift.transport.pool import ClientConnections, Owner

if TYPE_CHECKING:
    from vectorshift.client.call import Call
    from vectorshift.scope.configuration import Configured
    from vectorshift.transport.http import Timeouts

__all__ = ["Handle"]

H = TypeVar("H", httpx.Client, httpx.AsyncClient)

PATIENCE: Final = 600.0
"""Seconds that a run waits for its answer if nobody set a timeout."""
_KEY_ELSEWHERE: Final = ("api_key", "credential", "credentials", "key", "token")
"""Attributes that other clients have, where an assignment changes the key."""
_UNSET: Final = httpx.Timeout(5.0)
"""The default timeout of httpx."""


class Handle(StaysInProcess, Generic[H]):
    """The base of both clients: where calls go, as whom, for how long and how often."""

    _kind: type[H]
    """The class of an httpx client that a caller passes."""

    def __init__(
        self,
        credentials: Any = DEFAULT_SCOPE,
        *,
        settings: public.Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        http_client: H | None = None,
        clock: WaitingClock = SYSTEM_CLOCK,
    ) -> None:
        credentials = masked(credentials, CredentialProvider)
        if settings is not None and not hasattr(settings, "load_timeout"):
            raise TypeError(f"settings should be Settings(...), not {type(settings).__name__}.")
        self._configured: DefaultScope | Configured = (
            DEFAULT_SCOPE if settings is None else DefaultScope(settings)
        )
        self._provider = (
            self._configured if credentials is DEFAULT_SCOPE else as_provider(credentials, settings)
        )
        if timeout is not None:
            check_timeout(timeout)
        if max_retries is not None:
            _check_retries(max_retries)
        if not isinstance(cast("object", http_client), self._kind | None):
            raise TypeError(
                f"http_client should be an httpx.{self._kind.__name__}, not"
                f" {type(http_client).__name__}."
            )
        self._timeout, self._max_retries, self.clock = timeout, max_retries, clock
        self._yours: H | None = http_client
        self._owner = None if http_client is None else Owner.of(http_client)
        self._connections = ClientConnections(clock)
        self._own_limits = (
            None
            if http_client is None or http_client.timeout == _UNSET
            else _bounded(http_client.timeout.as_dict())
        )
        self._base_url = None if base_url is None else _url(base_url)
        self._made: Setup | None = None
        self._making: SharedWork[Setup] = SharedWork()
        self._stays = False

    def pinned(self) -> Self:
        """Return a client that later `configure()` or `using` cannot change, on the same
        connections.

        It calls as the same organisation, at the same base URL. Settings that were not read yet are
        read at its first call. Contacts nothing and does not block.
        """
        if self._stays:
            return self
        twin = copy.copy(self)
        twin._stays, twin._made, twin._making = True, None, SharedWork()
        twin._configured, mine = self._configured.current, self._provider
        twin._provider = mine.pin() if isinstance(mine, DefaultScope) else mine
        return twin

    @property
    def has_own_credentials(self) -> bool:
        """Return whether it has its own credentials, instead of those of a block or the process."""
        return not isinstance(self._provider, DefaultScope)

    @property
    def provider(self) -> BaseProvider:
        """The provider of its key."""
        return self._provider

    @property
    def settings(self) -> public.Settings:
        """The client's settings, else those of the process. May block at first."""
        return self._configured.settings

    @property
    def base_url(self) -> str:
        """The URL below which all paths lie, without a slash at its end."""
        return self._base_url or self.settings.base_url

    @property
    def auth(self) -> CredentialAuth:
        """The auth that puts this client's key on requests to the origin of `base_url`."""
        return (self._setup_or_none() or self._make()).auth

    @property
    def timeout(self) -> float:
        """Seconds that an attempt waits for its answer; runs wait 600 s if nobody set this. A time
        limit of `http_client` is not included.
        """
        return self._timeout or self.settings.timeout

    @property
    def max_retries(self) -> int:
        """How many attempts of a call may follow its first."""
        return self.settings.max_retries if self._max_retries is None else self._max_retries

    def _setup_or_none(self) -> Setup | None:
        """Return what calls need under the current settings, or None if it must be made."""
        made = self._made
        return made if made is not None and made.configured is self._configured.current else None

    def _make(self) -> Setup:
        """Make what calls need under the current settings. May block."""
        for name in ("httpcore", "encodings.idna"):  # the first connection would import them
            load(name)
        configured = self._configured.current
        settings = configured.settings
        base_url = self._base_url or settings.base_url
        auth = CredentialAuth(self._provider, origin=base_url, allow_http=settings.allow_http)
        route = route_to(base_url, settings.ca_bundle)
        retries = settings.max_retries if self._max_retries is None else self._max_retries
        made = self._made = Setup(configured, settings, base_url, auth, route, retries)
        return made

    def _state(self, setup: Setup, call: Call, *, streamed: bool) -> CallState:
        mine = self._provider
        provider = mine.in_force(setup.configured) if isinstance(mine, DefaultScope) else mine
        return CallState(
            call=call,
            streamed=streamed,
            setup=setup,
            context=CallContext(provider=provider, clock=self.clock),
            limits=self._limits(setup.settings, call),
        )

    def _limits(self, settings: public.Settings, call: Call) -> Timeouts:
        """Return the limits of an attempt.

        The first one that is set wins: of the call, the client, the settings, the httpx client.
        """
        seconds = call.timeout or self._timeout
        if seconds is None:
            is_set = "timeout" in settings.model_fields_set
            if self._own_limits is not None and not is_set:
                return self._own_limits
            seconds = PATIENCE if call.awaits_run and not is_set else settings.timeout
        return timeouts(seconds)

    @property
    def _own_chain(self) -> DefaultScope | None:
        """The scope of the chain that was built for this client alone, or None."""
        is_own = self._configured is not DEFAULT_SCOPE and isinstance(self._provider, DefaultScope)
        return cast("DefaultScope", self._provider) if is_own else None

    if not TYPE_CHECKING:  # a type checker refuses attributes that are not there

        def __setattr__(self, name: str, value: object) -> None:
            if name in _KEY_ELSEWHERE:
                del value  # a traceback may show locals
                raise AttributeError(
                    f"{name} has no effect on a client. Pass the key when you create it:"
                    f" {type(self).__name__}(credentials=...)."
                )
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {getattr(self, '_base_url', None) or 'VECTORSHIFT_BASE_URL'}>"
        )


def _check_retries(number: object) -> None:
    if not isinstance(number, int):
        raise TypeError(f"max_retries should be 0 or more, not of type {type(number).__name__}.")
    if number < 0:
        raise ValueError(f"max_retries should be 0 or more, not {number}.")


def _url(base_url: str) -> str:
    if not isinstance(cast("object", base_url), str):
        raise TypeError(f"base_url should be a string, not of type {type(base_url).__name__}.")
    try:
        return api_url(base_url)
    except ValueError as error:
        raise ValueError(f"base_url {error}.") from None


def _bounded(limits: Timeouts) -> Timeouts:
    if any(seconds is not None and seconds < 0 for seconds in limits.values()):
        raise ValueError(
            "The timeouts of an httpx client should be numbers of seconds of 0 or more, not"
            f" {limits}."
        )
    return {
        name: None if seconds is None else min(seconds, LONGEST_WAIT)
        for name, seconds in limits.items()
    }
