"""Whose key a call must carry: the promise of the package, written by hand in one page.

A source answers with a `Key`, or with the kind of its failure. Only *not found* moves a chain on.
Time is `World.now`, in seconds; it moves by more than a minute at a time, so what is remembered for
less is asked anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tests.machine.promises import NO_REFERENCES, ONE_KEY_A_FILE

NOT_FOUND, CONFIGURATION, UNAVAILABLE = "not found", "configuration", "unavailable"
DENIED, REVOKED = "denied", "revoked"
TTL, MAX_STALE = 300, 86_400
VARIABLE = "VECTORSHIFT_API_KEY"


class Key(NamedTuple):
    text: str
    place: str


Result = Key | str


class Source(Protocol):
    on_error: str
    on_missing: str

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result: ...


@dataclass
class World:
    """All that a call can depend on."""

    now: float = 0
    api_key: object = None  # a text, the name of a function, or None
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    stores: dict[str, str | None] = field(default_factory=lambda: {"one": None, "two": None})
    broken: dict[str, str] = field(default_factory=dict)  # a store, and how it fails
    functions: dict[str, str | None] = field(default_factory=dict)  # a key, None, or a failure
    rejected: set[str] = field(default_factory=set)  # what the API answers with 401
    eager: bool = False  # a stale key's refresh is done before it is served: it may be


def parsed(text: str, place: str, blank: str) -> Result:
    key = text.strip()
    reference = NO_REFERENCES and (key[:2] == "${" or key[:5] == "op://")
    return blank if not key else CONFIGURATION if " " in key or reference else Key(key, place)


@dataclass(kw_only=True)
class Stops:
    on_error: str = "stop"
    on_missing: str = "continue"


@dataclass
class Given(Stops):
    """A key or a function, given in code; `LIVE` is `vectorshift.api_key`."""

    value: object = None

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        value = world.api_key if self.value is LIVE else self.value
        if isinstance(value, Function):
            value = world.functions.get(value.name)
            if value in (None, NOT_FOUND):
                return CONFIGURATION  # a tenant that is not found must not become another one
            if value == UNAVAILABLE:
                return value
        return NOT_FOUND if value is None else parsed(str(value), "code", CONFIGURATION)


LIVE = object()


class Function(NamedTuple):
    name: str


@dataclass
class File(Stops):
    """A file is looked at once a moment; one that had a key and has none is not absent."""

    path: str = ""
    named: bool = True
    live: bool = True  # False: on the machine's own clock, which does not move in a test
    looked: float | None = None
    had_key: bool = False
    answer: Result = NOT_FOUND

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        if self.looked is None or refused or anew or (self.live and self.looked != world.now):
            text, self.looked = world.files.get(self.path), world.now
            self.answer = self.read(text)
            nothing = not (text or "").strip() or self.answer == NOT_FOUND
            if self.had_key and nothing:
                self.answer = UNAVAILABLE
            self.had_key = self.had_key or isinstance(self.answer, Key)
        return self.answer

    def read(self, text: str | None) -> Result:
        """A file with a key and nothing else."""
        return CONFIGURATION if text is None else parsed(text, f"file {self.path}", CONFIGURATION)


class Dotenv(File):
    def read(self, text: str | None) -> Result:
        if text is None:
            return CONFIGURATION if self.named else NOT_FOUND
        if mistyped(text):
            return CONFIGURATION
        keys = [line.split("=")[1] for line in text.splitlines() if line.startswith(VARIABLE)]
        if ONE_KEY_A_FILE and len(set(keys)) > 1:
            return CONFIGURATION
        answer = parsed(keys[-1], f"dotenv {self.path}", NOT_FOUND) if keys else NOT_FOUND
        leads_astray = not self.named and "VECTORSHIFT_BASE_URL" in text
        return CONFIGURATION if leads_astray and isinstance(answer, Key) else answer


def mistyped(text: str) -> bool:
    return any("VECTORSHIFT" in line and "=" not in line for line in text.splitlines())


@dataclass
class Env(Stops):
    """A variable of this moment, or the file that another one names; both are a contradiction."""

    variable: str = VARIABLE
    file: File | None = None

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        text = world.environ.get(self.variable, "")
        if not text.strip():
            return NOT_FOUND if self.file is None else self.file.ask(world, refused, anew)
        return CONFIGURATION if self.file else parsed(text, f"env {self.variable}", NOT_FOUND)


@dataclass
class Store(Stops):
    """A remote store. Its key is kept while it fails, and dropped when the store says that it is
    gone.
    """

    name: str = ""
    key: Key | None = None
    read_at: float = 0
    had_key: bool = False
    refused: bool = False  # the API said 401 to this key since it was read
    failure: str | None = None
    paused: float | None = None  # the moment in which it is not asked again

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        key, age, may_ask = self.key, world.now - self.read_at, self.paused != world.now
        if key and refused and refused.text == key.text:
            self.rejected = True
            return self.read(world) if may_ask else self.failure or key
        if key and age < MAX_STALE:
            if age >= TTL and not refused and may_ask or anew and may_ask:
                self.read(world)
            return (self.key or key) if world.eager else key
        return self.failure if self.failure and not may_ask else self.read(world)

    def read(self, world: World) -> Result:
        text = world.stores[self.name]
        answer = parsed(text, self.name, CONFIGURATION) if text is not None else NOT_FOUND
        answer = world.broken.get(self.name, answer)
        self.failure, self.paused = None, None
        if isinstance(answer, Key):
            if self.rejected and answer == self.key:
                self.paused = world.now
            self.key, self.read_at, self.had_key = answer, world.now, True
        else:
            answer = REVOKED if self.had_key and answer == NOT_FOUND else answer
            self.key = None if answer == REVOKED else self.key
            self.failure, self.paused = answer, world.now
        self.rejected = False
        return answer


@dataclass
class Local(Stops):
    """A source that is asked on each call, and remembers nothing."""

    name: str = ""

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        return Store(self.name).read(world)


@dataclass
class Chain(Stops):
    sources: list[Source] = field(default_factory=list)

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        passed_over = []
        for source in self.sources:
            answer = source.ask(world, refused, anew)
            if isinstance(answer, Key):
                return answer
            if answer == NOT_FOUND and source.on_missing == "stop":
                return CONFIGURATION
            if answer != NOT_FOUND and source.on_error == "stop":
                return answer
            passed_over += [answer] if answer != NOT_FOUND else []
        return passed_over[0] if passed_over else NOT_FOUND


@dataclass
class Fails(Stops):
    """What is set up incorrectly."""

    def ask(self, world: World, refused: Key | None = None, anew: bool = False) -> Result:
        return CONFIGURATION


@dataclass
class Client:
    credentials: Source | None = None  # None: those of the surroundings
    retries: int = 0


@dataclass
class Process:
    """What calls use that name no client; settings are read at the first call, and kept."""

    settings: Settings | None = None
    credentials: Source | None = None
    clients: dict[str, Client] = field(default_factory=dict)  # for "sync" and "async" calls
    chain: Source | None = None
    require_using: bool = False

    def read(self, world: World) -> bool:
        self.settings = self.settings or settings_in(world)
        return self.settings is not None

    def in_force(self, world: World, blocks: list[Source], client: Client | None) -> Source:
        """A client's own credentials, else the innermost block's, else the process's: nothing falls
        back.
        """
        if client and client.credentials:
            return client.credentials
        if blocks:
            return blocks[-1]
        if self.require_using:
            return Fails()
        if self.credentials is None and self.read(world):
            self.chain = self.chain or self.settings.chain()
        return self.credentials or self.chain or Fails()


@dataclass
class Settings:
    providers: str = "default"
    key_file: str | None = None
    env_file: str | None = None  # "" for none
    plugins: dict[str, Stops] = field(default_factory=dict)

    def chain(self) -> Source | None:
        """None: it cannot be made, and each call says so."""
        names = self.providers.replace("default", "env,dotenv,vault,aws").split(",")
        if len(set(names)) < len(names) or not set(names) <= KNOWN:
            return None
        key_file = File(self.key_file, live=False) if self.key_file else None
        dotenv = Dotenv(self.env_file or ".env", named=bool(self.env_file), live=False)
        made: dict[str, Source] = {"env": Env(file=key_file)}
        if self.env_file != "":
            made["dotenv"] = dotenv
        for name in ("one", "two"):
            said = self.plugins.get(name, Stops())
            right = {said.on_error, said.on_missing} <= {"stop", "continue"}
            made[name] = (
                Store(name, on_error=said.on_error, on_missing=said.on_missing)
                if right
                else Fails()
            )
        return Chain([Given(LIVE), *(made[each] for each in names if each in made)])


KNOWN = {"env", "dotenv", "vault", "aws", "one", "two"}


def settings_in(world: World) -> Settings | None:
    """None: a named dotenv file is not there, or has a line that is a mistake."""
    said = {name.removeprefix("VECTORSHIFT_"): text for name, text in world.environ.items()}
    env_file = said.get("ENV_FILE")
    if env_file and (env_file not in world.files or mistyped(world.files[env_file])):
        return None
    words = {
        name: Stops(
            on_error=said.get(f"{name.upper()}_ON_ERROR", "stop"),
            on_missing=said.get(f"{name.upper()}_ON_MISSING", "continue"),
        )
        for name in ("one", "two")
    }
    return Settings(said.get("PROVIDERS", "default"), said.get("API_KEY_FILE"), env_file, words)


def call(
    world: World, process: Process, blocks: list[Source], client: Client | None, events: Events
) -> list[str]:
    """What the API is sent, what it answers, and how the call fails."""
    if not process.read(world):
        return [CONFIGURATION]
    source = process.in_force(world, blocks, client)  # one call asks one and the same
    told: list[str] = []
    before: Key | None = None
    for _ in range(1 + (client.retries if client else 0)):
        key = source.ask(world)
        if not isinstance(key, Key):
            return [*told, key]
        if before and before.place != key.place:
            return told
        before, status = key, events(key, told)
        if status == "401":
            newer = source.ask(world, rejected=key)
            if isinstance(newer, Key) and newer.place == key.place and newer.text != key.text:
                status = events(newer, told)
                before = newer
        if status != "503":
            return told
    return told
