"""`auth status`: which key a call would use, and why that one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import vectorshift
from vectorshift._platform.pipes import left_alone
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.login import profile_names
from vectorshift.cli.screen import console, printable, prints_of_plugins_aside, show, table
from vectorshift.errors import VectorshiftError
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from rich.text import Text

    from vectorshift.explanation.report import Report, SourceReport

__all__ = ["show_status"]

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
    """Print the report of `explain`, and return whether a call would get a key.

    Args:
        probe: None asks what a call would ask, until one answers; True asks every store; False
            contacts none.
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
    """Look the key up as a call does, unless `probe` says otherwise, and report. A pipe is left to
    who needs its key.
    """
    with left_alone(), prints_of_plugins_aside():
        looked_up = _looked_up() if probe is None else None
        report = vectorshift.explain(probe=bool(probe))
        if report.outcome == "failed":  # also where a key is found, and may not be sent
            end = Exit.SOURCE_FAILED
        elif report.outcome == "unknown":
            end = Exit.UNKNOWN
        else:
            end = _looked_up() if looked_up is None else looked_up
    return replace(report, probed=probe is not False), end


def _looked_up() -> Exit:
    try:
        vectorshift.get_credential()
    except VectorshiftError as error:
        return exit_of(error)
    return Exit.GOOD


def _note(report: Report) -> str:
    """Say what may differ in a program, or return an empty string."""
    settings = DEFAULT_SCOPE.loaded
    is_cached = any(each.next_refresh for each in report.sources)
    notes = {
        _REQUIRE_USING: settings is not None and settings.require_using,
        _CACHED_KEYS: report.outcome == "failed" and is_cached,
    }
    return " ".join(note for note, applies in notes.items() if applies)


def _word(end: Exit) -> str:
    return "found" if end is Exit.GOOD else end.word  # the API was not asked about the key


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
    if names := ", ".join(profile_names()):
        screen.print(Text(f"Profiles: {names}. To use one: --profile NAME", "dim"))


def _about(source: SourceReport) -> Text:
    """Return the text of the last column.

    The times of a cache are no news in a process that has just begun. The seconds of a look-up are
    shown for stores alone, which a cache keeps.
    """
    from rich.text import Text

    cached = source.age is not None or source.next_refresh is not None
    seconds = source.seconds if cached else None
    described = printable(str(replace(source, age=None, next_refresh=None, seconds=seconds)))
    about = Text(described, "dim" if _STYLES.get(source.outcome) == "dim" else "")
    if source.wins:
        about.stylize("bold green", 0, len(described.partition("\n")[0]))
    return about
