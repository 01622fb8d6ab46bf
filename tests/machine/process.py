"""What the process uses: what was configured, and the chain that settings make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.machine.oracle import Chain, Env, File, InCode, Source, Store
from tests.machine.world import World, in_dotenv, in_found_dotenv, mistyped

BUILT_IN, PLUGINS = ("env", "dotenv", "vault", "aws"), ("one", "two")
WRONG = InCode("")


class Client(NamedTuple):
    credentials: Source | None = None  # None: those of the block or of the process
    retries: int = 0
    own: Process | None = None  # with the settings of this client alone


@dataclass
class Process:
    """Settings are read by the first call that needs them, and kept."""

    settings: Settings | None = None
    credentials: Source | None = None
    clients: dict[str, Client] = field(default_factory=dict)  # for "sync" and "async" calls
    made: Source | None = None
    require_using: bool = False

    def settings_in(self, world: World) -> Settings | None:
        self.settings = self.settings or Settings.of(world)
        return self.settings

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
        key_file = File(self.key_file, clocked=False) if self.key_file else None
        made: dict[str, Source] = {"env": Env(file=key_file)}
        if self.env_file != "":
            read = in_dotenv if self.env_file else in_found_dotenv
            made["dotenv"] = File(self.env_file or ".env", read, clocked=False)
        for name in PLUGINS:
            error, missing = self.plugins.get(name.upper(), ("stop", "continue"))
            right = {error, missing} <= {"stop", "continue"}
            made[name] = Store(name, on_error=error, on_missing=missing) if right else WRONG
        return Chain([InCode(), *(made[name] for name in names if name in made)])
