"""Vault tokens: how long one lasts, and the current one, renewed or replaced at reads.

One login runs at a time. There is no thread for renewals.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from vectorshift._platform.clock import Instant, elapsed
from vectorshift.credentials.events import log
from vectorshift.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from vectorshift._platform.clock import Clock
    from vectorshift.credentials.values import Secret
    from vectorshift.providers.vault.classify import SecretRef
    from vectorshift.providers.vault.login import Login
    from vectorshift.providers.vault.requests import VaultRequests

__all__ = ["CurrentToken", "TokenLease"]

_MARGIN: Final = 10.0
"""A token is replaced these seconds before its end: as long as the longest look-up."""

_RENEWAL_LIMIT: Final = 3.0
"""Seconds of a look-up that renewing a token may take while the token still works."""

_RENEWAL_PAUSE: Final = 30.0
"""Seconds, at most, until a failed renewal is tried again."""

_LOGIN_AGAIN_AFTER: Final = 60.0
"""Seconds for which a login is not repeated if its token never worked. A corrected role works after
them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLease:
    """A token, and how long it is valid.

    Args:
        token: the token; empty if a proxy adds one.
        life: seconds from `since` to its end; None if it has no end, or an unknown one.
        full: the seconds of the first grant.
        renewable: whether the server would renew it.
        known: whether the server has said how long it lasts.
        since: the earliest time at which it may have been granted.
    """

    token: Secret
    life: float | None = None
    full: float | None = None
    renewable: bool = False
    known: bool = True
    since: Instant = (0.0, 0.0)

    @classmethod
    def granted(cls, token: Secret, auth: Mapping[str, Any]) -> Self:
        """Return the lease in the `auth` part of a server's reply."""
        life = _seconds(auth.get("lease_duration"))
        return cls(token=token, life=life, full=life, renewable=auth.get("renewable") is True)

    def looked_up(self, data: Mapping[str, Any]) -> TokenLease:
        """Return the lease with the life that the server reports for its token."""
        full = _seconds(data.get("period")) or _seconds(data.get("creation_ttl"))
        # the server reports less than a second as 0
        life = _seconds(data.get("ttl")) or (0.0 if full else None)
        renewable = data.get("renewable") is True
        return replace(self, life=life, full=full or life, renewable=renewable, known=True)

    def renewed(self, auth: Mapping[str, Any]) -> TokenLease:
        """Return the lease after a renewal whose reply has this `auth`."""
        # the server reports less than a second as 0
        life = _seconds(auth.get("lease_duration")) or (0.0 if self.full else None)
        return replace(self, life=life, renewable=auth.get("renewable") is True)

    def age(self, now: Instant) -> float:
        """Return the seconds since the grant."""
        return elapsed(self.since, now)

    def has_ended(self, now: Instant) -> bool:
        """Return whether the token has ended, or may end during a look-up that begins now."""
        return self.life is not None and self.age(now) >= self.life - min(_MARGIN, self.life / 10)

    def past_half(self, now: Instant) -> bool:
        """Return whether half of the token's life is over: of its latest or its first grant.

        So a renewal near the max TTL does not count, as it grants much less than the first grant.
        """
        if self.life is None:
            return False
        return self.life - self.age(now) <= max(self.life, self.full or 0.0) / 2


def _seconds(value: object) -> float | None:
    """Return a positive number of seconds, or None: 0 means no end."""
    return float(value) if type(value) is int and value > 0 else None


class CurrentToken:
    """The current token, shared by any number of threads.

    Args:
        login: gets a token.
        ref: the secret that the token is for, for messages.
        clock: the source of time for the ages of tokens.
    """

    def __init__(self, login: Login, ref: SecretRef, clock: Clock) -> None:
        self._login, self._ref, self._clock = login, ref, clock
        self._lock = threading.Lock()
        self._lease: TokenLease | None = None
        self._next_renewal: Instant = (0.0, 0.0)
        self._served: TokenLease | None = None
        self._accepted: Secret | None = None
        self._warned = False

    def forget(self) -> None:
        """Forget the token. The next look-up gets a new one."""
        self._lease = None

    def open(self, requests: VaultRequests, *, rejected: TokenLease | None = None) -> TokenLease:
        """Return a lease that has not ended. Log in if there is none, or if it was rejected.

        Raises:
            CredentialError: there is no token. The frames of the error may hold a secret.
        """
        lease = self._usable(rejected)
        if lease is not None:
            if not self._login.watches:
                return lease
            try:
                found = self._login.log_in(requests)  # reads a file
            except CredentialError:  # the file may be just being replaced
                return lease
            if found.token == lease.token:
                return lease
            rejected = lease
        if not self._lock.acquire(timeout=requests.budget.left()):
            raise self._ref.unavailable("another login has not ended.")
        try:  # a thread that waited here finds the login done
            return self._usable(rejected) or self._log_in(requests)
        finally:
            self._lock.release()

    def renew_if_due(self, lease: TokenLease, requests: VaultRequests) -> None:
        """Renew or replace a token that has just worked, after half of its life. Never fails."""
        now, self._accepted = self._now(), lease.token
        paused = now[0] < self._next_renewal[0] and now[1] < self._next_renewal[1]
        if not self._needs_renewal(lease, now) or paused:
            return
        if not self._lock.acquire(blocking=False):  # another thread does it
            return
        try:
            if lease is self._lease:
                self._lease = self._renewed_lease(lease, requests.part(_RENEWAL_LIMIT))
        finally:
            self._lock.release()

    def _needs_renewal(self, lease: TokenLease, now: Instant) -> bool:
        if lease.known:
            return lease.past_half(now)
        served, self._served = self._served, lease
        return served is lease  # so that the very first read takes only one request

    def _usable(self, rejected: TokenLease | None) -> TokenLease | None:
        lease, now = self._lease, self._now()
        if lease is None or lease.has_ended(now):
            return None
        # compare tokens: the lease may have been renewed since the token was rejected
        if rejected is None or lease.token != rejected.token:
            return lease
        return lease if self._is_pointless(lease, now) else None

    def _is_pointless(self, lease: TokenLease, now: Instant) -> bool:
        """Return whether a new login would fail as well: the token of a recent one is rejected.

        Each login leaves a token on the server, for weeks by default. While a policy refuses reads
        for days, each look-up must not leave another one.
        """
        return (
            self._login.contacts
            and lease.token != self._accepted
            and lease.age(now) < _LOGIN_AGAIN_AFTER
        )

    def _log_in(self, requests: VaultRequests) -> TokenLease:
        before = self._now()  # the server starts counting later, so our lease ends earlier
        found = self._login.log_in(requests)
        self._next_renewal, self._warned = (0.0, 0.0), False
        self._lease = replace(found, since=before)
        return self._lease

    def _renewed_lease(self, lease: TokenLease, requests: VaultRequests) -> TokenLease:
        """Look up, renew or replace the token; return the lease to use from now on."""
        if not lease.known:
            lease = self._look_up(lease, requests)
            if lease.known and not lease.past_half(self._now()):
                return lease
        if lease.renewable:
            lease = self._renew(lease, requests)
            if not lease.past_half(self._now()):
                return lease
        if self._login.contacts:
            with suppress(CredentialError):
                return self._log_in(requests)
        return self._keep(lease)

    def _keep(self, lease: TokenLease) -> TokenLease:
        """Keep a token that cannot be renewed now; warn once if it ends for good."""
        now = self._now()
        left = None if lease.life is None else lease.life - lease.age(now)
        pause = _RENEWAL_PAUSE if left is None else max(1.0, min(_RENEWAL_PAUSE, left / 10))
        self._next_renewal = (now[0] + pause, now[1] + pause)
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
        try:
            reply = requests.get("/v1/auth/token/lookup-self", lease.token)
        except CredentialError:
            return lease
        if reply.status not in (200, 400, 403, 404):
            return lease
        # a token that may not look itself up is used until it ends
        data = reply.data if reply.status == 200 else {}
        if (uses := _seconds(data.get("num_uses"))) is not None:
            log.warning(
                "%s: the token of %s may be used %d more times, and each read uses one. Give a "
                "token without num_uses.",
                self._ref.source,
                self._ref.address,
                uses,
            )
        return replace(lease.looked_up(data), since=before)

    def _renew(self, lease: TokenLease, requests: VaultRequests) -> TokenLease:
        before = self._now()
        with suppress(CredentialError):
            reply = requests.post("/v1/auth/token/renew-self", {}, lease.token)
            if reply.status == 200 and reply.auth:
                return replace(lease.renewed(reply.auth), since=before)
        return lease

    def _now(self) -> Instant:
        return (self._clock.time(), self._clock.monotonic())
