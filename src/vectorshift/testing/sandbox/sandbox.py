"""The demonstration: five sources, one after the other, and two rotations under running calls."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

import vectorshift
from vectorshift import AuthenticationError, Pipeline, VectorshiftError
from vectorshift.credentials.values import fingerprint
from vectorshift.testing.sandbox.rotation import rotate_under_traffic
from vectorshift.testing.sandbox.stage import SECRET, Stage, set_stage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run", "serve_until_stopped"]

_ORGANISATIONS = {
    "explicit": "amber",
    "env": "birch",
    "dotenv": "cedar",
    "vault": "delta",
    "aws": "ember",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One step of the walk: what answered, and whether that is what should have."""

    source: str
    fingerprint: str
    organisation: str
    status: str
    milliseconds: float
    flaw: str = ""


def run() -> int:
    """Show the main job and return the exit code: 0 if everything happened as it should."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    console = Console(highlight=False)
    console.print("Starting the stand-in API, OpenBao and Secrets Manager on loopback ...")
    with set_stage() as stage:
        rows = _walk(stage)
        console.print(_table(rows))
        flaws = [row.flaw for row in rows if row.flaw]
        rotations = (
            rotate_under_traffic("Vault", stage.api, stage.vault_variables(), _into_vault(stage)),
            rotate_under_traffic("AWS", stage.api, stage.aws_variables(), _into_aws(stage)),
        )
        for rotation in rotations:
            console.print(str(rotation))
        flaws += [flaw for rotation in rotations for flaw in rotation.flaws]
    for flaw in flaws:
        console.print(f"NOT AS IT SHOULD BE: {flaw}", style="bold red")
    if not flaws:
        console.print("Everything happened as it should.")
    return 1 if flaws else 0


def serve_until_stopped() -> int:
    """Keep the servers up until the process is told to stop, and print what points one's own code
    at them.
    """
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    console = Console(soft_wrap=True, highlight=False)
    with set_stage() as stage:
        _into_vault(stage)(stage.api.create_key(org=_ORGANISATIONS["vault"]))
        _into_aws(stage)(stage.api.create_key(org=_ORGANISATIONS["aws"]))
        key_file = stage.folder / "api-key"
        key_file.write_text(stage.api.create_key(org=_ORGANISATIONS["env"]))
        console.print(
            "# The servers run until Ctrl-C. The API, and then one of three sources of a key:"
        )
        _export(console, {"VECTORSHIFT_BASE_URL": stage.api.base_url})
        console.print(f"# a file, with a key of the organisation {_ORGANISATIONS['env']}")
        _export(console, {"VECTORSHIFT_API_KEY_FILE": str(key_file)})
        console.print(f"# Vault, with a key of {_ORGANISATIONS['vault']}")
        _export(console, stage.vault_variables())
        console.print(f"# Secrets Manager, with a key of {_ORGANISATIONS['aws']}")
        _export(console, stage.aws_variables())
        stopped.wait()
    return 0


def _export(console: Console, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        console.print(f"export {name}={value}")


def _into_vault(stage: Stage) -> Callable[[str], object]:
    return lambda key: stage.bao.write(SECRET, {"api_key": key})


def _into_aws(stage: Stage) -> Callable[[str], object]:
    return lambda key: stage.moto.put(SECRET, key)


def _walk(stage: Stage) -> list[_Row]:
    """Put another organisation's key into each source, and take the sources away one at a time."""
    keys = {source: stage.api.create_key(org=org) for source, org in _ORGANISATIONS.items()}
    vectorshift.api_key = keys["explicit"]
    dotenv = stage.folder / ".env"
    dotenv.write_text(f"VECTORSHIFT_API_KEY={keys['dotenv']}\n")
    _into_vault(stage)(keys["vault"])
    _into_aws(stage)(keys["aws"])
    os.environ["VECTORSHIFT_API_KEY"] = keys["env"]
    os.environ["VECTORSHIFT_ENV_FILE"] = str(dotenv)
    os.environ.update(stage.vault_variables())
    os.environ.update(stage.aws_variables())
    removals: dict[str, Callable[[], object]] = {
        "explicit": lambda: setattr(vectorshift, "api_key", None),
        "env": lambda: os.environ.pop("VECTORSHIFT_API_KEY"),
        "dotenv": lambda: os.environ.update({"VECTORSHIFT_ENV_FILE": ""}),
        "vault": lambda: os.environ.pop("VECTORSHIFT_VAULT_PATH"),
        "aws": lambda: os.environ.pop("VECTORSHIFT_AWS_SECRET_ID"),
    }
    rows: list[_Row] = []
    for source, remove in removals.items():
        # settings are read once, so each step is what a newly started process would see
        vectorshift.reset()
        rows.append(_ask(stage, source, keys[source]))
        remove()
    vectorshift.reset()
    rows.append(_ask_in_vain(stage))
    return rows


def _ask(stage: Stage, source: str, key: str) -> _Row:
    before = len(stage.api.requests)
    began = time.perf_counter()
    try:
        Pipeline.list()
    except VectorshiftError as error:
        return _Row(source, "-", "-", "-", 0.0, f"{source}: {error}")
    milliseconds = (time.perf_counter() - began) * 1000
    sent = stage.api.requests[before:]
    used = vectorshift.get_credential()
    org = _ORGANISATIONS[source]
    as_it_should = (
        len(sent) == 1
        and sent[0].org == org
        and sent[0].status == 200
        and used.secret.reveal() == key
    )
    flaw = (
        ""
        if as_it_should
        else f"{source}: expected {fingerprint(key)} of {org}, got {used} and {sent}"
    )
    return _Row(
        used.source, used.fingerprint, str(sent[-1].org), str(sent[-1].status), milliseconds, flaw
    )


def _ask_in_vain(stage: Stage) -> _Row:
    before = len(stage.api.requests)
    began = time.perf_counter()
    try:
        Pipeline.list()
    except AuthenticationError:
        quiet = len(stage.api.requests) == before
        return _Row(
            "none: AuthenticationError",
            "-",
            "-",
            "none",
            (time.perf_counter() - began) * 1000,
            "" if quiet else "without a key, a request was sent",
        )
    return _Row("none", "-", "-", "-", 0.0, "without any source, a call succeeded")


def _table(rows: list[_Row]) -> Table:
    table = Table(
        title="Pipeline.list(), while the sources are taken away one by one",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("source of the key", "fingerprint", "organisation", "HTTP\nstatus"):
        table.add_column(heading, overflow="fold")
    table.add_column("ms", justify="right")
    for row in rows:
        table.add_row(
            row.source, row.fingerprint, row.organisation, row.status, f"{row.milliseconds:.1f}"
        )
    return table
