"""`auth check` and `auth whoami`: whether the API accepts the key, and what the key can see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import vectorshift
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.screen import console, grid, printable, prints_of_plugins_aside, show
from vectorshift.errors import (
    AuthenticationError,
    CredentialError,
    PermissionDeniedError,
    VectorshiftApiError,
    VectorshiftError,
)
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.credentials.values import Credential

__all__ = ["show_check", "show_whoami"]

F = TypeVar("F", bound="_Finding")

_NAMES: Final = 10
_STYLES = {Exit.GOOD: "bold green", Exit.API_FAILED: "bold yellow"}
_LABELS = {"source": "source", "version": "version", "fingerprint": "key", "base_url": "API"}


@dataclass(slots=True)
class _Finding:
    """The key that was tried, and the API's answer to it.

    Args:
        message: the outcome, for the user.
        provider: the name of the provider that has the key, or that failed.
        source: the source of the key, or the one that failed.
        version: the store's name for the version of the key.
        fingerprint: the fingerprint of the key.
        base_url: where the key was sent; None if the settings are wrong.
        http_status: the status of the API's answer, or None.
        seconds: the duration of the API's answer.
    """

    message: str = "The API accepts this key."
    provider: str | None = None
    source: str | None = None
    version: str | None = None
    fingerprint: str | None = None
    base_url: str | None = None
    http_status: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class _Identity(_Finding):
    """A key, and what it can see.

    Args:
        pipelines: how many pipelines there are, without those that others share.
        names: the names of the first ten.
    """

    pipelines: int | None = None
    names: tuple[str, ...] = ()


def show_check(as_json: bool) -> Exit:
    """Resolve the key, call the API with it, print the outcome, and return the exit code."""
    return _show(_Finding(), _check, as_json)


def show_whoami(as_json: bool) -> Exit:
    """Print what the key can see, and return the same exit code as `show_check`."""
    return _show(_Identity(), _look_around, as_json)


def _show(finding: F, find: Callable[[F], None], as_json: bool) -> Exit:
    try:
        with prints_of_plugins_aside():
            find(finding)
        end = Exit.GOOD
    except VectorshiftError as error:
        _explain(finding, error)
        end = exit_of(error)
    facts = {"status": end.word, **asdict(finding)}
    show(as_json, facts, lambda: _draw(finding, end), facts)
    return end


def _look_around(finding: _Identity) -> None:
    _check(finding)
    page = vectorshift.Pipeline.list(verbose=True)
    names = [each.name or each.id or "" for each in page]
    finding.pipelines, finding.names = len(names), tuple(names[:_NAMES])
    finding.message = (
        f"The API accepts this key, and shows it {len(names)} pipeline(s)."
        " It does not say which organisation or user the key belongs to."
    )


def _check(finding: _Finding) -> None:
    finding.base_url = DEFAULT_SCOPE.settings.base_url
    _name(finding, vectorshift.get_credential())
    began = monotonic()
    try:
        vectorshift.Pipeline.list(verbose=False, limit=1)
    finally:
        finding.seconds = monotonic() - began
    finding.http_status = 200
    # a newer key, if the first was rejected
    _name(finding, vectorshift.get_credential())


def _name(finding: _Finding, credential: Credential) -> None:
    finding.provider, finding.source = credential.provider, credential.source
    finding.version, finding.fingerprint = credential.version, credential.fingerprint


def _explain(finding: _Finding, error: VectorshiftError) -> None:
    finding.message = error.message
    if isinstance(error, CredentialError):  # nothing was sent
        finding.provider, finding.source = error.provider, error.source
        finding.version = finding.fingerprint = finding.seconds = None
        return
    if isinstance(error, VectorshiftApiError):
        finding.http_status = error.status_code
    if isinstance(error, PermissionDeniedError):
        lacks = "The API knows this key, but it lacks the scope to list pipelines."
        finding.message = f"{lacks}\n{error.message}"
    if isinstance(error, AuthenticationError) and error.fingerprint != finding.fingerprint:
        # the first key was rejected, and so was a newer one of its store
        finding.source, finding.fingerprint = error.source, error.fingerprint
        finding.version = None


def _draw(finding: _Finding, end: Exit) -> None:
    from rich.text import Text

    screen = console()
    message = Text(printable(finding.message))
    message.stylize(_STYLES.get(end, "bold red"), 0, len(message.plain.partition("\n")[0]))
    screen.print(message)
    facts = {label: getattr(finding, name) for name, label in _LABELS.items()}
    if isinstance(finding, _Identity):
        facts["sees"] = "\n".join(finding.names)
    rows = grid(facts)
    if rows.row_count:
        screen.print()
        screen.print(rows)
