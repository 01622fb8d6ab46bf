"""Each message in docs/troubleshooting.md is what the code says today: it is produced here, and
compared.

What differs from machine to machine (addresses, paths, fingerprints) is written as the page writes
it. To see a message that has changed: `python -m pytest tests/docs/test_troubleshooting.py -vv`.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interpreter import printed

import vectorshift
from vectorshift import Pipeline, ProviderChain, Secret, Settings, VectorShift, errors
from vectorshift.providers import VaultProvider
from vectorshift.providers.profiles import write_profile
from vectorshift.testing import FakeVectorShift, ManualClock, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_API = "https://api.vectorshift.ai"
PAGE = Path(__file__).parents[2] / "docs/troubleshooting.md"


class Stage:
    """A process, its folder, the API and the stores, and what the page writes in place of what
    differs.
    """

    def __init__(
        self,
        api: FakeVectorShift,
        bao: OpenBaoServer,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        self.api, self.bao, self.folder, self.logged = api, bao, folder, caplog
        self._setenv = monkeypatch.setenv
        self.path = f"troubleshooting-{uuid.uuid4().hex}"
        self.written = {
            bao.address: "https://vault.example.com:8200",
            self.path: "vectorshift",
            str(folder): "/app",
        }

    def nobody(self, instead: str) -> str:
        """Return an address where nothing listens, which the page writes in another way."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        self.written[address] = instead
        return address

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._setenv(name, value)

    def vault(self, **variables: str) -> None:
        self.set(**{**self.bao.environment(), "VECTORSHIFT_VAULT_PATH": self.path, **variables})

    def failure(self, call: Callable[[], object] = vectorshift.get_credential) -> str:
        with pytest.raises(errors.VectorshiftError) as caught:
            call()
        return f"{type(caught.value).__name__}: {caught.value}"

    def warning(self, call: Callable[[], object]) -> str:
        self.logged.clear()
        with self.logged.at_level(logging.WARNING):
            call()
        (record,) = self.logged.records
        return f"{record.levelname} {record.name}: {record.getMessage()}"

    def without(self, package: str, **variables: str) -> str:
        """Return the failure of a process that cannot import `package`."""
        return printed(_WITHOUT, package, **variables).strip()

    def as_written(self, said: str) -> str:
        for real, instead in self.written.items():
            said = said.replace(real, instead)
        return re.sub(r"#[0-9a-f]{8}\b", "#1a2b3c4d", said)


_WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import vectorshift
try:
    vectorshift.get_credential()
except vectorshift.VectorshiftError as error:
    print(f"{type(error).__name__}: {error}")
"""

SCENES: dict[str, Callable[[Stage], str]] = {}


def scene(heading: str) -> Callable[[Callable[[Stage], str]], Callable[[Stage], str]]:
    def keep(tell: Callable[[Stage], str]) -> Callable[[Stage], str]:
        SCENES[heading] = tell
        return tell

    return keep


@scene("No key at all")
def _(at: Stage) -> str:
    return at.failure()


@scene("A call outside every using block")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_REQUIRE_USING="1", VECTORSHIFT_API_KEY=at.api.create_key(org="acme"))
    return at.failure(Pipeline.list)


@scene("The key in the environment is rejected")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_API_KEY="vs-of-last-year")
    return at.failure(Pipeline.list)


@scene("A key is rejected, and a configured store was not asked")
def _(at: Stage) -> str:
    at.vault()
    at.set(VECTORSHIFT_API_KEY="vs-of-last-year")
    return at.failure(Pipeline.list)


@scene("A key is rejected that the store still has")
def _(at: Stage) -> str:
    at.bao.write(at.path, {"api_key": "vs-of-last-year"})
    at.vault()
    return at.failure(Pipeline.list)


@scene("A new key that the API does not know yet")
def _(at: Stage) -> str:
    at.bao.write(at.path, {"api_key": at.api.create_key()})
    at.vault()
    Pipeline.list()
    at.bao.write(at.path, {"api_key": "vs-of-next-year"})
    vectorshift.refresh()
    return at.warning(Pipeline.list)


@scene("The key is of another organisation")
def _(at: Stage) -> str:
    theirs = at.api.add_pipeline("globex", "summary", id="6650f1c2a4b8d90e12345678")
    at.set(VECTORSHIFT_API_KEY=at.api.create_key(org="acme"))
    with VectorShift() as client:
        return at.failure(lambda: client.request("GET", "/pipeline", query={"id": theirs}))


@scene("A key file with several lines")
def _(at: Stage) -> str:
    file = at.folder / "key"
    file.write_text("# the key of production\nvs-1234567890\n")
    at.written = {str(file): "/run/secrets/vectorshift"}
    at.set(VECTORSHIFT_API_KEY_FILE=str(file))
    return at.failure()


@scene("A package is missing")
def _(at: Stage) -> str:
    return "\n".join(
        at.without(package, **variables)
        for package, variables in {
            "hvac": {
                "VECTORSHIFT_VAULT_PATH": "vectorshift",
                "VAULT_ADDR": "https://vault.example.com:8200",
            },
            "boto3": {"VECTORSHIFT_AWS_SECRET_ID": "prod/vectorshift"},
        }.items()
    )


@scene("Vault is down, and nothing is cached")
def _(at: Stage) -> str:
    at.vault(VAULT_ADDR=at.nobody("https://vault.example.com:8200"))
    return at.failure()


@scene("AWS is down, and nothing is cached")
def _(at: Stage) -> str:
    endpoint = at.nobody("https://secretsmanager.eu-central-1.amazonaws.com")
    at.set(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    at.set(AWS_REGION="eu-central-1", VECTORSHIFT_AWS_ENDPOINT_URL=endpoint)
    at.set(VECTORSHIFT_AWS_SECRET_ID="prod/vectorshift")
    return at.failure()


@scene("A store is down, and the cached key is used")
def _(at: Stage) -> str:
    at.bao.write(at.path, {"api_key": "vs-..."})
    clock, told = ManualClock(), threading.Event()
    vault = VaultProvider(at.path, addr=at.bao.address, token=at.bao.root_token)
    chain = ProviderChain([vault], clock=clock)
    chain.get_credential()
    clock.advance(301)
    stop = vectorshift.on_event(lambda _: told.set())
    at.bao.seal()
    try:
        return at.warning(lambda: (chain.get_credential(), told.wait(30)))
    finally:
        at.bao.unseal()
        stop()


@scene("Vault denies the read")
def _(at: Stage) -> str:
    at.vault(VAULT_TOKEN=at.bao.token())
    return at.failure()


@scene("A `.env` comes before the store")
def _(at: Stage) -> str:
    at.vault()
    (at.folder / ".env").write_text("VECTORSHIFT_API_KEY=vs-of-a-developer\n")
    return at.warning(vectorshift.get_credential)


@scene("A `.env` sets where the key is sent")
def _(at: Stage) -> str:
    (at.folder / ".env").write_text(
        "VECTORSHIFT_API_KEY=vs-of-a-developer\nVECTORSHIFT_BASE_URL=https://api.example.com/v1\n"
    )
    return at.failure()


@scene("A `.env` belongs to another user")
def _(at: Stage) -> str:
    if os.geteuid() != 0:
        pytest.skip("to give a file away takes root")
    path = at.folder / ".env"
    path.write_text("VECTORSHIFT_API_KEY=vs-of-a-developer\n")
    os.chown(path, 1001, -1)
    return at.failure()


@scene("A line of a `.env` is mistyped")
def _(at: Stage) -> str:
    (at.folder / ".env").write_text("# acme\nVECTORSHIFT_API_KEY: vs-1234567890\n")
    return at.failure()


@scene("Two keys in one `.env`")
def _(at: Stage) -> str:
    (at.folder / ".env").write_text(
        "VECTORSHIFT_API_KEY=vs-of-acme\nX=1\nVECTORSHIFT_API_KEY=vs-of-globex\n"
    )
    return at.failure()


@scene("A key beside a profile")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_PROFILE="acme", VECTORSHIFT_API_KEY="vs-...")
    return at.failure()


@scene("A session without a keyring")
def _(at: Stage) -> str:
    at.set(DBUS_SESSION_BUS_ADDRESS="")
    os.environ.pop("DBUS_SESSION_BUS_ADDRESS")
    at.set(VECTORSHIFT_PROFILE="acme")
    write_profile("acme", Secret("vs-..."), origin=_API, in_file=True)
    file = at.folder / ".vectorshift" / "credentials.toml"
    file.write_text(f'[acme]\norigin = "{_API}"\nkeyring = "Secret Service"\n')
    return at.failure()


@scene("A profile of another API")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_PROFILE="acme", VECTORSHIFT_BASE_URL="https://api.internal/v1")
    write_profile("acme", Secret("vs-..."), origin=_API, in_file=True)
    return at.failure(Pipeline.list)


@scene("Plain HTTP")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_API_KEY="vs-...", VECTORSHIFT_BASE_URL="http://api.internal/v1")
    return at.failure(Pipeline.list)


@scene("An unknown setting")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_TIMOUT="20")
    return at.warning(Settings.load)


@scene("A setting with a wrong value")
def _(at: Stage) -> str:
    at.set(VECTORSHIFT_TIMEOUT="20s")
    return at.failure(Settings.load)


@pytest.fixture
def stage(
    openbao: OpenBaoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Stage]:
    with FakeVectorShift() as api:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", api.base_url)
        vectorshift.reset()
        yield Stage(api, openbao, tmp_path, monkeypatch, caplog)
        vectorshift.reset()


_FIRST_BLOCK = re.compile(r"^```text\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def messages() -> dict[str, str]:
    """Each heading of the page with the first `text` block below it."""
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = {section.partition("\n")[0]: _FIRST_BLOCK.search(section) for section in sections}
    return {heading: block[1] for heading, block in found.items() if block}


def test_each_message_of_the_page_has_its_scene() -> None:
    assert list(messages()) == list(SCENES)


@pytest.mark.parametrize("heading", list(SCENES))
def test_the_page_has_the_message_that_the_code_gives(heading: str, stage: Stage) -> None:
    assert messages()[heading] == stage.as_written(SCENES[heading](stage))


TERMINALS = ["cp1252", "cp437", "latin-1", "ascii"]


@pytest.mark.parametrize("encoding", TERMINALS)
def test_every_message_prints_on_any_terminal(encoding: str) -> None:
    script = (
        "import vectorshift\n"
        f"for message in {list(messages().values())!r}:\n    print(message)\n"
        "try:\n    vectorshift.get_credential()\n"
        "except vectorshift.VectorshiftError as error:\n    print(error)\n"
        "print(vectorshift.explain())\n"
    )
    environ = {
        **{name: value for name, value in os.environ.items() if "VECTORSHIFT" not in name},
        "PYTHONIOENCODING": encoding,
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert b"Account > API Keys" in done.stdout


def test_the_words_of_every_message_are_ascii() -> None:
    source = Path(vectorshift.__file__).parent
    found = [
        f"{path.name}:{node.lineno}: {node.value!r}"
        for path in source.rglob("*.py")
        for tree in [ast.parse(path.read_text("utf-8"))]
        for docstrings in [{id(doc) for doc in map(_docstring_of, ast.walk(tree))}]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in docstrings
        if isinstance(node.value, str) and _NOT_ASCII.search(node.value)
    ]
    assert found == []


_NOT_ASCII = re.compile("[^\x00-\x9f\u2018-\u2029\u00ab\u00bb\ufeff]")
"""Quotation marks, line ends and the byte order mark aside: some texts are searched for them."""


def _docstring_of(node: ast.AST) -> ast.AST | None:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    return first.value if isinstance(first, ast.Expr) else None
