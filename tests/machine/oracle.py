"""Whose key a call must carry: the promise of the package, on one page.

A source gives a `Key`, or a word for its failure; *not found* alone moves a chain on. Time moves by
more than a minute at once, so that what is remembered for less than that is forgotten by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machine.promises import LATE_FILES_DO_NOT_COUNT
from tests.machine.world import (
    CONFIGURATION,
    NOT_FOUND,
    REVOKED,
    UNAVAILABLE,
    VARIABLE,
    Key,
    World,
    in_found_dotenv,
    in_key_file,
    parsed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machine.process import Client, Process

TTL, MAX_STALE = 300, 86_400  # seconds
ANY = Key("*", "")  # what `refresh` doubts


@dataclass(kw_only=True)
class Source:
    on_error: str = "stop"
    on_missing: str = "continue"

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        """Say what there is now. After a 401 it is asked again, with the key that was refused."""
        raise NotImplementedError


@dataclass
class InCode(Source):
    """A key or a function, given in code. None is `vectorshift.api_key`."""

    value: str | None = None

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        value = world.api_key if self.value is None else self.value
        if value not in world.functions:
            return NOT_FOUND if value is None else parsed(value, "code")
        value = world.functions[value]
        if value in (None, NOT_FOUND):  # a tenant without a key becomes no other tenant
            return CONFIGURATION
        return UNAVAILABLE if value == UNAVAILABLE else parsed(value, "code")


@dataclass
class File(Source):
    """A file is looked at once a moment. One that had a key and has none is not absent."""

    path: str
    read: Callable[[str | None, str], Key | str] = in_key_file
    clocked: bool = True  # False: on the clock of the system, which stands still in a script
    looked: float | None = None
    had_key: bool = False
    late: bool = False  # found, and without a key when the chain had its first
    answer: Key | str = NOT_FOUND

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        if self.late:
            return NOT_FOUND
        if self.looked is None or doubted or (self.clocked and self.looked != world.now):
            text, self.looked = world.files.get(self.path), world.now
            self.answer = self.read(text, self.path)
            if self.had_key and (self.answer == NOT_FOUND or not (text or "").strip()):
                self.answer = UNAVAILABLE
            self.had_key |= isinstance(self.answer, Key)
        return self.answer


@dataclass
class Env(Source):
    """A variable, or the file that another variable names; both are a contradiction."""

    variable: str = VARIABLE
    file: File | None = None

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        text = world.environ.get(self.variable, "")
        if text.strip():
            return CONFIGURATION if self.file else parsed(text, f"env:{self.variable}")
        return self.file.ask(world, doubted) if self.file else NOT_FOUND


@dataclass
class Store(Source):
    """A store. Its key is kept while it fails, unless it says that the key is gone."""

    name: str
    cached: bool = True
    key: Key | None = None
    read_at: float = 0
    had_key: bool = False
    rejected: bool = False  # the API refused the key since it was read
    failure: str | None = None
    rests: float | None = None  # the moment in which it is not read again

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        if not self.cached:
            return Store(self.name).read(world)
        key, age, may_read = self.key, world.now - self.read_at, self.rests != world.now
        if key and doubted and doubted.text in (key.text, ANY.text):
            self.rejected = self.rejected or doubted is not ANY
            return self.read(world) if may_read else self.failure or key
        if key and age < MAX_STALE:
            if age >= TTL and may_read and not doubted:
                newer = self.read(world)  # in the background
                return self.key or newer if world.eager else key
            return key
        return self.failure if self.failure and not may_read else self.read(world)

    def read(self, world: World) -> Key | str:
        text = world.stores[self.name]
        answer = NOT_FOUND if text is None else parsed(text, self.name)
        answer = world.broken.get(self.name) or answer
        if answer == NOT_FOUND and self.had_key:
            answer = REVOKED
        if isinstance(answer, Key):
            self.rests = world.now if self.rejected and answer == self.key else None
            self.key, self.read_at, self.had_key, self.failure = answer, world.now, True, None
        else:
            self.failure, self.rests = answer, world.now
            self.key = None if answer == REVOKED else self.key
        self.rejected = False
        return answer


@dataclass
class Chain(Source):
    """The first source with a key answers."""

    sources: list[Source]
    answered: bool = False

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        failures = []
        for source in self.sources:
            answer = source.ask(world, doubted)
            if isinstance(answer, Key):
                self.note_late_files(world)
                return answer
            if answer == NOT_FOUND:
                if source.on_missing == "stop":
                    return CONFIGURATION
            elif source.on_error == "stop":
                return answer
            else:
                failures.append(answer)
        return failures[0] if failures else NOT_FOUND

    def note_late_files(self, world: World) -> None:
        for each in self.sources if LATE_FILES_DO_NOT_COUNT and not self.answered else []:
            if isinstance(each, File) and each.read is in_found_dotenv:
                there = in_found_dotenv(world.files.get(each.path), each.path)
                each.late = there == NOT_FOUND and not each.had_key
        self.answered = True


def in_force(process: Process, world: World, blocks: list[Source], client: Client) -> Source:
    """A client's own, else the innermost block's, else the process's. Nothing falls back."""
    if client.credentials is not None:
        return client.credentials
    if blocks:
        return blocks[-1]
    if process.require_using:
        return InCode("")  # what is set up incorrectly
    return process.credentials or (client.own or process).chain(world)


def call(
    process: Process, world: World, blocks: list[Source], client: Client, send: Callable[[Key], str]
) -> str | None:
    """Send what must be sent; return how it fails without an answer of the API, or None.

    All attempts of a call ask one and the same source, and its key stays that of one place. After a
    401 the key before the refused one may be sent as well: see `script`.
    """
    if (client.own or process).settings_in(world) is None:
        return CONFIGURATION
    source, before = in_force(process, world, blocks, client), None
    for _ in range(1 + client.retries):
        key = source.ask(world)
        if not isinstance(key, Key):
            return key
        if before is not None and before.source != key.source:
            return None  # the failure stands
        before, status = key, send(key)
        if status == "401":
            newer = source.ask(world, doubted=key)
            if isinstance(newer, Key) and newer.source == key.source and newer != key:
                status = send(newer)
        if status != "503":
            return None
    return None
