"""A remote store: what it says, and how long its key is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machine.oracle import REFRESH, Source
from tests.machine.rotation import NONE, Rotation
from tests.machine.world import NOT_FOUND, REMOVED, REVOKED, Key

if TYPE_CHECKING:
    from tests.machine.world import World

TTL, MAX_STALE = 300, 86_400  # seconds


@dataclass
class Store(Source):
    """A store. Its key is kept while it fails, unless it says that the key is gone."""

    name: str
    cached: bool = True
    read_at: float = 0
    had_key: bool = False
    rejected: bool = False  # the API refused the key since it was read
    failure: str | None = None
    missing_since: float | None = None  # when it first had no key any more
    rests: float | None = None  # the moment in which it is not read again

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        if not self.cached:
            return world.stored(self.name)
        now = self.now(world)
        self.keys = self.keys.after_401(doubted, now)
        key, age, may_read = self.keys.key, now - self.read_at, self.rests != now
        if doubted is REFRESH:
            answer = self.read(world, now)
            return answer if isinstance(answer, str) else self.keys.instead(answer, now)
        if key and doubted == key:
            self.rejected = True
            answer = self.read(world, now) if may_read else self.failure or key
            return self.keys.instead(answer, now)
        if key and age < MAX_STALE:
            served = self.keys.instead(key, now)
            if self.is_stale(now) and may_read and not doubted:
                newer = self.read(world, now)  # in the background
                return self.keys.key or newer if world.eager else served
            return served
        return self.failure if self.failure and not may_read else self.read(world, now)

    def is_stale(self, now: float) -> bool:
        """Whether the store is to be read behind the next answer."""
        return now - self.read_at >= TTL or self.missing_since is not None

    def keeps_key(self, world: World) -> bool:
        return self.keys.key is not None and self.now(world) - self.read_at < MAX_STALE

    def read(self, world: World, now: float) -> Key | str:
        answer = world.stored(self.name)
        if answer == NOT_FOUND and self.had_key:
            answer = REMOVED
        if isinstance(answer, Key):
            self.rests = now if self.rejected and answer == self.keys.key else None
            self.keys = self.keys.after_read(answer, now, end=self.read_at + MAX_STALE)
            self.read_at, self.had_key, self.failure = now, True, None
            self.missing_since = None
        else:
            self.failure, self.rests = answer, now
            self.keys = NONE if answer == REVOKED else self.keys
            if answer == REMOVED:
                self.look_again(now)
        self.rejected = False
        return answer

    def look_again(self, now: float) -> None:
        """A store that had a key has none: a second answer, at a later moment, drops the key."""
        if self.missing_since is None:
            self.missing_since = now
        self.keys = Rotation(self.keys.key) if self.missing_since == now else NONE
