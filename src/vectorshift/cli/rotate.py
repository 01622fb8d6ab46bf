"""`rotate`: asks for a new key, and replaces the old one by it."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vectorshift.cli.exits import Exit
from vectorshift.cli.prompt import read_key
from vectorshift.cli.screen import complain, console, grid, printable, show
from vectorshift.errors import CredentialError
from vectorshift.pipeline import Pipeline
from vectorshift.rotation.checks import Checks
from vectorshift.rotation.flow import Options, Plan, look, prepare, rotate
from vectorshift.rotation.target import RotationError
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.client import VectorShift
    from vectorshift.credentials.values import Credential, Secret
    from vectorshift.rotation.flow import Rotated

__all__ = ["Mode", "show_rotation", "turn_off_core_dumps"]

_SET_DUMPABLE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """The options of the command that do not concern the store."""

    undo: bool = False
    dry_run: bool = False
    yes: bool = False
    as_json: bool = False


def show_rotation(options: Options, mode: Mode) -> Exit:
    """Rotate the key, print the outcome, and return the exit code."""
    turn_off_core_dumps()
    try:
        return _rotate(options, mode)
    except RotationError as refusal:
        complain(refusal.message)
        return Exit.NOT_ROTATED


def turn_off_core_dumps() -> None:
    """Prevent core dumps of this process, which holds keys.

    The limit alone is not enough if the system pipes dumps to a program, as systemd does.
    """
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _rotate(options: Options, mode: Mode) -> Exit:
    asks = sys.stdin.isatty()
    if not asks and not (mode.yes and (options.source or mode.dry_run)):
        raise RotationError(
            "There is no terminal for a prompt. Pass --source and --yes. To look first: "
            "--dry-run --yes."
        )
    settings = DEFAULT_SCOPE.settings
    target, old = look(settings, options)
    try:
        new = None if mode.undo else _new_key(old, asks)
        checks = Checks(settings, _pipelines)
        plan = prepare(target, old, new, checks, options)
        if mode.dry_run:
            return _show(_facts(plan, "checked"), mode)
        if not mode.yes and not _agreed(plan):
            raise RotationError("Nothing was written.")
        try:
            done = rotate(plan, checks)
        except KeyboardInterrupt:
            complain(
                f"Interrupted. {target.source} has {old.fingerprint} or {plan.key.fingerprint}. To"
                " see which: vectorshift auth status --probe"
            )
            raise
    finally:
        target.close()
    return _show(_facts(plan, "rotated", done), mode)


def _pipelines(client: VectorShift) -> Iterator[str]:
    return (str(each.id) for each in Pipeline.iterate(client=client))


def _new_key(old: Credential, asks: bool) -> Secret:
    """Return the new key, from a prompt without echo or from standard input."""
    if asks:
        print(printable(f"The key that is there: {old}"), file=sys.stderr)
    try:
        key = read_key("New key (not shown): ", provider="rotate")
    except CredentialError as error:
        raise RotationError(f"{error.message} Nothing was written.") from None
    if key is None:
        raise RotationError("No key was given. Nothing was written.")
    return key


def _agreed(plan: Plan) -> bool:
    where = f" ({plan.target.where})" if plan.target.where else ""
    question = f"{plan.verdict} Write {plan.key} over {plan.old}{where}? [y/N] "
    print(printable(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _facts(plan: Plan, status: str, done: Rotated | None = None) -> dict[str, str | None]:
    return {
        "status": status,
        "source": plan.target.source,
        "where": plan.target.where or None,
        "old_version": plan.old.version,
        "old": plan.old.fingerprint,
        "version": done.version if done else None,
        "new": plan.key.fingerprint,
        "check": plan.verdict,
        "note": " ".join(plan.target.notes) or None,
        "chain": done.chain if done else None,
        "undo": plan.target.undo if done else None,
        "next": done.wait if done else "Nothing was written: this was a dry run.",
    }


def _show(facts: dict[str, str | None], mode: Mode) -> Exit:
    show(mode.as_json, facts, lambda: _draw(facts), facts)
    return Exit.GOOD


def _draw(facts: dict[str, str | None]) -> None:
    from rich.text import Text

    rows = {name.replace("_", " "): value for name, value in facts.items()}
    console().print(grid({**rows, "status": Text(str(facts["status"]), "bold green")}))
