"""A machine that does anything at all to a process, and makes a call after each step.

It writes a script and does what each line says; the oracle says what the calls must come to. A
failure is the script, which hypothesis has made as short as it can.
"""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.machine import oracle, stage
from tests.machine.changes import Changes
from tests.machine.files import File
from tests.machine.oracle import REFRESH, Chain, Env, InCode, Source
from tests.machine.process import Client
from tests.machine.script import NamedClient, Picker, Spot
from tests.machine.world import Key


class Machine(Changes, RuleBasedStateMachine):
    """A step is a change and a call."""

    steps = 0
    """How many were made by all machines together."""

    @rule(
        change=st.deferred(lambda: st.sampled_from(CHANGES)),
        what=st.integers(0, 2**24),
        way=st.deferred(lambda: st.sampled_from(WAYS)),
        where=st.integers(0, 2**12),
    )
    def step(self, change: Any, what: int, way: Any, where: int) -> None:
        """Change something and make a call."""
        Machine.steps += 1
        if not self.is_fresh():
            self.teardown()
            self.begin()
        change(self, Picker(what))
        way(self, Picker(where))
        self.resolve_now()

    def teardown(self) -> None:
        """End what the script has begun."""
        for place in self.places[::-1]:
            for entry in place.stack[::-1]:
                self.leave_here(place, entry.block)
            self.do(f"{place.name}.end()")
        for name, _, kind in self.clients:
            self.do(f"{name}.close()" if kind in ("sync", "get") else f"aclose({name})")
        self.context.run(stage.end)

    def call(self, pick: Picker, way: str, *, asynchronous: bool, sees: bool) -> None:
        """Make a call in a place, in one of the `WAYS`."""
        place: Spot = pick.of(self.places)
        if place.kind == "Worker" and way.startswith(("in_to", "in_an")):
            way, sees = "", True  # its event loops come and go, and have no pool of threads
        style = "async" if asynchronous and not way.startswith(("in_to", "in_an")) else "sync"
        kinds = {"sync": ["sync", "get"], "async": ["async", "aget"]}[style]
        here: object = "here"
        if place.kind == "Worker" and style == "async":
            here = object()
            kinds.pop()  # httpx's own client cannot follow from loop to loop
        name, client, kind = self._one_of(kinds, pick)
        if here != "here" and client.owner == "":
            return
        form = "call" if style == "sync" else "acall"
        work = f"{way}({form}({name}))" if way else f"{form}({name})"
        seen = place.seen if sees else []
        if work == "call()" and not self.may_be_eager() and pick.of((True, False, False)):
            work = "explained"
        if self.failing and kind not in ("sync", "async"):
            self.do("api.failing = 0")
            self.failing = False

        def expect() -> list[str]:
            if work == "explained":
                self.explained(oracle.in_force(self.process, self.world, seen, client))
            return self.called(self.process, seen, client, here)

        self.check(f"{place.name}.{'arun' if asynchronous else 'run'}({work})", expect)

    def explained(self, source: Source) -> None:
        """Each file is looked at, also those that come after the winner."""
        if isinstance(source, Env | File):
            source.ask(self.world, REFRESH)
        for each in source.sources if isinstance(source, Chain) else ():
            self.explained(each)

    def call_in_a_child(self, pick: Picker) -> None:
        """Call in a forked child, which keeps to itself what it learns."""
        self.resolve_now()
        able = [each for each in self.places if each.kind in ("OnThisThread", "Copied")]
        place: Spot = pick.of(able)
        name, client, _ = self._one_of(["sync", "get"], pick)
        before = self.snapshot()

        def expect() -> list[str]:
            return self.called(self.process, place.seen, client, "a child")

        self.check(f"{place.name}.run(in_a_child(call({name})))", expect)
        self.restore(before)

    def ask(self, pick: Picker, form: str) -> None:
        """Ask for the key, and make no call."""
        place: Spot = pick.of(self.places)
        style = "async" if form == "acredential" else "sync"

        def expect() -> list[str]:
            process, world = self.process, self.world
            source = oracle.in_force(process, world, place.seen, self._configured(style))
            answer = source.ask(world, REFRESH if form == "refreshed" else None)
            return [answer.text if isinstance(answer, Key) else answer]

        self.check(f"{place.name}.{'arun' if style == 'async' else 'run'}({form})", expect)

    def _one_of(self, kinds: list[str], pick: Picker) -> NamedClient:
        unnamed = NamedClient("", self._configured(kinds[0]), "")
        able = [unnamed, *(each for each in self.clients if each.kind in kinds)]
        return NamedClient(*pick.of(able))

    def _configured(self, style: str) -> Client:
        """The client of calls that name none. Its own key would be that of the process."""
        client = self.process.clients.get(style, Client())
        refused = client.credentials is not None and self.process.requires_using(self.world)
        return Client(InCode("")) if refused else client


def _weighted(*pairs: tuple[int, Any]) -> list[Any]:
    return [each for weight, each in pairs for _ in range(weight)]


CHANGES: list[Any] = _weighted(
    (2, Changes.nothing),
    (5, Changes.assign),
    (3, Changes.result),
    (5, Changes.variable),
    (3, Changes.setting),
    (5, Changes.file),
    (9, Changes.store),
    (5, Changes.time),
    (3, Changes.reject),
    (2, Changes.busy),
    (6, Changes.rotate),
    (2, Changes.vanish),
    (7, Changes.meanwhile),
    (3, Changes.configure),
    (1, Changes.configure_settings),
    (1, Changes.configure_client),
    (1, Changes.mistake),
    (1, Changes.require_using),
    (1, Changes.reset),
    (1, Changes.close),
    (4, Changes.client),
    (5, Changes.enter),
    (5, Changes.leave),
    (2, Changes.place),
)


def _way(way: str, *, asynchronous: bool = False, sees: bool = True) -> Any:
    return functools.partial(Machine.call, way=way, asynchronous=asynchronous, sees=sees)


def _asked(form: str) -> Any:
    return functools.partial(Machine.ask, form=form)


WAYS: list[Any] = _weighted(
    (180, _way("")),
    (70, _way("", asynchronous=True)),
    (30, _way("in_a_thread", sees=False)),
    (30, _way("in_a_copied_thread")),
    (20, _way("in_to_thread", asynchronous=True)),
    (20, _way("in_an_executor", asynchronous=True, sees=False)),
    (20, _way("in_a_task", asynchronous=True)),
    (15, _asked("credential")),
    (15, _asked("acredential")),
    (15, _asked("api_key")),
    (15, _asked("refreshed")),
    (1, Machine.call_in_a_child),
)
