"""A store in memory, and the provider that reads it: for tests of what a key's life does to your
code.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from datetime import datetime
from typing import Literal

from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import (
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    fresh_copy,
)

__all__ = ["MemoryProvider", "MemoryStore"]


class MemoryStore:
    """A place for one key: it counts reads, and is emptied, broken, slowed and closed off at a
    test's word.

    Thread-safe. Every provider of it sees the same.

    Args:
        key: what is stored at first, or None for nothing.
        source: the place as a credential prints it.
        latency: seconds that each read takes; may be set at any time.
    """

    def __init__(
        self, key: str | None = None, *, source: str = "memory:store", latency: float = 0.0
    ) -> None:
        self.source = source
        self.latency = latency
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._reads = self._version = 0
        self._stored: Credential | None = None
        self._failure: CredentialError | None = None
        if key is not None:
            self.put(key)

    @property
    def reads(self) -> int:
        """How often it was read, with or without success."""
        with self._lock:
            return self._reads

    def put(self, key: str, *, expires_at: datetime | None = None) -> None:
        """Store a key, as the next version; one that was there is replaced.

        Args:
            key: any text; it is not looked at here.
            expires_at: the aware time after which the key must not be used, or None.
        """
        with self._lock:
            self._version += 1
            self._stored = Credential(
                secret=Secret(key),
                source=self.source,
                provider="",
                version=str(self._version),
                expires_at=expires_at,
            )

    def remove(self) -> None:
        """Take the key away: reads find nothing. Harmless when empty."""
        with self._lock:
            self._stored = None

    def fail(self, error: CredentialError | None = None) -> None:
        """Answer each read with this error from now on; by default, that the store is
        unavailable.
        """
        with self._lock:
            self._failure = error or CredentialStoreUnavailableError(
                f"{self.source} is down.", source=self.source
            )

    def deny(self) -> None:
        """Refuse each read from now on, whatever is stored."""
        self.fail(CredentialDeniedError(f"{self.source} refused access.", source=self.source))

    def recover(self) -> None:
        """Answer again, with what is stored."""
        with self._lock:
            self._failure = None

    @contextlib.contextmanager
    def held(self) -> Generator[None, None, None]:
        """Let no read end within the block; each is counted as it comes."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def provider(
        self,
        name: str = "memory",
        *,
        remote: bool = True,
        ttl: float | None = None,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
    ) -> MemoryProvider:
        """Return a new provider that reads this store.

        Args:
            name: its name in messages and credentials.
            remote: whether its answers are cached.
            ttl: seconds for which they are fresh; the common setting by default.
            on_error: `"continue"` lets another source answer when the store fails.
            on_missing: `"stop"` lets no other source answer when the store is empty.
        """
        return MemoryProvider(
            self, name, remote=remote, ttl=ttl, on_error=on_error, on_missing=on_missing
        )

    def read(self, provider: str = "memory") -> Credential:
        """Return what is stored, under the name of a provider; counted.

        Raises:
            CredentialNotFoundError: nothing is stored.
            CredentialError: the error that `fail` or `deny` set.
        """
        with self._lock:
            self._reads += 1
        if self.latency > 0:
            time.sleep(self.latency)
        self._open.wait()
        with self._lock:
            stored, failure = self._stored, self._failure
        if failure is not None:
            raise fresh_copy(failure)
        if stored is None:
            raise CredentialNotFoundError(
                f"{self.source} is empty.", source=self.source, provider=provider
            )
        return Credential(
            secret=stored.secret,
            source=stored.source,
            provider=provider,
            version=stored.version,
            expires_at=stored.expires_at,
        )

    def __repr__(self) -> str:
        with self._lock:
            state = (
                "failing"
                if self._failure
                else "empty"
                if self._stored is None
                else str(self._stored.secret)
            )
            return f"<MemoryStore {self.source} {state}, {self._reads} reads>"


class MemoryProvider(CredentialProvider):
    """Read a `MemoryStore`. Remote by default, so that a chain caches its answers as those of a
    real store.
    """

    name = "memory"

    def __init__(
        self,
        store: MemoryStore,
        name: str = "memory",
        *,
        remote: bool = True,
        ttl: float | None = None,
        on_error: Literal["stop", "continue"] = "stop",
        on_missing: Literal["stop", "continue"] = "continue",
    ) -> None:
        self.store = store
        self.name, self.remote, self.ttl = name, remote, ttl
        self.on_error, self.on_missing = on_error, on_missing

    def describe(self) -> Description:
        """Name the store, which has a locator as every real one has."""
        return Description(configured=True, source=self.store.source, locator=True)

    def get_credential(self) -> Credential:
        """Return what is stored now. Raises what the store was told to."""
        return self.store.read(self.name)
