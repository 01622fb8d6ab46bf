"""`auth check`: whether the API accepts the key."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import vectorshift
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.screen import console, on_terminal, printable, say_facts, say_json
from vectorshift.errors import (
    AuthenticationError,
    CredentialError,
    PermissionDeniedError,
    VectorshiftApiError,
    VectorshiftError,
)
from vectorshift.scope.current import DEFAULT_SCOPE

if TYPE_CHECKING:
    from vectorshift.credentials.values import Credential

__all__ = ["show_check"]

_STYLES = {Exit.GOOD: "bold green", Exit.API_FAILED: "bold yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What the API says of which key.

    Args:
        end: the exit code.
        message: what there is to say, for a person.
        provider: the name of the provider that had the key, or that failed.
        source: where the key came from, or where it was looked for.
        version: the store's name for the version of the key.
        fingerprint: names the key.
        base_url: where it was sent; None if the settings are wrong.
        http_status: of the API's answer; None if there was none.
        seconds: how long the API took.
    """

    end: Exit
    message: str
    provider: str | None = None
    source: str | None = None
    version: str | None = None
    fingerprint: str | None = None
    base_url: str | None = None
    http_status: int | None = None
    seconds: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        facts = asdict(self)
        del facts["end"]
        return {"status": self.end.word, **facts}


def show_check(as_json: bool) -> Exit:
    """Resolve the key, call the API with it, print what came of it, and return the exit code."""
    finding = _found_out()
    if as_json:
        say_json(finding.facts())
    elif on_terminal():
        _draw(finding)
    else:
        say_facts(finding.facts())
    return finding.end


def _found_out() -> _Finding:
    try:
        base_url = DEFAULT_SCOPE.settings.base_url
    except CredentialError as error:
        return _without_answer(error)
    try:
        credential = vectorshift.get_credential()
    except CredentialError as error:
        return replace(_without_answer(error), base_url=base_url)
    began = monotonic()
    try:
        vectorshift.Pipeline.list(limit=1)
    except VectorshiftError as error:
        return _of_call(error, credential, base_url, monotonic() - began)
    used = (
        vectorshift.get_credential()
    )  # another one, if the first was refused and its store had a newer
    return _with(used, Exit.GOOD, "The API accepts this key.", base_url, 200, monotonic() - began)


def _without_answer(error: VectorshiftError) -> _Finding:
    """Return the finding for what went wrong before anything was sent."""
    if not isinstance(error, CredentialError):
        return _Finding(end=exit_of(error), message=error.message)
    return _Finding(
        end=exit_of(error), message=error.message, provider=error.provider, source=error.source
    )


def _of_call(
    error: VectorshiftError, credential: Credential, base_url: str, seconds: float
) -> _Finding:
    if isinstance(error, CredentialError):
        return replace(_without_answer(error), base_url=base_url)
    status = error.status_code if isinstance(error, VectorshiftApiError) else None
    message = error.message
    if isinstance(error, PermissionDeniedError):
        message = f"The API knows this key, which lacks the scope to list pipelines.\n{message}"
    finding = _with(credential, exit_of(error), message, base_url, status, seconds)
    if isinstance(error, AuthenticationError) and error.fingerprint != credential.fingerprint:
        # the first was refused, and so was the newer one that its store had
        return replace(finding, source=error.source, fingerprint=error.fingerprint, version=None)
    return finding


def _with(
    credential: Credential,
    end: Exit,
    message: str,
    base_url: str,
    http_status: int | None,
    seconds: float,
) -> _Finding:
    return _Finding(
        end=end,
        message=message,
        provider=credential.provider,
        source=credential.source,
        version=credential.version,
        fingerprint=credential.fingerprint,
        base_url=base_url,
        http_status=http_status,
        seconds=seconds,
    )


def _draw(finding: _Finding) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = console()
    message = Text(printable(finding.message))
    message.stylize(_STYLES.get(finding.end, "bold red"), 0, len(message.plain.partition("\n")[0]))
    screen.print(message)
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, label in (
        ("source", "source"),
        ("version", "version"),
        ("fingerprint", "key"),
        ("base_url", "API"),
    ):
        value = getattr(finding, name)
        if value:
            rows.add_row(label, Text(printable(value)))
    if rows.row_count:
        screen.print()
        screen.print(rows)
