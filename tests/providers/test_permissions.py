"""What is said of a key file that others can read or write, once, and what is passed over."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vectorshift import Credential, DotenvProvider, EnvProvider, ProviderChain
from vectorshift.errors import CredentialError
from vectorshift.providers._watched_file import FilePermissions
from vectorshift.providers.login import LoginProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from vectorshift.credentials.provider import CredentialProvider

KEY = "vs-Xq7fL0nevertobeseen"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


@pytest.fixture(params=["key file", "found", "named", "login"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> CredentialProvider:
    """A provider of each kind that reads a file, with a good file named `key` behind it."""
    path = tmp_path / (".env" if request.param == "found" else "key")
    if request.param == "key file":
        path.write_text(KEY)
        return EnvProvider(file=path)
    if request.param == "login":
        path.write_text(f'[auth]\napi_key = "{KEY}"')
        return LoginProvider(path)
    path.write_text(f"VECTORSHIFT_API_KEY={KEY}")
    return DotenvProvider(None if request.param == "found" else path)


def file_of(provider: CredentialProvider) -> Path:
    return Path(provider.describe().source.partition(":")[2])


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o660, 0o770])
def test_what_the_owner_and_a_group_may_do_is_nobody_s_affair(
    provider: CredentialProvider, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    file_of(provider).chmod(mode)
    assert provider.get_credential().secret.reveal() == KEY
    assert "others" not in provider.describe().detail
    assert caplog.records == []


def test_a_file_that_others_can_read_shows_in_the_description_alone(
    provider: CredentialProvider, caplog: pytest.LogCaptureFixture
) -> None:
    file_of(provider).chmod(0o644)
    assert "others" not in provider.describe().detail  # it has not been looked at
    assert provider.get_credential().secret.reveal() == KEY
    assert provider.describe().detail.endswith("others can read it (mode 0644)")
    assert caplog.records == []


def test_a_file_that_others_can_write_is_used_with_one_warning_in_the_life_of_the_process(
    provider: CredentialProvider, caplog: pytest.LogCaptureFixture
) -> None:
    path = file_of(provider)
    path.chmod(0o666)
    for _ in range(2):
        assert provider.get_credential().secret.reveal() == KEY
    assert EnvProvider(file=path).describe().detail == "VECTORSHIFT_API_KEY_FILE"
    assert ProviderChain([provider]).get_credential().secret.reveal() == KEY
    assert provider.describe().detail.endswith("others can read and write it (mode 0666)")
    assert warnings_in(caplog) == [
        f"{path}: others can read and write it (mode 0666), and so every user of this machine can"
        f" say which key is used. Run: chmod o-w {path}"
    ]


def test_another_object_for_the_same_file_does_not_warn_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a key"
    path.write_text(KEY)
    path.chmod(0o602)
    for _ in range(3):
        EnvProvider(file=path).get_credential()
    assert [line.partition("Run: ")[2] for line in warnings_in(caplog)] == [f"chmod o-w '{path}'"]


def test_a_mode_that_changes_is_seen_at_the_next_look(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "key", ManualClock()
    path.write_text(KEY)
    path.chmod(0o600)
    provider = EnvProvider(file=path, clock=clock)
    provider.get_credential()
    path.chmod(0o606)
    clock.advance(1)
    provider.get_credential()
    assert (
        provider.describe().detail
        == "VECTORSHIFT_API_KEY_FILE; others can read and write it (mode 0606)"
    )
    path.chmod(0o600)
    clock.advance(1)
    provider.get_credential()
    assert provider.describe().detail == "VECTORSHIFT_API_KEY_FILE"
    assert len(warnings_in(caplog)) == 1


def test_a_file_that_holds_no_key_is_no_key_file_to_warn_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("OTHER=1")
    (tmp_path / ".env").chmod(0o666)
    with pytest.raises(CredentialError):
        DotenvProvider().get_credential()
    assert caplog.records == []


def test_a_handler_of_log_lines_may_ask_for_the_key_that_the_line_is_about(tmp_path: Path) -> None:
    path, answers = tmp_path / "key", list[Credential]()
    path.write_text(KEY)
    path.chmod(0o666)
    provider = EnvProvider(file=path)

    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            answers.append(provider.get_credential())

    handler = Asking()
    logging.getLogger("vectorshift").addHandler(handler)
    try:
        provider.get_credential()
    finally:
        logging.getLogger("vectorshift").removeHandler(handler)
    assert [answer.secret.reveal() for answer in answers] == [KEY]


# --- What orchestrators mount ---------------------------------------------------------------------


def test_a_volume_of_kubernetes_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "..v1").mkdir()
    (tmp_path / "..v1" / "key").write_text(KEY)
    (tmp_path / "..v1" / "key").chmod(0o666)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "key").symlink_to("..data/key")
    provider = EnvProvider(file=tmp_path / "key")
    assert provider.get_credential().secret.reveal() == KEY
    assert provider.describe().detail == "VECTORSHIFT_API_KEY_FILE"
    assert caplog.records == []


def test_credentials_of_systemd_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vectorshift_api_key").write_text(KEY)
    (tmp_path / "vectorshift_api_key").chmod(0o666)
    provider = EnvProvider(credentials_directory=tmp_path)
    assert provider.get_credential().secret.reveal() == KEY
    assert "others" not in provider.describe().detail
    assert caplog.records == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/run/secrets/vs", False),
        ("/var/run/secrets/vs", False),
        ("/run/credentials/app.service/vs", False),
        ("/run/secretsnot/vs", True),
        ("/srv/run/secrets/vs", True),
    ],
)
def test_the_places_where_orchestrators_mount_secrets_are_passed_over(
    path: str, told: bool
) -> None:
    exposure = FilePermissions(Path(path))
    exposure.see(0o100666)
    assert bool(exposure.detail) is told
