"""A secret stays secret: in logs, output, errors and their frames, events, and all that prints."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.events import CredentialEvent, on_event
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.manners import live
from vectorshift.testing.contract.output import everything_told
from vectorshift.testing.contract.probe import Probe, printed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.credentials.provider import CredentialProvider

__all__ = ["SilenceTests"]

_HERE = str(Path(__file__).parent)


class SilenceTests(SourceHooks):
    """Redaction."""

    @pytest.mark.parametrize("state", ["found", "removed", "broken", "refused"])
    def test_no_log_line_and_no_output_shows_the_key(self, probe: Probe, state: str) -> None:
        """Every logger is at DEBUG, also those of libraries; warnings, and what programs print, are
        output as well.
        """
        with everything_told() as told:
            provider = probe.reader(state)  # what is remembered may be told later
            for each in (provider, probe.provider(), *probe.made_of_settings()):
                live(probe, each, reads=15 if state == "found" else 2)
        for line in told():
            probe.check(
                probe.shown_in(line, *_known(probe, provider)),
                expected=(
                    "log lines, warnings and output without the key, while every logger is at"
                    " DEBUG: from make() and from_settings to close()."
                ),
                mend=(
                    "Log the source and credential.fingerprint. Quiet a library that logs"
                    " answers with vectorshift.plugins.quiet, and catch the output of a program"
                    " with run_command."
                ),
            )

    def test_nothing_that_prints_shows_the_key(self, probe: Probe) -> None:
        """`repr` and `str` of a provider that was read, and of its credential, are safe to show."""
        provider = probe.reader()
        credential = probe.found(provider)
        things: dict[str, object] = {"provider": provider, "credential": credential}
        for made in probe.made_of_settings():
            things["provider of settings()"] = made
        for what, value in things.items():
            for how in (repr, str, "{}".format):
                probe.check(
                    probe.shown_in(printed(value, how), credential.source, probe.source(provider)),
                    expected=f"a {what} that prints without the key.",
                    mend=(
                        "Leave __repr__ to the base class; give no secret as source, name or"
                        " version."
                    ),
                )

    @pytest.mark.parametrize("state", ["removed", "broken", "refused"])
    def test_no_error_shows_the_key(self, probe: Probe, state: str) -> None:
        """Its text, its attributes, the errors behind it, and the locals of each frame between."""
        provider = probe.reader(state)
        known = _known(probe, provider)
        for each in (provider, probe.provider()):
            for error in _errors(probe, each):
                probe.check(
                    probe.shown_in("\n".join(error), *known),
                    expected=(
                        "an error without the key in its text, attributes, causes and frames."
                    ),
                    mend=(
                        "Name the source and what is wrong. Raise after an except block, not "
                        "in it: the caught exception stays reachable as __context__ and may "
                        "hold the store's answer."
                    ),
                )

    def test_no_event_shows_the_key(self, probe: Probe) -> None:
        """The events of a first key and of a rotation."""
        provider, told = probe.reader(), list[CredentialEvent]()
        stop = on_event(told.append)
        try:
            probe.ask(ProviderChain([provider]))
            probe.rotate()
            probe.ask(ProviderChain([provider]))
        finally:
            stop()
        for event in told:
            probe.check(
                probe.shown_in(f"{event!r} {event}", event.source, *_known(probe, provider)),
                expected="events without the key.",
                mend="Give no secret as source or name.",
            )


def _known(probe: Probe, provider: CredentialProvider) -> tuple[str, ...]:
    """Return what other tests look at: how the provider prints, and its source."""
    return (printed(provider), printed(provider, str), probe.source(provider))


def _errors(probe: Probe, provider: CredentialProvider) -> Iterator[list[str]]:
    """Ask directly and as a chain does, sync and async; yield all that each error shows."""
    guarded = adapt(provider)
    for asks in (provider, guarded):
        for does in (_raised, _raised_to_async):
            error = probe.done(partial(does, asks))
            if error is not None:
                yield list(_all_of(error, frames=asks is guarded))


def _raised(provider: CredentialProvider) -> BaseException | None:
    try:
        provider.get_credential()
    except BaseException as error:
        return error
    return None


def _raised_to_async(provider: CredentialProvider) -> BaseException | None:
    try:
        asyncio.run(provider.aget_credential())
    except BaseException as error:
        return error
    return None


def _all_of(error: BaseException, *, frames: bool) -> Iterator[str]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [
            each.__cause__,
            None if each.__suppress_context__ and not frames else each.__context__,
        ]
        yield (
            f"{type(each).__name__}: {printed(each, str)} {printed(each)} {printed(each.args)}"
            f" {printed(vars(each))}"
        )
        if frames:
            yield from _locals_of(each)


def _locals_of(error: BaseException) -> Iterator[str]:
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_HERE):
            for name, value in trace.tb_frame.f_locals.items():
                yield f"{code.co_name} has {name} = {printed(value)}"
        trace = trace.tb_next
