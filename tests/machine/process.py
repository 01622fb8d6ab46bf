"""What the process uses: what was configured, and the chain that settings make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.machine.files import File, in_dotenv, in_found_dotenv, in_key_file, mistyped
from tests.machine.oracle import Chain, Env, InCode, Source, Store

if TYPE_CHECKING:
    from tests.machine.world import World

BUILT_IN, PLUGINS = ("env", "dotenv", "vault", "aws"), ("one", "two")
WRONG = InCode("")


@dataclass
class Client:
    credentials: Source | None = None  # None: those of the block or of the process
    retries: int = 0
    own: Process | None = None  # with the settings of this client alone
    owner: object = None  # of an httpx client that was handed in; "" before its first use

    def belongs(self, here: object) -> bool:
        """Whether a client may be used in this process and event loop; it is noted at first."""
        self.owner = here if self.owner == "" else self.owner
        return self.owner in (None, here)


@dataclass
class Process:
    """Settings are read by the first call that needs them, and kept."""

    settings: Settings | None = None
    credentials: Source | None = None
    clients: dict[str, Client] = field(default_factory=dict)  # for "sync" and "async" calls
    made: Source | None = None
    require_using: bool | None = None

    def settings_in(self, world: World) -> Settings | None:
        self.settings = self.settings or Settings.of(world)
        return self.settings

    def requires_using(self, world: World) -> bool:
        """Whether calls need a block; a call fails in the same way where nobody can tell."""
        said = world.environ.get("VECTORSHIFT_REQUIRE_USING") == "1"
        may = said or world.environ.get("VECTORSHIFT_ENV_FILE")
        if self.require_using is None and may:
            return said or self.settings_in(world) is None
        return bool(self.require_using)

    def chain(self, world: World) -> Source:
        settings = self.settings_in(world)
        if settings is not None:
            self.made = self.made or settings.chain()
        return self.made or WRONG


@dataclass
class Settings:
    providers: str = "default"
    key_file: str | None = None
    env_file: str | None = None  # "" for none
    plugins: dict[str, tuple[str, str]] = field(default_factory=dict)  # on_error, on_missing

    @staticmethod
    def of(world: World) -> Settings | None:
        """None: a dotenv file is named, and is not there or has a mistyped line."""
        said = {name.removeprefix("VECTORSHIFT_"): text for name, text in world.environ.items()}
        env_file = said.get("ENV_FILE")
        if env_file and mistyped(world.files.get(env_file, "VECTORSHIFT")):
            return None
        plugins = {
            name: (said.get(f"{name}_ON_ERROR", "stop"), said.get(f"{name}_ON_MISSING", "continue"))
            for name in map(str.upper, PLUGINS)
        }
        return Settings(
            said.get("PROVIDERS", "default"), said.get("API_KEY_FILE"), env_file, plugins
        )

    def chain(self) -> Source:
        names = self.providers.replace("default", ",".join(BUILT_IN)).split(",")
        if len({*names}) < len(names) or not {*names} <= {*BUILT_IN, *PLUGINS}:
            return WRONG
        key_file = File(self.key_file, in_key_file, clocked=False) if self.key_file else None
        made: dict[str, Source] = {"env": Env(file=key_file, clocked=False)}
        if self.env_file != "":
            read = in_dotenv if self.env_file else in_found_dotenv
            made["dotenv"] = File(self.env_file or ".env", read, clocked=False)
        for name in PLUGINS:
            error, missing = self.plugins.get(name.upper(), ("stop", "continue"))
            right = {error, missing} <= {"stop", "continue"}
            made[name] = Store(name, on_error=error, on_missing=missing) if right else WRONG
        return Chain([InCode(), *(made[name] for name in names if name in made)])
