"""Whose key a call must carry: the promise of the package, on one page.

A source gives a `Key`, or a word for its failure; *not found* alone moves a chain on. Time moves by
more than a minute at once, so that what is remembered for less than that is forgotten by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machine.rotation import NONE, Rotation
from tests.machine.world import (
    CONFIGURATION,
    NOT_FOUND,
    UNAVAILABLE,
    VARIABLE,
    Key,
    World,
    key_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machine.process import Client, Process

REFRESH = Key("", "")  # what `refresh` doubts


@dataclass(kw_only=True)
class Source:
    on_error: str = "stop"
    on_missing: str = "continue"
    clocked: bool = True  # False: on the clock of the system, which stands still in a script
    keys: Rotation = NONE

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        """Say what there is now. After a 401 it is asked again, with the key that was refused."""
        raise NotImplementedError

    def note_answer(self, world: World) -> None:
        """Take note that a source of the chain has answered."""

    def give_up(self, key: Key, world: World) -> None:
        """Take note that the API refused a key that was sent in place of another."""
        self.keys = self.keys.after_401(key, self.now(world))

    def keeps_key(self, world: World) -> bool:
        """Whether calls use its key although it could not be read again."""
        return False

    def now(self, world: World) -> float:
        return world.now if self.clocked else 0


@dataclass
class InCode(Source):
    """A key or a function, given in code. None is `vectorshift.api_key`."""

    value: str | None = None

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        value = world.api_key if self.value is None else self.value
        if value not in world.functions:
            return NOT_FOUND if value is None else key_in(value, "code")
        value = world.functions[value]
        if value in (None, NOT_FOUND):  # a tenant without a key becomes no other tenant
            return CONFIGURATION
        return UNAVAILABLE if value == UNAVAILABLE else key_in(value, "code")


@dataclass
class Env(Source):
    """A variable, or the file that another variable names; both are a contradiction."""

    variable: str = VARIABLE
    file: Source | None = None

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        text, now = world.environ.get(self.variable) or "", self.now(world)
        if text.strip():
            self.keys = NONE
            return CONFIGURATION if self.file else key_in(text, f"env:{self.variable}")
        answer = self.file.ask(world, doubted) if self.file else NOT_FOUND
        if isinstance(answer, str):
            self.keys = NONE
            return answer
        self.keys = self.keys.after_401(doubted, now).after_read(answer, now)
        return self.keys.instead(answer, now)


@dataclass
class Chain(Source):
    """The first source with a key answers."""

    sources: list[Source]

    def ask(self, world: World, doubted: Key | None = None) -> Key | str:
        failures = []
        for source in self.sources:
            answer = source.ask(world, doubted)
            if isinstance(answer, Key):
                self.note_answer(world)
                return answer
            if answer == NOT_FOUND:
                if source.on_missing == "stop":
                    return CONFIGURATION
            elif source.on_error == "stop" or (doubted is REFRESH and source.keeps_key(world)):
                return answer
            else:
                failures.append(answer)
        return failures[0] if failures else NOT_FOUND

    def note_answer(self, world: World) -> None:
        for each in self.sources:
            each.note_answer(world)

    def give_up(self, key: Key, world: World) -> None:
        for each in self.sources:
            each.give_up(key, world)


def in_force(process: Process, world: World, blocks: list[Source], client: Client) -> Source:
    """A client's own, else the innermost block's, else the process's. Nothing falls back."""
    if client.credentials is not None:
        return client.credentials
    if blocks:
        return blocks[-1]
    if process.requires_using(world):
        return InCode("")  # what is set up incorrectly
    return process.credentials or (client.own or process).chain(world)


def call(
    process: Process, world: World, blocks: list[Source], client: Client, send: Callable[[Key], str]
) -> str | None:
    """Send what must be sent; return how it fails without an answer of the API, or None.

    All attempts of a call ask one and the same source, and its key stays that of one place.
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
            other = source.ask(world, doubted=key)
            if isinstance(other, Key) and other.source == key.source and other != key:
                status = send(other)
                if status == "401":
                    source.give_up(other, world)
        if status != "503":
            return None
    return None
