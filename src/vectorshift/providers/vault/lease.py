"""Keeps a Vault token that works: one login at a time, renewal at reads, no thread of its own."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vectorshift.credentials.events import log
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import Place, Reply, as_object
from vectorshift.providers.vault.tokens import (
    Grant,
    Moment,
    age,
    has_ended,
    looked_up,
    past_half,
    renewed,
)

if TYPE_CHECKING:
    from vectorshift._platform.clock import Clock
    from vectorshift.credentials.values import Secret
    from vectorshift.providers.vault.login import Login
    from vectorshift.providers.vault.transport import Line

__all__ = ["CARE", "TokenKeeper"]

CARE: Final = 3.0
"""Seconds that the care for a token that still works may take from a look-up."""

_AGAIN_AFTER: Final = 30.0
"""Seconds after care that brought nothing, at most, until it is tried again."""

_LOGIN_AGAIN_AFTER: Final = 60.0
"""Seconds for which a login stands whose token has never served: a role that was mended is noticed
within them.
"""


class TokenKeeper:
    """The token of this moment, for any number of threads.

    Args:
        login: the way to a token.
        place: what the token is for, and what messages name.
        clock: the source of time for the ages of tokens.
    """

    def __init__(self, login: Login, place: Place, clock: Clock) -> None:
        self._login, self._place, self._clock = login, place, clock
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._next_care: Moment = (0.0, 0.0)
        self._served: Grant | None = None
        self._accepted: Secret | None = None
        self._warned = False

    def forget(self) -> None:
        """Forget the token. The next look-up gets another."""
        self._grant = None

    def open(self, line: Line, *, refused: Grant | None = None) -> Grant | CredentialError:
        """Return a grant that has not ended, after one login if there is none or the one there was
        refused.
        """
        grant = self._usable(refused)
        if grant is not None:
            if not self._login.watches:
                return grant
            found = self._login.log_in(line, self._place)  # reads a file
            if isinstance(found, CredentialError) or found.token == grant.token:
                # a file in the midst of being replaced harms nothing while the token works
                return grant
            refused = grant
        if not self._lock.acquire(timeout=line.budget.left()):
            return self._place.unavailable("another login has not come to an end.")
        try:  # who waited here finds the login done
            return self._usable(refused) or self._log_in(line)
        finally:
            self._lock.release()

    def care(self, grant: Grant, line: Line) -> None:
        """Renew or replace a token that has just served, if half of its life is over. Never
        fails.
        """
        now, self._accepted = self._now(), grant.token
        if not self._wants_care(grant, now) or (
            now[0] < self._next_care[0] and now[1] < self._next_care[1]
        ):
            return
        if not self._lock.acquire(blocking=False):  # somebody is at it
            return
        try:
            if grant is self._grant:
                self._grant = self._cared(grant, line.part(CARE))
        finally:
            self._lock.release()

    def _wants_care(self, grant: Grant, now: Moment) -> bool:
        if grant.known:
            return past_half(grant, now)
        served, self._served = self._served, grant
        return served is grant  # the first read of all costs one request and no more

    def _usable(self, refused: Grant | None) -> Grant | None:
        grant, now = self._grant, self._now()
        if grant is None or has_ended(grant, now):
            return None
        if (
            refused is None or grant.token != refused.token
        ):  # its text: it may have been renewed since it was refused
            return grant
        return grant if self._is_in_vain(grant, now) else None

    def _is_in_vain(self, grant: Grant, now: Moment) -> bool:
        """Whether a refused token is of a login so recent that another would end the same way.

        Each login leaves a token behind on the server, for weeks by default: a policy that refuses
        for days must not leave one at each look-up.
        """
        return (
            self._login.contacts
            and grant.token != self._accepted
            and age(grant, now) < _LOGIN_AGAIN_AFTER
        )

    def _log_in(self, line: Line) -> Grant | CredentialError:
        before = self._now()  # the server's own count begins later, so ours ends earlier
        found = self._login.log_in(line, self._place)
        if isinstance(found, CredentialError):
            return found
        self._next_care, self._warned = (0.0, 0.0), False
        self._grant = replace(found, since=before)
        return self._grant

    def _cared(self, grant: Grant, line: Line) -> Grant:
        """Return the grant to use from now on."""
        if not grant.known:
            grant = self._look_up(grant, line)
            if grant.known and not past_half(grant, self._now()):
                return grant
        if grant.renewable:
            grant = self._renew(grant, line)
            if not past_half(grant, self._now()):
                return grant
        if self._login.contacts:
            fresh = self._log_in(line)
            if isinstance(fresh, Grant):
                return fresh
        return self._kept(grant)

    def _kept(self, grant: Grant) -> Grant:
        """Keep a token that nothing can be done about now; warn once if it ends for good."""
        now = self._now()
        left = None if grant.life is None else grant.life - age(grant, now)
        pause = _AGAIN_AFTER if left is None else max(1.0, min(_AGAIN_AFTER, left / 10))
        self._next_care = (now[0] + pause, now[1] + pause)
        if left is not None and not self._warned and not self._login.watches:
            self._warned = True
            log.warning(
                "%s: the token of %s (auth method %s) ends in %d s; neither renewal nor login"
                " brought a longer one.",
                self._place.source,
                self._place.address,
                self._place.auth,
                left,
            )
        return grant

    def _look_up(self, grant: Grant, line: Line) -> Grant:
        before = self._now()
        reply = line.get("/v1/auth/token/lookup-self", grant.token)
        if isinstance(reply, Reply) and reply.status == 200:
            return replace(looked_up(grant, reply.data), since=before)
        if isinstance(reply, Reply) and reply.status in (
            400,
            403,
            404,
        ):  # no right to ask: it is used until it ends
            return replace(looked_up(grant, {}), since=before)
        return grant

    def _renew(self, grant: Grant, line: Line) -> Grant:
        before = self._now()
        reply = line.post("/v1/auth/token/renew-self", {}, grant.token)
        auth = as_object((reply.body or {}).get("auth")) if isinstance(reply, Reply) else None
        if not auth or not isinstance(reply, Reply) or reply.status != 200:
            return grant
        return replace(renewed(grant, auth), since=before)

    def _now(self) -> Moment:
        return (self._clock.time(), self._clock.monotonic())
