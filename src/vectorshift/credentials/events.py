"""What happens to credentials, told to whoever listens: log lines and callbacks, on change only."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vectorshift._platform.log import log, log_safely

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.errors import CredentialError

__all__ = ["CredentialEvent", "Kind", "announce", "log", "log_safely", "on_event"]

Kind = Literal["resolved", "rotated", "refresh_failed", "served_stale", "rejected", "fell_through"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialEvent:
    """One thing that happened to a credential. Holds no key, and may be kept, logged and pickled.

    Args:
        kind: `resolved` (the first key), `rotated` (another key or another source),
            `refresh_failed`, `served_stale` (again every 5 minutes while it lasts), `rejected` (the
            API refused the key), `fell_through` (a configured source was passed over).
        provider: the name of the provider that it happened to.
        source: the provider's source.
        fingerprint: of the key in question, or None.
        previous_source: the source before a rotation, or None.
        previous_fingerprint: the key before a rotation, or None. With `rejected`, the key before
            the rejected one, which calls use for a while.
        error: what went wrong, or None.
    """

    kind: Kind
    provider: str
    source: str
    fingerprint: str | None = None
    previous_source: str | None = None
    previous_fingerprint: str | None = None
    error: CredentialError | None = None

    @property
    def level(self) -> int:
        """The level of the log line: a key that changes its source is worth a warning, a new key is
        not.
        """
        if self.kind == "resolved" or (
            self.kind == "rotated" and self.source == self.previous_source
        ):
            return logging.INFO
        return logging.WARNING

    @property
    def _until_then(self) -> str:
        if self.previous_fingerprint is None:
            return ""
        return (
            " It may not know this new key yet. For 2 minutes at most, calls use the key before it,"
            f" {self.previous_fingerprint}."
        )

    def __str__(self) -> str:
        now = f"{self.source} {self.fingerprint or ''}".rstrip()
        return {
            "resolved": f"The API key comes from {now}.",
            "rotated": (
                f"The API key changed from {self.previous_source} {self.previous_fingerprint} to"
                f" {now}."
            ),
            "refresh_failed": (
                f"{now} could not be read again; the cached key is used. {self.error}"
            ),
            "served_stale": (
                f"{now} has not been read for longer than its ttl; the cached key is used."
                f" {self.error}"
            ),
            "rejected": f"The API refused {now}.{self._until_then}",
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
    """Log the event and hand it to the callbacks. No `Exception` of theirs, or of a log handler,
    comes out of it.
    """
    log_safely(event.level, "%s", event)
    for callback in tuple(_callbacks.values()):
        try:
            callback(event)
        except Exception as error:
            log_safely(logging.ERROR, "An event callback raised %s.", type(error).__name__)
