"""What happens when many use one provider: threads, tasks, a forked child, a pickle."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import select
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.credentials.values import Credential
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import Probe, named, printed

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.credentials.resolving import Result

__all__ = ["SharingTests", "together"]

_READS = 10
_GRACE = 2.0
"""Seconds for threads that are about to end."""
_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")

_ONE_READ = "Read the source once in a getter, and not at all elsewhere."


class SharingTests(SourceHooks):
    """Concurrency, fork, copies."""

    def test_threads_share_a_provider(self, probe: Probe) -> None:
        """One instance serves all threads, also where nothing caches its answers."""
        key = probe.put()
        provider = probe.provider()
        probe.found(provider)
        answers = together(probe, 8, lambda: adapt(provider).resolve(DEFAULT_REQUEST))
        wrong = next(
            (a for a in answers if not isinstance(a, Credential) or a.secret.reveal() != key), None
        )
        if wrong is not None:
            probe.fault(
                expected="the key for each of eight threads at once.",
                happened=f"one of them got {named(wrong)}.",
                mend=(
                    "Keep no state on the provider between the lines of a getter, or guard it with"
                    " a lock."
                ),
            )

    def test_fifty_threads_cause_one_read(self, probe: Probe) -> None:
        """With the cache that a remote provider gets, threads that come together share a read."""
        probe.put()
        probe.found(probe.provider())
        fresh, before = _cached(probe.provider()), probe.counted()
        answers = together(probe, 50, lambda: fresh.resolve(DEFAULT_REQUEST))
        _judge(probe, "fifty threads", answers, probe.counted() - before)

    def test_two_hundred_tasks_cause_one_read(self, probe: Probe) -> None:
        """With the cache that a remote provider gets, tasks that come together share a read."""
        probe.put()
        probe.found(probe.provider())
        fresh, before = _cached(probe.provider()), probe.counted()

        async def main() -> list[Result]:
            return list(
                await asyncio.gather(*(fresh.aresolve(DEFAULT_REQUEST) for _ in range(200)))
            )

        _judge(probe, "two hundred tasks", probe.run(main), probe.counted() - before)

    def test_many_reads_leave_no_thread_and_no_file_behind(self, probe: Probe) -> None:
        """A process that is up for a year reads 100,000 times. A few that are kept for the next
        read are no fault.
        """
        probe.put()
        provider = probe.provider()
        probe.found(provider)
        probe.both(provider)
        threads, files = threading.active_count(), _open_files()
        for _ in range(_READS):
            probe.both(provider)
        end = time.monotonic() + _GRACE
        while (happened := _left(threads, files)) and time.monotonic() < end:
            time.sleep(0.05)
        if happened:
            probe.fault(
                expected=(
                    f"no more threads and open files after {2 * _READS} reads than before, or a"
                    " few."
                ),
                happened=happened,
                mend=(
                    "Close what a getter opens, with a with block, and wait for the threads that it"
                    " starts."
                ),
            )

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="This platform has no fork.")
    def test_a_forked_child_is_served(self, probe: Probe) -> None:
        """Servers fork after they have warmed up, and a child has none of its parent's threads."""
        key = probe.put()
        provider = probe.provider()
        probe.found(provider)

        def child() -> str:
            answer = adapt(provider).resolve(DEFAULT_REQUEST)
            right = isinstance(answer, Credential) and answer.secret.reveal() == key
            return "right" if right else named(answer)

        said = _in_a_child(child, self.patience)
        if said != "right":
            probe.fault(
                expected="the key, in a child that was forked after a first read.",
                happened=said,
                mend=(
                    "Start no thread that outlives a read, and make locks and connections anew with"
                    " os.register_at_fork(after_in_child=...)."
                ),
            )

    def test_a_pickle_or_a_copy_holds_no_key(self, probe: Probe) -> None:
        """A provider that was read may be sent to another process, or refuse that; it takes no key
        along.
        """
        probe.put()
        provider = probe.provider()
        probe.found(provider)
        for does in (_pickled, _copied):
            if shown := probe.shown_in(does(provider), probe.described(provider).source):
                probe.fault(
                    expected="a pickle and a copy of the provider without the key.",
                    happened=f"{does.__name__.strip('_')}, it shows {shown}",
                    mend=(
                        "Keep the text of no key, or keep it in a Secret, which leaves it out of a"
                        " pickle."
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


def _left(threads: int, files: int) -> str:
    """Say what there is more of than there was."""
    more = {"threads": threading.active_count() - threads, "open files": _open_files() - files}
    return "".join(
        f"there are {number} more {what}." for what, number in more.items() if number >= _READS
    )


def together(probe: Probe, number: int, does: Callable[[], Result]) -> list[Result]:
    """Do it in so many threads at once. Those that hang are left to themselves."""
    gate = threading.Barrier(number)
    answers: list[Result] = []

    def wait_and_do() -> None:
        gate.wait()
        answers.append(does())

    threads = [threading.Thread(target=wait_and_do, daemon=True) for _ in range(number)]
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
            mend="Look for a lock that is not given back, or that belongs to another event loop.",
        )
    return answers


def _judge(probe: Probe, who: str, answers: list[Result], reads: int) -> None:
    wrong = next((answer for answer in answers if not isinstance(answer, Credential)), None)
    if wrong is not None:
        probe.fault(
            expected=f"the key for {who} that ask through a CachingProvider.",
            happened=f"one of them got {named(wrong)}.",
            mend="Look at what the getter shares between calls.",
        )
    if reads != 1:
        probe.fault(
            expected=f"one read of the source for {who} that ask through a CachingProvider.",
            happened=f"reads() counted {reads}.",
            mend=_ONE_READ,
        )


def _in_a_child(does: Callable[[], str], patience: float) -> str:
    """Return what is said in a forked child, or that it hangs."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # there may be threads; that is the point
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, does().encode()[:4096])
        except BaseException as error:
            os.write(writing, f"{type(error).__name__} was raised".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        if select.select([pipe], [], [], patience)[0]:
            said = pipe.read().decode()
        else:
            os.kill(child, signal.SIGKILL)
            said = f"it had no answer after {patience:g} s"
    os.waitpid(child, 0)
    return said or "it ended without an answer"


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
