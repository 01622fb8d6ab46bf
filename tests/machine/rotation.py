"""The key before: it serves while the API may not know the newest one of a source yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.machine.world import Key

OVERLAP = 120  # seconds


@dataclass(frozen=True)
class Rotation:
    """The newest key of a source that programs write. No refused key is gone back to."""

    key: Key | None = None
    before: Key | None = None
    until: float = 0
    refused: bool = False
    paused: float | None = None  # the moment in which `key` is not tried again

    def after_401(self, key: Key | None, now: float) -> Rotation:
        """The API refused a key, if it is not None."""
        late = self.before and now >= self.until
        same = Rotation(self.key) if late else self
        if key is None or key not in (same.key, same.before):
            return same
        if key == same.before:
            return Rotation(same.key, refused=same.refused)
        return Rotation(same.key, same.before, same.until, True, now)

    def after_read(self, key: Key, now: float, end: float = 1e9) -> Rotation:
        """The source was read. The key that it had ends at `end`."""
        if self.key is None or key == self.key:
            return Rotation(key, self.before, self.until, self.refused, self.paused)
        if self.refused:
            before, until = self.before, self.until
        else:
            before, until = self.key, min(now + OVERLAP, end)
        return Rotation(key, before, until) if before != key and until > now else Rotation(key)

    def instead(self, answer: Key | str, now: float) -> Key | str:
        """What is used in place of an answer of the source."""
        return self.before if self.before and self.paused == now else answer


NONE = Rotation()
