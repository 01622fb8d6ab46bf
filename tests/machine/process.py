"""What the process uses: what was configured, and the chain that settings make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.machine.files import File, in_dotenv, in_found_dotenv, in_key_file, mistyped
from tests.machine.oracle import Chain, Env, InCode, Source
from tests.machine.store import Store
from tests.machine.world import VARIABLE

if TYPE_CHECKING:
    from tests.machine.world import World

BUILT_IN, PLUGINS = ("env", "dotenv", "vault", "aws"), ("one", "two")
POLICIES = ("on_error", "on_missing")
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
    """They have the names that they have in scripts."""

    providers: tuple[str, ...] = ("default",)
    api_key_file: str | None = None
    env_file: str | None = None  # "" for none
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def of(world: World) -> Settings | None:
        """None: a dotenv file is named, and is not there or has a mistyped line."""
        said = {name[12:]: text for name, text in world.environ.items() if text is not None}
        env_file = said.get("ENV_FILE")
        if env_file and mistyped(world.files.get(env_file, "VECTORSHIFT")):
            return None
        plugins = {
            name: {how: said[at] for how in POLICIES if (at := f"{name}_{how}".upper()) in said}
            for name in PLUGINS
        }
        providers = said.get("PROVIDERS", "default").split(",")
        return Settings(tuple(providers), said.get("API_KEY_FILE"), env_file, plugins)

    def chain(self) -> Source:
        names = ",".join(self.providers).replace("default", ",".join(BUILT_IN)).split(",")
        if len({*names}) < len(names) or not {*names} <= {*BUILT_IN, *PLUGINS}:
            return WRONG
        path = self.api_key_file
        key_file = File(path, in_key_file, clocked=False) if path else None
        made: dict[str, Source] = {"env": Env(file=key_file, clocked=False)}
        if self.env_file != "":
            read = in_dotenv if self.env_file else in_found_dotenv
            made["dotenv"] = File(self.env_file or ".env", read, clocked=False)
        for name in PLUGINS:
            how = self.plugins.get(name, {})
            right = {*how.values()} <= {"stop", "continue"}
            made[name] = Store(name, **how) if right else WRONG
        return Chain([InCode(), *(made[name] for name in names if name in made)])


@dataclass
class _Store:
    name: str

    def provider(self, _: str, *, remote: bool = True, **how: Any) -> Store:
        return Store(self.name, clocked=False, cached=remote, **how)


def _env(variable: str = VARIABLE, file: str | None = None, **_: object) -> Env:
    return Env(variable, File(file, in_key_file) if file else None)


def _dotenv(path: str | None = None, **_: object) -> File:
    return File(path or ".env", in_dotenv if path else in_found_dotenv)


NAMES: dict[str, Any] = {
    **{name: _Store(name) for name in PLUGINS},
    **{"EnvProvider": _env, "DotenvProvider": _dotenv, "timed": {}, "clock": None},
    **{"function": InCode, "afunction": InCode, "Settings": Settings},
    "cached": lambda store, **how: Store(store.name, **how),
    "ProviderChain": lambda sources, **_: Chain(sources),
}


def meant(text: str) -> Any:
    """What an expression of a script stands for: credentials are a chain, whatever is given."""
    made = eval(text, NAMES)
    made = InCode(made) if isinstance(made, str) else made
    return made if isinstance(made, Chain | Settings) else Chain([made])
