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
from tests.machine.oracle import ANY, TTL, Chain, Env, File, Given, Source, Store
from tests.machine.process import Client, Process, Settings
from tests.machine.world import (
    DENIED,
    REVOKED,
    UNAVAILABLE,
    VARIABLE,
    Key,
    World,
    in_dotenv,
    in_found_dotenv,
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
        self.world, self.process = World(), Process()
        self.world.stores.update(one="vs-one-0", two="vs-two-0")
        self.world.functions["f"] = "vs-tenant-0"
        self.count = 0
        self.sources: list[tuple[str, Source]] = []
        self.clients: list[tuple[str, Client, str]] = []  # its name, and "sync", "async", ...
        self.blocks: list[tuple[str, Source]] = []
        self.generators: dict[tuple[int, str], str] = {}  # of a place and a block
        self.places: list[tuple[str, str, list[tuple[str, Source]]]] = [("p0", "Here", [])]
        self.told: list[str] = []
        self.files_seen = 0.0  # when the chain of the process was made, in real seconds
        self.keys: list[str] = []
        self.pending: Callable[[], object] | None = None
        self.failing = False
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
        if self.process.made is not None and time.monotonic() - self.files_seen > 0.8:
            self.reset(Picker(0))  # its files would soon be looked at again
        change(self, Picker(which))
        way(self, Picker(where))

    def check(self, expression: str, expect: Callable[[], list[str]]) -> None:
        """Do what an expression says, and compare what comes of it with what the oracle says."""
        before = self._snapshot() if self._may_be_eager() else None
        pending, failing, made = self.pending, self.failing, self.process.made
        expected = [expect()]
        if self.process.made is not made:
            self.files_seen = time.monotonic()
        self.lines.append(f"assert {expression} == {expected[0]}")
        got = self.context.run(eval, _compiled(expression, "eval"), self.names)
        if got != expected[0] and before is not None:
            self._restore(before)
            self.pending, self.failing, self.world.eager = pending, failing, True
            expected.append(expect())
            self.world.eager = False
            self.lines[-1] = f"assert {expression} in {expected}"
        self.told = got
        if got in expected or self._fits_overlap(got, expected[0]):
            return
        if self.process.made is not None and time.monotonic() - self.files_seen > 0.95:
            self.reset(Picker(0))  # a file may have been looked at again meanwhile: nobody knows
            return
        said = " or ".join(map(str, expected))
        raise AssertionError(f"\nThe oracle says {said}, and the wire {got}:\n\n{self.script()}")

    def _fits_overlap(self, got: list[str], expected: list[str]) -> bool:
        """Whether one key more was sent: the one that the same source had before the refused
        one.
        """
        if not promises.OVERLAP or got[: len(expected)] != expected or expected[-1:] != ["401"]:
            return False
        tried, more = expected[-2], got[len(expected) :]
        return (
            len(more) in (1, 2)
            and more[0] not in expected
            and more[0].split("-")[:2] == tried.split("-")[:2]
            and more[1:] in ([], ["401"])
        )

    def _may_be_eager(self) -> bool:
        """Whether a key is stale: then its successor is as good, if the refresh is that quick."""
        return self.world.now > 0 and any(
            isinstance(each, Store) and each.key and self.world.now - each.read_at >= TTL
            for each in self._all()
        )

    def _snapshot(self) -> tuple[World, Process, list[tuple[Source, dict[str, Any]]]]:
        sources = [(each, copy.copy(vars(each))) for each in self._all()]
        return copy.deepcopy(self.world), copy.copy(self.process), sources

    def _restore(self, before: tuple[World, Process, list[tuple[Source, dict[str, Any]]]]) -> None:
        self.world, self.process, sources = before
        for each, was in sources:
            vars(each).update(was)

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
        walk(self.process.made)
        walk(self.process.credentials)
        for _, client, _ in self.clients:
            walk(client.credentials)
        return seen.values()

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
        kind = pick.of(
            ("key", "None", "del", "key", "None", "function", "None", "del", "bad", "blank")
        )
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
                f"vectorshift.api_key = {form}('f')", lambda: setattr(self.world, "api_key", "f")
            )
        else:
            text = "vs bad" if kind == "bad" else ""
            self._code(
                f"vectorshift.api_key = {text!r}", lambda: setattr(self.world, "api_key", text)
            )

    def _code(self, line: str, model: Callable[[], object]) -> None:
        """Do a line now; one that was begun by `meanwhile`, while the next request is under way."""
        if self.deferring:
            self.do(f"def meanwhile():\n    {line}\napi.meanwhile = meanwhile")
            self.pending = model
            return
        self.do(line)
        model()

    deferring = False

    def meanwhile(self, pick: Picker) -> None:
        """Something changes while the next request is under way, which is often one that comes to
        nothing.
        """
        if self.pending is not None:
            return
        answer = pick.of(("401", "503", "200"))
        if answer == "401" and self.told:
            self._reject(self.told[0])
        elif answer == "503":
            self.busy(pick)
        changes = (
            Machine.vanish,
            Machine.assign,
            Machine.variable,
            Machine.store,
            Machine.configure,
            Machine.reset,
        )
        self.deferring = True
        pick.of(changes)(self, pick)
        self.deferring = False

    def vanish(self, pick: Picker) -> None:
        """The key of the last call goes from where it came from."""
        origin = (self.told or [""])[0].split("-")[1:2]
        world = self.world
        if origin in (["one"], ["two"]):
            name = origin[0]
            self._code(f"{name}.remove()", lambda: world.stores.update({name: None}))
        elif origin in (["env"], ["other"]):
            self._set(VARIABLE if origin == ["env"] else "TENANT_KEY", None)
        elif origin == ["code"]:
            self._code("del vectorshift.api_key", lambda: setattr(world, "api_key", None))

    def result(self, pick: Picker) -> None:
        """Change what the functions give."""
        kind = pick.of((*["key"] * 5, "None", "not found", "unavailable"))
        value = self.key("tenant") if kind == "key" else None if kind == "None" else kind
        text = _FAILURES.get(kind, repr(value))
        self._code(f"functions['f'] = {text}", lambda: self.world.functions.update(f=value))

    # --- Changes: environment, files, stores, time
    # --------------------------------------------------------------------

    def variable(self, pick: Picker) -> None:
        name = pick.of(("VECTORSHIFT_API_KEY", "VECTORSHIFT_API_KEY", "TENANT_KEY"))
        key = self.key("other" if name == "TENANT_KEY" else "env")
        value = {"key": key, "blank": " ", "bad": "vs bad", "gone": None, "reference": "${NAME}"}[
            pick.of(
                (
                    *["key"] * 8,
                    *["gone"] * 5,
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
                        "default,one",
                        "one,default",
                        "two,one,env",
                        "env",
                        "default,env",
                        "nosuch",
                    ),
                ),
                ("VECTORSHIFT_ONE_ON_ERROR", (None, "continue", "stop", "Stop")),
                ("VECTORSHIFT_ONE_ON_MISSING", (None, "stop", "continue")),
                ("VECTORSHIFT_TWO_ON_ERROR", (None, "continue")),
            )
        )
        value = pick.of(values)
        if value in ("key", "named.env") and pick.of((True, True, True, False)):
            self._write(
                value, self.key(value) if value == "key" else f"{VARIABLE}={self.key(value)}\n"
            )
        self._set(name, value)
        if pick.of((False, True)):
            self.reset(pick)

    def file(self, pick: Picker) -> None:
        name = pick.of(("key", ".env", "named.env"))
        kind = pick.of(
            (*["key"] * 9, *["gone"] * 3, "empty", "bad", "none", "mistyped", "address", "two")
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
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        self.do(f"Path({name!r}).write_text({text!r})")
        self.world.files[name] = text

    def store(self, pick: Picker) -> None:
        name = pick.of(("one", "two"))
        kind = pick.of(
            (
                *["put"] * 6,
                *["recover"] * 5,
                "down",
                "remove",
                "deny",
                "revoke",
                "down",
                "remove",
                "bad",
            )
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
        recent = [*self.told[:1], *self.told[:1], *self.keys[-4:]]
        if pick.of((True, True, False)) and recent:
            key = pick.of(recent)
            self._reject(key)
        else:
            self.do("api.rejected.clear()")
            self.world.rejected.clear()

    def _reject(self, key: str) -> None:
        self.do(f"api.rejected.add({key!r})")
        self.world.rejected.add(key)

    def rotate(self, pick: Picker) -> None:
        """The API rejects the key of the last call; its source has another one, by now or while the
        next call is sent.
        """
        if not self.told or not self.told[0].startswith("vs-") or self.pending:
            return
        old = self.told[0]
        origin = old.split("-")[1]
        new, world = self.key(origin), self.world
        how: dict[str, tuple[str, Callable[[], object]]] = {
            "code": (f"vectorshift.api_key = {new!r}", lambda: setattr(world, "api_key", new)),
            "tenant": (f"functions['f'] = {new!r}", lambda: world.functions.update(f=new)),
            "env": (
                f"os.environ[{VARIABLE!r}] = {new!r}",
                lambda: world.environ.update({VARIABLE: new}),
            ),
            "other": (
                f"os.environ['TENANT_KEY'] = {new!r}",
                lambda: world.environ.update(TENANT_KEY=new),
            ),
            "one": (f"one.put({new!r})", lambda: world.stores.update(one=new)),
            "two": (f"two.put({new!r})", lambda: world.stores.update(two=new)),
            "key": (f"Path('key').write_text({new!r})", lambda: world.files.update(key=new)),
        }
        if origin in how:
            self._reject(old)
            self.deferring = pick.of((True, True, False))
            self._code(*how[origin])
            self.deferring = False

    def busy(self, pick: Picker) -> None:
        """The API answers the next request with 503; only clients with a clock of their own wait
        for no time.
        """
        self.do("api.failing = 1")
        self.failing = True

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
            self.process.credentials, self.process.made = source, None

        self._code(f"vectorshift.configure(credentials={name})", model)

    def configure_settings(self, pick: Picker) -> None:
        text, made = pick.of(SETTINGS)
        self.do(f"vectorshift.configure(settings=Settings(base_url=api.url{text}))")
        self.process.settings, self.process.made = made(), None

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

    def refresh(self, pick: Picker) -> None:
        """An operator has the source in force read anew."""
        place, kind, stack = pick.of(self.places)
        if promises.REFRESH and kind != "Worker":
            self.do(f"{place}.run(refreshed)")
            blocks = [source for _, source in stack]
            oracle.in_force(self.process, self.world, blocks, Client()).ask(self.world, ANY)

    def on_error(self, pick: Picker) -> None:
        """A word that is mistyped is refused when the provider is made."""
        if promises.ON_ERROR_IS_CHECKED:
            word = pick.of(("Stop", "fail", ""))
            line = f"ProviderChain([one.provider(on_error={word!r})])"
            self.do(f"try:\n    {line}\nexcept ValueError:\n    pass\nelse:\n    assert False")

    def reset(self, pick: Picker) -> None:
        def model() -> None:
            self.process = Process()

        self._code("vectorshift.reset()", model)

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
            return None
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

    # --- Calls --------------------------------------------------------------------------------

    def call(self, pick: Picker, way: str, *, asynchronous: bool, sees: bool) -> None:
        at = pick.of(range(len(self.places)))
        place, kind, stack = self.places[at]
        if kind == "Worker" and way.startswith(("in_to", "in_an")):  # its event loops have no pool
            way, sees = "", True
        sync = not asynchronous or way.startswith(("in_to", "in_an"))
        styles = ["sync", "get"] if sync else ["async", "aget"]
        if kind == "Worker":  # its event loops come and go, which httpx's own client cannot follow
            styles.pop()
        mine = [each for each in self.clients if each[2] in styles]
        name, client, style = pick.of([("", None, styles[0]), *mine])
        if (self.failing and style not in ("sync", "async")) or client is None:
            self._do_not_fail()
        form = {"sync": "call", "async": "acall"}.get(style, style.replace("sync", "call"))
        work = f"{way}({form}({name}))" if way else f"{form}({name})"
        seen = [source for _, source in stack] if sees else []

        def expect() -> list[str]:
            if style in ("get", "aget"):
                return self._called(Process(settings=Settings()), [], Client(client.credentials))
            configured = self.process.clients.get("sync" if sync else "async", Client())
            return self._called(self.process, seen, client or configured)

        self.check(f"{place}.{'arun' if asynchronous else 'run'}({work})", expect)
        self.failing, self.pending = self._unsent()

    def _called(self, process: Process, blocks: list[Source], client: Client) -> list[str]:
        """What the oracle says that a call comes to, in the words of `stage`."""
        told: list[str] = []

        def send(key: Key) -> str:
            pending, self.pending = self.pending, None
            if pending is not None:
                pending()
            status = "401" if key.text in self.world.rejected else "200"
            if self.failing:
                self.failing, status = False, "503"
            told.extend([key.text] if status == "200" else [key.text, status])
            return status

        failure = oracle.call(process, self.world, blocks, client, send)
        return told if failure is None else [*told, failure]

    def _unsent(self) -> tuple[bool, None]:
        """If no request was made, what should have happened meanwhile does not happen later."""
        if self.pending is not None or self.failing:
            self.do("api.meanwhile, api.failing = None, 0")
        return False, None

    def _do_not_fail(self) -> None:
        if self.failing:
            self.do("api.failing = 0")
            self.failing = False

    def child(self, pick: Picker) -> None:
        """A forked child calls, and keeps to itself what it learns."""
        self.failing, self.pending = self._unsent()
        able = [each for each in self.places if each[1] in ("Here", "Copied")]
        place, _, stack = pick.of(able)
        mine = [each for each in self.clients if each[2] == "sync"]
        name, client, _ = pick.of([("", None, ""), *mine])
        before = self._snapshot()

        def expect() -> list[str]:
            configured = self.process.clients.get("sync", Client())
            return self._called(self.process, [each for _, each in stack], client or configured)

        self.check(f"{place}.run(in_a_child(call({name})))", expect)
        self._restore(before)

    def ask(self, pick: Picker, what: str) -> None:
        """Ask for the key, and make no call."""
        self.failing, self.pending = self._unsent()
        place, _, stack = pick.of(self.places)
        sync = what != "acredential"

        def expect() -> list[str]:
            client = self.process.clients.get("sync" if sync else "async", Client())
            blocks = [source for _, source in stack]
            answer = oracle.in_force(self.process, self.world, blocks, client).ask(self.world)
            return [answer.text if isinstance(answer, Key) else answer]

        self.check(f"{place}.{'run' if sync else 'arun'}({what})", expect)


def void(_: object) -> None:
    """Drop what a method gives."""


SOURCES: list[tuple[str, Callable[[str], Source]]] = [
    *[("{key}", lambda key: Given(key))] * 5,
    ("{key}", lambda key: Given(key)),
    ("'vs bad'", lambda _: Given("vs bad")),
    ("function('f')", lambda _: Given("f")),
    ("afunction('f')", lambda _: Given("f")),
    ("EnvProvider()", lambda _: Env()),
    ("EnvProvider('TENANT_KEY')", lambda _: Env("TENANT_KEY")),
    ("EnvProvider(file='key', **timed)", lambda _: Env(file=File("key"))),
    ("DotenvProvider(**timed)", lambda _: File(".env", in_found_dotenv)),
    ("DotenvProvider('named.env', **timed)", lambda _: File("named.env", in_dotenv)),
    ("cached(one)", lambda _: Chain([Store("one")])),
    ("cached(two)", lambda _: Chain([Store("two")])),
    ("cached(one, on_missing='stop')", lambda _: Chain([Store("one", on_missing="stop")])),
    ("cached(one, on_error='continue')", lambda _: Chain([Store("one", on_error="continue")])),
    ("two.provider('two', remote=False)", lambda _: Store("two", cached=False)),
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
        lambda _: Chain(
            [Env(file=File("key")), File(".env", in_found_dotenv), Store("one"), Store("two")]
        ),
    ),
    (
        (
            "ProviderChain([DotenvProvider(**timed), EnvProvider(), two.provider('two',"
            " remote=False)])"
        ),
        lambda _: Chain([File(".env", in_found_dotenv), Env(), Store("two", cached=False)]),
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
        lambda: Settings("one,two", plugins={"ONE": ("continue", "continue")}),
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
        (3, Machine.setting), (5, Machine.file), (9, Machine.store), (5, Machine.time), (2, Machine.vanish),
        (3, Machine.reject), (6, Machine.rotate), (2, Machine.busy), (7, Machine.meanwhile), (3, Machine.configure),
        (1, Machine.configure_settings), (1, Machine.configure_client), (1, Machine.configure_none),
        (1, Machine.require_using), (1, Machine.refresh), (1, Machine.on_error), (1, Machine.reset), (1, Machine.close), (4, Machine.client),
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
