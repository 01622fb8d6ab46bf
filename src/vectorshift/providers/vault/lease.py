"""Keeps a Vault token that works: one login at a time, renewal at reads, no thread of its own."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vectorshift.credentials.events import log
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import Reply, SecretRef, as_object
from vectorshift.providers.vault.tokens import (
    Instant,
    TokenLease,
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
    from vectorshift.providers.vault.transport import VaultRequests

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

    def __init__(self, login: Login, ref: SecretRef, clock: Clock) -> None:
        self._login, self._ref, self._clock = login, ref, clock
        self._lock = threading.Lock()
        self._grant: TokenLease | None = None
        self._next_care: Instant = (0.0, 0.0)
        self._served: TokenLease | None = None
        self._accepted: Secret | None = None
        self._warned = False

    def forget(self) -> None:
        """Forget the token. The next look-up gets another."""
        self._grant = None

    def open(
        self, requests: VaultRequests, *, rejected: TokenLease | None = None
    ) -> TokenLease | CredentialError:
        """Return a grant that has not ended, after one login if there is none or the one there was
        refused.
        """
        lease = self._usable(rejected)
        if lease is not None:
            if not self._login.watches:
                return lease
            found = self._login.log_in(requests, self._ref)  # reads a file
            if isinstance(found, CredentialError) or found.token == lease.token:
                # a file in the midst of being replaced harms nothing while the token works
                return lease
            rejected = lease
        if not self._lock.acquire(timeout=requests.budget.left()):
            return self._ref.unavailable("another login has not come to an end.")
        try:  # who waited here finds the login done
            return self._usable(rejected) or self._log_in(requests)
        finally:
            self._lock.release()

    def renew_if_due(self, lease: TokenLease, requests: VaultRequests) -> None:
        """Renew or replace a token that has just served, if half of its life is over. Never
        fails.
        """
        now, self._accepted = self._now(), lease.token
        if not self._wants_care(lease, now) or (
            now[0] < self._next_care[0] and now[1] < self._next_care[1]
        ):
            return
        if not self._lock.acquire(blocking=False):  # somebody is at it
            return
        try:
            if lease is self._grant:
                self._grant = self._cared(lease, requests.part(CARE))
        finally:
            self._lock.release()

    def _wants_care(self, lease: TokenLease, now: Instant) -> bool:
        if lease.known:
            return past_half(lease, now)
        served, self._served = self._served, lease
        return served is lease  # the first read of all costs one request and no more

    def _usable(self, rejected: TokenLease | None) -> TokenLease | None:
        lease, now = self._grant, self._now()
        if lease is None or has_ended(lease, now):
            return None
        if (
            rejected is None or lease.token != rejected.token
        ):  # its text: it may have been renewed since it was refused
            return lease
        return lease if self._is_in_vain(lease, now) else None

    def _is_in_vain(self, lease: TokenLease, now: Instant) -> bool:
        """Whether a refused token is of a login so recent that another would end the same way.

        Each login leaves a token behind on the server, for weeks by default: a policy that refuses
        for days must not leave one at each look-up.
        """
        return (
            self._login.contacts
            and lease.token != self._accepted
            and age(lease, now) < _LOGIN_AGAIN_AFTER
        )

    def _log_in(self, requests: VaultRequests) -> TokenLease | CredentialError:
        before = self._now()  # the server's own count begins later, so ours ends earlier
        found = self._login.log_in(requests, self._ref)
        if isinstance(found, CredentialError):
            return found
        self._next_care, self._warned = (0.0, 0.0), False
        self._grant = replace(found, since=before)
        return self._grant

    def _cared(self, lease: TokenLease, requests: VaultRequests) -> TokenLease:
        """Return the grant to use from now on."""
        if not lease.known:
            lease = self._look_up(lease, requests)
            if lease.known and not past_half(lease, self._now()):
                return lease
        if lease.renewable:
            lease = self._renew(lease, requests)
            if not past_half(lease, self._now()):
                return lease
        if self._login.contacts:
            fresh = self._log_in(requests)
            if isinstance(fresh, TokenLease):
                return fresh
        return self._kept(lease)

    def _kept(self, lease: TokenLease) -> TokenLease:
        """Keep a token that nothing can be done about now; warn once if it ends for good."""
        now = self._now()
        left = None if lease.life is None else lease.life - age(lease, now)
        pause = _AGAIN_AFTER if left is None else max(1.0, min(_AGAIN_AFTER, left / 10))
        self._next_care = (now[0] + pause, now[1] + pause)
        if left is not None and not self._warned and not self._login.watches:
            self._warned = True
            log.warning(
                "%s: the token of %s (auth method %s) ends in %d s; neither renewal nor login"
                " brought a longer one.",
                self._ref.source,
                self._ref.address,
                self._ref.auth,
                left,
            )
        return lease

    def _look_up(self, lease: TokenLease, requests: VaultRequests) -> TokenLease:
        before = self._now()
        reply = requests.get("/v1/auth/token/lookup-self", lease.token)
        if isinstance(reply, Reply) and reply.status == 200:
            return replace(looked_up(lease, reply.data), since=before)
        if isinstance(reply, Reply) and reply.status in (
            400,
            403,
            404,
        ):  # no right to ask: it is used until it ends
            return replace(looked_up(lease, {}), since=before)
        return lease

    def _renew(self, lease: TokenLease, requests: VaultRequests) -> TokenLease:
        before = self._now()
        reply = requests.post("/v1/auth/token/renew-self", {}, lease.token)
        auth = as_object((reply.body or {}).get("auth")) if isinstance(reply, Reply) else None
        if not auth or not isinstance(reply, Reply) or reply.status != 200:
            return lease
        return replace(renewed(lease, auth), since=before)

    def _now(self) -> Instant:
        return (self._clock.time(), self._clock.monotonic())
