"""A script in the making: each line is done as it is written, and the oracle told of it."""

from __future__ import annotations

import contextvars
import copy
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.machine import oracle
from tests.machine.oracle import InCode, Source
from tests.machine.process import Client, Process
from tests.machine.store import Store
from tests.machine.world import CONFIGURATION, Key, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import CodeType

PREAMBLE = """\
# Run me from the folder of the repository: PYTHONPATH=. python this.py
from vectorshift import *
from tests.machine.stage import *
"""
START = "start()\np0 = OnThisThread()"
FRESH = 0.8  # real seconds for which the system's clock seems to stand still


class Picker:
    """A number, taken apart into choices. Hypothesis makes it small, and each choice its first."""

    def __init__(self, number: int) -> None:
        self._number = number

    def of(self, choices: Sequence[Any]) -> Any:
        self._number, at = divmod(self._number, len(choices))
        return choices[at]


class Named(NamedTuple):
    """What has a name in the script: credentials, or a block with them."""

    name: str
    source: Source


class NamedClient(NamedTuple):
    """`kind` is `sync` or `async`, or for those of httpx `get` or `aget`."""

    name: str
    client: Client
    kind: str


@dataclass(eq=False)
class Entry:
    """One entering of a block, which several places may see."""

    block: Named
    left: bool = False
    left_elsewhere: bool = False


@dataclass(eq=False)
class Spot:
    """Where calls are made, and the blocks that are seen there."""

    name: str
    kind: str
    stack: list[Entry] = field(default_factory=list)

    @property
    def seen(self) -> list[Source]:
        """The credentials of the blocks; nobody knows those of one that was left elsewhere."""
        return [InCode("") if each.left_elsewhere else each.block.source for each in self.stack]


@functools.lru_cache(50_000)
def _compiled(line: str, mode: str) -> CodeType:
    return compile(line, "script", mode)


Before = tuple[World, Process, "list[tuple[Any, dict[str, Any]]]"]


class Script:
    """The lines so far, and what the oracle knows."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Begin a script."""
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.context = contextvars.Context()  # what is left open in it harms no other script
        self.context.run(exec, _compiled(PREAMBLE + START, "exec"), self.names)
        self.began = time.monotonic()
        self.process = Process()
        self.world = World(
            stores={"one": "vs-one-0", "two": "vs-two-0"}, functions={"f": "vs-tenant-0"}
        )
        self.sources: list[Named] = []
        self.blocks: list[Named] = []
        self.entries: list[Entry] = []
        self.clients: list[NamedClient] = []
        self.places = [Spot("p0", "OnThisThread")]
        self.generators: dict[tuple[Spot, str], str] = {}
        self.keys: list[str] = []
        self.told: list[str] = []  # what came of the last call
        self.count = 0
        self.deferring = False
        self.pending: Callable[[], object] | None = None  # happens while the next request is sent
        self.failing = False  # the next request is answered with 503

    # --- Lines --------------------------------------------------------------------------------

    def do(self, line: str) -> None:
        """Write a line and do what it says."""
        self.lines.append(line)
        self.context.run(exec, _compiled(line, "exec"), self.names)

    def change(self, line: str, model: Callable[[], object]) -> None:
        """Do a line and tell the oracle: now, or while the next request is under way."""
        if self.deferring:
            self.do(f"def meanwhile():\n    {line}\napi.meanwhile = meanwhile")
            self.pending = model
        else:
            self.do(line)
            model()

    def rejected(self, line: str, error: str) -> None:
        """Write a line that has to raise."""
        self.do(f"try:\n    {line}\nexcept {error}:\n    pass\nelse:\n    raise SystemExit(1)")

    def key(self, origin: str) -> str:
        self.count += 1
        self.keys.append(f"vs-{origin}-{self.count}")
        return self.keys[-1]

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def __str__(self) -> str:
        return "\n".join([PREAMBLE, START, *self.lines, "end()", "stop()", ""])

    # --- What comes of them -------------------------------------------------------------------

    def check(self, expression: str, expect: Callable[[], list[str]]) -> None:
        """Do what an expression says, and compare what comes of it with what the oracle says."""
        before = self.snapshot() if self.may_be_eager() else None
        pending, failing = self.pending, self.failing
        expected = [expect()]
        self.lines.append(f"assert {expression} == {expected[0]}")
        got = self.context.run(eval, _compiled(expression, "eval"), self.names)
        if got != expected[0] and before is not None:
            self.restore(before)
            self.pending, self.failing, self.world.eager = pending, failing, True
            expected.append(expect())
            self.world.eager = False
            self.lines[-1] = f"assert {expression} in {expected}"
        self.told = got
        if got in expected or not self.is_fresh(FRESH + 0.1):
            return
        said = " or ".join(map(str, expected))
        raise AssertionError(f"\nThe oracle says {said}, and the wire {got}:\n\n{self}")

    def called(
        self, process: Process, blocks: list[Source], client: Client, here: object = ""
    ) -> list[str]:
        """What the oracle says that a call comes to, in the words of `stage`."""
        told: list[str] = []
        if (client.own or process).settings_in(self.world) and not client.belongs(here):
            return [CONFIGURATION]

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

    def resolve_now(self) -> None:
        """Forget what should have happened while a request is sent, as none was."""
        if self.pending is not None or self.failing:
            self.do("api.meanwhile, api.failing = None, 0")
            self.pending, self.failing = None, False

    def is_fresh(self, seconds: float = FRESH) -> bool:
        """Whether nothing has happened yet because of the system's clock."""
        return time.monotonic() - self.began < seconds

    def may_be_eager(self) -> bool:
        """Whether a key is stale: then its successor is as good, if the refresh is that quick."""
        return self.world.now > 0 and any(
            isinstance(each, Store) and each.keys.key and each.is_stale(self.world.now)
            for each in self._all()
        )

    def snapshot(self) -> Before:
        clients = [each.client for each in self.clients]
        kept: list[Any] = [*self._all(), *self._processes()[1:], *clients]
        sources = [(each, copy.copy(vars(each))) for each in kept]
        return copy.deepcopy(self.world), copy.copy(self.process), sources

    def restore(self, before: Before) -> None:
        self.world, self.process, sources = before
        for each, was in sources:
            each.__dict__.update(was)

    def _all(self) -> Iterable[Source]:
        seen: dict[int, Source] = {}

        def walk(source: Source | None) -> None:
            if source is not None and id(source) not in seen:
                seen[id(source)] = source
                for each in (*getattr(source, "sources", ()), getattr(source, "file", None)):
                    walk(each)

        for each in self.sources:
            walk(each.source)
        for process in self._processes():
            walk(process.made)
        return seen.values()

    def _processes(self) -> list[Process]:
        """The process, and what clients have of their own in its place."""
        return [self.process, *(each.client.own for each in self.clients if each.client.own)]
