"""`auth status`: which key a call would use, and why."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import vectorshift
from vectorshift._platform.background import BackgroundTask
from vectorshift._platform.pipes import left_alone
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.login import profile_names
from vectorshift.cli.screen import console, printable, prints_of_plugins_aside, show, table
from vectorshift.errors import CredentialStoreUnavailableError, VectorshiftError
from vectorshift.explanation.explain import examine
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
    from vectorshift.explanation.report import Report, SourceReport

__all__ = ["show_status"]

T = TypeVar("T")

_GRACE = 1.0
"""Additional seconds for work that has its own time limit."""

_REQUIRE_USING = (
    "VECTORSHIFT_REQUIRE_USING is on, but ignored here: a command has no using block. In a "
    "program, a call outside every using block fails, whatever the sources below hold."
)
_CACHED_KEYS = (
    "This command read the sources just now. A running service may still use a cached key: call "
    "vectorshift.explain() in the service."
)
_STYLES = {"found": "green", "not found": "", "not configured": "dim", "not asked": "dim"}
_FACTS = (
    "outcome",
    "configured",
    "source",
    "version",
    "fingerprint",
    "reason",
    "expires_in",
    "seconds",
)


def show_status(probe: bool | None, as_json: bool) -> Exit:
    """Print the report of `explain`. The exit code says whether a call would get a key.

    Args:
        probe: None asks the sources that a call would ask, until one answers; True asks every
            store; False contacts none.
        as_json: whether to print JSON.
    """
    report, end = _examined(probe)
    data = {
        "status": _word(end),
        **report.to_dict(),
        "note": _note(report),
        "profiles": profile_names(),
    }
    show(as_json, data, lambda: _draw(report, end), _facts(report, end))
    return end


def _examined(probe: bool | None) -> tuple[Report, Exit]:
    """Look the key up as a call does, unless `probe` says otherwise, and report. Does not read
    pipes.
    """
    with left_alone(), prints_of_plugins_aside():
        looked_up, hung = _looked_up() if probe is None else (None, False)
        report = examine(bool(probe), None, partial(_asked, hung))
        if report.outcome == "failed":  # also if a key is found, but must not be sent
            end = Exit.SOURCE_FAILED
        elif report.outcome == "unknown":
            end = Exit.UNKNOWN
        else:
            end = _looked_up()[0] if looked_up is None else looked_up
    return replace(report, probed=probe is not False), end


def _looked_up() -> tuple[Exit, bool]:
    """Look the key up; return the outcome, and whether the look-up hangs."""
    try:
        looking_up = _begun(vectorshift.get_credential)
        if not looking_up.wait(DEFAULT_SCOPE.settings.load_timeout + _GRACE):
            return Exit.SOURCE_FAILED, True
        looking_up.result()
    except VectorshiftError as error:
        return exit_of(error), False
    return Exit.GOOD, False


def _asked(hung: bool, provider: BaseProvider, request: LookupRequest) -> Result:
    """Ask a provider with a time limit: a plugin's local getter has none, and may hang.

    Args:
        hung: whether a look-up has already timed out.
        provider: the provider. request: what to ask.
    """
    seconds = DEFAULT_SCOPE.settings.load_timeout + _GRACE
    asking = _begun(lambda: provider.resolve(request))
    if asking.wait(_GRACE if hung else seconds):
        return asking.result()
    return CredentialStoreUnavailableError(
        f"{provider.name} has not answered after {seconds:g} s, and nothing ends it: a call would "
        "hang too.",
        source=provider.name,
        provider=provider.name,
    )


def _begun(work: Callable[[], T]) -> BackgroundTask[T]:
    return BackgroundTask(work, context=copy_context()).start()


def _note(report: Report) -> str:
    """Return what may differ in a program, or an empty string."""
    settings = DEFAULT_SCOPE.loaded
    is_cached = any(each.next_refresh for each in report.sources)
    notes = {
        _REQUIRE_USING: settings is not None and settings.require_using,
        _CACHED_KEYS: report.outcome == "failed" and is_cached,
    }
    return " ".join(note for note, applies in notes.items() if applies)


def _word(end: Exit) -> str:
    return "found" if end is Exit.GOOD else end.word  # the API was not asked


# --- Without a terminal ---


def _facts(report: Report, end: Exit) -> dict[str, object]:
    return {
        "status": _word(end),
        "verdict": report.verdict,
        "winner": None if report.winner is None else report.winner.provider,
        "base_url": report.base_url,
        "probed": report.probed,
        "note": _note(report),
        "profiles": ", ".join(profile_names()),
        **{
            f"{printable(source.provider)}.{name}": getattr(source, name)
            for source in report.sources
            for name in _FACTS
        },
    }


# --- On a terminal ---


def _draw(report: Report, end: Exit) -> None:
    from rich.text import Text

    screen = console()
    style = {Exit.GOOD: "bold green", Exit.UNKNOWN: "bold yellow"}.get(end, "bold red")
    screen.print(Text(printable(report.verdict), style))
    if note := _note(report):
        screen.print(Text(note, "yellow"))
    if report.sources:
        rows = table(("  provider", "outcome", "source"))
        for source in report.sources:
            style = "bold green" if source.wins else _STYLES.get(source.outcome, "bold red")
            provider = f"{'>' if source.wins else ' '} {printable(source.provider)}"
            rows.add_row(Text(provider, style), Text(source.outcome, style), _about(source))
        screen.print()
        screen.print(rows)
        screen.print()
    if report.base_url:
        screen.print(Text(f"Keys are sent to {printable(report.base_url)}.", "dim"))
    if not report.probed or any(
        source.configured and source.outcome == "not asked" for source in report.sources
    ):
        screen.print(Text("To ask the other sources too: vectorshift auth status --probe", "dim"))
    if report.winner is not None and report.base_url:
        screen.print(Text("Does the API accept it? vectorshift auth check", "dim"))
    if names := ", ".join(profile_names()):
        screen.print(Text(f"Profiles: {names}. To use one: --profile NAME", "dim"))


def _about(source: SourceReport) -> Text:
    """Return the text of the last column.

    It omits the times of the cache, as this process has just begun. It shows the duration of a
    look-up only for stores, which are cached.
    """
    from rich.text import Text

    cached = source.age is not None or source.next_refresh is not None
    seconds = source.seconds if cached else None
    described = printable(str(replace(source, age=None, next_refresh=None, seconds=seconds)))
    about = Text(described, "dim" if _STYLES.get(source.outcome) == "dim" else "")
    if source.wins:
        about.stylize("bold green", 0, len(described.partition("\n")[0]))
    return about
