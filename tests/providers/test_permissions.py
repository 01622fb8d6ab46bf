"""What is said of a key file that others can read or write, once, and what is passed over."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vectorshift import (
    Credential,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    ProviderChain,
    Settings,
)
from vectorshift._platform.permissions import FilePermissions
from vectorshift.errors import CredentialConfigurationError, CredentialError
from vectorshift.providers.login import LoginProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    return DotenvProvider() if request.param == "found" else DotenvProvider(path)


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
        f"{path}: others can read and write it (mode 0666), so every user of this machine can "
        f"choose which key is used. Run: chmod o-w {path}"
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
    exposure.see(0o100666, os.geteuid())
    assert bool(exposure.detail) is told


# --- The owner ------------------------------------------------------------------------------------

root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="to give a file away takes root"
)
STRANGER, OTHER_STRANGER = 12_345, 54_321
UNKNOWN = 65_534
"""What the system shows for an owner whom it cannot map."""


@pytest.fixture
def as_user() -> Iterator[Callable[[int], None]]:
    """Become another user, until the test ends."""
    me = os.geteuid()
    yield os.seteuid
    os.seteuid(me)


def refusal(provider: CredentialProvider) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        provider.get_credential()
    return caught.value


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `.env` in a working directory that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".env")
        path.write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
        path.parent.chmod(0o755)
        with monkeypatch.context() as there:
            there.chdir(folder)
            yield path


@root
def test_a_found_file_of_another_user_stops_the_chain_until_it_is_named_or_taken_over(
    found: Path,
) -> None:
    os.chown(found, STRANGER, -1)
    clock = ManualClock()
    provider = DotenvProvider(clock=clock)
    error = refusal(ProviderChain([provider, ExplicitProvider("vs-umbrella")]))
    assert type(error) is CredentialConfigurationError
    assert str(error) == (
        f"dotenv:{found} supplies the key, but it was found, not named, and it belongs to "
        f"another user of this machine (uid {STRANGER}). Name it, if you trust it: "
        f"DotenvProvider('{found}') or make it yours: chown 0 {found}"
    )
    named = DotenvProvider.from_settings(Settings.load({"VECTORSHIFT_ENV_FILE": str(found)}))
    assert named is not None
    assert named.get_credential().secret.reveal() == KEY
    command = str(error).rpartition("make it yours: ")[2]
    subprocess.run(command.split(), check=True)
    clock.advance(1)
    assert provider.get_credential().secret.reveal() == KEY


@root
@pytest.mark.parametrize("owner", [0, STRANGER], ids=["root", "this user"])
def test_a_found_file_of_this_user_or_of_root_is_used_without_a_word(
    found: Path, owner: int, as_user: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    os.chown(found, owner, -1)
    as_user(STRANGER)
    assert DotenvProvider().get_credential().secret.reveal() == KEY
    assert caplog.records == []


@root
def test_a_found_file_of_a_third_user_is_refused_to_a_user_who_is_not_root(
    found: Path, as_user: Callable[[int], None]
) -> None:
    os.chown(found, OTHER_STRANGER, -1)
    as_user(STRANGER)
    assert f"(uid {OTHER_STRANGER})" in str(refusal(DotenvProvider()))


@root
@pytest.mark.parametrize("text", ["OTHER=1\n", "VECTORSHIFT_API_KEY=\n", ""])
def test_a_found_file_of_another_user_without_a_key_is_not_found(found: Path, text: str) -> None:
    """It supplies nothing, and many services run in a folder with somebody's `.env` in it."""
    found.write_text(text)
    os.chown(found, STRANGER, -1)
    chain = ProviderChain([DotenvProvider(), ExplicitProvider(KEY)])
    assert chain.get_credential().source == "explicit:api_key"


@root
@pytest.mark.parametrize("whose", ["link", "second link", "target"])
def test_of_a_link_that_was_found_all_owners_count(tmp_path: Path, whose: str) -> None:
    """Whoever owns the link says which file is read, and whoever owns the file what is in it."""
    parts = {
        "link": tmp_path / ".env",
        "second link": tmp_path / "below" / "link",
        "target": tmp_path / "target",
    }
    parts["target"].write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    parts["second link"].parent.mkdir()
    parts["second link"].symlink_to("../target")
    parts["link"].symlink_to("below/link")
    assert DotenvProvider().get_credential().secret.reveal() == KEY
    os.chown(parts[whose], STRANGER, -1, follow_symlinks=False)
    clock = ManualClock()
    provider = DotenvProvider(clock=clock)
    error = refusal(provider)
    assert type(error) is CredentialConfigurationError
    assert f"(uid {STRANGER})" in str(error)
    assert ("its link " in str(error)) is (whose != "target")
    subprocess.run(str(error).rpartition("make it yours: ")[2].split(), check=True)
    clock.advance(1)
    assert provider.get_credential().secret.reveal() == KEY


@root
def test_a_link_to_a_folder_on_the_way_to_the_file_counts_too(tmp_path: Path) -> None:
    """A link such as `current`, which another user moves from release to release."""
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "file").write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    (tmp_path / "current").symlink_to("release")
    (tmp_path / ".env").symlink_to("current/file")
    assert DotenvProvider().get_credential().secret.reveal() == KEY
    os.chown(tmp_path / "current", STRANGER, -1, follow_symlinks=False)
    error = refusal(DotenvProvider())
    assert type(error) is CredentialConfigurationError
    assert f"its link {tmp_path / 'current'} belongs to another user" in str(error)


@root
def test_a_found_file_that_is_given_away_while_it_is_used_stops(found: Path) -> None:
    clock = ManualClock()
    provider = DotenvProvider(clock=clock, pause=lambda _: None)
    provider.get_credential()
    os.chown(found, STRANGER, -1)
    clock.advance(1)
    assert type(refusal(provider)) is CredentialConfigurationError


@root
def test_a_file_whose_owner_the_system_cannot_map_is_used_with_one_warning(
    provider: CredentialProvider, caplog: pytest.LogCaptureFixture
) -> None:
    path = file_of(provider)
    os.chown(path, UNKNOWN, -1)
    for _ in range(2):
        assert provider.get_credential().secret.reveal() == KEY
    assert warnings_in(caplog) == [
        f"{path}: it belongs to a user unknown on this system (uid {UNKNOWN}), who can choose "
        "which key is used. If you do not want that, run as its owner, or map its owner into the "
        "container."
    ]


@root
def test_a_file_of_another_user_that_is_named_is_used_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prod.env"
    path.write_text(f"VECTORSHIFT_API_KEY={KEY}\nVECTORSHIFT_TIMEOUT=5\n")
    os.chown(path, STRANGER, -1)
    provider = DotenvProvider(path)
    for _ in range(2):
        Settings.load({"VECTORSHIFT_ENV_FILE": path.name})
        assert provider.get_credential().secret.reveal() == KEY
    assert warnings_in(caplog) == [
        f"{path}: it belongs to another user of this machine (uid {STRANGER}), who can choose "
        f"which key is used. If you do not want that, make it yours: chown 0 {path}"
    ]
    assert provider.describe().detail == (
        f"named; others can read it (mode 0644); it belongs to another user of this machine"
        f" (uid {STRANGER})"
    )


@root
def test_a_named_file_with_settings_alone_is_warned_of_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says where the key is sent."""
    path = tmp_path / "prod.env"
    path.write_text("VECTORSHIFT_BASE_URL=https://own.example/v1\n")
    os.chown(path, STRANGER, -1)
    Settings.load({"VECTORSHIFT_ENV_FILE": str(path)})
    assert [f"(uid {STRANGER})" in line for line in warnings_in(caplog)] == [True]


@root
def test_what_an_orchestrator_mounts_belongs_to_whom_it_likes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vectorshift_api_key").write_text(KEY)
    os.chown(tmp_path / "vectorshift_api_key", STRANGER, -1)
    assert EnvProvider(credentials_directory=tmp_path).get_credential().secret.reveal() == KEY
    assert caplog.records == []
