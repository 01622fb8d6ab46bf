"""Events of credentials, as log lines and callbacks. Only changes are announced."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Literal, cast

from vectorshift._platform.log import log, log_safely, log_seldom
from vectorshift.credentials.usage import usage
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialError

__all__ = [
    "CredentialEvent",
    "Kind",
    "announce",
    "announce_accepted",
    "announce_key",
    "announce_rejected",
    "log",
    "log_safely",
    "on_event",
    "rejected_since",
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
    """A change of a credential. Holds no key, and may be stored, logged and pickled.

    Args:
        kind: one of these.
            `resolved`: the first key. `rotated`: another key or another source.
            `refresh_failed`: a failed read, or a new reason for failed reads.
            `served_stale`: an old key in use, again every 5 minutes.
            `lost`: no key from the source. `recovered`: the source can be read again.
            `rejected`: the API rejected the key. `accepted`: it accepts the key again.
            `expiring`: 14, 3 and 1 days before the end of the key.
            `fell_through`: a configured source was skipped.
        provider: the name of the provider.
        source: the provider's source.
        fingerprint: the fingerprint of the key, or None.
        previous_source: the source before a rotation, or None.
        previous_fingerprint: the key before a rotation, or None. With `rejected`, the key before
            the rejected one, which calls use for a while.
        error: the failure, or None.
        until: when the key ends, after a failed refresh and with `expiring`; or None.
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
        """The level of the log line: WARNING for a new source, INFO for a new key of the same."""
        rotated = self.kind == "rotated" and self.source == self.previous_source
        return logging.INFO if rotated or self.kind in _GOOD else logging.WARNING

    def __str__(self) -> str:
        now = f"{self.source} {self.fingerprint or ''}".rstrip()
        goes_back = (
            " It may not know this new key yet. For at most 2 minutes, calls use the key before "
            f"it, {self.previous_fingerprint}."
        )
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
            "rejected": f"The API refused {now}.{goes_back if self.previous_fingerprint else ''}",
            "accepted": f"The API accepts {now} again.",
            "expiring": f"{now} expires at {ends}. Write a new key before.",
            "fell_through": f"{self.previous_source} was passed over for {now}. {self.error}",
        }[self.kind]


CredentialEvent.__module__ = "vectorshift"  # a pickle names the public path

_callbacks: dict[object, Callable[[CredentialEvent], object]] = {}


def on_event(callback: Callable[[CredentialEvent], object]) -> Callable[[], None]:
    """Call `callback` with every `CredentialEvent` from now on; return a function that stops that.

    The callback runs in the thread that noticed the change, which may run an event loop: it should
    be quick. No lock is held. Its exceptions are logged and harm nothing. A callback that is added
    twice is called twice, and each is stopped on its own. To stop one again does nothing.

    Raises:
        TypeError: `callback` cannot be called.
    """
    if not callable(cast("object", callback)):
        raise TypeError(f"callback must be a function, not {type(callback).__name__}.")
    subscription = object()
    _callbacks[subscription] = callback

    def stop() -> None:
        _callbacks.pop(subscription, None)

    return stop


def announce(event: CredentialEvent) -> None:
    """Count the event, log it, and pass it to the callbacks. An `Exception` of a callback or a log
    handler is caught. If there are many events of a kind, only some are logged.
    """
    usage.happened(event)
    extra = {name: getattr(event, name) for name in ("source", "provider", "fingerprint")}
    log_seldom(event.level, event.kind, event.source, "%s", event, extra=extra)
    for callback in tuple(_callbacks.values()):
        try:
            callback(event)
        except Exception as error:
            log_safely(logging.ERROR, "An event callback raised %s.", type(error).__name__)


def announce_key(
    kind: Kind, key: Credential, previous: Credential | CredentialError | None = None
) -> None:
    """Announce what happened to a key.

    Args:
        kind: what happened.
        key: the key.
        previous: the key before it, or the error of a source that was passed over.
    """
    announce(
        CredentialEvent(
            kind=kind,
            provider=key.provider,
            source=key.source,
            fingerprint=key.fingerprint,
            previous_source=None if previous is None else previous.source,
            previous_fingerprint=previous.fingerprint if isinstance(previous, Credential) else None,
            error=previous if isinstance(previous, CredentialError) else None,
        )
    )


# --- Keys that the API rejects, from any source: each is logged once ---

REJECTED: dict[tuple[str, str, str], datetime] = {}
"""Provider, source and fingerprint of each rejected key, and when it was rejected first."""
_MOST_REJECTED: Final = 10_000


def announce_rejected(credential: Credential, *, previous: Credential | None = None) -> None:
    """Announce that the API rejected a key.

    Args:
        credential: the rejected key.
        previous: the key before it, which calls use for a while.
    """
    if len(REJECTED) >= _MOST_REJECTED:
        REJECTED.clear()
    REJECTED.setdefault(_key(credential), datetime.now(timezone.utc))
    announce_key("rejected", credential, previous)


def announce_accepted(credential: Credential) -> None:
    """Note that the API accepted a key. Announce it if the API had rejected the key before."""
    if REJECTED.pop(_key(credential), None) is not None:
        announce_key("accepted", credential)


def rejected_since(credential: Credential) -> datetime | None:
    """Return when the API first rejected this key in this process; None if it has not, or has
    accepted the key since.
    """
    return REJECTED.get(_key(credential))


def _key(credential: Credential) -> tuple[str, str, str]:
    return credential.provider, credential.source, credential.fingerprint
