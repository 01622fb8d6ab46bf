"""The demonstration: five sources, one after the other, and two rotations under running calls."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

import vectorshift
from vectorshift import AuthenticationError, Pipeline, VectorshiftError
from vectorshift.credentials.values import fingerprint
from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer
from vectorshift.testing.sandbox.rotation import rotate_under_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["run", "serve_until_stopped"]

_SECRET = "vectorshift"  # its name in both stores
_OURS = ("VECTORSHIFT_", "VAULT_", "BAO_", "AWS_")
_ORGANISATIONS = {
    "explicit": "amber",
    "env": "birch",
    "dotenv": "cedar",
    "vault": "delta",
    "aws": "ember",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One step of the walk: the source that gave the key, and the flaw if it is another than
    expected.
    """

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
    with _set_stage() as stage:
        rows = _walk(stage)
        console.print(_table(rows))
        flaws = [row.flaw for row in rows if row.flaw]
        rotations = (
            rotate_under_traffic("Vault", stage.api, stage.vault_variables(), stage.write_to_vault),
            rotate_under_traffic("AWS", stage.api, stage.aws_variables(), stage.write_to_aws),
        )
        for rotation in rotations:
            console.print(str(rotation))
        flaws += [flaw for rotation in rotations for flaw in rotation.flaws]
    for flaw in flaws:
        console.print(f"UNEXPECTED: {flaw}", style="bold red")
    if not flaws:
        console.print("Everything happened as expected.")
    return 1 if flaws else 0


def serve_until_stopped() -> int:
    """Keep the servers up until the process is told to stop, and print the variables that point
    code of your own at them.
    """
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    console = Console(soft_wrap=True, highlight=False)
    with _set_stage() as stage:
        stage.write_to_vault(stage.api.create_key(org=_ORGANISATIONS["vault"]))
        stage.write_to_aws(stage.api.create_key(org=_ORGANISATIONS["aws"]))
        key_file = stage.folder / "api-key"
        _write(key_file, stage.api.create_key(org=_ORGANISATIONS["env"]))
        console.print("# The servers run until Ctrl-C. The API, and then one source of a key:")
        _export(console, {"VECTORSHIFT_BASE_URL": stage.api.base_url})
        console.print(f"# a file, with a key of the organisation {_ORGANISATIONS['env']}")
        _export(console, {"VECTORSHIFT_API_KEY_FILE": str(key_file)})
        instead = "in place of the file (unset VECTORSHIFT_API_KEY_FILE)"
        console.print(f"# Vault, with a key of {_ORGANISATIONS['vault']}, {instead}")
        _export(console, stage.vault_variables(), "# ")
        console.print(f"# Secrets Manager, with a key of {_ORGANISATIONS['aws']}, {instead}")
        _export(console, stage.aws_variables(), "# ")
        stage.prepare_rotations()
        console.print(f"# The files for a rotation are in this folder:\n# cd {stage.folder}")
        stopped.wait()
    return 0


def _export(console: Console, variables: dict[str, str], before: str = "") -> None:
    for name, value in variables.items():
        console.print(f"{before}export {name}={value}")


def _write(file: Path, text: str) -> None:
    """Write a secret to a file that this user alone can read."""
    file.touch(mode=0o600)
    file.write_text(text)


def _walk(stage: _Stage) -> list[_Row]:
    """Put another organisation's key into each source, and take the sources away one at a time."""
    keys = {source: stage.api.create_key(org=org) for source, org in _ORGANISATIONS.items()}
    vectorshift.api_key = keys["explicit"]
    dotenv = stage.folder / ".env"
    _write(dotenv, f"VECTORSHIFT_API_KEY={keys['dotenv']}\n")
    stage.write_to_vault(keys["vault"])
    stage.write_to_aws(keys["aws"])
    os.environ["VECTORSHIFT_API_KEY"] = keys["env"]
    os.environ["VECTORSHIFT_ENV_FILE"] = str(dotenv)
    os.environ.update(stage.vault_variables())
    os.environ.update(stage.aws_variables())
    removals: dict[str, Callable[[], object]] = {
        "explicit": lambda: delattr(vectorshift, "api_key"),
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


def _ask(stage: _Stage, source: str, key: str) -> _Row:
    """Make a call, and check that it was sent once, with the key of this source."""
    stage.api.clear_requests()
    began = time.perf_counter()
    try:
        Pipeline.list()
    except VectorshiftError as error:
        return _Row(source, "-", "-", "-", 0.0, f"{source}: {error}")
    milliseconds = (time.perf_counter() - began) * 1000
    sent = [(request.org, request.status) for request in stage.api.requests]
    used = vectorshift.get_credential()
    flaw = ""
    if sent != [(_ORGANISATIONS[source], 200)] or used.secret.reveal() != key:
        flaw = (
            f"{source}: expected {fingerprint(key)} of {_ORGANISATIONS[source]}, got {used}"
            f" and {sent}"
        )
    org, status = sent[-1]
    return _Row(used.source, used.fingerprint, str(org), str(status), milliseconds, flaw)


def _ask_in_vain(stage: _Stage) -> _Row:
    """Make a call without any source of a key, and check that nothing was sent."""
    stage.api.clear_requests()
    began = time.perf_counter()
    try:
        Pipeline.list()
    except AuthenticationError:
        source, status = "none: AuthenticationError", "none"
        flaw = "without a key, a request was sent" if stage.api.requests else ""
    else:
        source, status, flaw = "none", "-", "without any source, a call succeeded"
    return _Row(source, "-", "-", status, (time.perf_counter() - began) * 1000, flaw)


def _table(rows: list[_Row]) -> Table:
    table = Table(
        title="Pipeline.list(), while the sources are removed one by one",
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


# --- The servers ---


@dataclass(frozen=True, slots=True)
class _Stage:
    """Three servers on loopback, and a folder for key files."""

    api: FakeVectorShift
    bao: OpenBaoServer
    moto: MotoServer
    folder: Path

    def write_to_vault(self, key: str) -> None:
        """Store a key in Vault."""
        self.bao.write(_SECRET, {"api_key": key})

    def write_to_aws(self, key: str) -> None:
        """Store a key in Secrets Manager."""
        self.moto.put(_SECRET, key)

    def vault_variables(self) -> dict[str, str]:
        """Return the variables that configure Vault: the locator, the address, and the file with a
        token that may read only.
        """
        self.bao.policy("sandbox", f'path "secret/data/{_SECRET}" {{ capabilities = ["read"] }}')
        token = self.folder / "vault-token"
        _write(token, self.bao.token(["sandbox"]))
        return {
            "VECTORSHIFT_VAULT_PATH": _SECRET,
            "VECTORSHIFT_VAULT_ADDR": self.bao.address,
            "VECTORSHIFT_VAULT_TOKEN_FILE": str(token),
        }

    def prepare_rotations(self) -> None:
        """Write a second key of each organisation, and a token that may write to Vault."""
        for source in ("env", "vault", "aws"):
            organisation = _ORGANISATIONS[source]
            key = self.api.create_key(org=organisation)
            _write(self.folder / f"new-{organisation}-key", key)
        rights = f'path "secret/data/{_SECRET}" {{ capabilities = ["read", "patch"] }}'
        self.bao.policy("rotator", rights)
        _write(self.folder / "rotator-token", self.bao.token(["rotator"]))

    def aws_variables(self) -> dict[str, str]:
        """Return the variables that configure Secrets Manager: the locator, and AWS's own."""
        return {"VECTORSHIFT_AWS_SECRET_ID": _SECRET, **self.moto.environment()}


@contextlib.contextmanager
def _set_stage() -> Generator[_Stage, None, None]:
    """Start the servers, and clear the environment of everything that would name another."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vs-")))
        stack.enter_context(_cleared_environment())
        with ThreadPoolExecutor(3) as side_by_side:
            api = side_by_side.submit(stack.enter_context, FakeVectorShift())
            bao = side_by_side.submit(stack.enter_context, OpenBaoServer())
            moto = side_by_side.submit(stack.enter_context, MotoServer())
        os.environ["VECTORSHIFT_BASE_URL"] = api.result().base_url
        vectorshift.reset()
        stack.callback(vectorshift.reset)
        yield _Stage(api.result(), bao.result(), moto.result(), folder)


@contextlib.contextmanager
def _cleared_environment() -> Generator[None, None, None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith(_OURS) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
