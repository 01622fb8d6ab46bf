"""Files with keys: what is in them, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machine.oracle import REFRESH, Source
from tests.machine.world import CONFIGURATION, NOT_FOUND, UNAVAILABLE, VARIABLE, Key, World, key_in

if TYPE_CHECKING:
    from collections.abc import Callable


def in_key_file(text: str | None, path: str) -> Key | str:
    """A file that is named, and holds a key and nothing else."""
    return CONFIGURATION if text is None else key_in(text, f"file:{path}")


def in_dotenv(text: str | None, path: str) -> Key | str:
    """A dotenv file that is named."""
    return CONFIGURATION if text is None else in_found_dotenv(text, path, named=True)


def in_found_dotenv(text: str | None, path: str, *, named: bool = False) -> Key | str:
    """A dotenv file that is merely found: it must not say where the key is sent."""
    if text is None:
        return NOT_FOUND
    keys = [line[20:] for line in text.split("\n") if line.startswith(f"{VARIABLE}=")]
    answer = key_in(keys[-1], f"dotenv:{path}", blank=NOT_FOUND) if keys else NOT_FOUND
    leads_away = not named and "_BASE_URL" in text and isinstance(answer, Key)
    return CONFIGURATION if mistyped(text) or len({*keys}) > 1 or leads_away else answer


def mistyped(text: str) -> bool:
    """Whether a line is meant for the package, and is not one NAME=value."""
    ours = [line for line in text.split("\n") if "VECTORSHIFT" in line]
    return any("=" not in line or line.count("VECTORSHIFT_") > 1 for line in ours)


@dataclass
class File(Source):
    """A file is looked at once a moment. One that had a key and has none is not absent."""

    path: str
    read: Callable[[str | None, str], Key | str]
    looked: float | None = None
    had_key: bool = False
    answer: Key | str = NOT_FOUND
    since: int = -1  # the last `reset` that it knows of
    settled: bool = False
    is_late: bool = False

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        found, now = self.read is in_found_dotenv, self.now(world)
        if found and self.since != world.resets:
            self.since, self.settled, self.looked, self.had_key = world.resets, False, None, False
            self.is_late = False
        late = found and self.path in world.late and not self.had_key
        if late and not self.is_late:  # what it was a moment ago counts no more
            self.is_late, self.looked = True, None
        if self.looked != now or doubted:
            text, self.looked = world.files.get(self.path), now
            self.answer = NOT_FOUND if late else self.read(text, self.path)
            if self.had_key and (self.answer == NOT_FOUND or not (text or "").strip()):
                self.answer = UNAVAILABLE
            self.had_key |= isinstance(self.answer, Key)
        return self.answer

    def note_answer(self, world: World) -> None:
        """A `.env` that is merely found and had no key before is late from now on."""
        had_key = self.had_key and self.since == world.resets
        if self.read is in_found_dotenv and not (self.settled and self.since == world.resets):
            if not had_key and self.ask(world, REFRESH) == NOT_FOUND:
                world.late.add(self.path)
            self.settled = True
