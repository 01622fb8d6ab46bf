"""How a provider behaves in a process that is not its own: it takes its time from nobody, asks
nobody else, and leaves all as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import pickle
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift._platform.entry_points import available
from vectorshift.chain.order import BUILT_IN
from vectorshift.credentials.adapter import adapt, flaw_of_ttl
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.credentials.values import Credential
from vectorshift.plugins import CONTRACT
from vectorshift.scope.current import using
from vectorshift.settings.plugin import declared
from vectorshift.testing.contract.hooks import SourceHooks, is_written
from vectorshift.testing.contract.probe import Probe, printed
from vectorshift.testing.contract.process import (
    audited,
    environment_read,
    holders,
    restore,
    snapshot,
    written_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from vectorshift.credentials.provider import CredentialProvider

__all__ = ["MannerTests", "is_ours", "live"]

_STATES = ["found", "removed", "broken", "refused"]
_READS = 15
_LATE = 1.0
"""Seconds for threads that a getter has started and that go on."""
_LOCAL = 0.05
"""Seconds that a local getter may take."""
_TRIES = 3
_SPIN = 0.02
"""Seconds of computing that show how much of the machine others use."""


class MannerTests(SourceHooks):
    """Time, the terminal, the process."""

    def test_its_attributes_are_such_as_a_chain_takes(self, probe: Probe) -> None:
        """`name` and `ttl` are read by every chain."""
        provider = self.make()
        wrong = flaw_of_ttl(provider.ttl)
        if not str(provider.name).isprintable():
            wrong = f"its name is {provider.name!r}."
        elif provider.name in BUILT_IN and not is_ours(provider):
            wrong = f"its name, {provider.name!r}, is that of a built-in provider."
        probe.check(
            wrong,
            expected="a name of its own, and a ttl that is a number of seconds or None.",
            mend="Set name = 'acme' and ttl = 3600 on the class, or leave them out.",
        )

    @pytest.mark.parametrize("state", ["found", "broken", "refused"])
    def test_it_answers_in_time(self, probe: Probe, state: str) -> None:
        """A caller waits `patience` seconds for the whole chain, and this is one source of it."""
        provider = probe.reader(state)
        before, took = self.reads(), list[float]()
        limit = self.patience / (10 if state == "found" else 2)
        limit = limit if provider.remote or state != "found" else _LOCAL
        while not took or (len(took) < 3 and min(took) > limit):
            began, computed = time.monotonic(), sum(os.times()[:4])
            probe.ask(provider)
            took.append(time.monotonic() - began)
            used = sum(os.times()[:4]) - computed
            took[-1] -= (_crowding() - 1) * used  # for which others had the machine
        after, wrong = self.reads(), ""
        if min(took) > limit:
            wrong = f"it took {min(took):.2f} s."
        elif before is not None and after is not None and after - before > _TRIES * len(took):
            wrong = f"it read the source {(after - before) // len(took)} times for one answer."
        probe.check(
            wrong,
            expected=f"an answer within {limit:g} s and {_TRIES} reads, the source {state}.",
            mend=(
                "Set a time limit, and turn off retries in the store's library: vectorshift "
                "reads again. A slow source needs remote = True. For a source that is always "
                "slow, raise patience."
            ),
        )

    @pytest.mark.parametrize("state", _STATES)
    def test_it_asks_neither_another_source_nor_a_person(self, probe: Probe, state: str) -> None:
        """A getter that asks the chain waits for itself, and one that asks a person for ever."""
        provider = probe.reader(state)
        asked: list[str] = []

        def other() -> str:
            asked.append("it asked vectorshift for a credential.")
            return probe.new_key()

        with audited() as events, using(other), environment_read() as names:
            probe.both(provider)
        if "VECTORSHIFT_API_KEY" in names and not is_ours(provider):
            asked.append("it read VECTORSHIFT_API_KEY.")
        asked += [f"it called {about}." for event, about in events if "builtins." in event]
        asked += [
            "it opened the terminal."
            for event, about in events
            if event == "open" and about[0] in ("/dev/tty", "CONIN$")
        ]
        if asked:
            probe.fault(
                expected="a getter that asks only its own source.",
                happened=asked[0],
                mend=(
                    "Take what the store needs, such as a token, from your own settings. A login "
                    "that needs a person happens before: raise CredentialDeniedError."
                ),
            )

    @pytest.mark.parametrize("state", _STATES)
    def test_the_process_is_left_as_it_was(self, probe: Probe, state: str) -> None:
        """The program around it counts on its signals, folders, loggers and TLS."""
        probe.put()
        at_first = snapshot()
        probe.found(probe.provider())  # imports are done
        restore(at_first)
        probe.bring_about(state)
        before, key_in = snapshot(), dict(os.environ)
        probe.both(probe.provider())  # in threads: what hangs is left to itself
        with audited() as events:
            provider = probe.provider()
            probe.made_of_settings()
            with contextlib.suppress(BaseException):
                provider.get_credential()  # in the main thread, where signals are set
            with contextlib.suppress(BaseException):
                _run_here(provider.aget_credential(), self.patience)
            live(probe, provider, reads=1)
        shown = [
            about[0]
            for event, about in events
            if event == "os.putenv" and key_in.get(about[0]) != about[1]
            if probe.shown_in(about[1])
        ]
        changed = restore(before)
        happened = f"it changed {' and '.join(changed)}." if changed else ""
        if shown:
            happened = f"the variable {shown[0]} of the environment shows the key or a secret."
        probe.check(
            happened,
            expected="an unchanged process.",
            mend=(
                "Return the key and put it nowhere else. Give a command its own env= and "
                "cwd=, and a library its settings as arguments."
            ),
        )

    def test_the_key_is_left_nowhere(self, probe: Probe) -> None:
        """Not on a command line, in a file, a pickle, a thread's name, or in what it keeps."""
        key = probe.put()
        provider = probe.provider()
        before = holders(provider, key)
        with audited() as events:
            probe.found(provider)
            live(probe, provider, reads=3)
        places = {
            "the arguments of a command": [str(each) for event, each in events if event in _RUNS],
            "the name of a thread": [
                *(str(about) for event, about in events if event == "thread"),
                *(each.name for each in threading.enumerate()),
            ],
            **{f"the file {path}": [text] for path, text in written_files(events)},
        }
        shown = next((p for p, texts in places.items() if any(map(probe.shown_in, texts))), "")
        kept = sorted(holders(provider, key) - before)
        if kept and not shown:
            shown = f"what it keeps ({kept[0]})"
        known = probe.source(provider)
        for does in (_pickled, _copied):
            if not shown and probe.shown_in(does(provider), known):
                shown = f"a {'pickle' if does is _pickled else 'copy'} of the provider"
        if shown:
            probe.fault(
                expected="the key only in the returned Credential.",
                happened=f"{shown} shows it or another secret.",
                mend=(
                    "Keep no key. Keep a token in a Secret, which a pickle leaves out. Pass it "
                    "to a command by its input or env=, never by a file."
                ),
            )

    def test_it_was_written_for_this_contract(self, probe: Probe) -> None:
        """A new number says that something has to change in providers."""
        if self.contract != CONTRACT:
            probe.fault(
                expected=f"contract = {CONTRACT}, which is vectorshift.plugins.CONTRACT.",
                happened=f"it is {self.contract}.",
                mend="Read the changelog, and set the new number.",
            )

    def test_its_entry_point_leads_to_it(self, probe: Probe) -> None:
        """`VECTORSHIFT_PROVIDERS` finds a provider by the entry point of its package."""
        kind = type(self.make())
        home = kind.__module__
        targets = {(f"{home.partition('.')[0]}", kind.__name__), (home, kind.__name__)}
        mine = [
            each
            for each in available()
            if each.target.partition(":")[0].partition(".")[0] == home.partition(".")[0]
        ]
        right = [each for each in mine if tuple(each.target.split(":")) in targets]
        if not mine:
            probe.lack("entry_point", f"No installed package has an entry point for {home}.")
        wrong = "" if right else f"it leads to {mine[0].target}, and not to {kind.__name__}."
        if right and right[0].problem:
            wrong = f"{right[0].name!r} cannot be named: {right[0].problem}."
        elif right and is_written(self, "settings"):
            declared.clear()
            probe.made_of_settings()
            if declared and right[0].name not in declared:
                other = next(iter(declared))
                wrong = f"it is {right[0].name!r}, and PluginSettings.of is given {other!r}."
        probe.check(
            wrong,
            expected="an entry point that leads to this class, with the name of its settings.",
            mend=('In pyproject.toml: [project.entry-points."vectorshift.providers"].'),
        )


_RUNS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system")


def _crowding() -> float:
    """Return how many times longer a computation takes than it would alone on the machine."""
    began, computed = time.monotonic(), time.thread_time()
    while time.thread_time() - computed < _SPIN:
        pass
    return max(1.0, (time.monotonic() - began) / _SPIN)


def is_ours(provider: CredentialProvider) -> bool:
    """Return whether a provider is one of this package, or made of one."""
    return any(
        each.__module__.startswith("vectorshift.providers.") for each in type(provider).__mro__
    )


def live(probe: Probe, provider: CredentialProvider, *, reads: int = _READS) -> None:
    """Do all that is done to a provider in its life, and wait for what it leaves running."""
    before = set(threading.enumerate())
    ways: list[Callable[[], object]] = [provider.describe, lambda: printed(provider)]
    ways += [lambda: adapt(provider).resolve(DEFAULT_REQUEST)] * reads
    no_key = Credential(secret="vs-none", source="kit", provider=provider.name)  # noqa: S106
    ways += [lambda: provider.invalidate(no_key), provider.close]
    for does in ways:
        with contextlib.suppress(Exception):
            probe.done(does)
    with contextlib.suppress(Exception):
        probe.run(lambda: probe.aask(provider))
        probe.run(provider.aclose)
    end = time.monotonic() + _LATE
    for thread in set(threading.enumerate()) - before:
        with contextlib.suppress(RuntimeError):  # it is about to start
            thread.join(max(0.0, end - time.monotonic()))


def _run_here(getter: Coroutine[Any, Any, object], seconds: float) -> None:
    """Run an async getter in this thread. `asyncio.run` would wait for a task that it leaves, and
    that takes no cancellation.
    """
    loop = asyncio.new_event_loop()
    try:
        read = loop.create_task(getter)
        loop.run_until_complete(asyncio.wait({read}, timeout=seconds))
        loop.run_until_complete(loop.shutdown_asyncgens())
        if read.done():
            read.exception()  # else asyncio logs it
    finally:
        loop.close()


def _pickled(value: object) -> str:
    try:
        return pickle.dumps(value).decode("latin-1")
    except Exception:
        return ""  # it cannot be sent anywhere


def _copied(value: object) -> str:
    try:
        return "".join(printed(each) for each in (copy.copy(value), copy.deepcopy(value)))
    except Exception:
        return ""
