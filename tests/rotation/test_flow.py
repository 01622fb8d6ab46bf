"""Which place is written to, and what is said of it afterwards."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from tests.rotation.stage import aws, checks, planned, rotated

from vectorshift import Credential, MissingCredentialError, Secret
from vectorshift._platform.urls import origin
from vectorshift.credentials.values import fingerprint
from vectorshift.providers.profiles import write_profile
from vectorshift.rotation.flow import SOURCES, Options, prepare, rotate, target_of
from vectorshift.rotation.target import RotationError, RotationTarget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.rotation.stage import Keys

    from vectorshift import Settings
    from vectorshift.testing import OpenBaoServer


def test_the_source_in_force_is_written_to_if_none_is_named(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old})
    target = target_of(keys.in_vault(openbao, path), Options())
    assert target.source == f"vault:secret/{path}#api_key"
    target.close()


def test_a_key_in_a_variable_cannot_be_changed_by_a_command(
    monkeypatch: pytest.MonkeyPatch, keys: Keys
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", keys.old)
    with pytest.raises(RotationError, match="env:VECTORSHIFT_API_KEY, which a command cannot"):
        target_of(keys.settings(), Options())


def test_a_found_dotenv_is_not_written_to(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / ".env").write_text(f"VECTORSHIFT_API_KEY={keys.old}\n")
    with pytest.raises(RotationError, match="only found is not written to"):
        target_of(keys.settings(), Options())


def test_without_a_key_there_is_nothing_to_rotate(keys: Keys) -> None:
    with pytest.raises(MissingCredentialError):
        target_of(keys.settings(), Options())
    with pytest.raises(RotationError, match="VECTORSHIFT_VAULT_PATH is not set"):
        target_of(keys.settings(), Options(source="vault"))
    with pytest.raises(RotationError, match=r"There is no source 'vaul'\. Did you mean vault\?"):
        target_of(keys.settings(), Options(source="vaul"))


def test_an_expiry_is_for_vault_alone(tmp_path: Path, keys: Keys) -> None:
    settings = keys.settings(api_key_file=str(tmp_path / "key"))
    with pytest.raises(RotationError, match="Leave it out"):
        target_of(settings, Options(source="file", expires_at="never"))


def test_a_named_source_that_another_one_hides_is_written_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old})
    monkeypatch.setenv("VECTORSHIFT_API_KEY", keys.old)
    done = rotated(keys.in_vault(openbao, path), keys.new, "vault")
    assert "A call uses env:VECTORSHIFT_API_KEY" in done.chain
    assert f"which comes before vault:secret/{path}#api_key" in done.chain


def test_it_says_what_to_wait_for_and_never_that_it_is_safe(
    openbao: OpenBaoServer, path: str, keys: Keys
) -> None:
    openbao.write(path, {"api_key": keys.old})
    done = rotated(keys.in_vault(openbao, path, cache_ttl=60), keys.new, "vault")
    assert "within 60 s" in done.wait
    assert "vectorshift.credential.in_use" in done.wait
    assert "safe" not in done.wait


def test_a_store_that_gives_the_old_key_after_the_write_is_not_believed(keys: Keys) -> None:
    class Cached(RotationTarget):
        name = source = "cached"

        def read(self) -> Credential:
            return Credential(secret=keys.old, source=self.source, provider=self.name)

        def write(self, key: Secret) -> None:
            pass

    target, settings = Cached(), keys.settings()
    new = Secret(keys.new)
    plan = prepare(target, target.read(), new, checks(settings), Options())
    told = f"gives {fingerprint(keys.old)} after the write, not the new key"
    with pytest.raises(RotationError, match=told):
        rotate(plan, checks(settings))


@pytest.mark.parametrize("kind", SOURCES)
def test_no_key_is_in_the_log_or_in_our_frames_when_somebody_else_wrote(
    kind: str,
    keys: Keys,
    path: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    settings, put = place(kind, keys, path, tmp_path, request, monkeypatch)
    put(keys.old)
    plan = planned(settings, keys.new, kind)
    put(keys.foreign)
    with pytest.raises(RotationError, match="somebody else") as caught:
        rotate(plan, checks(settings))
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = "".join(str(each.locals) for each in frames if each.filename != __file__)
    for text in (ours, caplog.text, str([vars(each) for each in caplog.records])):
        assert not [key for key in (keys.old, keys.new, keys.foreign) if key in text]


def place(
    kind: str,
    keys: Keys,
    path: str,
    folder: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Settings, Callable[[str], object]]:
    """Return the settings that lead to a place, and what puts a key there."""
    file = folder / "app.env"
    if kind == "vault":
        bao = request.getfixturevalue("openbao")
        return keys.in_vault(bao, path), lambda key: bao.write(path, {"api_key": key})
    if kind in ("aws", "parameter"):
        moto = request.getfixturevalue("moto")
        aws(monkeypatch, moto)
        if kind == "aws":
            return keys.settings(aws_secret_id=path), lambda key: moto.put(path, key)
        name = f"/{path}"
        return keys.settings(aws_parameter=name), lambda key: moto.put_parameter(name, key)
    if kind == "file":
        return keys.settings(api_key_file=str(file)), file.write_text
    if kind == "dotenv":
        line = "VECTORSHIFT_API_KEY={}\n"
        return keys.settings(env_file=str(file)), lambda key: file.write_text(line.format(key))
    here = origin(keys.api.base_url)
    return keys.settings(profile="acme"), lambda key: write_profile(
        "acme", Secret(key), origin=here, in_file=True
    )
