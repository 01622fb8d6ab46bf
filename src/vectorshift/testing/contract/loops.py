"""Sync and async, and what event loops ask of a provider: not to be blocked, not to be kept, and to
be obeyed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.values import Credential
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import Probe, amiss, named
from vectorshift.testing.contract.watch import watched

if TYPE_CHECKING:
    from vectorshift.credentials.resolving import Result

__all__ = ["LoopTests"]

_STEPS, _SHARES = (1, 2, 3, 5, 8), (0.2, 0.4, 0.6, 0.8)
"""When reads are cancelled: after so many steps of the loop, and such a share of their time."""
_TRIES, _SWALLOWED = 9, 4
"""So many of so many cancellations that are swallowed at one place are a fault. A library may lose
one that comes as it ends, as anyio does before Python 3.11.
"""


class LoopTests(SourceHooks):
    """Sync, async and loops."""

    def test_sync_and_async_find_the_same(self, probe: Probe) -> None:
        """`get_credential` and `aget_credential` are two ways to one answer."""
        provider = probe.reader()
        first = probe.found(provider)
        second = probe.run(lambda: probe.aask(provider))
        if not isinstance(second, Credential) or _told(first) != _told(second):
            probe.fault(
                expected=f"the same credential sync and async: {first}.",
                happened=f"aget_credential answered with {named(second)}.",
                mend="Write one of the two getters. The base class adds the other.",
            )

    def test_sync_and_async_fail_alike(self, probe: Probe) -> None:
        """An empty place is told in the same words to both."""
        provider = probe.provider()
        first, second = probe.both(provider).values()
        if type(first) is not type(second):
            probe.fault(
                expected="the same kind of failure sync and async, because the source is empty.",
                happened=f"sync: {named(first)} async: {named(second)}",
                mend="Write one of the two getters. The base class adds the other.",
            )

    def test_one_event_loop_after_another_is_served(self, probe: Probe) -> None:
        """Each load of an async provider may have a loop of its own, so nothing may be bound to
        one.
        """
        probe.put()
        provider = probe.provider()
        if type(provider).aget_credential is CredentialProvider.aget_credential:
            return  # it sees no event loop

        async def several() -> list[Result]:
            return list(await asyncio.gather(*(probe.aask(provider) for _ in range(4))))

        answers = [*probe.run(several), *probe.run(several)]
        probe.check(
            amiss(answers),
            expected="the key for tasks of one event loop, and of a second one after it.",
            mend=(
                "Keep no client, lock, queue or task between calls: create and close them in "
                "the getter."
            ),
        )
        if not probe.leaves_its_loop(several):
            probe.fault(
                expected="an event loop that can be closed once the getter has answered.",
                happened="a task that it started goes on and ignores its cancellation.",
                mend="Await the tasks that a getter starts, or cancel them and await that.",
            )

    def test_trio_is_served(self, probe: Probe) -> None:
        """An application that runs trio uses the provider through a chain."""
        probe.need("trio", "pip install trio.")
        import trio

        chain = ProviderChain([probe.reader()])

        async def main() -> Result:
            return await probe.aask(chain)

        try:
            answer: Result | str = probe.done(lambda: trio.run(main))
        except Exception as error:
            answer = f"{type(error).__name__} was raised"
        if not isinstance(answer, Credential):
            probe.fault(
                expected="the key, in an event loop of trio.",
                happened=f"{answer if isinstance(answer, str) else named(answer)}.",
                mend=(
                    "Write a sync getter, or leave remote = True, so that loads run in asyncio, or"
                    " write with anyio."
                ),
            )

    @pytest.mark.parametrize("state", ["found", "broken", "refused"])
    def test_the_event_loop_is_not_blocked(self, probe: Probe, state: str) -> None:
        """One blocking call in an async getter holds up every request of a process, and outages are
        when it hurts.
        """
        if self.strict:
            probe.need("blockbuster", "pip install blockbuster, which sees short blocks.")
        probe.reader(state)
        provider = probe.provider()
        unwatched = probe.run(lambda: probe.aask(probe.provider()))  # imports are done
        answer, place = probe.run(lambda: _asked(probe, provider))
        if place or type(answer) is not type(unwatched) or _is_blocking_error(answer):
            probe.fault(
                expected=f"an async getter that awaits everything slow, with its source {state}.",
                happened=(
                    f"the event loop stood still: {place}."
                    if place
                    else f"watched, it gave {named(answer)}."
                ),
                mend="Await, or write the sync getter instead: async callers run it in a thread.",
            )

    @pytest.mark.parametrize("state", ["found", "broken"])
    def test_a_cancelled_read_is_cancelled_and_harms_no_other(
        self, probe: Probe, state: str
    ) -> None:
        """A caller that gives up gets its `CancelledError` at once, wherever the read stood."""
        provider, finds = probe.reader(state), state == "found"
        happened = probe.run(lambda: _cancelled(probe, provider, finds), patience=2 * self.patience)
        probe.check(
            happened,
            expected="asyncio.CancelledError in a cancelled aget_credential, at once.",
            mend=(
                "Catch Exception and never BaseException or CancelledError; after clean-up,"
                " raise it again."
            ),
        )
        probe.gives(
            provider,
            lambda answer: isinstance(answer, Credential) is finds,
            expected="the same for the next caller, after another was cancelled.",
            mend="Release locks and connections in finally or async with.",
        )


def _told(credential: Credential) -> tuple[object, ...]:
    """Return what two reads of one key have in common: `expires_at` and `version` may differ, as
    those of a lease do.
    """
    return credential.secret, credential.source, credential.provider


def _is_blocking_error(answer: Result) -> bool:
    """Return whether blockbuster interfered. No provider raises such an error by itself."""
    return not isinstance(answer, Credential) and "raised BlockingError" in answer.message


async def _asked(probe: Probe, provider: CredentialProvider) -> tuple[Result, str]:
    return await watched(lambda: probe.aask(provider))


async def _cancelled(probe: Probe, provider: CredentialProvider, finds: bool) -> str:
    """Cancel reads, each one step later than the last; return what was wrong."""
    began = time.monotonic()
    await probe.aask(provider)
    took = min(time.monotonic() - began, 0.2)
    for steps, share in [*((each, 0.0) for each in _STEPS), *((0, each) for each in _SHARES)]:
        swallowed: list[Result] = []
        for _ in range(_TRIES):
            task = asyncio.ensure_future(probe.aask(provider))
            for _ in range(steps):
                await asyncio.sleep(0)
            if share:
                await asyncio.sleep(took * share)
            was_cancelled = task.cancel()
            await asyncio.wait({task}, timeout=probe.contract.patience)
            if not task.done():
                return f"it went on for {probe.contract.patience:g} s after it was cancelled."
            answer = await probe.aask(provider)
            if isinstance(answer, Credential) is not finds:
                return f"the next caller got {named(answer)}."
            if was_cancelled and not task.cancelled():
                swallowed.append(task.result())
            if not swallowed:
                break
            if len(swallowed) == _SWALLOWED:
                return f"it swallowed the cancellation and gave {named(swallowed[0])}."
    return ""
