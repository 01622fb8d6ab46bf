"""Play what happens to a service, and compare what it sees with the table of docs/situations.md.

To write a changed table: `OPERATIONS=write python -m pytest tests/docs/test_operations.py`.
"""

from __future__ import annotations

import logging
import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stage import Gate

import vectorshift
from vectorshift import (
    AwsSecretsManagerProvider,
    CredentialEvent,
    CredentialProvider,
    EnvProvider,
    ProviderChain,
    VaultProvider,
    VectorShift,
)
from vectorshift._platform.arguments import UNSET
from vectorshift.cache.provider import CachingProvider
from vectorshift.cli.exits import exit_of
from vectorshift.testing import FakeVectorShift, ManualClock, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vectorshift.testing.moto import MotoServer

PAGE = Path(__file__).parents[2] / "docs/situations.md"
MARK = "<!-- situations -->\n"
KEY = "vs-acme-1"
OTHER = "vs-acme-2"
HANGS = 1.0
"""The load timeout where a store hangs. It is waited for several times."""


class Stage:
    """A service that makes calls, with a key from one source."""

    def __init__(
        self,
        api: FakeVectorShift,
        provider: CredentialProvider,
        clock: ManualClock | None = None,
        load_timeout: float = 3,
    ) -> None:
        self.api, self.clock, self.load_timeout = api, clock or ManualClock(), load_timeout
        self.chain = ProviderChain(
            [provider], ttl=10, load_timeout=load_timeout, clock=self.clock, random=lambda: 0
        )
        self.client = VectorShift(
            self.chain, base_url=api.base_url, max_retries=0, timeout=1, clock=self.clock
        )
        self.events: list[CredentialEvent] = []
        self.outcomes: list[str] = []

    def calls(self, seconds: float = 11.0) -> str:
        """Let time pass, make calls, and return what they get."""
        got: list[str] = []
        for wait in (seconds, 3.0, 0.1):
            self.clock.advance(wait)
            for _ in range(2):
                try:
                    self.client.request("GET", "/pipelines")
                    got.append("success")
                except vectorshift.VectorshiftError as error:
                    got.append(f"`{type(error).__name__}`")
                self.wait_for_refresh()
        return ", then ".join(dict.fromkeys(got))

    def status(self) -> str:
        """Return the status that `vectorshift auth status` prints: it asks the source anew."""
        (provider,) = self.chain.providers
        source = provider.provider if isinstance(provider, CachingProvider) else provider
        try:
            ProviderChain([source], load_timeout=self.load_timeout).get_credential()
        except vectorshift.VectorshiftError as error:
            return f"`{exit_of(error).word}`"
        return "`found`"

    def wait_for_refresh(self) -> None:
        """Wait until the refresh behind a call has ended, and was told of."""
        (provider,) = self.chain.providers
        load = provider._newest if isinstance(provider, CachingProvider) else None
        if load is not None:
            assert load.task.wait(30)


@pytest.fixture
def api(api: FakeVectorShift) -> FakeVectorShift:
    api.create_key(key=KEY)
    return api


@pytest.fixture(scope="module")
def bao() -> Iterator[OpenBaoServer]:
    with OpenBaoServer() as running:
        yield running


class Vault:
    """A secret of Vault, behind a gate that can be shut."""

    def __init__(self, bao: OpenBaoServer, gate: Gate) -> None:
        self.bao, self.gate, self.path = bao, gate, f"ops/{uuid.uuid4().hex}"
        self.policy = f"p-{uuid.uuid4().hex}"
        self.write(KEY)
        self.allow()
        self.token = bao.token([self.policy])
        self.provider = VaultProvider(
            self.path, addr=gate.address, token=self.token, cacert=bao.cacert or UNSET
        )

    def write(self, key: str) -> None:
        self.bao.write(self.path, {"api_key": key})

    def allow(self, what: str = '"read"') -> None:
        rule = f'path "secret/data/{self.path}" {{ capabilities = [{what}] }}'
        self.bao.policy(self.policy, rule)


def masked(text: str) -> str:
    """Return a text without what differs from run to run."""
    text = re.sub(r"ops/[0-9a-f]{32}", "acme", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://vault:8200", text)
    text = re.sub(r"file:\S*/key", "file:/run/key", text)
    text = re.sub(r"ops-[0-9a-f]{32}", "prod/acme", text)
    text = re.sub(r"#[0-9a-f]{8}", "#1a2b3c4d", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-30 08:00 UTC", text)
    text = re.sub(r"within (\d+\.\d) s", _waited, text)
    text = re.sub(r"\s*\n\s*", "<br>", text.replace("|", "/"))
    return text if len(text) < 400 else f"{text[:397]}..."


def _waited(found: re.Match[str]) -> str:
    """Return how long a store was waited for: at most half of the seconds of a call."""
    assert 0 < float(found[1]) <= HANGS / 2
    return "within 1.4 s"


# --- The situations: each makes a stage, breaks it, and mends it ---

Play = tuple["Stage", "Callable[[], object]", "Callable[[], object]"]


class World:
    """What the situations need."""

    def __init__(
        self, api: FakeVectorShift, bao: OpenBaoServer, gate: Gate, moto: MotoServer, folder: Path
    ) -> None:
        self.api, self.bao, self.gate, self.moto, self.folder = api, bao, gate, moto, folder
        self.vault = Vault(bao, gate)

    def of_vault(self, load_timeout: float = 3) -> Stage:
        return Stage(self.api, self.vault.provider, load_timeout=load_timeout)

    def of_aws(self) -> tuple[Stage, str]:
        name = f"ops-{uuid.uuid4().hex}"
        self.moto.put(name, KEY)
        provider = AwsSecretsManagerProvider(
            name, endpoint_url=self.moto.endpoint_url, region=self.moto.region
        )
        provider.get_credential()  # which imports boto3
        return Stage(self.api, provider, load_timeout=20), name  # a new client takes a second

    def of_file(self) -> Stage:
        self.file.write_text(KEY)
        clock = ManualClock()
        provider = EnvProvider(file=self.file, clock=clock, pause=lambda _: None)
        return Stage(self.api, provider, clock)

    @property
    def file(self) -> Path:
        return self.folder / "key"

    def down(self) -> None:
        self.gate.lead(None)
        self.gate.hang_up()

    def up(self) -> None:
        self.gate.held = False
        self.gate.hang_up()
        self.gate.lead(self.bao.address)

    def hang(self) -> None:
        self.gate.held = True
        self.gate.hang_up()


def nothing() -> None:
    pass


def vault_down(world: World) -> Play:
    return world.of_vault(), world.down, world.up


def vault_hangs(world: World) -> Play:
    return world.of_vault(HANGS), world.hang, world.up


def vault_hangs_at_start(world: World) -> Play:
    world.hang()
    return world.of_vault(HANGS), nothing, world.up


def vault_sealed(world: World) -> Play:
    return world.of_vault(), world.bao.seal, world.bao.unseal


def vault_denies(world: World) -> Play:
    vault = world.vault
    return world.of_vault(), lambda: vault.allow('"deny"'), vault.allow


def vault_token_revoked(world: World) -> Play:
    vault = world.vault
    return world.of_vault(), lambda: vault.bao.revoke(vault.token), nothing


def vault_deleted(world: World) -> Play:
    vault = world.vault
    return world.of_vault(), lambda: vault.bao.delete(vault.path), lambda: vault.write(KEY)


def vault_forgotten(world: World) -> Play:
    vault = world.vault
    return world.of_vault(), lambda: vault.bao.forget(vault.path), lambda: vault.write(KEY)


def vault_malformed(world: World) -> Play:
    vault = world.vault
    return world.of_vault(), lambda: vault.write('{"a": "b"}'), lambda: vault.write(KEY)


def vault_rotated(world: World) -> Play:
    world.api.create_key(key=OTHER)
    return world.of_vault(), lambda: world.vault.write(OTHER), nothing


def vault_unknown_key(world: World) -> Play:
    def accept() -> None:
        world.api.create_key(key=OTHER)

    return world.of_vault(), lambda: world.vault.write(OTHER), accept


def key_revoked(world: World) -> Play:
    def replace() -> None:
        world.api.create_key(key=OTHER)
        world.vault.write(OTHER)

    return world.of_vault(), lambda: world.api.revoke_key(KEY), replace


def aws_deleted(world: World) -> Play:
    stage, name = world.of_aws()
    restore = {"SecretId": name}
    return (
        stage,
        lambda: world.moto.delete(name),
        lambda: world.moto.call("RestoreSecret", **restore),
    )


def file_emptied(world: World) -> Play:
    stage = world.of_file()
    return stage, lambda: world.file.write_text(""), lambda: world.file.write_text(KEY)


def file_removed(world: World) -> Play:
    stage = world.of_file()
    return stage, world.file.unlink, lambda: world.file.write_text(KEY)


def file_conflict(world: World) -> Play:
    stage, text = world.of_file(), "<<<<<<< HEAD\nvs-1\n=======\nvs-2\n>>>>>>> b\n"
    return stage, lambda: world.file.write_text(text), lambda: world.file.write_text(KEY)


def env_revoked(world: World) -> Play:
    os.environ["VECTORSHIFT_API_KEY"] = KEY
    stage = Stage(world.api, EnvProvider())
    return (
        stage,
        lambda: world.api.revoke_key(KEY),
        lambda: world.api.create_key(key=KEY),
    )


def api_limits(world: World) -> Play:
    return world.of_vault(), lambda: world.api.fail_next(429, times=6), nothing


def api_fails(world: World) -> Play:
    return world.of_vault(), lambda: world.api.fail_next(503, times=6), nothing


def api_drops(world: World) -> Play:
    return world.of_vault(), lambda: world.api.drop_next(times=6), nothing


SITUATIONS: dict[str, Callable[[World], Play]] = {
    "Vault is down": vault_down,
    "Vault hangs": vault_hangs,
    "Vault hangs when the process starts": vault_hangs_at_start,
    "Vault is sealed": vault_sealed,
    "a policy no longer allows the read": vault_denies,
    "the Vault token was revoked": vault_token_revoked,
    "the secret was deleted": vault_deleted,
    "the secret was removed with its metadata": vault_forgotten,
    "the secret holds JSON": vault_malformed,
    "the key was rotated": vault_rotated,
    "it was rotated to a key that the API does not know": vault_unknown_key,
    "the key was revoked at the API": key_revoked,
    "the AWS secret is scheduled for deletion": aws_deleted,
    "the key file was emptied": file_emptied,
    "the key file was removed": file_removed,
    "the key file has a merge conflict": file_conflict,
    "the key of the environment was revoked": env_revoked,
    "the API limits (429)": api_limits,
    "the API fails (503)": api_fails,
    "the API drops connections": api_drops,
}
HEAD = (
    "| situation | calls get | log lines | `explain` says | `auth status` says"
    " | when it is mended |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)


@pytest.fixture
def world(
    api: FakeVectorShift,
    bao: OpenBaoServer,
    moto: MotoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    with Gate(bao.address) as gate:
        yield World(api, bao, gate, moto, tmp_path)


def lines(records: list[logging.LogRecord]) -> str:
    told = [
        f"{each.levelname} `{vars(each)['event']}`: {masked(each.getMessage())}"
        for each in records
        if hasattr(each, "event")
    ]
    return "<br>".join(told) or "none"


@pytest.mark.parametrize("what", SITUATIONS)
def test_what_a_service_sees_is_what_the_page_says(
    what: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vectorshift")
    stage, break_, mend = SITUATIONS[what](world)
    if break_ is not nothing:
        assert stage.calls() == "success"
    caplog.clear()
    break_()
    got, told = stage.calls(), lines(caplog.records)
    report = vectorshift.explain(client=stage.client)
    said = masked(f"{report.verdict} {report.sources[0].reason}")
    status = stage.status()
    caplog.clear()
    mend()
    after = "" if mend is nothing else f"{stage.calls(61)}; {lines(caplog.records)}"
    row = f"| {what} | {got} | {told} | {said} | {status} | {after} |"
    before, mark, table = PAGE.read_text("utf-8").partition(MARK)
    assert mark
    rows = dict.fromkeys(table.removeprefix(HEAD).splitlines())
    if os.environ.get("OPERATIONS") == "write":
        kept = {each.split("|")[1].strip(): each for each in rows if each.startswith("| ")}
        kept[what] = row
        text = "\n".join(kept[name] for name in SITUATIONS if name in kept)
        PAGE.write_text(f"{before}{MARK}{HEAD}{text}\n", "utf-8")
        return
    assert row in rows
