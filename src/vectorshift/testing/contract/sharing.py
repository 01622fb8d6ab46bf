"""Tests of sharing a provider: threads, tasks, a forked child, a pickle."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
import tracemalloc
import warnings
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.credentials.values import Credential
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import Probe, amiss, named
from vectorshift.testing.contract.process import children, sub_reaper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.credentials.resolving import Result

__all__ = ["SharingTests", "together"]

_READS = 10
_SHARED = 0.1
"""Seconds for which threads ask one provider at once."""
_FORKS = 20
_APART = 0.003
"""Seconds between two forks, so that they meet a read at different lines."""
_GRACE = 1.0
"""Seconds for threads that are about to end."""
_MEMORY = 100_000
"""Bytes that may be held for each read."""
_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


class SharingTests(SourceHooks):
    """Concurrency, fork, copies."""

    def test_threads_share_a_provider(self, probe: Probe) -> None:
        """One instance serves all threads, also where nothing caches its answers."""
        key = probe.put()
        provider = probe.provider()
        probe.found(provider)
        answers: list[Result] = []

        def several() -> Result:
            end = time.monotonic() + _SHARED
            while True:
                answers.append(adapt(provider).resolve(DEFAULT_REQUEST))
                if time.monotonic() > end:
                    return answers[-1]

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # threads take turns between any two lines
        try:
            together(probe, [several] * 8)
        finally:
            sys.setswitchinterval(before)
        probe.check(
            amiss(answers, key),
            expected="the key for each of eight threads at once.",
            mend=(
                "Keep no state on the provider between the lines of a getter, or guard it with a"
                " lock."
            ),
        )

    def test_fifty_threads_and_two_hundred_tasks_cause_one_read_each(self, probe: Probe) -> None:
        """With the cache that a remote provider gets, callers that come together share a read."""
        probe.reader()
        fresh, before = _cached(probe.provider()), probe.counted()
        answers = together(probe, [lambda: fresh.resolve(DEFAULT_REQUEST)] * 50)
        _judge(probe, "fifty threads", answers, probe.counted() - before)
        again, before = _cached(probe.provider()), probe.counted()

        async def main() -> list[Result]:
            asked = (again.aresolve(DEFAULT_REQUEST) for _ in range(200))
            return list(await asyncio.gather(*asked))

        _judge(probe, "two hundred tasks", probe.run(main), probe.counted() - before)

    def test_many_reads_and_many_providers_leave_nothing_behind(self, probe: Probe) -> None:
        """A process that is up for a year reads 100,000 times. A few that are kept for the next
        read are no fault.
        """
        probe.put()
        provider = probe.provider()
        probe.found(provider)
        probe.both(provider)

        def read() -> None:
            probe.both(provider)

        def make() -> None:
            other = self.make()
            probe.ask(other)
            probe.done(other.close)

        happened = ""
        with sub_reaper():
            for what, does in {"reads": read, "providers that were closed": make}.items():
                happened = happened or _left_by(what, does)
        probe.check(
            happened,
            expected=f"no more of anything after {_READS} reads or providers, or a few.",
            mend=(
                "Close what a getter opens, with a with block. Wait for the threads and "
                "processes that it starts. In close(), drop what the provider holds."
            ),
        )

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="This platform has no fork.")
    def test_a_forked_child_is_served(self, probe: Probe) -> None:
        """Servers fork after they have warmed up, and in the midst of a read. A child has none of
        its parent's threads.
        """
        key = probe.put()
        provider = probe.provider()
        probe.found(provider)

        def child() -> str:
            answer = adapt(provider).resolve(DEFAULT_REQUEST)
            right = isinstance(answer, Credential) and answer.secret.reveal() == key
            return "right" if right else named(answer)

        when, wrong = "after a read", _of_children(child, self.patience, right=_FORKS)
        if not wrong:
            when, over = "in the midst of a read", threading.Event()
            reading = threading.Thread(target=_read_until, args=(over, provider), daemon=True)
            reading.start()
            # libraries of C, such as SQLite's, lock for a moment as well: a few may fail
            wrong = _of_children(child, self.patience, right=2)
            over.set()
            reading.join(self.patience)
        probe.check(
            wrong,
            expected=f"the key, in a child that was forked {when}.",
            mend=(
                "Create clients and connections in the getter. What you keep, also locks, "
                "create again in the child: os.register_at_fork(after_in_child=...)."
            ),
        )


def _cached(provider: CredentialProvider) -> CachingProvider:
    """Return it with the cache of a remote provider, and not with a `ttl` of 0: whoever is late
    would read again.
    """
    guarded = adapt(provider)
    guarded.ttl = None
    return CachingProvider(guarded)


def _open_files() -> int:
    """Return how many descriptors are open, where the system tells."""
    gc.collect()
    folder = next((each for each in map(Path, _DESCRIPTORS) if each.is_dir()), None)
    return 0 if folder is None else len(list(folder.iterdir()))


def _left_by(what: str, does: Callable[[], None]) -> str:
    """Do it many times; say what there is more of than there was."""
    gc.collect()
    threads, before = set(threading.enumerate()), _counted()
    tracemalloc.start()
    does()
    held = tracemalloc.get_traced_memory()[0]
    for _ in range(_READS):
        does()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    end = time.monotonic() + _GRACE
    while (more := _more(before)) and time.monotonic() < end:
        time.sleep(0.05)
    for each in children() - before["processes"]:
        with contextlib.suppress(OSError):
            os.kill(each, signal.SIGKILL)
            os.waitpid(each, 0)
    kept = [each for each in set(threading.enumerate()) - threads if not each.daemon]
    if kept and not more:
        more = f"the thread {kept[0].name} is not a daemon and keeps the process running."
    elif held > _READS * _MEMORY:
        more = f"{held:,} bytes more are held."
    return f"after {_READS} {what}, {more}" if more else ""


def _counted() -> dict[str, Any]:
    loggers = list(logging.Logger.manager.loggerDict.values())
    handlers = [getattr(each, "handlers", ()) for each in [logging.root, *loggers]]
    at_exit = cast("Any", atexit)._ncallbacks()
    return {
        "threads": set(threading.enumerate()),
        "open files": set(range(_open_files())),
        "processes": children(),
        "handlers of loggers": {id(each) for some in handlers for each in some},
        "functions to be called at exit": set(range(at_exit)),
    }


def _more(before: dict[str, Any]) -> str:
    for what, there in _counted().items():
        if (number := len(there - before[what])) >= _READS:
            return f"there are {number} more {what}."
    return ""


def _read_until(over: threading.Event, provider: CredentialProvider) -> None:
    while not over.is_set():
        adapt(provider).resolve(DEFAULT_REQUEST)


def together(probe: Probe, work: Sequence[Callable[[], Result]]) -> list[Result]:
    """Do each in a thread, all at once. Those that hang are left to themselves."""
    answers: list[Result] = []
    number = len(work)
    gate = threading.Barrier(number)

    def wait_and_do(does: Callable[[], Result]) -> None:
        gate.wait()
        answers.append(does())

    threads = [threading.Thread(target=wait_and_do, args=(each,), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    end = time.monotonic() + probe.contract.patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if len(answers) < number:
        probe.fault(
            expected=f"an answer for each of {number} threads that ask at once.",
            happened=(
                f"{number - len(answers)} of them had none after {probe.contract.patience:g} s."
            ),
            mend="Look for a lock that is not released, or that belongs to another event loop.",
        )
    return answers


def _judge(probe: Probe, who: str, answers: list[Result], reads: int) -> None:
    probe.check(
        amiss(answers),
        expected=f"the key for {who} that ask through a CachingProvider.",
        mend="Look at what the getter shares between calls.",
    )
    probe.check(
        "" if reads == 1 else f"reads() counted {reads}.",
        expected=f"one read of the source for {who} that ask through a CachingProvider.",
        mend="Read the source once in a getter, and not at all elsewhere.",
    )


def _of_children(does: Callable[[], str], patience: float, *, right: int) -> str:
    """Fork children; return what a wrong one said, or nothing once so many were right.

    They run beside each other, so that those that hang cost `patience` once.
    """
    children, said = dict[Connection, int](), list[str]()
    for _ in range(_FORKS):
        reading, writing = Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads; that is the point
            child = os.fork()
        if child == 0:
            try:
                writing.send(does())
            except BaseException as error:
                writing.send(f"{type(error).__name__} was raised")
            finally:
                os._exit(0)
        writing.close()
        children[reading] = child
        time.sleep(_APART)
    end = time.monotonic() + patience
    # Stop when too few are left to be right: to wait for no child at all takes all the time.
    while said.count("right") < right <= said.count("right") + len(children):
        if not (ready := wait([*children], end - time.monotonic())):
            break
        for each in cast("list[Connection]", ready):
            try:
                said.append(each.recv())
            except EOFError:
                said.append("it ended without an answer")
            os.waitpid(children.pop(each), 0)
            each.close()
    for each, child in children.items():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        each.close()
    if said.count("right") >= right:
        return ""
    wrong = [each for each in said if each != "right"]
    return wrong[0] if wrong else f"it had no answer after {patience:g} s"
