"""The way through a rotation that `vectorshift rotate` takes, without its terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift import Pipeline, Secret, Settings
from vectorshift.rotation.checks import Checks
from vectorshift.rotation.flow import Options, Plan, Rotated, look, prepare, rotate

if TYPE_CHECKING:
    from vectorshift.rotation.target import RotationTarget
    from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer


class Keys:
    """Two keys of one organisation, and one of another."""

    def __init__(self, api: FakeVectorShift) -> None:
        self.api = api
        self.old, self.new = api.create_key(), api.create_key()
        self.foreign = api.create_key(org="another")

    def settings(self, **fields: Any) -> Settings:
        return Settings(base_url=self.api.base_url, max_retries=0, **fields)

    def in_vault(self, bao: OpenBaoServer, path: str, **fields: Any) -> Settings:
        given = {
            "vault_path": path,
            "vault_addr": bao.address,
            "vault_token": Secret(bao.root_token),
            **fields,
        }
        return self.settings(**given)


def checks(settings: Settings) -> Checks:
    return Checks(settings, lambda client: (str(p.id) for p in Pipeline.iterate(client=client)))


def planned(settings: Settings, new: str | None, source: str, **options: Any) -> Plan:
    given = Options(source=source, **options)
    target, old = look(settings, given)
    key = None if new is None else Secret(new)
    return prepare(target, old, key, checks(settings), given)


def rotated(settings: Settings, new: str | None, source: str, **options: Any) -> Rotated:
    plan = planned(settings, new, source, **options)
    try:
        return rotate(plan, checks(settings))
    finally:
        plan.target.close()


def aws(monkeypatch: Any, moto: MotoServer) -> None:
    """Lead boto3 to moto."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)


def key_in(target: RotationTarget) -> str:
    return target.read().secret.reveal()
