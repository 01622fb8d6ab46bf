"""A machine that does anything at all to the process and makes a call after each step.

It writes a script, line by line, and does what each line says; the oracle says what the call must
come to. A failure is that script, which hypothesis has made as short as it can.
"""

from __future__ import annotations

import contextvars
import copy
import functools
import time
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.machine import oracle, promises, stage
from tests.machine.oracle import (
    DENIED,
    REVOKED,
    UNAVAILABLE,
    Chain,
    Client,
    Dotenv,
    Env,
    File,
    Function,
    Given,
    Key,
    Local,
    Settings,
    Source,
    Stops,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType

PREAMBLE = """\
# Run me from the folder of the repository: PYTHONPATH=. python this.py
from tests.machine.stage import *

start()
p0 = Here()
"""

_FAILURES = {
    "not found": "CredentialNotFoundError('none')",
    "unavailable": "CredentialStoreUnavailableError('down')",
    "denied": "CredentialDeniedError('no')",
    "revoked": "CredentialRevokedError('gone')",
}


class Picker:
    """One number, taken apart into choices: hypothesis makes it small, and so each choice its
    first.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def of(self, choices: Any) -> Any:
        self._number, at = divmod(self._number, len(choices))
        return choices[at]


@functools.lru_cache(50_000)
def _compiled(line: str, mode: str) -> CodeType:
    return compile(line, "script", mode)


class Machine(RuleBasedStateMachine):
    """The process, and what the oracle knows of it."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.context = contextvars.Context()  # what is left open in it harms no other script
        self.names: dict[str, Any] = {name: getattr(stage, name) for name in stage.__all__}
        self.world, self.process = oracle.World(), oracle.Process()
        self.count = 0
        self.sources: list[tuple[str, Source]] = []
        self.clients: list[tuple[str, Client, str]] = []  # its name, and "sync", "async", ...
        self.blocks: list[tuple[str, Source]] = []
        self.generators: dict[tuple[int, str], str] = {}  # of a place and a block
        self.places: list[tuple[str, str, list[tuple[str, Source]]]] = [("p0", "Here", [])]
        self.chain_born: float | None = None
        self.keys: list[str] = []
        self.pending: Callable[[], None] | None = None
        self.failing = 0
        stage.start()
        self.names["p0"] = stage.Here()

    # --- The script
    # ---------------------------------------------------------------------------------------------------

    def do(self, line: str) -> None:
        """Write a line and do what it says."""
        self.lines.append(line)
        self.context.run(exec, _compiled(line, "exec"), self.names)

    def key(self, of: str) -> str:
        self.count += 1
        key = f"vs-{of}-{self.count}"
        self.keys.append(key)
        return key

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def script(self) -> str:
        return PREAMBLE + "\n".join(self.lines) + "\nend()\n"

    @rule(
        change=st.deferred(lambda: CHANGES),
        which=st.integers(0, 2**24),
        way=st.deferred(lambda: WAYS),
        where=st.integers(0, 2**12),
    )
    def step(self, change: Any, which: int, way: Any, where: int) -> None:
        """Change something, and make a call."""
        type(self).steps += 1
        if self.chain_born is not None and time.monotonic() - self.chain_born > 0.8:
            self.reset(Picker(0))  # its files would soon be looked at again
        change(self, Picker(which))
        way(self, Picker(where))

    def check(
        self, expression: str, expect: Callable[[oracle.World, oracle.Process], list[str]]
    ) -> None:
        """Do what an expression says, and compare what comes of it with what the oracle says."""
        chain = self.process.chain
        before = self._snapshot()
        expected = expect(self.world, self.process)
        if self.process.chain is not chain or self.process.settings is None:
            self.chain_born = None
        if self.process.chain is not None and self.chain_born is None:
            self.chain_born = time.monotonic()
        self.lines.append(f"assert {expression} == {expected}")
        got = self.context.run(eval, _compiled(expression, "eval"), self.names)
        if got == expected:
            return
        if before is not None:
            self._restore(before)
            self.world.eager = True
            other = expect(self.world, self.process)
            self.world.eager = False
            if got == other:
                self.lines[-1] = f"assert {expression} in ({expected}, {other})"
                return
        if self.chain_born is not None and time.monotonic() - self.chain_born > 0.95:
            self.reset(Picker(0))  # a file was looked at again meanwhile
            return
        raise AssertionError(
            f"\nThe oracle says {expected}, and the wire {got}:\n\n{self.script()}"
        )

    def _snapshot(self) -> Any:
        """What the oracle has to go back to, where a stale key and its successor are equally
        good.
        """
        stores = [each for each in self._stores() if each.key]
        if all(self.world.now - each.read_at < oracle.TTL for each in stores):
            return None
        return (
            copy.deepcopy(self.__dict__["world"]),
            [(each, copy.copy(each.__dict__)) for each in self._all()],
            copy.copy(self.process),
        )

    def _restore(self, before: Any) -> None:
        self.world, sources, self.process = before
        for each, was in sources:
            each.__dict__.clear()
            each.__dict__.update(was)

    def _all(self) -> Iterable[Any]:
        seen: dict[int, Any] = {}

        def walk(source: Any) -> None:
            if source is None or id(source) in seen:
                return
            seen[id(source)] = source
            for each in getattr(source, "sources", []):
                walk(each)
            walk(getattr(source, "file", None))

        for _, source in self.sources:
            walk(source)
        walk(self.process.chain)
        walk(self.process.credentials)
        for _, client, _ in self.clients:
            walk(client.credentials)
        return seen.values()

    def _stores(self) -> list[Store]:
        return [each for each in self._all() if isinstance(each, Store)]

    def teardown(self) -> None:
        """End what the script has begun."""
        for at in range(len(self.places) - 1, -1, -1):
            name, _, stack = self.places[at]
            for block in stack[::-1]:
                self._leave(at, block)
            self.do(f"{name}.end()")
        for name, _, style in self.clients:
            self.do(f"{name}.close()" if style in ("sync", "get") else f"aclose({name})")
        self.context.run(stage.end)

    # --- Changes: code
    # ------------------------------------------------------------------------------------------------

    def nothing(self, pick: Picker) -> None:
        """Call again."""

    def assign(self, pick: Picker) -> None:
        kind = pick.of(("key", "key", "key", "None", "del", "function", "bad", "blank"))
        if kind == "key":
            key = self.key("code")
            self._code(
                f"vectorshift.api_key = {key!r}", lambda: setattr(self.world, "api_key", key)
            )
        elif kind in ("None", "del"):
            line = "del vectorshift.api_key" if kind == "del" else "vectorshift.api_key = None"
            self._code(line, lambda: setattr(self.world, "api_key", None))
        elif kind == "function":
            form = pick.of(("function", "afunction"))
            self._code(
                f"vectorshift.api_key = {form}('f')",
                lambda: setattr(self.world, "api_key", Function("f")),
            )
        else:
            text = "vs bad" if kind == "bad" else ""
            self._code(
                f"vectorshift.api_key = {text!r}", lambda: setattr(self.world, "api_key", text)
            )

    def _code(self, line: str, model: Callable[[], None]) -> None:
        """Do a line now; one that was begun by `meanwhile`, while the next request is under way."""
        if self.deferring:
            self.do(f"def meanwhile():\n    {line}\napi.meanwhile = meanwhile")
            self.pending = model
            return
        self.do(line)
        model()

    deferring = False

    def meanwhile(self, pick: Picker) -> None:
        """Something changes while the next request is under way."""
        if self.pending is not None:
            return
        self.deferring = True
        try:
            change = pick.of(
                (Machine.assign, Machine.variable, Machine.store, Machine.result, Machine.configure)
            )
            change(self, pick)
        finally:
            self.deferring = False

    def result(self, pick: Picker) -> None:
        """Change what the functions give."""
        kind = pick.of(("key", "key", "None", "not found", "unavailable"))
        value = self.key("tenant") if kind == "key" else None if kind == "None" else kind
        text = _FAILURES.get(kind, repr(value))
        self._code(f"functions['f'] = {text}", lambda: self.world.functions.update(f=value))

    # --- Changes: environment, files, stores, time
    # --------------------------------------------------------------------

    def variable(self, pick: Picker) -> None:
        name = pick.of(("VECTORSHIFT_API_KEY", "VECTORSHIFT_API_KEY", "TENANT_KEY"))
        value = {
            "key": self.key("env"),
            "blank": " ",
            "bad": "vs bad",
            "gone": None,
            "reference": "${NAME}",
        }[
            pick.of(
                (
                    "key",
                    "key",
                    "gone",
                    "gone",
                    "blank",
                    "bad",
                    *(["reference"] if promises.NO_REFERENCES else []),
                )
            )
        ]
        self._set(name, value)

    def _set(self, name: str, value: str | None) -> None:
        if value is None:
            self._code(
                f"os.environ.pop({name!r}, None)", lambda: void(self.world.environ.pop(name, None))
            )
        else:
            self._code(
                f"os.environ[{name!r}] = {value!r}",
                lambda: self.world.environ.update({name: value}),
            )

    def setting(self, pick: Picker) -> None:
        """Settings of the environment: they count at the next reading."""
        name, values = pick.of(
            (
                ("VECTORSHIFT_API_KEY_FILE", (None, None, "key")),
                ("VECTORSHIFT_ENV_FILE", (None, None, "named.env", "")),
                (
                    "VECTORSHIFT_PROVIDERS",
                    (
                        None,
                        "default,one",
                        "one,default",
                        "default,one,two",
                        "two,env,one",
                        "dotenv,env",
                        "env",
                        "default,env",
                        "default,nosuch",
                    ),
                ),
                ("VECTORSHIFT_ONE_ON_ERROR", (None, "continue", "stop", "Stop")),
                ("VECTORSHIFT_ONE_ON_MISSING", (None, "stop", "continue")),
                ("VECTORSHIFT_TWO_ON_ERROR", (None, "continue")),
            )
        )
        self._set(name, pick.of(values))
        if pick.of((True, True, False)):
            self.reset(pick)

    def file(self, pick: Picker) -> None:
        name = pick.of(("key", ".env", "named.env"))
        kind = pick.of(
            ("key", "key", "gone", "gone", "empty", "bad", "none", "mistyped", "address", "two")
        )
        key = self.key(name.strip("."))
        if name == "key":
            text = {"key": key, "empty": " \n", "bad": "vs bad"}.get(kind, key)
        else:
            line = f"VECTORSHIFT_API_KEY={key}\n"
            text = {
                "empty": "VECTORSHIFT_API_KEY=\n", "bad": "VECTORSHIFT_API_KEY=vs bad\n", "none": "OTHER=1\n",
                "mistyped": "VECTORSHIFT_API_KEY: vs-x\n",
                "address": line + (f"VECTORSHIFT_BASE_URL={stage.api.url}\n" if name == ".env" else ""),
                "two": line + (line.replace(key, "vs-other") if promises.ONE_KEY_A_FILE else ""),
            }.get(kind, line)  # fmt: skip
        if kind == "gone":
            self.do(f"Path({name!r}).unlink(missing_ok=True)")
            self.world.files.pop(name, None)
        else:
            self.do(f"Path({name!r}).write_text({text!r})")
            self.world.files[name] = text

    def store(self, pick: Picker) -> None:
        name = pick.of(("one", "two"))
        kind = pick.of(
            ("put", "put", "put", "recover", "recover", "remove", "down", "deny", "revoke", "bad")
        )
        world = self.world
        if kind in ("put", "bad"):
            key = self.key(name) if kind == "put" else "vs bad"
            self._code(f"{name}.put({key!r})", lambda: world.stores.update({name: key}))
        elif kind == "remove":
            self._code(f"{name}.remove()", lambda: world.stores.update({name: None}))
        elif kind == "recover":
            self._code(f"{name}.recover()", lambda: void(world.broken.pop(name, None)))
        else:
            word = {"down": UNAVAILABLE, "deny": DENIED, "revoke": REVOKED}[kind]
            self._code(f"{name}.fail({_FAILURES[word]})", lambda: world.broken.update({name: word}))

    def time(self, pick: Picker) -> None:
        seconds = pick.of((61, 400, 61, 400, 90_000))
        self.do(f"advance({seconds})")
        self.world.now += seconds

    def reject(self, pick: Picker) -> None:
        """The API rejects a key, or takes all of them again."""
        recent = self.keys[-8:] + [*self.told[:1]]
        if pick.of((True, True, False)) and recent:
            key = pick.of(recent[::-1])
            self.do(f"api.rejected.add({key!r})")
            self.world.rejected.add(key)
        else:
            self.do("api.rejected.clear()")
            self.world.rejected.clear()

    told: tuple[str, ...] | list[str] = ()

    def busy(self, pick: Picker) -> None:
        """The API answers the next request with 503; only clients with a clock of their own wait
        for no time.
        """
        self.do("api.failing = 1")
        self.failing = 1

    # --- Changes: the process
    # -----------------------------------------------------------------------------------------

    def source(self, pick: Picker) -> tuple[str, Source]:
        """Return credentials: those that are there already, or new ones."""
        if self.sources and pick.of((False, False, True)):
            return pick.of(self.sources)  # type: ignore[no-any-return]
        text, made = pick.of(SOURCES)
        key = self.key("given")
        name = self.name("s")
        self.do(f"{name} = {text.format(key=repr(key))}")
        self.sources.append((name, made(key)))
        return self.sources[-1]

    def configure(self, pick: Picker) -> None:
        name, source = self.source(pick)

        def model() -> None:
            self.process.credentials, self.process.chain = source, None

        self._code(f"vectorshift.configure(credentials={name})", model)

    def configure_settings(self, pick: Picker) -> None:
        text, made = pick.of(SETTINGS)
        self.do(f"vectorshift.configure(settings=Settings(base_url=api.url{text}))")
        self.process.settings, self.process.chain = made(), None

    def configure_client(self, pick: Picker) -> None:
        mine = [each for each in self.clients if each[2] in ("sync", "async")]
        if mine:
            name, client, style = pick.of(mine)
            self.do(f"vectorshift.configure(client={name})")
            self.process.clients[style] = client

    def configure_none(self, pick: Picker) -> None:
        """A failed look-up must not configure nothing."""
        if promises.NONE_IS_A_TYPE_ERROR:
            self.do(
                "try:\n    vectorshift.configure(credentials=None)\nexcept TypeError:\n   "
                " pass\nelse:\n    assert False"
            )

    def require_using(self, pick: Picker) -> None:
        if promises.REQUIRE_USING:
            on = pick.of((True, False))
            self.do(f"vectorshift.configure(require_using={on})")
            self.process.require_using = on

    def reset(self, pick: Picker) -> None:
        self.do("vectorshift.reset()")
        self.process, self.chain_born = oracle.Process(), None

    def close(self, pick: Picker) -> None:
        """What is closed opens again at the next call."""
        sync = [name for name, _, style in self.clients if style == "sync"]
        self.do(f"{pick.of(['vectorshift', *sync])}.close()")

    def client(self, pick: Picker) -> None:
        if len(self.clients) >= 8:
            return
        name, style = self.name("c"), pick.of(("sync", "async", "sync", "async", "get", "aget"))
        how = "base_url=api.url, clock=waits, max_retries=1"
        cls = {"sync": "VectorShift", "async": "AsyncVectorShift"}.get(style)
        if cls and pick.of((True, False)):
            self.do(f"{name} = {cls}({how})")
            self.clients.append((name, Client(retries=1), style))
            return
        given, source = self.source(pick)
        if cls:
            self.do(f"{name} = {cls}({given}, {how})")
        else:
            kind = "Client" if style == "get" else "AsyncClient"
            self.do(
                f"{name} = httpx.{kind}(auth=CredentialAuth({given}, origin=api.url), verify=False)"
            )
        self.clients.append((name, Client(source, 1), style))

    # --- Changes: blocks and places
    # -----------------------------------------------------------------------------------

    def enter(self, pick: Picker) -> None:
        at = pick.of(range(len(self.places)))
        place, _, stack = self.places[at]
        if len(stack) >= 5:
            return
        if self.blocks and pick.of((False, False, True)):
            block = pick.of(self.blocks)
        else:
            given, source = self.source(pick)
            block = (self.name("b"), source)
            self.do(f"{block[0]} = using({given})")
            if pick.of((False, False, True)):
                return self._begin(at, block)
            self.blocks.append(block)
        self.do(f"{place}.run({block[0]}.__enter__)")
        stack.append(block)

    def _begin(self, at: int, block: tuple[str, Source]) -> None:
        """Enter a block that is in a generator."""
        place, _, stack = self.places[at]
        name = self.name("g")
        self.do(f"{name} = begun({block[0]})")
        self.do(f"{place}.run(lambda: next({name}))")
        self.generators[at, block[0]] = name
        stack.append(block)

    def leave(self, pick: Picker) -> None:
        """Leave a block, mostly in the place where it was entered."""
        at = pick.of(range(len(self.places)))
        place, _, stack = self.places[at]
        known = [*stack[::-1], *self.blocks]
        if not known:
            return
        block = known[0] if pick.of((True, True, False)) else pick.of(known)
        if block in stack:
            self._leave(at, block)
        else:
            line = f"{place}.run(lambda: {block[0]}.__exit__(None, None, None))"
            self.do(f"try:\n    {line}\nexcept RuntimeError:\n    pass\nelse:\n    assert False")

    def _leave(self, at: int, block: tuple[str, Source]) -> None:
        place, _, stack = self.places[at]
        generator = self.generators.pop((at, block[0]), None)
        end = (
            f"{generator}.close" if generator else f"lambda: {block[0]}.__exit__(None, None, None)"
        )
        self.do(f"{place}.run({end})")
        del stack[len(stack) - 1 - stack[::-1].index(block)]

    def place(self, pick: Picker) -> None:
        if len(self.places) >= 5:
            return
        kind = pick.of(("Task", "Copied", "Worker"))
        at = pick.of(
            [at for at, each in enumerate(self.places) if kind != "Task" or each[1] != "Worker"]
        )
        parent, _, stack = self.places[at]
        name = self.name("p")
        self.do(f"{name} = {parent}.run({kind})")
        self.places.append((name, kind, [] if kind == "Worker" else [*stack]))

    # --- Calls
    # --------------------------------------------------------------------------------------------------------

    def call(self, pick: Picker, way: str, *, asynchronous: bool, sees: bool) -> None:
        at = pick.of(range(len(self.places)))
        place, kind, stack = self.places[at]
        if kind == "Worker" and way.startswith(("in_to", "in_an")):
            way, sees = "", True
        sync = not asynchronous or way.startswith(("in_to", "in_an"))
        styles = ("sync", "get") if sync else ("async", "aget")
        if (
            kind == "Worker"
        ):  # each call there has an event loop of its own, which httpx's client cannot follow
            styles = styles[:1]
        client = pick.of(
            [("", None, ""), *(each for each in self.clients if each[2] in styles)] * 1
        )
        if self.failing and client[1] is None:
            self.do("api.failing = 0")
            self.failing = 0
        form = {"get": "get", "aget": "aget"}.get(client[2], "call" if sync else "acall")
        work = f"{form}({client[0]})"
        work = f"{way}({work})" if way else work
        seen = [source for _, source in stack] if sees else []
        run = "arun" if asynchronous else "run"

        def expect(world: oracle.World, process: oracle.Process) -> list[str]:
            one = client[1] or process.clients.get("sync" if sync else "async")
            if client[2] in ("get", "aget"):
                return self._got(world, client[1])
            return oracle.call(world, process, seen, one, self._event)

        pending, failing = self.pending, self.failing

        def again(world: oracle.World, process: oracle.Process) -> list[str]:
            self.pending, self.failing = pending, failing
            self.told = expect(world, process)
            return list(self.told)

        self.check(f"{place}.{run}({work})", again)
        self._unpend()

    def _unpend(self) -> None:
        """No request was made: what should have happened meanwhile does not."""
        if self.pending is not None or self.failing:
            self.do("api.meanwhile, api.failing = None, 0")
            self.pending, self.failing = None, 0

    def _event(self, key: Key, told: list[str]) -> str:
        """A request arrives."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending()
        status = "200"
        if self.failing:
            self.failing, status = 0, "503"
        elif key.text in self.world.rejected:
            status = "401"
        told += [key.text] if status == "200" else [key.text, status]
        return status

    def _got(self, world: oracle.World, client: Any) -> list[str]:
        """What an httpx client's request comes to: it reads no settings and is not sent again after
        a 503.
        """
        process = oracle.Process(settings=Settings())
        return oracle.call(world, process, [], Client(client.credentials), self._event)

    def child(self, pick: Picker) -> None:
        """A forked child calls; what it learns it keeps to itself."""
        self._unpend()
        at = pick.of([at for at, each in enumerate(self.places) if each[1] in ("Here", "Copied")])
        place, _, stack = self.places[at]
        client = pick.of([("", None, ""), *(each for each in self.clients if each[2] == "sync")])
        seen = [source for _, source in stack]
        before = [(each, copy.copy(each.__dict__)) for each in self._all()]
        process = copy.copy(self.process)

        def expect(world: oracle.World, process: oracle.Process) -> list[str]:
            one = client[1] or process.clients.get("sync")
            return oracle.call(world, process, seen, one, self._event)

        self.check(f"{place}.run(in_a_child(call({client[0]})))", expect)
        self.process = process
        for each, was in before:
            each.__dict__.update(was)

    def ask(self, pick: Picker, what: str) -> None:
        """Ask for the key, and make no call."""
        self._unpend()
        place, _, stack = pick.of(self.places)
        sync = what != "acredential"
        seen = [source for _, source in stack]

        def expect(world: oracle.World, process: oracle.Process) -> list[str]:
            client = process.clients.get("sync" if sync else "async")
            answer = process.in_force(world, seen, client).ask(world)
            return [answer.text if isinstance(answer, Key) else answer]

        self.check(f"{place}.{'run' if sync else 'arun'}({what})", expect)


def void(_: object) -> None:
    """Drop what a method gives."""


def _env_file() -> Env:
    return Env(file=File("key"))


SOURCES: list[tuple[str, Callable[[str], Source]]] = [
    ("{key}", lambda key: Given(key)),
    ("{key}", lambda key: Given(key)),
    ("function('f')", lambda _: Given(Function("f"))),
    ("afunction('f')", lambda _: Given(Function("f"))),
    ("'vs bad'", lambda _: Given("vs bad")),
    ("''", lambda _: Given("")),
    ("EnvProvider()", lambda _: Env()),
    ("EnvProvider('TENANT_KEY')", lambda _: Env("TENANT_KEY")),
    ("EnvProvider(file='key', **timed)", lambda _: _env_file()),
    ("DotenvProvider(**timed)", lambda _: Dotenv(".env", named=False)),
    ("DotenvProvider('named.env', **timed)", lambda _: Dotenv("named.env")),
    ("cached(one)", lambda _: Chain([Store("one")])),
    ("cached(two)", lambda _: Chain([Store("two")])),
    ("cached(one, on_missing='stop')", lambda _: Chain([Store("one", on_missing="stop")])),
    ("cached(one, on_error='continue')", lambda _: Chain([Store("one", on_error="continue")])),
    ("two.provider('two', remote=False)", lambda _: Local("two")),
    (
        "ProviderChain([cached(one, on_error='continue'), EnvProvider('TENANT_KEY')])",
        lambda _: Chain([Store("one", on_error="continue"), Env("TENANT_KEY")]),
    ),
    (
        "ProviderChain([cached(one, on_missing='stop'), cached(two)])",
        lambda _: Chain([Store("one", on_missing="stop"), Store("two")]),
    ),
    (
        "ProviderChain([cached(one, on_error='continue', on_missing='stop'), cached(two)])",
        lambda _: Chain([Store("one", on_error="continue", on_missing="stop"), Store("two")]),
    ),
    (
        (
            "ProviderChain([EnvProvider(file='key', **timed), DotenvProvider(**timed), cached(one),"
            " cached(two)])"
        ),
        lambda _: Chain([_env_file(), Dotenv(".env", named=False), Store("one"), Store("two")]),
    ),
    (
        (
            "ProviderChain([DotenvProvider(**timed), EnvProvider(), two.provider('two',"
            " remote=False)])"
        ),
        lambda _: Chain([Dotenv(".env", named=False), Env(), Local("two")]),
    ),
    (
        (
            "ProviderChain([ProviderChain([cached(one), EnvProvider()]), cached(two,"
            " on_error='continue'), EnvProvider('TENANT_KEY')])"
        ),
        lambda _: Chain(
            [
                Chain([Store("one"), Env()]),
                Store("two", on_error="continue"),
                Env("TENANT_KEY"),
            ]
        ),
    ),
]

SETTINGS: list[tuple[str, Callable[[], Settings]]] = [
    ("", Settings),
    (", providers=('env', 'one')", lambda: Settings("env,one")),
    (", providers=('one', 'two', 'env')", lambda: Settings("one,two,env")),
    (
        ", providers=('one', 'two'), plugins={'one': {'on_error': 'continue'}}",
        lambda: Settings("one,two", plugins={"one": Stops(on_error="continue")}),
    ),
    (", api_key_file='key'", lambda: Settings(key_file="key")),
    (", env_file='named.env'", lambda: Settings(env_file="named.env")),
    (", env_file=''", lambda: Settings(env_file="")),
]


def _weighted(*pairs: tuple[int, Any]) -> list[Any]:
    return [each for weight, each in pairs for _ in range(weight)]


CHANGES = st.sampled_from(
    _weighted(
        (2, Machine.nothing), (5, Machine.assign), (3, Machine.result), (5, Machine.variable),
        (3, Machine.setting), (5, Machine.file), (8, Machine.store), (4, Machine.time),
        (4, Machine.reject), (2, Machine.busy), (5, Machine.meanwhile), (3, Machine.configure),
        (1, Machine.configure_settings), (1, Machine.configure_client), (1, Machine.configure_none),
        (1, Machine.require_using), (2, Machine.reset), (1, Machine.close), (4, Machine.client),
        (5, Machine.enter), (5, Machine.leave), (2, Machine.place),
    )
)  # fmt: skip


def _way(way: str, *, asynchronous: bool, sees: bool) -> Any:
    return functools.partial(Machine.call, way=way, asynchronous=asynchronous, sees=sees)


def _asked(what: str) -> Any:
    return functools.partial(Machine.ask, what=what)


WAYS = st.sampled_from(
    [
        *_weighted(
            (60, _way("", asynchronous=False, sees=True)),
            (36, _way("", asynchronous=True, sees=True)),
            (12, _way("in_a_thread", asynchronous=False, sees=False)),
            (12, _way("in_a_copied_thread", asynchronous=False, sees=True)),
            (9, _way("in_to_thread", asynchronous=True, sees=True)),
            (9, _way("in_an_executor", asynchronous=True, sees=False)),
            (9, _way("in_a_task", asynchronous=True, sees=True)),
            (6, _asked("credential")),
            (6, _asked("acredential")),
            (6, _asked("api_key")),
            (1, Machine.child),
        )
    ]
)
