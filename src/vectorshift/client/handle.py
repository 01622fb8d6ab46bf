"""What clients of both colours share: where to, as whom, for how long and how often. Nothing is read before a call."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vectorshift.auth import CredentialAuth
from vectorshift.calls import Call
from vectorshift.client.exchange import Exchange
from vectorshift.context import AMBIENT, AmbientProvider
from vectorshift.flight import SharedWork
from vectorshift.given import as_provider
from vectorshift.hosts import api_url
from vectorshift.http import LONGEST_WAIT, httpx, timeouts, tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from vectorshift.clock import WaitingClock
    from vectorshift.http import Timeouts
    from vectorshift.settings import Settings
    from vectorshift.uploads import Files

__all__ = ["Handle"]

PATIENCE: Final = 600.0
"""Seconds that a run waits for its answer, where nobody set a timeout."""
_UNSET: Final = httpx.Timeout(5.0)
"""What httpx gives to a client that names no timeout."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """What calls need, and the settings that it was made for: those of the process may change."""

    settings: Settings
    base_url: str
    auth: CredentialAuth
    max_retries: int


class Handle:
    """The base of both clients."""

    def __init__(
        self,
        credentials: Any,
        settings: Settings | None,
        base_url: str | None,
        timeout: float | None,
        max_retries: int | None,
        http_client: httpx.Client | httpx.AsyncClient | None,
        kind: type[httpx.Client | httpx.AsyncClient],
        clock: WaitingClock,
    ) -> None:
        try:
            own = AMBIENT if settings is None else AmbientProvider(settings)
            self._provider = own if credentials is AMBIENT else as_provider(credentials)
        finally:
            del credentials  # a traceback may show locals
        if timeout is not None and not 0 < timeout < float("inf"):
            raise ValueError(f"timeout should be a number of seconds above 0, not {timeout}.")
        if max_retries is not None and max_retries < 0:
            raise ValueError(f"max_retries should be 0 or more, not {max_retries}.")
        if not isinstance(http_client, kind | None):
            raise TypeError(f"http_client should be an httpx.{kind.__name__}, not {type(http_client).__name__}.")
        self._settings, self._timeout, self._max_retries, self.clock = settings, timeout, max_retries, clock
        self._own_limits = (
            None if http_client is None or http_client.timeout == _UNSET else _bounded(http_client.timeout.as_dict())
        )
        self._base_url = None if base_url is None else api_url(base_url)
        self._made: _Ready | None = None
        self._making = SharedWork(self._make)
        self._stays = False

    def kept(self) -> Self:
        """Return this client as it is here and now, on the same connections.

        Whatever `using` block is left or entered later, and whatever is configured, it calls as the same organisation,
        at the same base URL. What was not read yet is read at its first call. Contacts nothing and does not block.
        """
        if self._stays:
            return self
        twin = copy.copy(self)
        twin._stays, twin._made, twin._making = True, None, SharedWork(twin._make)
        twin._settings = AMBIENT.loaded if self._settings is None else self._settings
        if isinstance(self._provider, AmbientProvider):
            twin._provider = self._provider.here()
        return twin

    @property
    def settings(self) -> Settings:
        """The settings in force: those of the client, else those of the process. May block at first."""
        return AMBIENT.settings if self._settings is None else self._settings

    @property
    def base_url(self) -> str:
        """The URL below which all paths lie, without a slash at its end."""
        return self._base_url or self.settings.base_url

    @property
    def auth(self) -> CredentialAuth:
        """The auth that stamps this client's key on requests to the origin of `base_url`."""
        return self._ready().auth

    @property
    def timeout(self) -> float:
        """Seconds that an attempt waits for its answer; runs wait 600 s where nobody set this."""
        return self._timeout or self.settings.timeout

    @property
    def max_retries(self) -> int:
        """How many attempts of a call may follow its first."""
        return self.settings.max_retries if self._max_retries is None else self._max_retries

    def _ready(self) -> _Ready:
        """Return what calls need for the settings in force. May block."""
        return self._at_hand() or self._make()

    async def _aready(self) -> _Ready:
        """Return what calls need for the settings in force; what may block is done in a thread."""
        return self._at_hand() or await self._making.ajoin()

    def _at_hand(self) -> _Ready | None:
        ready, settings = self._made, AMBIENT.loaded if self._settings is None else self._settings
        if self._stays:
            return ready
        return ready if ready is not None and ready.settings is settings else None

    def _make(self) -> _Ready:
        settings = self.settings
        tls(settings.ca_bundle)
        base_url = self._base_url or settings.base_url
        provider = self._provider
        if self._stays and isinstance(provider, AmbientProvider):
            provider = provider.process  # it was made outside any block
        auth = CredentialAuth(provider, origin=base_url, allow_http=settings.allow_http)
        retries = settings.max_retries if self._max_retries is None else self._max_retries
        made = self._made = _Ready(settings, base_url, auth, retries)
        return made

    def _call_of(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        json: Any,
        files: Files | None,
        form: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Call:
        """Return what `request` and `stream` are given as a value. Raises as `Call`."""
        return Call(
            method=method, path=path, query=query, json=json, files=files, form=form, headers=headers, timeout=timeout
        )

    def _exchange_of(self, ready: _Ready, call: Call) -> Exchange:
        return Exchange(call, ready.auth, ready.base_url, self._limits(ready, call), ready.max_retries, self.clock)

    def _limits(self, ready: _Ready, call: Call) -> Timeouts:
        """The time limits of an attempt: the call's, the client's, the settings', the httpx client's, the default."""
        seconds = call.timeout or self._timeout
        if seconds is None:
            is_set = "timeout" in ready.settings.model_fields_set
            if self._own_limits is not None and not is_set:
                return self._own_limits
            seconds = PATIENCE if call.patient and not is_set else ready.settings.timeout
        return timeouts(seconds)

    def _close_own(self) -> None:
        """Close the chain that was built for this client alone."""
        if self._settings is not None and isinstance(self._provider, AmbientProvider):
            self._provider.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_base_url', None) or 'VECTORSHIFT_BASE_URL'}>"


def _bounded(limits: Timeouts) -> Timeouts:
    return {name: None if seconds is None else min(seconds, LONGEST_WAIT) for name, seconds in limits.items()}
