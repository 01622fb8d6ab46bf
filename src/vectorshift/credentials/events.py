"""Events of credentials, as log lines and callbacks, on change only."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Literal

from vectorshift._platform.log import log, log_safely, log_seldom
from vectorshift.credentials.usage import usage
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialError

__all__ = [
    "CredentialEvent",
    "Kind",
    "accepted",
    "announce",
    "is_refused",
    "log",
    "log_safely",
    "on_event",
    "refused",
    "refused_since",
]

Kind = Literal[
    "resolved",
    "rotated",
    "refresh_failed",
    "served_stale",
    "lost",
    "recovered",
    "rejected",
    "accepted",
    "expiring",
    "fell_through",
]
_GOOD: Final = ("resolved", "recovered", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialEvent:
    """One thing that happened to a credential. Holds no key, and may be kept, logged and pickled.

    Args:
        kind: one of these.
            `resolved`: the first key. `rotated`: another key or another source.
            `refresh_failed`: a failed read, or another reason for it.
            `served_stale`: an old key in use, again every 5 minutes.
            `lost`: no key from the source. `recovered`: the source can be read again.
            `rejected`: the API rejected the key. `accepted`: it accepts the key again.
            `expiring`: 14, 3 and 1 days before the end of the key.
            `fell_through`: a configured source was skipped.
        provider: the name of the provider that it happened to.
        source: the provider's source.
        fingerprint: of the key in question, or None.
        previous_source: the source before a rotation, or None.
        previous_fingerprint: the key before a rotation, or None. With `rejected`, the key before
            the rejected one, which calls use for a while.
        error: what went wrong, or None.
        until: until when the key can be used, with a failed refresh and with `expiring`; or None.
    """

    kind: Kind
    provider: str
    source: str
    fingerprint: str | None = None
    previous_source: str | None = None
    previous_fingerprint: str | None = None
    error: CredentialError | None = None
    until: datetime | None = None

    @property
    def level(self) -> int:
        """The level of the log line: a key that changes its source is worth a warning, a new key is
        not.
        """
        rotated = self.kind == "rotated" and self.source == self.previous_source
        return logging.INFO if rotated or self.kind in _GOOD else logging.WARNING

    @property
    def _until_then(self) -> str:
        if self.previous_fingerprint is None:
            return ""
        return (
            " It may not know this new key yet. For at most 2 minutes, calls use the key before "
            f"it, {self.previous_fingerprint}."
        )

    def __str__(self) -> str:
        now = f"{self.source} {self.fingerprint or ''}".rstrip()
        ends = f"{self.until:%Y-%m-%d %H:%M} UTC" if self.until else "it is refused"
        return {
            "resolved": f"The API key comes from {now}.",
            "rotated": (
                f"The API key changed from {self.previous_source} {self.previous_fingerprint} to"
                f" {now}."
            ),
            "refresh_failed": (
                f"{now} could not be read again; the cached key is used until {ends}. {self.error}"
            ),
            "served_stale": (
                f"{now} has not been read for longer than its ttl; the cached key is used until"
                f" {ends}. {self.error}"
            ),
            "lost": f"No API key is available from {self.source}. {self.error}",
            "recovered": f"{now} can be read again.",
            "rejected": f"The API refused {now}.{self._until_then}",
            "accepted": f"The API accepts {now} again.",
            "expiring": f"{now} expires at {ends}. Write a new key before.",
            "fell_through": f"{self.previous_source} was passed over for {now}. {self.error}",
        }[self.kind]


CredentialEvent.__module__ = "vectorshift"  # a pickle names the public path

_callbacks: dict[object, Callable[[CredentialEvent], object]] = {}


def on_event(callback: Callable[[CredentialEvent], object]) -> Callable[[], None]:
    """Call `callback` with every `CredentialEvent` from now on; return a function that ends that.

    The callback runs in whichever thread noticed, sometimes an event loop's, with no lock held: it
    should be quick. What it raises is logged and harms nothing. Whoever hands in the same function
    a second time is called a second time, and ends that alone; to end it again does nothing.
    """
    subscription = object()
    _callbacks[subscription] = callback

    def stop() -> None:
        _callbacks.pop(subscription, None)

    return stop


def announce(event: CredentialEvent) -> None:
    """Log the event, count it, and hand it to the callbacks. No `Exception` of theirs, or of a log
    handler, comes out of it. Of many events of a kind some are logged, and all are handed on.
    """
    usage.happened(event)
    extra = {name: getattr(event, name) for name in ("source", "provider", "fingerprint")}
    log_seldom(event.level, event.kind, event.source, "%s", event, extra=extra)
    for callback in tuple(_callbacks.values()):
        try:
            callback(event)
        except Exception as error:
            log_safely(logging.ERROR, "An event callback raised %s.", type(error).__name__)


# --- Keys that the API refuses, wherever they come from: each is logged once ---

REFUSED: dict[tuple[str, str, str], datetime] = {}
"""Provider, source and fingerprint of each, and when it was refused first."""
_MOST_REFUSED: Final = 10_000


def refused(credential: Credential, *, previous: Credential | None = None) -> None:
    """Tell that the API refused a key.

    Args:
        credential: the key.
        previous: the key before it, which calls use for a while.
    """
    if len(REFUSED) >= _MOST_REFUSED:
        REFUSED.clear()
    REFUSED.setdefault(_key(credential), datetime.now(timezone.utc))
    _announce("rejected", credential, previous)


def accepted(credential: Credential) -> None:
    """Take note that the API took a key, and tell of it if it had refused that before."""
    if is_refused(credential):
        REFUSED.pop(_key(credential), None)
        _announce("accepted", credential)


def is_refused(credential: Credential) -> bool:
    """Return whether the API refused this key when it was last used."""
    return _key(credential) in REFUSED


def refused_since(credential: Credential) -> datetime | None:
    """Return when the API began to refuse this key in this process, or None."""
    return REFUSED.get(_key(credential))


def _key(credential: Credential) -> tuple[str, str, str]:
    return credential.provider, credential.source, credential.fingerprint


def _announce(kind: Kind, about: Credential, previous: Credential | None = None) -> None:
    announce(
        CredentialEvent(
            kind=kind,
            provider=about.provider,
            source=about.source,
            fingerprint=about.fingerprint,
            previous_source=None if previous is None else previous.source,
            previous_fingerprint=None if previous is None else previous.fingerprint,
        )
    )
